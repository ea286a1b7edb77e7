"""StarCoder's own layout: native class, safetensors in bfloat16, underscored tokens at the front of the vocabulary."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import GPTBigCodeForCausalLM

from inference.checkpoints.load import load_engine
from inference.checkpoints.spec import ModelSpec, Precision
from inference.request import Request
from tests.model import layouts, reference
from tests.model.reference import logits_after


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return layouts.starcoder(tmp_path_factory.mktemp("starcoder"))


def test_starcoder_infills_as_generate_does_token_by_token(folder: Path) -> None:
    engine = load_engine(ModelSpec(str(folder)))
    backend = layouts.bigcode_tokenizer(layouts.STARCODER_SPECIAL)
    prompt = reference.assembled(
        backend, "<fim_prefix>", "<fim_suffix>", reference.SUFFIX, "<fim_middle>", reference.PREFIX
    )
    assert prompt[:2] == [1, 3], "prefix and suffix have the ids of the published tokenizer"
    reference.check_equal(engine, GPTBigCodeForCausalLM.from_pretrained(folder, dtype=torch.float32), prompt)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_starcoder_in_half_precision_infills_as_generate_does(folder: Path, precision: Precision) -> None:
    engine = load_engine(ModelSpec(str(folder), precision=precision))
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    model = GPTBigCodeForCausalLM.from_pretrained(folder, dtype=dtype)
    reference.check_equal(engine, model, engine.prompt_ids(reference.REQUEST))


def test_starcoder_in_int8_is_near_the_float_reference(folder: Path) -> None:
    exact, packed = (load_engine(ModelSpec(str(folder), precision=one)) for one in ("fp32", "int8"))
    ids = list(range(40, 120))
    expected, got = (logits_after(one.model, ids) for one in (exact, packed))
    error = float((got - expected).norm() / expected.norm())
    assert 0 < error < 0.06, "int8 rows and activations: a few per cent, as measured at full size too"


def test_starcoder_says_its_licence_once_in_the_log(folder: Path) -> None:
    engine = load_engine(ModelSpec(str(folder)))
    assert any("OpenRAIL" in notice and "attribution" in notice for notice in engine.notices)
    assert not any("OpenRAIL" in note for note in engine.notes)


def test_starcoder_file_names_in_a_buffer_stay_text(folder: Path) -> None:
    engine = load_engine(ModelSpec(str(folder)))
    text = "<reponame>x<filename>y.py<gh_stars>5\n<fim_middle><|endoftext|>"
    ids = engine.prompt_ids(Request(text, text))
    controls = [token for token in ids if token in engine.tokenizer.control_ids]
    assert len(controls) == 3, "only the prompt's own"
