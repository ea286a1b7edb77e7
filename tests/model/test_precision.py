"""Where a model runs and in which type: the rules of the automatic choice, and what int8 keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import nn
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    GemmaConfig,
    GemmaForCausalLM,
    GPTBigCodeConfig,
    Qwen3MoeConfig,
    Qwen3MoeForCausalLM,
)

from inference.checkpoints import assemble, precision
from inference.checkpoints.folder import open_checkpoint
from inference.checkpoints.load import load_engine
from inference.checkpoints.precision import choose_device, choose_precision, too_large
from inference.checkpoints.spec import ModelSpec
from inference.checkpoints.weights import InMemoryWeights
from inference.errors import ModelInvalidError, ModelNotFoundError, ModelTooLargeError
from inference.models.int8 import Int8Embedding, Int8Linear
from tests.model import checkpoints, layouts
from tests.model.reference import logits_after

CPU = torch.device("cpu")
GB = 10**9


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "free_bytes", lambda device: 10 * GB)


def sizes(billions: float) -> dict[str, int]:
    return {name: int(billions * size * GB) for name, size in {"fp32": 4, "bf16": 2, "fp16": 2, "int8": 1.1}.items()}


@pytest.mark.usefixtures("free")
@pytest.mark.parametrize(
    ("device", "billions", "chosen"),
    [("cpu", 0.1, "fp32"), ("cpu", 1.1, "int8"), ("cpu", 7.0, "int8"), ("mps", 1.1, "fp16")],
)
def test_the_automatic_choice(device: str, billions: float, chosen: str) -> None:
    picked = choose_precision("m", "auto", torch.device(device), int(billions * GB), sizes(billions))  # type: ignore[arg-type]
    assert picked == chosen


@pytest.mark.usefixtures("free")
def test_cuda_takes_bfloat16_where_it_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = torch.device("cuda")
    for has, chosen in ((True, "bf16"), (False, "fp16")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda has=has: has)
        assert choose_precision("m", "auto", cuda, GB, sizes(1)) == chosen  # type: ignore[arg-type]
    with pytest.raises(ModelInvalidError, match="int8"):
        choose_precision("m", "int8", cuda, GB, sizes(1))  # type: ignore[arg-type]


@pytest.mark.usefixtures("free")
def test_what_does_not_fit_says_what_would() -> None:
    with pytest.raises(ModelTooLargeError, match=r"needs .* in fp32.*model\.precision to int8"):
        choose_precision("m", "fp32", CPU, 7 * GB, sizes(7))  # type: ignore[arg-type]
    assert "choose a smaller one" in str(too_large("m", "int8", CPU, sizes(15)))  # type: ignore[arg-type]


def test_a_processor_without_the_kernels_has_no_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision.int8, "is_available", lambda: False)
    monkeypatch.setattr(precision, "free_bytes", lambda device: 100 * GB)
    assert choose_precision("m", "auto", CPU, GB, sizes(1)) == "fp32"  # type: ignore[arg-type]
    with pytest.raises(ModelInvalidError, match="x86"):
        choose_precision("m", "int8", CPU, GB, sizes(1))  # type: ignore[arg-type]


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="says what happens without one")
def test_a_device_that_is_not_there() -> None:
    with pytest.raises(ModelNotFoundError, match="MPS"):
        choose_device("mps")


def test_the_limit_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text("5000000\n")
    (tmp_path / "memory.current").write_text("2500000\n")
    (tmp_path / "memory.stat").write_text("anon 2000000\ninactive_file 400000\nactive_file 100000\n")
    monkeypatch.setattr(precision, "_CGROUP", tmp_path)
    assert precision.free_bytes(CPU) == 3_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert precision.free_bytes(CPU) > 3_000_000


def test_int8_layers_stay_near_the_float_ones() -> None:
    torch.manual_seed(0)
    linear, table = nn.Linear(256, 512), nn.Embedding(100, 64)
    activations, ids = torch.randn(2, 9, 256), torch.tensor([[3, 99, 0]])
    with torch.inference_mode():
        got = Int8Linear(linear.weight, linear.bias)(activations)
        assert float((got - linear(activations)).norm() / linear(activations).norm()) < 0.015
        error = (Int8Embedding(table.weight)(ids) - table(ids)).abs()
        assert bool((error <= table.weight.abs().amax(1)[ids][..., None] / 127 * 0.5001).all())


def test_the_bytes_foretold_are_the_bytes_held(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(layouts.starcoder(tmp_path))
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    model = assemble.outline(GPTBigCodeConfig(**config))
    foretold, lean = assemble.sizes(model), checkpoint.outline.sizes
    assert foretold == lean
    assert assemble.parameter_count(model) == checkpoint.outline.parameters
    assemble.fill(model, checkpoint.weights, CPU, "fp32")
    assert foretold["fp32"] == sum(parameter.nbytes for parameter in model.parameters())
    assert foretold["int8"] < 0.35 * foretold["fp32"]


def test_tied_and_untied_output_layers_are_both_packed() -> None:
    for tied in (True, False):
        model = checkpoints.model(300, tie_word_embeddings=tied)
        assemble.quantise(model)
        assert isinstance(model.lm_head, Int8Linear)
        assert isinstance(model.transformer.wte, Int8Embedding)


@pytest.mark.parametrize("name", ["fp32", "int8", "bf16"])
def test_architectures_whose_names_transformers_maps_are_loaded_by_it(tmp_path: Path, name: str) -> None:
    """Mixtures of experts are stored one by one and held together."""
    backend = checkpoints.tokenizer()
    config = cast(Any, Qwen3MoeConfig)(
        vocab_size=backend.get_vocab_size(), hidden_size=32, intermediate_size=64, moe_intermediate_size=16,
        num_experts=4, num_experts_per_tok=2, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        head_dim=8,
    )  # fmt: skip
    model = Qwen3MoeForCausalLM(config).eval()
    model.save_pretrained(tmp_path)
    backend.save(str(tmp_path / "tokenizer.json"))
    engine = load_engine(ModelSpec(str(tmp_path), precision=name))  # type: ignore[arg-type]
    expected = model(torch.tensor([[5, 6, 7, 8]])).logits[0, -1]
    difference = logits_after(engine.model, [5, 6, 7, 8]) - expected.detach()
    error = float(difference.norm() / expected.detach().norm())
    assert error < {"fp32": 1e-5, "int8": 0.05, "bf16": 0.05}[name]


def test_bloom_has_no_position_table_and_is_filled_all_the_same(tmp_path: Path) -> None:
    backend = checkpoints.tokenizer()
    model = BloomForCausalLM(
        BloomConfig(vocab_size=backend.get_vocab_size(), hidden_size=32, n_layer=2, n_head=2)
    ).eval()
    model.save_pretrained(tmp_path)
    backend.save(str(tmp_path / "tokenizer.json"))
    engine = load_engine(ModelSpec(str(tmp_path)))
    expected = model(torch.tensor([[5, 6, 7]])).logits[0, -1]
    assert torch.allclose(logits_after(engine.model, [5, 6, 7]), expected, atol=1e-4)


@pytest.mark.parametrize("name", ["fp32", "int8"])
def test_an_embedding_that_does_more_than_look_up_stays_as_it_is(name: str) -> None:
    """Gemma scales what it looks up, in a class of its own."""
    torch.manual_seed(0)
    config = cast(Any, GemmaConfig)(
        vocab_size=300, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=1, head_dim=16, initializer_range=0.2,
    )  # fmt: skip
    model = GemmaForCausalLM(config).eval()
    filled = assemble.outline(config)
    assemble.fill(filled, InMemoryWeights(model.state_dict()), CPU, cast(Any, name))
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.inference_mode():
        expected, got = model(ids).logits, cast(Any, filled)(ids).logits
    assert float((got - expected).norm() / expected.norm()) < (1e-5 if name == "fp32" else 0.1)
