"""The model that ships: it is there, small, sound, and what it writes is real."""

from __future__ import annotations

import pytest

from inference.checkpoints.embedded import FOLDER
from inference.checkpoints.load import load_engine
from inference.checkpoints.spec import ModelSpec
from inference.closing import before_closers
from inference.engines.local import LocalEngine
from inference.request import Request
from inference.self_check import check
from tests.model.test_decoding import complete

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def engine() -> LocalEngine:
    return load_engine(ModelSpec())


def test_the_folder_holds_what_it_should_and_is_small() -> None:
    assert {path.name for path in FOLDER.iterdir()} >= {
        "README.md",
        "SHA256SUMS",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    }
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 12 * MEGABYTE


def test_it_passes_its_own_check(engine: LocalEngine) -> None:
    result = check(engine)
    assert result.ok
    assert (result.format, result.order) == ("starcoder", "spm")
    assert result.control_tokens == ("<file_sep>", "<fim_middle>", "<fim_prefix>", "<fim_suffix>", "<|endoftext|>")


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("class Point:\n    def __init__(self, name, size):\n        self.name =", " name"),
        ("class Point:\n    def __init__(self, name, size):\n        self.name = name\n        self.", "size = size"),
        ("def load(path):\n    with open(path) as", " f:"),
        ("if __name__ ==", ' "__main__":'),
    ],
)
def test_it_has_learnt_python(engine: LocalEngine, prefix: str, expected: str) -> None:
    assert complete(engine, Request(prefix, "\n", memory="never")).text == expected


def test_it_ends_by_itself_where_the_suffix_takes_over(engine: LocalEngine) -> None:
    request = Request(
        "def load(path):\n    with open(path) as", "\n\n\nprint(load('x'))\n", max_lines=5, memory="never"
    )
    completion = complete(engine, request)
    assert completion.text.startswith(" f:\n        return f.read(")
    assert completion.generated_tokens == len(engine.tokenizer.encode(" as" + completion.text)) + 1, "and the end token"


def test_it_answers_on_a_blank_line_in_a_body(engine: LocalEngine) -> None:
    """The weights would write a control token there, as if the prompt went on: those are never chosen."""
    request = Request("class Box:\n    def __init__(self, width):\n        ", "\n\n\nx = 1\n", max_lines=3)
    assert complete(engine, request).text.strip()


@pytest.mark.parametrize(
    ("prefix", "suffix"), [("class A:\n    def __init__(", ":\n        pass\n"), ("print(len(", "\n")]
)
def test_it_ends_in_front_of_what_stands_closed(engine: LocalEngine, prefix: str, suffix: str) -> None:
    closers = ")" * prefix.count("(")
    free = complete(engine, Request(prefix, suffix, max_tokens=24))
    bound = complete(engine, Request(prefix, suffix, max_tokens=24, closers=closers))
    assert bound.text == before_closers(free.text, closers, prefix.rsplit("\n", maxsplit=1)[-1]) != free.text
    assert bound.generated_tokens < free.generated_tokens
