r"""The open documents: their lines, edited in place, and the whole text when somebody asks.

pygls keeps documents too, but splits lines with `str.splitlines`, which also breaks at form feeds, U+0085 and U+2028,
where LSP does not, and splits the whole text again at each access. Here a line ends with `\n`, `\r\n` or `\r` only
(LSP 3.17, section "Text Documents"), and an edit touches only its own lines. Knows nothing of pygls or of JSON.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lsp_server.position_encoding import PositionEncoding, index_from_units, units_from_index

_PAIRS = frozenset({"()", "[]", "{}", '""', "''", "``"})
_CLOSERS = frozenset(")]}")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Zero-based line, and character in units of the negotiated encoding."""

    line: int
    character: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A document's text at one version, with the cursor as an index into it. Safe to keep: nothing in it changes."""

    uri: str
    language: str
    version: int
    text: str
    offset: int
    before: str = ""
    """What a model should read before the text, such as a notebook's earlier cells; not part of the document."""

    behind: str = ""
    """What it should read behind the text."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of a text: `removed` stood at index `start`, and `text` stands there now."""

    start: int
    removed: str
    text: str

    @property
    def end(self) -> int:
        """Index behind what was removed, in the text before the edit."""
        return self.start + len(self.removed)


class Document:
    """One open document.

    Invariant: `"".join(lines)` is the text; every line but the last ends with its line end, the last has none (it may
    be empty).
    """

    def __init__(self, uri: str, language: str, version: int, text: str, encoding: PositionEncoding) -> None:
        self.uri = uri
        self.language = language
        self.version = version
        self._encoding = encoding
        self._lines = split_lines(text)
        self._text = text
        self._since: list[Edit] = []
        """What was done since then: the first edit, and the last where there were more."""

        self._known_start = (0, 0)
        """A line, and the index into the text where it begins: of the newest edit or cursor, near which the next is."""

        self.edited_at: int | None = None
        """Index into the text where the last edit ends, if it was one of a part: probably the cursor's."""

        self.edits: list[Edit] | None = None
        """What the last change notification did, in its order; None where the whole text was new."""

    @property
    def text(self) -> str:
        """The whole text; made anew once a version."""
        if len(self._since) == 1:  # a key: of many lines, joining takes many times as long
            [edit] = self._since
            self._text = self._text[: edit.start] + edit.text + self._text[edit.end :]
        elif self._since:
            self._text = "".join(self._lines)
        self._since.clear()
        return self._text

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines, each with its line end."""
        return tuple(self._lines)

    def snapshot(self, position: Position) -> Snapshot:
        """The text with the cursor at `position`, clamped to the document."""
        line, column = self._locate(position)
        offset = self._start_of(line) + column
        return Snapshot(self.uri, self.language, self.version, self.text, offset)

    def position_at(self, offset: int) -> Position:
        """The position, in units of the negotiated encoding, of `text[offset]`."""
        for number, line in enumerate(self._lines):
            if offset < len(line) or number == len(self._lines) - 1:
                return Position(number, units_from_index(line, offset, self._encoding))
            offset -= len(line)
        raise AssertionError("a document has at least one line")

    def replace(self, start: Position, end: Position, text: str) -> Edit:
        """Replace the range from `start` to `end`, both clamped to the document, by `text`; returns what that did."""
        start, end = min(start, end), max(start, end)
        first, first_column = self._locate(start)
        last, last_column = self._locate(end)
        # Editors put a closing bracket or quote behind the cursor: with the opening one, or in an edit of its own.
        at = self._start_of(first) + first_column  # nothing of what is in front of that line will change
        if text not in _CLOSERS or at != self.edited_at or (last, last_column) != (first, first_column):
            self.edited_at = at + len(text) - (text in _PAIRS)
        removed = "".join(self._lines[first : last + 1])[first_column : last_column - len(self._lines[last]) or None]
        edit = Edit(at, removed, text)
        segment = self._lines[first][:first_column] + text + self._lines[last][last_column:]
        if first > 0 and segment.startswith("\n") and self._lines[first - 1].endswith("\r"):
            first -= 1  # a carriage return and a line feed that the edit brings together become one line end
            self._known_start = (first, self._start_of(first))
            segment = self._lines[first] + segment
        lines = split_lines(segment)
        if last + 1 < len(self._lines):
            lines.pop()  # the empty rest: here the next line follows
        self._lines[first : last + 1] = lines
        self._since = [*self._since[:1], edit]  # two say enough: many
        return edit

    def replace_all(self, text: str) -> None:
        """Replace the whole text."""
        self._lines = split_lines(text)
        self._text = text
        self._since.clear()
        self._known_start = (0, 0)
        self.edited_at = None

    def _start_of(self, line: int) -> int:
        """The index into the text where a line begins."""
        known, start = self._known_start
        if line >= known:
            start += sum(map(len, self._lines[known:line]))
        else:
            start -= sum(map(len, self._lines[line:known]))
        self._known_start = (line, start)
        return start

    def _locate(self, position: Position) -> tuple[int, int]:
        """Line number and index into that line, clamped to the document."""
        if position.line >= len(self._lines):
            return len(self._lines) - 1, len(self._lines[-1])
        number = max(0, position.line)
        body = self._lines[number].rstrip("\r\n")
        return number, index_from_units(body, position.character, self._encoding)


_CLOSED_KEPT = 8
_CLOSED_CHARS = 1_000_000
"""Documents that are remembered after they were closed, and how much of text they may have together."""


class Documents:
    """The open documents by URI, and for a while those that were closed last."""

    def __init__(self) -> None:
        self.encoding = PositionEncoding.UTF16
        self._by_uri: dict[str, Document] = {}
        self._closed: dict[str, Document] = {}

    def open(self, uri: str, language: str, version: int, text: str) -> None:
        """Start (or start again) to keep a document."""
        self._by_uri[uri] = Document(uri, language, version, text, self.encoding)
        # The same text at another address is a file that was renamed.
        self._closed = {key: one for key, one in self._closed.items() if key != uri and one.text != text}

    def close(self, uri: str, *, is_remembered: bool = True) -> None:
        """Forget a document, but for `others` if it `is_remembered`; unknown ones are ignored."""
        document = self._by_uri.pop(uri, None)
        if document and is_remembered:
            self._closed.pop(uri, None)
            self._closed[uri] = document
            while self._closed and (
                len(self._closed) > _CLOSED_KEPT or sum(len(one.text) for one in self._closed.values()) > _CLOSED_CHARS
            ):
                del self._closed[next(iter(self._closed))]

    def others(self, uri: str) -> list[Document]:
        """The documents beside one: those closed last, then the open ones, the one changed last at the end."""
        return [one for one in (*self._closed.values(), *self._by_uri.values()) if one.uri != uri]

    def touched(self, uri: str) -> None:
        """Note that a document has just been changed."""
        if document := self._by_uri.pop(uri, None):
            self._by_uri[uri] = document

    def get(self, uri: str) -> Document | None:
        """The open document, or None."""
        return self._by_uri.get(uri)


def split_lines(text: str) -> list[str]:
    """Lines with their ends, then the rest behind the last line end (maybe empty): always at least one item."""
    if "\r" not in text:
        *whole, rest = text.split("\n")
        return [*(line + "\n" for line in whole), rest]
    lines = _LINE.findall(text)
    if not lines or lines[-1].endswith(("\r", "\n")):
        lines.append("")
    return lines
