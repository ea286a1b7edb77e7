"""Positions in UTF-8, UTF-16 and UTF-32 units."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.position_encoding import PositionEncoding, index_from_units, units_from_index

U8, U16, U32 = PositionEncoding.UTF8, PositionEncoding.UTF16, PositionEncoding.UTF32
ANY_TEXT = st.text(st.characters(exclude_characters="\r\n", codec=None), max_size=40)


def units(text: str, encoding: PositionEncoding) -> int:
    """The reference: count code units by encoding the whole text."""
    size = {U8: 1, U16: 2, U32: 4}[encoding]
    codec = {U8: "utf-8", U16: "utf-16-le", U32: "utf-32-le"}[encoding]
    return len(text.encode(codec, "surrogatepass")) // size


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [(U8, [0, 1, 3, 7, 8]), (U16, [0, 1, 2, 4, 5]), (U32, [0, 1, 2, 3, 4])],
)
def test_each_character_of_a_mixed_line(encoding: PositionEncoding, expected: list[int]) -> None:
    line = "aé😀b"
    assert [units_from_index(line, index, encoding) for index in range(5)] == expected
    assert [index_from_units(line, unit, encoding) for unit in expected] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("encoding", PositionEncoding)
@given(line=ANY_TEXT, data=st.data())
def test_index_to_units_and_back(encoding: PositionEncoding, line: str, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(line)))
    there = units_from_index(line, index, encoding)
    assert there == units(line[:index], encoding)
    assert index_from_units(line, there, encoding) == index


@pytest.mark.parametrize("encoding", PositionEncoding)
@given(line=ANY_TEXT, beyond=st.integers(0, 10**9))
def test_beyond_the_end_is_the_end(encoding: PositionEncoding, line: str, beyond: int) -> None:
    assert index_from_units(line, units(line, encoding) + beyond, encoding) == len(line)


@pytest.mark.parametrize(("encoding", "inside"), [(U8, [1, 2, 3]), (U16, [1])])
def test_inside_a_character_is_its_start(encoding: PositionEncoding, inside: list[int]) -> None:
    assert [index_from_units("😀", unit, encoding) for unit in inside] == [0] * len(inside)


def test_negative_units_are_the_start() -> None:
    assert index_from_units("abc", -5, U16) == 0


def test_lone_surrogates_count_and_do_not_crash() -> None:
    line = "a\ud800b"
    assert units_from_index(line, 2, U16) == 2
    assert index_from_units(line, 2, U16) == 2
    assert index_from_units(line, 4, U8) == 2
