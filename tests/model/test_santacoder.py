"""`bigcode/santacoder`: its custom layout mapped onto GPTBigCode, compared with the custom class written down here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from inference.checkpoints import santacoder
from inference.checkpoints.load import load_engine, open_source
from inference.checkpoints.source import find
from inference.checkpoints.spec import ModelSpec
from inference.errors import ModelInvalidError
from tests.model import layouts, reference
from tests.model.reference import logits_after

HEADS, LAYERS = 4, 2


class CustomGpt2:
    """The custom class's arithmetic on its own tensors: GPT-2 with one key and value head (or as many as queries)."""

    def __init__(self, tensors: dict[str, Tensor], transposed: bool) -> None:
        self._tensors = tensors
        self._transposed = transposed

    def logits(self, ids: list[int]) -> Tensor:
        """Logits [n, rows] of a sequence."""
        w = self._tensors
        state = w["transformer.wte.weight"][ids] + w["transformer.wpe.weight"][: len(ids)]
        for layer in range(LAYERS):
            name = f"transformer.h.{layer}."
            state = state + self._attention(name + "attn.", self._norm(name + "ln_1", state))
            inner = self._linear(name + "mlp.c_fc", self._norm(name + "ln_2", state))
            inner = 0.5 * inner * (1 + torch.tanh(inner * 0.7978845608 * (1 + 0.044715 * inner * inner)))  # gelu_fast
            state = state + self._linear(name + "mlp.c_proj", inner)
        return self._norm("transformer.ln_f", state) @ w["transformer.wte.weight"].T

    def _attention(self, name: str, x: Tensor) -> Tensor:
        count, width = x.shape
        if f"{name}q_attn.weight" in self._tensors:
            query = self._linear(name + "q_attn", x)
            key, value = self._linear(name + "kv_attn", x).split(width // HEADS, dim=-1)
            key, value = (part[None].expand(HEADS, -1, -1) for part in (key, value))
        else:
            query, key, value = self._linear(name + "c_attn", x).split(width, dim=-1)
            key, value = (part.view(count, HEADS, -1).transpose(0, 1) for part in (key, value))
        scores = query.view(count, HEADS, -1).transpose(0, 1) @ key.transpose(1, 2) / (width // HEADS) ** 0.5
        scores = scores.masked_fill(torch.ones(count, count, dtype=torch.bool).triu(1), -1e4)
        mixed = (scores.softmax(-1) @ value).transpose(0, 1).reshape(count, width)
        return self._linear(name + "c_proj", mixed)

    def _linear(self, name: str, x: Tensor) -> Tensor:
        weight = self._tensors[f"{name}.weight"]
        return x @ (weight.T if self._transposed else weight) + self._tensors[f"{name}.bias"]

    def _norm(self, name: str, x: Tensor) -> Tensor:
        return functional.layer_norm(x, x.shape[-1:], self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"])


def tensors_of(folder: Path) -> dict[str, Tensor]:
    return torch.load(folder / "pytorch_model.bin", weights_only=True)


@pytest.mark.parametrize("linear", [False, True], ids=["conv1d", "linear"])
@pytest.mark.parametrize("multi_query", [True, False], ids=["multi-query", "mha"])
def test_logits_equal_those_of_the_custom_class(tmp_path: Path, multi_query: bool, linear: bool) -> None:
    layouts.santacoder(tmp_path, multi_query=multi_query, linear=linear)
    engine = load_engine(ModelSpec(str(tmp_path)))
    custom = CustomGpt2(tensors_of(tmp_path), transposed=linear)
    ids = list(range(40, 90))
    expected = custom.logits(ids)
    for length in (1, 7, 50):
        got = logits_after(engine.model, ids[:length])
        assert torch.allclose(got, expected[length - 1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("multi_query", [True, False], ids=["multi-query", "mha"])
def test_it_infills_as_the_custom_class_would_token_by_token(tmp_path: Path, multi_query: bool) -> None:
    layouts.santacoder(tmp_path, multi_query=multi_query)
    engine = load_engine(ModelSpec(str(tmp_path)))
    assert engine.format.name == "santacoder"
    backend = layouts.bigcode_tokenizer(last=layouts.SANTACODER_SPECIAL)
    prompt = reference.assembled(
        backend, "<fim-prefix>", "<fim-suffix>", reference.SUFFIX, "<fim-middle>", reference.PREFIX
    )
    built, written, completion = reference.completed(engine)
    assert built == prompt
    custom = CustomGpt2(tensors_of(tmp_path), transposed=False)
    expected = list(prompt)
    for step in range(len(written)):
        logits = custom.logits(expected)[-1, : backend.get_vocab_size()]
        logits[[*engine._forbidden, *(engine._stop_ids if step == 0 else ())]] = -torch.inf
        expected.append(int(logits.argmax()))
    assert len(written) >= 3
    assert written == expected[len(prompt) :]
    assert not any(name in completion.text for name in layouts.SANTACODER_SPECIAL)


def test_no_fim_is_served_left_to_right(tmp_path: Path) -> None:
    engine = load_engine(ModelSpec(str(layouts.santacoder(tmp_path, infills=False))))
    assert engine.format.name == "left-to-right"
    assert "no infilling tokens" in engine.notes[0]
    backend = layouts.bigcode_tokenizer(last=("<|endoftext|>",))
    assert engine.prompt_ids(reference.REQUEST) == reference.assembled(backend, reference.PREFIX)


def test_it_is_converted_once_and_kept_as_safetensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = layouts.santacoder(tmp_path / "santacoder")
    made = santacoder.convert(folder)
    assert json.loads((made / "config.json").read_text())["model_type"] == "gpt_bigcode"
    assert not list(made.glob("*.bin"))
    assert not list(made.glob("*.py"))
    before = {path: path.stat().st_mtime_ns for path in made.iterdir()}
    assert santacoder.convert(folder) == made
    assert {path: path.stat().st_mtime_ns for path in made.iterdir()} == before
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "layer_norm_epsilon": 1e-6}))
    assert santacoder.convert(folder) != made, "another checkpoint gets a conversion of its own"
    assert not made.exists(), "which takes the place of the earlier one"
    made = santacoder.convert(folder)
    assert not [path for path in made.parent.iterdir() if path.name.startswith(".")], "nothing half made is left"


def test_the_conversion_equals_transformers_own_loader(tmp_path: Path) -> None:
    """The converted folder is an ordinary checkpoint: transformers loads it, and its `generate()` agrees."""
    from transformers import GPTBigCodeForCausalLM

    folder = layouts.santacoder(tmp_path)
    engine = load_engine(ModelSpec(str(folder)))
    model = GPTBigCodeForCausalLM.from_pretrained(santacoder.convert(folder), dtype=torch.float32)
    reference.check_equal(engine, model, engine.prompt_ids(reference.REQUEST))


def test_gpt_bigcode_santacoder_loads_natively(tmp_path: Path) -> None:
    model, backend = layouts.santacoder_as_gpt_bigcode()
    model.save_pretrained(tmp_path)
    layouts._save_tokenizer(tmp_path, backend, layouts.SANTACODER_SPECIAL)
    engine = load_engine(ModelSpec(str(tmp_path)))
    prompt = reference.assembled(
        backend, "<fim-prefix>", "<fim-suffix>", reference.SUFFIX, "<fim-middle>", reference.PREFIX
    )
    reference.check_equal(engine, model, prompt)


def test_two_processes_that_convert_at_once_share_one_result(tmp_path: Path) -> None:
    folder = layouts.santacoder(tmp_path)
    made = santacoder.convert(folder)
    kept = {path: path.stat().st_ino for path in made.iterdir()}
    again = santacoder.converted.target(folder, "santacoder")
    mapping = santacoder._Mapping(json.loads((folder / "config.json").read_text()), santacoder.open_folder(folder))
    assert santacoder.converted.write(folder, again, mapping.config, mapping.tensors()) == made
    assert {path: path.stat().st_ino for path in made.iterdir()} == kept


@pytest.mark.parametrize("damage", ["emptied", "missing"])
def test_a_damaged_conversion_is_made_again(tmp_path: Path, damage: str) -> None:
    folder = layouts.santacoder(tmp_path)
    load_engine(ModelSpec(str(folder)))
    shard = next(santacoder.convert(folder).glob("model-*.safetensors"))
    shard.write_bytes(b"") if damage == "emptied" else shard.unlink()
    assert load_engine(ModelSpec(str(folder))).format.name == "santacoder"


def test_an_output_layer_of_its_own_is_kept(tmp_path: Path) -> None:
    folder = layouts.santacoder(tmp_path)
    tensors = tensors_of(folder)
    tensors["lm_head.weight"] = tensors["lm_head.weight"] * 2
    torch.save(tensors, folder / "pytorch_model.bin")
    got = logits_after(load_engine(ModelSpec(str(folder))).model, [40, 41])
    expected = CustomGpt2(tensors, transposed=False).logits([40, 41])[-1]
    assert torch.allclose(got, 2 * expected, atol=1e-3, rtol=1e-4)


def test_no_fim_by_revision_is_not_infilled() -> None:
    for found in (
        find("santacoder", "no-fim"),
        find("bigcode/santacoder@no-fim"),
        find("bigcode/santacoder", "no-fim"),
    ):
        assert found.row is not None
        assert found.row.format == "left-to-right"
    assert find("santacoder", "0123abc").revision == "0123abc"


def test_the_catalogue_knows_all_branches() -> None:
    assert find("santacoder").revision == ""
    for branch in ("mha", "no-fim", "fim", "stars", "fertility", "comments", "dedup-alt"):
        found = find(f"santacoder-{branch}")
        assert (found.repository, found.revision) == ("bigcode/santacoder", branch)
    assert find("santacoder", "mha").revision == "mha"
    assert find("bigcode/santacoder@fim").revision == "fim"


@pytest.mark.parametrize("fault", ["no layer", "shape", "no width", "no table"])
def test_a_checkpoint_that_is_not_whole_is_one_sentence(tmp_path: Path, fault: str) -> None:
    folder = layouts.santacoder(tmp_path)
    tensors: dict[str, Any] = tensors_of(folder)
    config = json.loads((folder / "config.json").read_text())
    if fault == "no layer":
        del tensors["transformer.h.0.mlp.c_fc.weight"], tensors["transformer.h.1.attn.kv_attn.weight"]
    elif fault == "shape":
        tensors["transformer.h.0.mlp.c_fc.weight"] = torch.zeros(3, 5)
    elif fault == "no table":
        del tensors["transformer.wte.weight"], tensors["lm_head.weight"]
    else:
        del config["n_embd"]
    torch.save(tensors, folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelInvalidError) as caught:
        open_source(find(str(folder))).load(torch.device("cpu"), "fp32")
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value) or "config.json" in str(caught.value)
