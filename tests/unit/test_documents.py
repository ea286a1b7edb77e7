"""Incremental edits leave the text that a plain reference leaves, whatever the line ends, characters and encoding."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server import documents
from lsp_server.documents import Document, Documents, Position, split_lines
from lsp_server.position_encoding import PositionEncoding, index_from_units

PIECES = [
    "a",
    "é",
    "e\u0301",
    "😀",
    "\n",
    "\r\n",
    "\r",
    "\n\n",
    "\f",
    "\v",
    "\x1c",
    "\x85",
    "\u2028",
    "\t",
    "\u202e",
    "\U0001d538b",
    " ",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
PLACES = st.tuples(st.integers(0, 12), st.integers(0, 9)).map(lambda place: Position(*place))
EDITS = st.lists(st.tuples(PLACES, PLACES, TEXTS), max_size=8)


class Reference:
    """The text as one string, its lines found anew for each position by the rule of the specification."""

    def __init__(self, text: str, encoding: PositionEncoding) -> None:
        self.text = text
        self.encoding = encoding

    def offset(self, position: Position) -> int:
        starts = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", self.text))]
        if position.line >= len(starts):
            return len(self.text)
        start = starts[position.line]
        body = re.split(r"[\r\n]", self.text[start:], maxsplit=1)[0]
        return start + index_from_units(body, position.character, self.encoding)

    def replace(self, start: Position, end: Position, text: str) -> None:
        first, last = sorted((self.offset(start), self.offset(end)))
        self.text = self.text[:first] + text + self.text[last:]


def document(text: str, encoding: PositionEncoding = PositionEncoding.UTF16) -> Document:
    return Document("file:///a.py", "python", 1, text, encoding)


@pytest.mark.parametrize("encoding", PositionEncoding)
@settings(max_examples=300)
@given(text=TEXTS, edits=EDITS)
def test_edits_equal_the_reference(
    encoding: PositionEncoding, text: str, edits: list[tuple[Position, Position, str]]
) -> None:
    ours, reference = document(text, encoding), Reference(text, encoding)
    for start, end, inserted in edits:
        ours.replace(start, end, inserted)
        reference.replace(start, end, inserted)
        assert ours.text == reference.text
        for place in (start, end):
            assert ours.snapshot(place).offset == reference.offset(place)


@pytest.mark.parametrize("encoding", PositionEncoding)
@given(text=TEXTS, data=st.data())
def test_position_and_offset_are_inverse(encoding: PositionEncoding, text: str, data: st.DataObject) -> None:
    ours = document(text, encoding)
    offset = data.draw(st.integers(0, len(text)))
    if text[max(0, offset - 1) : offset + 1] == "\r\n":
        return  # no position stands between the two
    assert ours.snapshot(ours.position_at(offset)).offset == offset


@given(TEXTS)
def test_lines_join_to_the_text_and_break_only_where_lsp_does(text: str) -> None:
    lines = split_lines(text)
    assert "".join(lines) == text
    assert len(lines) == len(re.findall(r"\r\n|\r|\n", text)) + 1
    assert not lines[-1].endswith(("\r", "\n"))


def test_form_feed_does_not_end_a_line() -> None:
    ours = document("one\f\ntwo")
    ours.replace(Position(1, 0), Position(1, 3), "2")
    assert ours.text == "one\f\n2"


def test_carriage_return_and_line_feed_that_meet_are_one_line_end() -> None:
    ours = document("a\rb\nc")
    ours.replace(Position(1, 0), Position(1, 1), "")  # a\r\nc
    ours.replace(Position(1, 0), Position(1, 1), "C")
    assert ours.text == "a\r\nC"


def test_a_range_given_backwards_is_taken_forwards() -> None:
    ours = document("abcdef")
    ours.replace(Position(0, 4), Position(0, 1), "-")
    assert ours.text == "a-ef"


def test_positions_past_the_end_are_clamped() -> None:
    ours = document("ab\ncd")
    assert ours.snapshot(Position(99, 0)).offset == 5
    assert ours.snapshot(Position(0, 99)).offset == 2


def test_a_snapshot_does_not_change_with_the_document() -> None:
    ours = document("ab")
    before = ours.snapshot(Position(0, 2))
    ours.replace(Position(0, 2), Position(0, 2), "c")
    assert (before.text, ours.text) == ("ab", "abc")


def test_edits_of_a_long_file_split_their_own_lines_only(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = document("x = 1\n" * 50_000)
    split: list[str] = []

    def recording(text: str) -> list[str]:
        split.append(text)
        return split_lines(text)

    monkeypatch.setattr(documents, "split_lines", recording)
    for number in range(100):
        ours.replace(Position(40_000, number), Position(40_000, number), "y")
    assert max(map(len, split)) <= len("x = 1\n") + 100
    assert ours.text == "x = 1\n" * 40_000 + "y" * 100 + "x = 1\n" * 10_000


def test_documents_are_forgotten_when_closed() -> None:
    store = Documents()
    store.open("file:///a", "python", 1, "x")
    store.close("file:///a")
    store.close("file:///never-opened")
    assert store.get("file:///a") is None


@pytest.mark.parametrize(
    ("start", "end", "text", "marked"),
    [
        ((0, 3), (0, 3), "XYZ", "abcXYZ‸\nnext"),
        ((0, 1), (1, 1), "", "a‸ext"),
        ((1, 2), (0, 1), "Z", "aZ‸xt"),
        ((0, 999), (0, 999), "\n", "abc\n‸\nnext"),
        ((0, 3), (0, 3), "()", "abc(‸)\nnext"),
        ((0, 3), (0, 3), "x()", "abcx()‸\nnext"),
    ],
)
def test_where_the_last_edit_ends_is_known(
    start: tuple[int, int], end: tuple[int, int], text: str, marked: str
) -> None:
    document = Document("file:///a", "python", 1, "abc\nnext", PositionEncoding.UTF16)
    assert document.edited_at is None
    document.replace(Position(*start), Position(*end), text)
    assert document.edited_at is not None
    assert document.text[: document.edited_at] + "‸" + document.text[document.edited_at :] == marked
    document.replace_all("new")
    assert document.edited_at is None


def test_a_bracket_that_the_editor_closes_in_an_edit_of_its_own_stays_behind_the_cursor() -> None:
    document = Document("file:///a", "python", 1, "f\n", PositionEncoding.UTF16)
    document.replace(Position(0, 1), Position(0, 1), "(")
    document.replace(Position(0, 2), Position(0, 2), ")")
    assert document.edited_at == 2
    document.replace(Position(0, 3), Position(0, 3), ")")
    assert document.edited_at == 4


def test_the_other_documents_come_in_the_order_of_their_last_change() -> None:
    documents = Documents()
    for name in "abc":
        documents.open(name, "python", 1, name)
    documents.touched("a")
    assert [document.uri for document in documents.others("b")] == ["c", "a"]


def test_closed_documents_are_remembered_for_others_until_they_come_back() -> None:
    documents = Documents()
    for uri in ("a", "b", "c"):
        documents.open(uri, "python", 1, f"text of {uri}")
    documents.close("a")
    documents.close("c", is_remembered=False)
    assert documents.get("a") is None
    assert [document.uri for document in documents.others("b")] == ["a"]
    assert documents.others("a")[0].uri == "b"
    documents.open("renamed", "python", 1, "text of a")
    assert [document.uri for document in documents.others("b")] == ["renamed"]


def test_only_a_few_closed_documents_are_remembered() -> None:
    documents = Documents()
    for number in range(12):
        documents.open(f"{number}", "python", 1, f"{number}\n")
        documents.close(f"{number}")
    assert [document.uri for document in documents.others("")] == [str(number) for number in range(4, 12)]
    documents.open("long", "python", 1, "x" * 2_000_000)
    documents.close("long")
    assert documents.others("") == []
