"""Checkpoints that must be refused in one sentence: half downloads, foreign pickles, NaN, tokens in the wrong place."""

from __future__ import annotations

import json
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from inference.checkpoints import gpt2_files, precision
from inference.checkpoints.load import load_engine
from inference.checkpoints.spec import ModelSpec
from inference.errors import ModelError, ModelTooLargeError
from tests.model import checkpoints, layouts


def refused(path: Path, *words: str, **spec: Any) -> str:
    with pytest.raises(ModelError) as caught:
        load_engine(ModelSpec(str(path), **spec))
    message = str(caught.value)
    assert "\n" not in message
    assert ":" in message, "says what to do"
    assert all(word in message for word in words), message
    return message


WITNESS = Path(tempfile.gettempdir()) / "fimd-was-here"


class Evil:
    """Writes a file when it is unpickled without care."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return eval, (f"open({str(WITNESS)!r}, 'w')",)


@pytest.mark.parametrize("write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_a_pickle_with_code_in_it_runs_nothing(tmp_path: Path, write: Callable[[Any, Path], Any]) -> None:
    folder = layouts.santacoder(tmp_path)
    write({"transformer.wte.weight": Evil()}, folder / "pytorch_model.bin")
    refused(folder, "pytorch_model.bin", "never unpickles")
    assert not WITNESS.exists()


def test_a_pickle_that_holds_no_table(tmp_path: Path) -> None:
    folder = layouts.santacoder(tmp_path)
    torch.save([torch.zeros(3)], folder / "pytorch_model.bin")
    refused(folder, "no table of tensors")


def test_half_a_pickle(tmp_path: Path) -> None:
    folder = layouts.santacoder(tmp_path)
    file = folder / "pytorch_model.bin"
    file.write_bytes(file.read_bytes()[:-5000])
    refused(folder, "damaged")


def test_pickles_in_the_format_before_1_6_are_read(tmp_path: Path) -> None:
    folder = layouts.santacoder(tmp_path)
    file = folder / "pytorch_model.bin"
    torch.save(torch.load(file, weights_only=True), file, _use_new_zipfile_serialization=False)
    assert load_engine(ModelSpec(str(folder))).format.name == "santacoder"


@pytest.mark.parametrize("family", ["codegen25", "gpteacher"])
def test_a_shard_that_is_missing_is_named(tmp_path: Path, family: str) -> None:
    folder = layouts.FAMILIES[family](tmp_path)
    last = max(folder.glob("pytorch_model-*.bin"))
    last.unlink()
    refused(folder, last.name, "download")


@pytest.mark.parametrize("family", ["santacoder", "starcoder", "codegen25"])
def test_no_weights_at_all(tmp_path: Path, family: str) -> None:
    folder = layouts.FAMILIES[family](tmp_path)
    for file in (*folder.glob("*.bin"), *folder.glob("*.safetensors"), *folder.glob("*.index.json")):
        file.unlink()
    refused(folder, "holds no weights")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["fp32", "int8"])
def test_weights_that_are_no_numbers_are_named(tmp_path: Path, value: float, name: str) -> None:
    folder = layouts.starcoder(tmp_path)
    weights = load_file(folder / "model.safetensors")
    weights["transformer.h.1.attn.c_proj.weight"][0, 0] = value
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    refused(folder, "NaN", "h.1.attn.c_proj.weight", precision=name)


def rename_token(folder: Path, old: str, new: str) -> None:
    """In every file of a tokenizer."""
    for file in ("tokenizer.json", "vocab.json", "special_tokens_map.json", "tokenizer_config.json"):
        if (folder / file).is_file():
            path = folder / file
            path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("family", "old", "new"),
    [
        ("santacoder", "<fim-suffix>", "<fim_suffix>"),
        ("santacoder", "<|endoftext|>", "<|end|>"),
        ("starcoder", "<fim_prefix>", "<fim-prefix>"),
        ("starcoder", "<fim_middle>", "<fim_center>"),
        ("gpteacher", "<fim_suffix>", "<SUF>"),
    ],
)
def test_a_control_token_of_another_name_is_named(tmp_path: Path, family: str, old: str, new: str) -> None:
    folder = layouts.FAMILIES[family](tmp_path)
    rename_token(folder, old, new)
    refused(folder, old, family.replace("gpteacher", "starcoder"))


@pytest.mark.parametrize("family", ["santacoder", "starcoder"])
def test_two_control_tokens_that_have_changed_places_are_named(tmp_path: Path, family: str) -> None:
    folder = layouts.FAMILIES[family](tmp_path)
    mark = "-" if family == "santacoder" else "_"
    rename_token(folder, f"<fim{mark}prefix>", "<other>")
    rename_token(folder, f"<fim{mark}suffix>", f"<fim{mark}prefix>")
    rename_token(folder, "<other>", f"<fim{mark}suffix>")
    refused(folder, f"<fim{mark}suffix>, <fim{mark}middle>, <fim{mark}prefix>", "places", "model.format")
    assert load_engine(ModelSpec(str(folder), format=family)).format.name == family, "said on purpose, it is believed"


def test_a_special_token_of_codegen_that_is_cut_off_by_a_small_vocabulary(tmp_path: Path) -> None:
    folder = layouts.codegen25(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config["vocab_size"] = 760
    (folder / "config.json").write_text(json.dumps(config))
    refused(folder, "too small")


def test_a_tokenizer_that_changes_text_is_refused(tmp_path: Path) -> None:
    folder = layouts.starcoder(tmp_path)
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    content["normalizer"] = {"type": "Lowercase"}
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    refused(folder, "changes code")


def test_a_config_of_a_million_layers_fills_no_memory(tmp_path: Path) -> None:
    folder = layouts.starcoder(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config["n_layer"] = 10**6
    (folder / "config.json").write_text(json.dumps(config))
    refused(folder, "layers")


def test_a_config_whose_parts_do_not_fit(tmp_path: Path) -> None:
    folder = layouts.starcoder(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config["n_head"] = 7
    (folder / "config.json").write_text(json.dumps(config))
    refused(folder, "can't be loaded")


@pytest.mark.parametrize(("free_mb", "advice"), [(8, "model.precision"), (1, "choose a smaller one")])
def test_a_model_that_does_not_fit_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_mb: int, advice: str
) -> None:
    folder = layouts.starcoder(tmp_path)  # 6.4 MB in fp32
    monkeypatch.setattr(precision, "free_bytes", lambda device: free_mb * 10**6)
    with pytest.raises(ModelTooLargeError, match=advice) as caught:
        load_engine(ModelSpec(str(folder), precision="fp32"))
    assert "GB" in str(caught.value)


def test_running_out_of_memory_halfway_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = layouts.starcoder(tmp_path)

    def fail(*arguments: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried …")

    monkeypatch.setattr("inference.checkpoints.lean.LeanOutline.load", fail)
    with pytest.raises(ModelTooLargeError, match="needs"):
        load_engine(ModelSpec(str(folder)))


def changed_config(folder: Path, **values: Any) -> Path:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))
    return folder


@pytest.mark.parametrize("family", ["starcoder", "santacoder"])
@pytest.mark.parametrize("layers", [1, -1, 0, "two"])
def test_a_config_with_fewer_layers_than_the_weights(tmp_path: Path, family: str, layers: object) -> None:
    refused(changed_config(layouts.FAMILIES[family](tmp_path), n_layer=layers), "")


def test_weights_quantised_by_their_publisher_are_not_taken_for_plain_ones(tmp_path: Path) -> None:
    folder = layouts.starcoder(tmp_path)
    weights = load_file(folder / "model.safetensors")
    name = "transformer.h.0.mlp.c_fc.weight"
    save_file({**weights, name: weights[name].to(torch.int8)}, folder / "model.safetensors", metadata={"format": "pt"})
    refused(folder, name, "quantised")
    refused(changed_config(folder, quantization_config={"quant_method": "bitsandbytes"}), "bitsandbytes", "GGUF")


@pytest.mark.parametrize("values", [{"model_type": "qwen2", "num_hidden_layers": 20_000_000}, {"num_labels": 10**9}])
def test_a_config_with_absurd_counts_is_refused_at_once(tmp_path: Path, values: dict[str, Any]) -> None:
    refused(changed_config(layouts.starcoder(tmp_path), **values), "damaged")


def test_a_vocabulary_that_the_weights_do_not_have_is_no_question_of_memory(tmp_path: Path) -> None:
    message = refused(changed_config(layouts.starcoder(tmp_path), vocab_size=2**40), "don't match")
    assert "GB" not in message


def test_a_context_too_small_to_infill(tmp_path: Path) -> None:
    folder = checkpoints.save(tmp_path, checkpoints.tokenizer(), positions=16)
    refused(folder, "context of 16 tokens")


@pytest.mark.parametrize("name", ["my-model", "starcoderbase-1b"])
def test_the_order_of_control_tokens_is_checked_whatever_a_folder_is_called(tmp_path: Path, name: str) -> None:
    folder = layouts.starcoder(tmp_path / name)
    for old, new in (("<fim_middle>", "<other>"), ("<fim_suffix>", "<fim_middle>"), ("<other>", "<fim_suffix>")):
        rename_token(folder, old, new)
    refused(folder, "wrong places")


def test_added_tokens_keep_their_ids(tmp_path: Path) -> None:
    folder = layouts.gpteacher(tmp_path)
    first = json.loads((folder / "added_tokens.json").read_text())["[PAD]"]
    added = {"<zz>": first, "<aa>": first + 1, "        ": first + 2}
    (folder / "added_tokens.json").write_text(json.dumps(added))
    tokenizer = gpt2_files.load_tokenizer(folder)
    assert {name: tokenizer.token_to_id(name) for name in added} == added
    special = {token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special}
    assert "<zz>" in special
    assert "        " not in special
    (folder / "added_tokens.json").write_text(json.dumps({"[PAD]": first + 7}))
    refused(folder, "[PAD]", str(first + 7))


def test_a_revision_of_a_folder_is_a_mistake(tmp_path: Path) -> None:
    refused(layouts.starcoder(tmp_path), "no revision 'main'", revision="main")
