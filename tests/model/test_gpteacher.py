"""StarCoder GPTeacher: instructions in Alpaca's form, with and without input; any other model by examples."""

from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPTBigCodeForCausalLM

from inference import instructions
from inference.checkpoints import pickles
from inference.checkpoints.load import load_engine
from inference.checkpoints.source import find
from inference.checkpoints.spec import ModelSpec
from inference.engines.local import LocalEngine
from inference.instructions import settled, tidied
from inference.request import Completion, Instruction, Request
from tests.model import layouts, reference
from tests.model.test_decoding import complete

CODE = "def add(a, b):\n    return a + b\n"
CARD_PROMPT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. Write a "
    "response that appropriately completes the request.\n\n"
    "### Instruction:\nExplain.\n\n### Input:\n{input}\n\n### Response:"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    name = find("starcoder-gpteacher").repository.rpartition("/")[2]
    return layouts.gpteacher(tmp_path_factory.mktemp("models") / name)


@pytest.fixture(scope="module")
def engine(folder: Path) -> LocalEngine:
    return load_engine(ModelSpec(str(folder)))


def answered(one: LocalEngine, instruction: Instruction) -> tuple[list[str], Completion]:
    texts: list[str] = []
    steps = one.answer(instruction)
    while True:
        try:
            texts.append(next(steps).text)
        except StopIteration as done:
            return texts, done.value


def test_gpteacher_is_known_by_its_repositorys_name_and_answers_in_alpacas_form(engine: LocalEngine) -> None:
    assert engine.follows_instructions
    backend = layouts.bigcode_tokenizer(layouts.STARCODER_SPECIAL, ["[PAD]"])
    expected = backend.encode(CARD_PROMPT.format(input=CODE.strip()), add_special_tokens=False).ids
    assert engine.instruction_ids(Instruction("Explain.", CODE, 10))[0] == expected


def test_gpteacher_without_input_has_the_shorter_preamble() -> None:
    prompt = instructions.build("alpaca", Instruction("Write a sort.")).text
    assert prompt.startswith("Below is an instruction that describes a task. Write a response")
    assert "### Input" not in prompt
    assert prompt.endswith("### Instruction:\nWrite a sort.\n\n### Response:")


def test_gpteacher_answers_as_generate_does_token_by_token(engine: LocalEngine, folder: Path) -> None:
    model: Any = GPTBigCodeForCausalLM.from_pretrained(pickles.convert(folder), dtype=torch.float32)
    instruction = Instruction("Explain.", CODE, 12)
    ids, _ = engine.instruction_ids(instruction)
    _, completion = answered(engine, instruction)
    decoded = reference.last_written(engine)
    expected = reference.generated(model, ids, engine._forbidden)
    ended = next((n for n, token in enumerate(expected) if token in engine._stop_ids), len(expected))
    assert len(decoded) >= 3
    assert decoded == expected[: min(ended, len(decoded))]
    assert completion.is_cut or len(decoded) < 12


def test_gpteacher_infills_as_generate_does_token_by_token(engine: LocalEngine, folder: Path) -> None:
    assert engine.format.name == "starcoder"
    assert engine.tokenizer.token_id("[PAD]") in engine.tokenizer.control_ids
    backend = layouts.bigcode_tokenizer(layouts.STARCODER_SPECIAL, ["[PAD]"])
    prompt = reference.assembled(
        backend, "<fim_prefix>", "<fim_suffix>", reference.SUFFIX, "<fim_middle>", reference.PREFIX
    )
    model: Any = GPTBigCodeForCausalLM.from_pretrained(pickles.convert(folder), dtype=torch.float32)
    reference.check_equal(engine, model, prompt)


def test_the_tokenizer_of_gpteacher_equals_the_one_its_files_were_written_from(engine: LocalEngine) -> None:
    """The repository has vocab.json, merges.txt and added_tokens.json, but no tokenizer.json."""
    backend = layouts.bigcode_tokenizer(layouts.STARCODER_SPECIAL, ["[PAD]"])
    for text in (CODE, "x = 12345  # é→😀\t\t", "   \n\n  if a:\r\n", "[PAD]<fim_middle>"):
        if "[PAD]" not in text:
            assert engine.tokenizer.encode(text) == backend.encode(text, add_special_tokens=False).ids
        assert engine.tokenizer.decode(engine.tokenizer.encode(text)) == text
    for name in (*layouts.STARCODER_SPECIAL, "[PAD]"):
        assert engine.tokenizer.token_id(name) == backend.token_to_id(name)


def test_a_base_model_answers_by_examples_and_stops_before_the_next_question(tmp_path: Path) -> None:
    base = load_engine(ModelSpec(str(layouts.starcoder(tmp_path / "base"))))
    assert not base.follows_instructions
    prompt = instructions.build("", Instruction("What is it?", CODE))
    assert prompt.text.endswith(f"Question: What is it?\nCode:\n{CODE.strip()}\nAnswer:\n")
    assert prompt.stop_texts == ("\nQuestion:",)
    assert not instructions.build("", Instruction("Why?")).text.endswith("Code:\n\nAnswer:\n")
    forced = load_engine(ModelSpec(str(tmp_path / "base"), instructions="alpaca"))
    assert forced.follows_instructions


def test_text_is_streamed_only_as_far_as_it_is_certain() -> None:
    stops = ("\nQuestion:",)
    assert settled("It adds.", stops) == ("It adds.", False)
    assert settled("It adds.\n", stops) == ("It adds.", False)
    assert settled("It adds.\nQuest", stops) == ("It adds.", False)
    assert settled("It adds.\nQuietly", stops) == ("It adds.\nQuietly", False)
    assert settled("It adds.\nQuestion: no", stops) == ("It adds.", True)


def test_streamed_text_only_grows(engine: LocalEngine) -> None:
    texts, completion = answered(engine, Instruction("Explain.", CODE, 20))
    for earlier, later in pairwise(texts):
        assert later.startswith(earlier)
    assert texts[-1].rstrip() == completion.text or completion.text.startswith(texts[-1])
    assert completion.text == completion.text.rstrip()


def test_blank_lines_and_the_one_space_in_front_go_and_indentation_stays() -> None:
    assert tidied("\n\nIt adds.") == tidied(" It adds.") == tidied("\n It adds.") == "It adds."
    assert tidied("\n    return x") == "    return x"
    assert tidied(" ") == tidied("\n") == ""


def test_an_answer_leaves_the_completions_cache_alone(engine: LocalEngine) -> None:
    request = Request("x = 1\ny = ", "\n", max_tokens=4)
    complete(engine, request)
    steps = engine.answer(Instruction("Explain.", CODE, 50))
    for _ in islice(steps, 5):
        pass
    between = complete(engine, request)
    assert between.reused_tokens == between.prompt_tokens - 1
    steps.close()


def test_code_that_is_too_long_is_cut_and_the_question_kept(engine: LocalEngine) -> None:
    ids, _ = engine.instruction_ids(Instruction("Explain.", "value = 1\n" * 500, 30))
    assert len(ids) <= engine.model.context_length - 30
    text = engine.tokenizer.decode(ids)
    assert text.endswith("### Response:")
    assert "### Instruction:\nExplain." in text
