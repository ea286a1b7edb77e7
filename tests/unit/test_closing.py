"""Text in front of what stands closed already: `‸` is the cursor, `|` marks where the model's text must end."""

from __future__ import annotations

import pytest

from inference.closing import before_closers, closing_end

PLACES = [
    ("f(‸)", "x|)"),
    ("f(‸)", "x|):"),
    ("f(‸)", "x|).strip()"),
    ("f(‸)", "f(x), g[1]|)"),
    ("f(‸)", "|)"),
    ("f(g(‸))", "x|).a(), y) + 1"),
    ("f(g(‸))", "a(b(c(1)))|))"),
    ("f([‸])", "x|])"),
    ("f(‸)", '")", x|)'),
    ("f(‸)", "'it\\'s )'|)"),
    ("f(‸)", 'f"{a})", r\'\\)\'|)'),
    ("s = '‸'", 'say "so" (|\''),
    ('f("‸")', 'abc|", x(1))'),
    ('log("(‸)")', 'a|" + b)'),
    ('print("see (‸)")', "it's (so) fine|) for now\")"),
    ('re.compile(r"[‸]")', '^)|]+")'),
    ("x = f'{‸}'", "a[0]|}'"),
    ('"""‸"""', 'Doc "quoted".|"""'),
    ("s = 'it\\‸'", "'s fine|'"),
    ("foo(x[‸)", "0], y|)"),
    ("foo(bar(‸)", "a), b|)"),
    ("foo(bar(a‸)", "), b|)"),
    ("foo('(', ‸)", "1|), b)"),
    ("{‸}", "x: {1}|}"),
]  # fmt: skip


def parts(marked: str) -> tuple[str, str]:
    before, closers = marked.split("‸")
    return before, closers


@pytest.mark.parametrize(("place", "marked"), PLACES)
def test_the_text_ends_where_the_closers_follow(place: str, marked: str) -> None:
    (before, closers), text, end = parts(place), marked.replace("|", ""), marked.index("|")
    assert closing_end(text, closers, before) == end
    assert before_closers(text, closers, before) == text[:end]
    ends = [closing_end(text[:length], closers, before) for length in range(len(text) + 1)]
    assert {found for found in ends if found is not None} == {end}, "and it never moves as the text grows"


@pytest.mark.parametrize(
    ("place", "text"), [("x = ‸", "x)"), ("f(‸)", "f(x)"), ("f(‸)", "x"), ("s = '‸'", "abc"), ("f(‸)", '"abc)')]
)
def test_what_closes_nothing_goes_on(place: str, text: str) -> None:
    before, closers = parts(place)
    assert closing_end(text, closers, before) is None


@pytest.mark.parametrize(
    ("place", "marked"),
    [
        ("fn f(‸)", "&'a self, x: i32|) -> u8 {"),
        ("(foo ‸)", "'a|) (bar)"),
        ("# see (‸)", "it's here|), and more"),
        ("f(‸)", '"abc|)'),
        ("f(‸)", '"abc'),
        ("f(‸)", "x + f(y)"),
    ],
)
def test_a_quote_without_end_is_no_string_once_the_text_is_whole(place: str, marked: str) -> None:
    before, closers = parts(place)
    text, _, _ = marked.partition("|")
    assert before_closers(marked.replace("|", ""), closers, before) == text
