"""The simulated typist: the passages are the file's, the keys write them, the pauses are people's."""

from __future__ import annotations

import contextlib
from itertools import pairwise
from pathlib import Path
from statistics import mean, median

from lsp_server.typing_trace import Typist

TEXT = Path(contextlib.__file__).read_text(encoding="utf-8")


def test_passages_are_pieces_of_the_file_in_order_and_apart() -> None:
    passages = Typist(3).passages(TEXT, count=4)
    assert len(passages) >= 2
    for passage in passages:
        assert TEXT.startswith(passage.text, passage.start)
        assert 160 <= len(passage.text) < 400
    assert all(later.start > earlier.start + 640 for earlier, later in pairwise(passages))
    assert passages == Typist(3).passages(TEXT, count=4), "the same for the same seed"
    assert passages != Typist(4).passages(TEXT, count=4)


def test_tabs_and_two_blanks_indent_too_and_a_file_without_code_has_no_passage() -> None:
    for indentation in ("\t", "  "):
        text = "".join(f"func f{number}() {{\n{indentation}return {number}\n}}\n\n" for number in range(200))
        assert Typist(1).passages(text, count=2)
    assert Typist(1).passages("just prose\n" * 300, count=2) == []


def test_the_keys_write_the_text_errors_and_corrections_included() -> None:
    typist, text, errors = Typist(1), TEXT[2000:4000], 0
    written, rest = "", text
    while rest:
        for key in typist.keys(rest):
            errors += key.deletes
            written = written[: len(written) - key.deletes] + key.text
        rest = text[len(written) :]
        assert text.startswith(written)
    assert written == text
    assert 5 < errors < 100


def test_a_new_line_comes_with_its_indentation() -> None:
    assert next(iter(Typist(1).keys("\n    return"))).text == "\n    "


def test_pauses_are_those_of_the_study() -> None:
    typist = Typist(1)
    pauses = [typist.pause_s("x") for _ in range(20_000)]
    assert 0.23 < mean(pauses) < 0.25
    assert 0.18 < median(pauses) < 0.21
