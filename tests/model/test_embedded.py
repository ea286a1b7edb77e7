"""The model that ships: it is there, small, sound, and what it writes is real."""

from __future__ import annotations

import pytest

from inference.checkpoints.embedded import FOLDER
from inference.checkpoints.load import load_engine
from inference.checkpoints.spec import ModelSpec
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
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    }
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 12 * MEGABYTE


def test_it_passes_its_own_check(engine: LocalEngine) -> None:
    result = check(engine)
    assert result.ok
    assert (result.format, result.order) == ("starcoder", "spm")
    assert result.control_tokens == ("<fim_middle>", "<fim_prefix>", "<fim_suffix>", "<|endoftext|>")


@pytest.mark.parametrize(
    ("prefix", "suffix", "expected"),
    [
        ("class Point:\n    def __init__(self, x, y):\n        self.x = x\n        self.y =", "\n", " y"),
        ("import os\nimport sys\n\n\ndef main():\n    path = os.pat", "\n", "h"),
        ("for index in ran", "\n    print(index)\n", "ge("),
    ],
)
def test_it_has_learnt_python(engine: LocalEngine, prefix: str, suffix: str, expected: str) -> None:
    assert complete(engine, Request(prefix, suffix)).text.startswith(expected)


def test_it_ends_where_the_suffix_takes_over(engine: LocalEngine) -> None:
    completion = complete(engine, Request("def area(width, height):\n    return width * ", "\n\n\nprint(area(2, 3))\n"))
    assert completion.generated_tokens < 20
