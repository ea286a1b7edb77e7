"""What can be asked about a place: blocks by indentation, comments by language, code out of answers."""

from __future__ import annotations

import pytest

from lsp_server.code_actions import Lines, block_at, code_in, comment_at, indented
from tests.marked import MARK

PYTHON = """\
import os
import sys

def first(x):
    if x:
        return 1

    return 2


class Other:
    pass
"""


def split(marked: str) -> tuple[list[str], int]:
    """The lines without the mark, and the line it stands in."""
    lines = marked.split("\n")
    line = next(number for number, text in enumerate(lines) if MARK in text)
    return [text.replace(MARK, "") for text in lines], line


@pytest.mark.parametrize(
    ("marked", "first", "last"),
    [
        (PYTHON.replace("def first", "def‸ first"), 3, 7),
        (PYTHON.replace("return 1", "return‸ 1"), 4, 5),
        (PYTHON.replace("return 2", "return‸ 2"), 3, 7),
        (PYTHON.replace("import os", "import‸ os"), 0, 1),
        (PYTHON.replace("pass", "pass‸"), 10, 11),
        ("int f() {\n  return‸ 1;\n}\nint g;", 0, 2),
        ("int f() {‸\n  if (x) {\n    y();\n  }\n}\nint g;", 0, 4),
    ],
)
def test_the_block_at_a_line(marked: str, first: int, last: int) -> None:
    assert block_at(*split(marked)) == Lines(first, last)


def test_an_empty_line_has_no_block() -> None:
    assert block_at(["a", "", "b"], 1) is None
    assert block_at(["a"], 7) is None
    assert block_at([], 0) is None


@pytest.mark.parametrize(
    ("language", "marked", "lines", "text"),
    [
        ("python", "x = 1\n# sort the‸ list\n# by size\ny", Lines(1, 2), "sort the list by size"),
        ("python", "    ## deep‸", Lines(0, 0), "deep"),
        ("javascript", "// add‸ two numbers\nf();", Lines(0, 0), "add two numbers"),
        ("c", "/*\n * swap‸ them\n */\nint x;", Lines(0, 2), "swap them"),
        ("java", "/* one‸ line */", Lines(0, 0), "one line"),
        ("c", "/* one‸\n   two */\nint x;", Lines(0, 1), "one two"),
        ("css", "/*\n add two‸ numbers\n*/", Lines(0, 2), "add two numbers"),
        ("terraform", "# sum‸", Lines(0, 0), "sum"),
        ("lua", "-- count‸\n", Lines(0, 0), "count"),
        ("clojure", ";; reverse‸", Lines(0, 0), "reverse"),
        ("erlang", "%% hello‸", Lines(0, 0), "hello"),
    ],
)
def test_the_comment_at_a_line(language: str, marked: str, lines: Lines, text: str) -> None:
    assert comment_at(*split(marked), language) == (lines, text)


@pytest.mark.parametrize(
    ("language", "marked"),
    [
        ("python", "x =‸ 1"), ("python", "#‸"), ("c", "#include‸ <stdio.h>"), ("python", "#!/usr/bin/env‸ python"),
        ("c", "    *p‸ = 0;"), ("markdown", "* bullet‸"), ("c", "/* x‸ */ int y = 1;"), ("plaintext", "# x‸"),
        ("javascript", "# no‸ comment"), ("python", "// floor‸ division"),
    ],
)  # fmt: skip
def test_lines_that_are_no_comments(language: str, marked: str) -> None:
    assert comment_at(*split(marked), language) is None


def test_code_is_taken_out_of_a_fence_if_there_is_one() -> None:
    assert code_in("Here:\n```python\nx = 1\ny = 2\n```\nDone.") == "x = 1\ny = 2"
    assert code_in("```\nx = 1") == "x = 1", "not closed, because the answer was cut"
    assert code_in("```python\n```") == code_in("```") == ""
    assert code_in("So:\r\n``` c#\r\nx = 1;\r\n```") == "x = 1;"
    assert code_in("\n    x = 1\n    y = 2\n") == "    x = 1\n    y = 2"


def test_code_takes_the_indentation_of_the_comment() -> None:
    assert indented("    if x:\n        y()\n\n    z()", "\t") == "\tif x:\n\t    y()\n\n\tz()"
    assert indented("x = 1\n", "    ") == "    x = 1\n"
