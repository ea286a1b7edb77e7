"""Checkpoints as they lie on the hub, whole and broken: each fault is one sentence that says what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from transformers import BloomConfig, BloomForCausalLM, PreTrainedTokenizerFast

from inference.checkpoints.load import load_engine
from inference.checkpoints.spec import ModelSpec
from inference.errors import ModelError, ModelInvalidError, ModelNotFoundError
from inference.request import Request
from inference.self_check import check
from tests.model import checkpoints
from tests.model.test_decoding import complete


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return checkpoints.save(tmp_path / "model", checkpoints.tokenizer())


@pytest.mark.parametrize(
    ("tokens", "name"),
    [
        (checkpoints.STARCODER_TOKENS, "starcoder"),
        (checkpoints.SANTACODER_TOKENS, "santacoder"),
        (checkpoints.CODEGEN25_TOKENS, "codegen25"),
    ],
)
def test_a_folder_is_served_in_its_format(tmp_path: Path, tokens: tuple[str, ...], name: str) -> None:
    engine = load_engine(ModelSpec(str(checkpoints.save(tmp_path, checkpoints.tokenizer(tokens)))))
    assert engine.format.name == name
    assert complete(engine, Request("x = ", "\n", max_tokens=4)).generated_tokens > 0
    assert check(engine).ok


def test_a_model_without_infilling_tokens_is_served_left_to_right_and_says_so(tmp_path: Path) -> None:
    engine = load_engine(ModelSpec(str(checkpoints.save(tmp_path, checkpoints.tokenizer(("<|endoftext|>",))))))
    assert engine.format.name == "left-to-right"
    assert "no infilling tokens" in engine.notes[0]
    assert complete(engine, Request("", "\n")).text == ""
    assert complete(engine, Request("x = ", "\n", max_tokens=4)).generated_tokens > 0


def refused(spec: ModelSpec, kind: type[ModelError], *words: str) -> None:
    with pytest.raises(kind) as caught:
        load_engine(spec)
    message = str(caught.value)
    assert "\n" not in message
    assert ":" in message, "says what to do"
    assert all(word in message for word in words), message


def test_a_tokenizer_without_the_tokens_of_the_wanted_format(folder: Path) -> None:
    refused(ModelSpec(str(folder), format="santacoder"), ModelInvalidError, "<fim-middle>", "model.format")


def test_an_unknown_format(folder: Path) -> None:
    refused(ModelSpec(str(folder), format="starkoder"), ModelInvalidError, "starkoder", "codegen25")


def test_nothing_there(tmp_path: Path) -> None:
    refused(ModelSpec(str(tmp_path / "none")), ModelNotFoundError, "none")


def test_a_misspelt_name() -> None:
    refused(ModelSpec("santacodr"), ModelNotFoundError, "did you mean santacoder?")


def test_a_repository_that_is_not_cached_while_offline() -> None:
    refused(ModelSpec("owner/not-cached"), ModelNotFoundError, "owner/not-cached", "network")


def test_a_catalogue_model_that_is_not_cached_while_offline() -> None:
    refused(ModelSpec("starcoderbase-1b"), ModelNotFoundError, "bigcode/starcoderbase-1b")


def test_a_file_instead_of_a_folder(folder: Path) -> None:
    refused(ModelSpec(str(folder / "config.json")), ModelInvalidError, "is a file", ".gguf")


def test_weights_cut_short(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    refused(ModelSpec(str(folder)), ModelInvalidError, "truncated", "download")


def test_no_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    refused(ModelSpec(str(folder)), ModelInvalidError, "config.json")


def test_a_config_that_is_not_json(folder: Path) -> None:
    (folder / "config.json").write_text("{", encoding="utf-8")
    refused(ModelSpec(str(folder)), ModelInvalidError, "config.json", "JSON")


def test_a_config_with_an_unknown_architecture(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "no_such_model"}), encoding="utf-8")
    refused(ModelSpec(str(folder)), ModelInvalidError, "can't be loaded")


def test_a_config_that_asks_for_remote_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config.update(
        model_type="no_such_model", auto_map={"AutoConfig": "configuration_x.X", "AutoModelForCausalLM": "modeling_x.X"}
    )
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    refused(ModelSpec(str(folder)), ModelInvalidError, "never runs")


def test_a_file_that_is_called_a_pickle_and_is_none(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    refused(ModelSpec(str(folder)), ModelInvalidError, "pytorch_model.bin", "never unpickles")


def test_no_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    refused(ModelSpec(str(folder)), ModelInvalidError, "can't be loaded")


def test_a_tokenizer_larger_than_the_weights(folder: Path) -> None:
    checkpoints.tokenizer(added=["one", "two"]).save(str(folder / "tokenizer.json"))
    refused(ModelSpec(str(folder)), ModelInvalidError, "don't belong together")


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a CUDA device")
def test_cuda_without_a_device(folder: Path) -> None:
    refused(ModelSpec(str(folder), device="cuda"), ModelNotFoundError, "model.device")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_infills(folder: Path) -> None:
    engine = load_engine(ModelSpec(str(folder), device="cuda"))
    assert engine.model.device.startswith("cuda")
    assert complete(engine, Request("x = ", "\n", max_tokens=4)).generated_tokens > 0


def test_weights_that_do_not_fill_the_model(folder: Path) -> None:
    """Transformers would fill in random numbers and only warn."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["n_layer"] = 3
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    refused(ModelSpec(str(folder)), ModelInvalidError, "don't match", "config.json")


def test_an_index_that_names_a_pickle(folder: Path) -> None:
    (folder / "evil.bin").write_bytes(b"\x80\x04.")
    index = {"metadata": {}, "weight_map": {"transformer.wte.weight": "evil.bin"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    refused(ModelSpec(str(folder)), ModelInvalidError, "evil.bin", "damaged")


def test_a_tokenizer_with_an_id_beyond_the_weights(folder: Path) -> None:
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = content["model"]["vocab"]
    vocabulary[next(reversed(vocabulary))] = 5000
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    refused(ModelSpec(str(folder)), ModelInvalidError, "don't belong together")


@pytest.mark.parametrize("name", ["~nosuchuser/model", "x" * 300, "a\0b", ""])
def test_names_that_are_no_paths(name: str) -> None:
    refused(ModelSpec(name), ModelError)


def test_a_model_without_a_position_limit_is_served(tmp_path: Path) -> None:
    backend = checkpoints.tokenizer()
    sizes = {"hidden_size": 32, "n_layer": 2, "n_head": 2, "vocab_size": backend.get_vocab_size()}
    BloomForCausalLM(cast(Any, BloomConfig)(**sizes)).save_pretrained(tmp_path)
    PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=checkpoints.EOS).save_pretrained(tmp_path)
    engine = load_engine(ModelSpec(str(tmp_path)))
    assert complete(engine, Request("x = ", "\n", max_tokens=4)).generated_tokens > 0


def test_left_to_right_on_request_has_no_note(folder: Path) -> None:
    engine = load_engine(ModelSpec(str(folder), format="left-to-right"))
    assert (engine.format.name, engine.notes) == ("left-to-right", ())
