"""Text in front of brackets that the editor has closed: `|` marks where the model's text must end."""

from __future__ import annotations

import pytest

from inference.closing import before_closers, closing_end


@pytest.mark.parametrize(
    ("closers", "marked"),
    [
        (")", "x|)"),
        (")", "x|):"),
        (")", "x|).strip()"),
        (")", "f(x), g[1]|)"),
        (")", "|)"),
        ("))", "x|).a(), y) + 1"),
        ("))", "x|)"),
        ("))", "f(x)|))"),
        ("])", "x|])"),
        (")", "x|]"),
        (")", '")", x|)'),
        (")", "'it\\'s )'|)"),
        ('"', 'abc|"'),
        ('"', 'say \\"so\\" (|"'),
        ('")', 'abc|")'),
        ('")', 'abc|", x(1))'),
        ('"""', 'Doc "quoted".|"""'),
        ("}", "x: {1}|}"),
    ],
)
def test_the_text_ends_where_the_closers_follow(closers: str, marked: str) -> None:
    text, end = marked.replace("|", ""), marked.index("|")
    assert closing_end(text, closers) == end
    assert before_closers(text, closers) == text[:end]


@pytest.mark.parametrize(("closers", "text"), [("", "x)"), (")", "f(x)"), (")", "x"), ('"', "abc"), (")", '"abc)')])
def test_what_closes_nothing_goes_on(closers: str, text: str) -> None:
    assert closing_end(text, closers) is None


def test_the_end_never_moves_as_text_grows() -> None:
    text = 'x[")"], y).z()\n'
    ends = [closing_end(text[:length], ")") for length in range(len(text) + 1)]
    assert {end for end in ends if end is not None} == {text.index(").z")}
