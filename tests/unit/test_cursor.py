"""Splitting the buffer, and where suggestions make sense."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from lsp_server.cursor import (
    Cursor,
    closers,
    completes_identifier,
    identifier_part,
    is_binary,
    is_free,
    may_suggest,
    split,
    splits_identifier,
    unclosed,
    with_selection,
)
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


@pytest.mark.parametrize(
    ("marked", "language"),
    [
        ('<a className="‸">', "javascriptreact"),
        ("<Foo b={‸} />", "javascriptreact"),
        ("let x: Vec<‸>;", "rust"),
        ("if (‸) {", "javascript"),
        ("for i := 0; ‸ {", "go"),
        ("items.map((‸) => {", "typescript"),
        ("fn f(‸) -> u8 {", "rust"),
        ("def f(‸) -> int:", "python"),
        ("x = ‸  # note", "python"),
        ("let x = ‸; // note", "javascript"),
    ],
)
def test_suggests_in_front_of_what_ends_a_line(marked: str, language: str) -> None:
    cursor = replace(cursor_at(marked), language=language)
    assert may_suggest(cursor)
    assert is_free(cursor)


@pytest.mark.parametrize(
    "marked",
    [
        "a ‸ // b",
        "return ‸{",
        "config =‸ {",
        "x = ‸ > y",
        "f(‸) -> int",
        "a(‸) {b}",
        "‸# note",
        'color = ‸"#fff"',
        'f"{n‸:#04x}"',
        '"a ‸ #tag"',
        "re.sub(‸'#.*', '', y)",
    ],
)
def test_what_looks_like_it_is_code(marked: str) -> None:
    assert not is_free(cursor_at(marked))


def test_what_looks_like_a_comment_in_an_address() -> None:
    assert not is_free(replace(cursor_at('fetch("https‸://example.com")'), language="javascript"))


@pytest.mark.parametrize("marked", ["na‸me = 1", "f(‸x)", "x = ‸ + 1", "f(x)‸ + 1", "é‸é = 1"])
def test_silent_in_front_of_code(marked: str) -> None:
    assert not may_suggest(cursor_at(marked))


@pytest.mark.parametrize("marked", ['print(va‸, end="")', "x‸ = y", "for nam‸ in names:", "é‸ + 1", "a_‸.b"])
def test_the_beginning_of_an_identifier_may_be_completed_in_front_of_code(marked: str) -> None:
    cursor = cursor_at(marked)
    assert may_suggest(cursor)
    assert completes_identifier(cursor)
    assert not is_free(cursor)


@pytest.mark.parametrize("marked", ["x‸", "f(x‸)", "‸ + 1", "na‸me", "x ‸ + 1"])
def test_elsewhere_no_identifier_is_completed(marked: str) -> None:
    assert not completes_identifier(cursor_at(marked))


@pytest.mark.parametrize(("marked", "splits"), [("na‸me", True), ("‸name", False), ("name‸", False), ("a‸_", True)])
def test_the_middle_of_an_identifier(marked: str, splits: bool) -> None:
    assert splits_identifier(cursor_at(marked)) is splits


@pytest.mark.parametrize(
    ("text", "part"), [("lue, x", "lue"), ("lue", "lue"), (", x", ""), ("", ""), ("_1(x)", "_1"), ("é-", "é")]
)
def test_the_part_of_a_text_that_belongs_to_the_identifier(text: str, part: str) -> None:
    assert identifier_part(text) == part


def test_looking_at_a_line_of_a_megabyte_takes_no_time() -> None:
    cursor = cursor_at("x" * 10**6 + "‸" + ") " * 10**6 + "x")
    started = time.thread_time()
    assert not is_free(cursor)
    assert time.thread_time() - started < 0.2


@pytest.mark.parametrize(
    ("marked", "newline"),
    [
        ("a\nb\r\nc‸\n", "\r\n"),
        ("a\r\nb\nc‸\r\n", "\n"),
        ("a‸\r\nb\n", "\r\n"),
        ("a\rb‸", "\r"),
        ("a‸", "\n"),
        ("a\r\n‸\nb", "\r\n"),
    ],
)
def test_line_ends_are_those_of_the_cursors_surroundings(marked: str, newline: str) -> None:
    assert cursor_at(marked).newline == newline


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


@pytest.mark.parametrize(
    ("before", "binary"),
    [
        ("\x7fELF\x02\x01\x01" + "\x00" * 40, True),
        ("PK\x03\x04" + "\ufffd\x14\x00\x08" * 10, True),
        ("# проверка входных данных пользователя\n".encode("cp1251").decode(errors="replace") * 9, False),
        ("# 用户输入的检查\n".encode().decode("latin-1") * 9, False),
        ('NAMES = {"\x00": 1, "\x01": 2}\n', False),
        ("\x1b[31mred\x1b[0m\tand\x0cback\r\n" * 60, False),
        ("# ünï → 漢字 🙂 שלום\n" * 60, False),
        ("\x00" * 40 + "x = 1\n" * 400, False),
        ("", False),
    ],
)
def test_nothing_is_suggested_in_binary_data(before: str, binary: bool) -> None:
    cursor = Cursor(before, "", "\n")
    assert is_binary(cursor) == binary
    assert may_suggest(cursor) != binary
