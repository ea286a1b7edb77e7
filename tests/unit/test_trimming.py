"""What is shown of what the model wrote: written as buffer with cursor, completion, and what is left of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.trimming import STEPS, trim
from tests.marked import cursor_at


def check(marked: str, completion: str, shown: str) -> None:
    assert trim(completion, cursor_at(marked)) == shown


@pytest.mark.parametrize(
    ("marked", "completion", "shown"),
    [
        ("x = ‸\n", "1", "1"),
        ("x = ‸\n", "1   ", "1"),
        ("x = ‸\n", "   ", ""),
        ("def f():‸\n", "\n    return 1  \n", "\n    return 1"),
    ],
)
def test_trailing_blanks(marked: str, completion: str, shown: str) -> None:
    check(marked, completion, shown)


@pytest.mark.parametrize(
    ("marked", "completion", "shown"),
    [
        ("print(‸)", "x)", "x"),
        ("print(‸)", "f(x)", "f(x)"),
        ("print(‸)", "f(x))", "f(x)"),
        ("x = [‸]", "1, 2]", "1, 2"),
        ("s = '‸'", "abc'", "abc"),
        ('s = f("‸")', 'abc")', "abc"),
        ("if (‸):", "x > 1):", "x > 1"),
        ("x = ‸ + offset", "start + offset", "start"),
        ("f(‸)", "x)\ng()", "x"),
    ],
)
def test_what_already_follows_is_not_repeated(marked: str, completion: str, shown: str) -> None:
    check(marked, completion, shown)


@pytest.mark.parametrize(
    ("marked", "completion", "shown"),
    [
        ("a = 1\n‸\nreturn a\n", "b = 2\nreturn a", "b = 2"),
        ("a = 1\n‸\nreturn a\n", "return a", ""),
        ("a = 1\n‸\n\n\nreturn a\n", "return a", ""),
        ("f(\n    ‸\n)\n", "x,\n    y,", "x,\n    y,"),
        ("a = 1\nret‸\nreturn a\n", "urn a", ""),
        ("a = 1\nret‸\nreturn a\n", "urn a\nb = 2", ""),
        ("‸\nreturn a\n", "\n\nreturn a", ""),
    ],
)
def test_the_next_line_is_not_repeated(marked: str, completion: str, shown: str) -> None:
    check(marked, completion, shown)


PIECES = st.lists(
    st.sampled_from(["x", "(", ")", "'", '"', " ", "\n", "    ", "é", "😀", "return", ")]}"]), max_size=12
).map("".join)


@given(before=PIECES, after=PIECES, completion=PIECES)
def test_trimming_only_ever_removes(before: str, after: str, completion: str) -> None:
    shown = trim(completion, cursor_at(f"{before}‸{after}"))
    left = iter(completion)
    assert all(character in left for character in shown), "what is shown is a subsequence of what the model wrote"
    assert shown == "" or shown.strip()


def test_every_step_leaves_empty_text_empty() -> None:
    for step in STEPS:
        assert not step("", cursor_at("a‸b"))
