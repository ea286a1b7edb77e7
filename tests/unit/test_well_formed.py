"""What breaks a whole file is not shown; what is broken already stays as it is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.cursor import Cursor
from lsp_server.well_formed import parsing_part


def part(marked: str, text: str, language: str = "python") -> str:
    prefix, suffix = marked.split("‸")
    return parsing_part(text, Cursor(prefix, suffix, "\n", language))


@pytest.mark.parametrize(
    ("marked", "text", "expected"),
    [
        ("x = ‸\ny = 2\n", "foo(1)", "foo(1)"),
        ("x = ‸\ny = 2\n", "foo(1))", ""),
        ("x = ‸\ny = 2\n", "foo(1, bar(", "foo"),
        ("x = ‸\ny = 2\n", "foo(1) and (", ""),
        ("x = ‸\ny = 2\n", "'half a string", ""),
        ("def f():\n    ‸\n\n\nx = 1\n", "return the value of it", ""),
        ("def f():\n    ‸\n\n\nx = 1\n", "return 1", "return 1"),
        ("def f(a):\n    if isinstance(‸)\n        return 1\n", "a, str", "a, str"),
        ("def __init__(‸)\n    pass\n", "self, a=1", "self, a=1"),
        ("values = foo(\n    1,\n    ‸\n)\n", "2,", "2,"),
        ("values = foo(\n    1,\n    ‸\n)\n", "return 2", ""),
        ("if (:\n    pass\nx = ‸\n", "foo(1)", "foo(1)"),
    ],
)
def test_python(marked: str, text: str, expected: str) -> None:
    assert part(marked, text) == expected


@pytest.mark.parametrize(
    ("language", "marked", "good", "bad"),
    [
        ("javascript", "function f(a) {\n  const b = ‸\n  return b;\n}\n", "a + 1;", "a + 1);"),
        ("java", "class A {\n  int f() {\n    ‸\n  }\n}\n", "return 1;", "return 1 return;"),
        ("go", "func f(a int) int {\n\t‸\n}\n", "return a", "return a)"),
    ],
)
def test_other_languages(language: str, marked: str, good: str, bad: str) -> None:
    assert part(marked, good, language) == good
    assert part(marked, bad, language) == ""


def test_without_a_grammar_nothing_is_said() -> None:
    assert part("x = ‸\n", "foo(((", "klingon") == "foo((("


@settings(max_examples=200, deadline=None)
@given(prefix=st.text("ab(=:\n \"'", max_size=40), suffix=st.text("ab)\n :", max_size=40), text=st.text(min_size=1))
def test_it_only_ever_cuts(prefix: str, suffix: str, text: str) -> None:
    assert text.startswith(parsing_part(text, Cursor(prefix, suffix, "\n", "python")))
