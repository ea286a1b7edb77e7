"""Our own decoders give the logits of transformers' classes, and int8 gives each token what it has alone."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import GPTBigCodeConfig, LlamaConfig, LlamaForCausalLM, PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from inference import huge_pages
from inference.checkpoints import lean
from inference.checkpoints.load import load_engine
from inference.checkpoints.spec import ModelSpec
from inference.checkpoints.weights import InMemoryWeights
from inference.models import int8
from inference.models.transformers_model import TransformersModel
from tests.model import checkpoints, layouts
from tests.model.lean_models import lean_model
from tests.model.reference import logits_after

IDS = [7 * place % 290 + 5 for place in range(40)]
_LLAMA = {
    "vocab_size": 300, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 8,
    "max_position_embeddings": 128, "initializer_range": 0.2,
}  # fmt: skip


def llama(**config: Any) -> PreTrainedModel:
    torch.manual_seed(0)
    return _with_biases(LlamaForCausalLM(cast(Any, LlamaConfig)(**{**_LLAMA, **config})).eval())


def qwen2(**config: Any) -> PreTrainedModel:
    torch.manual_seed(0)
    return _with_biases(Qwen2ForCausalLM(cast(Any, Qwen2Config)(**{**_LLAMA, **config})).eval())


def _with_biases(model: PreTrainedModel) -> PreTrainedModel:
    """Biases and norms are made zeros and ones, which would hide that one is left out."""
    with torch.no_grad():
        for name, parameter in cast(Any, model).named_parameters():
            if name.endswith("bias") or "norm" in name or "ln_" in name:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def bigcode(**config: Any) -> PreTrainedModel:
    return _with_biases(checkpoints.model(300, **config))


EVERY_SHAPE = pytest.mark.parametrize(
    "reference",
    [
        bigcode(),
        bigcode(multi_query=False),
        bigcode(scale_attn_weights=False, activation_function="gelu"),
        bigcode(tie_word_embeddings=False),
        llama(num_key_value_heads=8),
        llama(num_key_value_heads=2, tie_word_embeddings=True),
        llama(num_key_value_heads=1, head_dim=16, attention_bias=True, mlp_bias=True),
        llama(rope_parameters={"rope_type": "default", "rope_theta": 500_000.0}),
        qwen2(num_key_value_heads=4),
    ],
    ids=["bigcode", "multi-head", "unscaled", "untied", "llama", "grouped", "biased", "theta", "qwen2"],
)


@EVERY_SHAPE
def test_every_position_has_logits_equal_to_transformers(reference: PreTrainedModel) -> None:
    exact = TransformersModel(reference)
    ours = lean_model(reference)
    expected = exact.forward(IDS, exact.new_cache(0), last=len(IDS))
    cache = ours.new_cache(len(IDS) + 3)
    parts = [ours.forward(part, cache, last=len(part)) for part in (IDS[:17], IDS[17:18], IDS[18:])]
    assert torch.allclose(torch.cat(parts), expected, atol=1e-4, rtol=1e-4)
    assert cache.tokens == IDS


@pytest.mark.parametrize(
    "config",
    [
        cast(Any, LlamaConfig)(
            **{**_LLAMA, "rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}}
        ),
        cast(Any, LlamaConfig)(**{**_LLAMA, "hidden_act": "gelu"}),
        cast(Any, Qwen2Config)(**{**_LLAMA, "use_sliding_window": True}),
        GPTBigCodeConfig(vocab_size=300, n_embd=32, n_layer=2, n_head=4, activation_function="tanh"),
    ],
    ids=["scaled positions", "other activation", "sliding window", "tanh"],
)
def test_what_our_decoders_lack_is_left_to_transformers(config: Any) -> None:
    assert lean.outline(config.to_dict(), InMemoryWeights({})) is None


def test_a_decoder_of_ours_is_loaded_without_transformers(tmp_path: Path) -> None:
    import subprocess
    import sys

    folder = layouts.starcoder(tmp_path / "model")
    script = (
        "import sys; from inference.checkpoints.load import load_engine;"
        "from inference.checkpoints.spec import ModelSpec;"
        f"load_engine(ModelSpec()); load_engine(ModelSpec({str(folder)!r})); sys.exit('transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=120).returncode == 0


def test_a_cache_that_is_full_refuses_instead_of_writing_beyond_it() -> None:
    model = lean_model(bigcode())
    cache = model.new_cache(4)
    model.forward([5, 6, 7], cache)
    with pytest.raises(ValueError, match="5 tokens in a cache for 4"):
        model.forward([8, 9], cache)
    assert cache.tokens == [5, 6, 7]


@pytest.mark.skipif(not int8.is_available(), reason="this processor has no int8 kernels")
class TestInt8:
    """What the kernels of this processor compute."""

    def test_it_stays_near_the_exact_logits(self) -> None:
        reference = bigcode(n_embd=128)
        exact, packed = lean_model(reference), lean_model(reference, "int8")
        expected, got = logits_after(exact, IDS), logits_after(packed, IDS)
        error = float((got - expected).norm() / expected.norm())
        assert 0 < error < 0.15, "wide random weights double what trained ones lose"

    @settings(max_examples=30, deadline=None)
    @given(st.integers(1, 40), st.integers(1, 16))
    def test_a_token_computed_with_others_equals_it_computed_alone(self, start: int, count: int) -> None:
        model = _packed()
        ids = (IDS * 2)[: start + count]
        together, alone = model.new_cache(64), model.new_cache(64)
        if start:
            model.forward(ids[:start], together)
            model.forward(ids[:start], alone)
        many = model.forward(ids[start:], together, last=count)
        single = torch.cat([model.forward([one], alone) for one in ids[start:]])
        assert torch.equal(many, single)

    def test_both_kernels_count_alike_and_handle_zeros(self) -> None:
        torch.manual_seed(0)
        rows, scale = int8.quantise_rows(torch.randn(96, 64))
        activations = torch.randn(5, 64)
        activations[2] = 0
        kernels = [kernel for make in (int8._OneDnn, int8._Fbgemm) if (kernel := int8._exact(make))]
        assert kernels
        outputs: list[torch.Tensor] = []
        for kernel in kernels:
            matrix = int8.Int8Matrix().pack(rows, scale, torch.ones(96))
            matrix._kernel, matrix._packed = kernel, kernel.pack(rows, scale)
            many = matrix(activations)
            assert torch.allclose(many, torch.cat([matrix(one[None]) for one in activations]), atol=1e-4)
            outputs.append(many)
        exact = activations @ (rows.float() * scale).T + 1
        for output in outputs:
            assert float((output - exact).norm() / exact.norm()) < 0.01

    def test_a_kernel_that_miscounts_is_not_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Saturating(int8._Fbgemm):
            def product(self, activations: torch.Tensor, packed: Any) -> torch.Tensor:
                return super().product(activations, packed).clamp(max=100_000)

        assert int8._exact(Saturating) is None


@cache
def _packed() -> Any:
    """Made once for all examples."""
    return lean_model(bigcode(n_embd=128, n_positions=256), "int8")


def test_int8_from_the_cache_on_disk_equals_int8_quantised_afresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not int8.is_available():
        pytest.skip("this processor has no int8 kernels")
    folder = layouts.starcoder(tmp_path / "model")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("inference.checkpoints.quantised._WORTH_KEEPING", 1)
    spec = ModelSpec(str(folder), precision="int8")
    said: list[str] = []
    first = logits_after(load_engine(spec, said.append).model, IDS)
    assert "quantising the weights, once" in said
    said.clear()
    again = logits_after(load_engine(spec, said.append).model, IDS)
    assert "quantising the weights, once" not in said
    assert torch.equal(first, again)
    monkeypatch.setattr("inference.checkpoints.quantised._WORTH_KEEPING", 10**12)
    assert torch.equal(first, logits_after(load_engine(spec).model, IDS)), "as without a cache"


def test_a_damaged_or_outdated_cache_of_rows_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not int8.is_available():
        pytest.skip("this processor has no int8 kernels")
    folder = layouts.starcoder(tmp_path / "model")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("inference.checkpoints.quantised._WORTH_KEEPING", 1)
    spec = ModelSpec(str(folder), precision="int8")
    expected = logits_after(load_engine(spec).model, IDS)
    for file in (tmp_path / "cache").rglob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:-100])
    assert torch.equal(logits_after(load_engine(spec).model, IDS), expected)
    cast(Any, layouts.bigcode_model(layouts.bigcode_tokenizer(layouts.STARCODER_SPECIAL).get_vocab_size(), seed=9)).to(
        torch.bfloat16
    ).save_pretrained(folder)
    assert not torch.equal(logits_after(load_engine(spec).model, IDS), expected)


def test_rows_in_the_cache_that_are_not_what_was_written_are_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not int8.is_available():
        pytest.skip("this processor has no int8 kernels")
    folder = layouts.starcoder(tmp_path / "model")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("inference.checkpoints.quantised._WORTH_KEEPING", 1)
    spec = ModelSpec(str(folder), precision="int8")
    expected = logits_after(load_engine(spec).model, IDS)
    (file,) = (tmp_path / "cache").rglob("*.safetensors")
    for fault in ("NaN", "no scale"):
        tensors = load_file(file)
        name = "transformer.h.0.mlp.c_fc.weight.scale"
        if fault == "NaN":
            tensors[name][3] = torch.nan
        else:
            del tensors[name]
        save_file(tensors, file)
        assert torch.equal(logits_after(load_engine(spec).model, IDS), expected), fault


def test_a_disk_that_can_not_be_written_means_rows_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not int8.is_available():
        pytest.skip("this processor has no int8 kernels")

    def full(*arguments: object, **options: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: File too large")

    folder = layouts.starcoder(tmp_path / "model")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("inference.checkpoints.quantised._WORTH_KEEPING", 1)
    monkeypatch.setattr("inference.checkpoints.converted.save_file", full)
    spec = ModelSpec(str(folder), precision="int8")
    assert logits_after(load_engine(spec).model, IDS).isfinite().all()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems choose by themselves")
def test_large_anonymous_memory_is_found_for_huge_pages() -> None:
    memory = torch.ones(16 * 1024**2)
    start, size = memory.data_ptr(), memory.nbytes
    runs = [run for mapping in huge_pages._mappings() for run in huge_pages._resident_runs(*mapping)]
    covered = sum(max(0, min(end, start + size) - max(begin, start)) for begin, end in runs)
    assert covered > 0.8 * size
    huge_pages.collapse()
    assert bool((memory == 1).all())
