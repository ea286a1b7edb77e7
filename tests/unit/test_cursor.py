"""Splitting the buffer, and where suggestions make sense."""

from __future__ import annotations

import pytest

from lsp_server.cursor import closers, line_limit, may_suggest, split, unclosed, with_selection
from lsp_server.documents import Snapshot
from tests.marked import cursor_at, snapshot_at


def test_split_at_the_cursor() -> None:
    cursor = cursor_at("def f():\n    ret‸\n\nx")
    assert (cursor.prefix, cursor.suffix) == ("def f():\n    ret", "\n\nx")
    assert (cursor.line_prefix, cursor.line_suffix) == ("    ret", "")


def test_models_see_line_feeds_only_and_the_file_keeps_its_own() -> None:
    cursor = cursor_at("a\r\nb‸\r\nc\rd")
    assert (cursor.prefix, cursor.suffix, cursor.newline) == ("a\nb", "\nc\nd", "\r\n")
    assert cursor_at("a\nb‸").newline == "\n"


@pytest.mark.parametrize("marked", ["x = ‸", "print(‸)", "f(x)[‸]):", "s = '‸'", "a\n‸\nb", "d = {‸},"])
def test_suggests_where_nothing_but_closers_follows(marked: str) -> None:
    assert may_suggest(cursor_at(marked))


@pytest.mark.parametrize("marked", ["na‸me = 1", "f(‸x)", "x = ‸ + 1"])
def test_silent_in_front_of_code(marked: str) -> None:
    assert not may_suggest(cursor_at(marked))


@pytest.mark.parametrize(
    ("marked", "lines"),
    [
        ("def f():‸\n", 5),
        ("    ‸\n", 5),
        ("‸", 5),
        ("x = {‸", 5),
        ("x = ‸\n", 1),
        ("f(‸)\n", 1),
        ("return‸\n", 1),
    ],
)
def test_several_lines_only_where_a_block_starts_or_goes_on(marked: str, lines: int) -> None:
    assert line_limit(cursor_at(marked), 5) == lines


def test_selection_of_the_popup_stands_in_the_text() -> None:
    selected = with_selection(snapshot_at("os.pa‸zz\n"), 3, 7, "path")
    assert (selected.text, selected.offset) == ("os.path\n", 7)


def test_splitting_is_exact_for_any_offset() -> None:
    text = "a😀b\nc"
    for offset in range(len(text) + 1):
        cursor = split(Snapshot("file:///a", "", 1, text, offset))
        assert cursor.prefix + cursor.suffix == text


@pytest.mark.parametrize(
    ("marked", "closed"),
    [
        ("f(‸)", ")"),
        ("f(g[‸]):", "])"),
        ("f('‸')", "')"),
        ("x = f'{‸}'", "}'"),
        ("x = ‸''", ""),
        ('"""‸"""', '"""'),
        ("f(‸ )", ""),
        ("if x‸:", ""),
        ("f(‸x)", ""),
        ("f(a‸), b", ""),
        ("x = ‸", ""),
    ],
)
def test_what_the_editor_has_closed(marked: str, closed: str) -> None:
    cursor = cursor_at(marked)
    assert closers(cursor) == closed
    assert closed + unclosed(cursor).suffix == cursor.suffix
