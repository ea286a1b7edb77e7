"""From a snapshot to what the model is asked: prefix, suffix, and how many lines a suggestion may have. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lsp_server.documents import Snapshot

_BLOCK_OPENERS = (":", "{", "(", "[", "=>", "->", " do", " then")
_CLOSERS = frozenset(")]}\"'`;,:")
_QUOTES = frozenset("\"'`")
_CLOSING = re.compile(r"[)\]}\"'`]*")


@dataclass(frozen=True, slots=True)
class Cursor:
    r"""The buffer split at the cursor. Line ends are `\\n` here; `newline` is what the file uses."""

    prefix: str
    suffix: str
    newline: str

    @property
    def line_prefix(self) -> str:
        """Text of the cursor's line before the cursor."""
        return self.prefix[self.prefix.rfind("\n") + 1 :]

    @property
    def line_suffix(self) -> str:
        """Text of the cursor's line after the cursor."""
        return self.suffix.split("\n", 1)[0]


def split(snapshot: Snapshot) -> Cursor:
    """Split the snapshot at its cursor, with the line ends that models know, and what else a model should read."""
    before, after = snapshot.text[: snapshot.offset], snapshot.text[snapshot.offset :]
    newline = "\r\n" if "\r\n" in snapshot.text else "\n"
    if "\r" in snapshot.text:
        before, after = (text.replace("\r\n", "\n").replace("\r", "\n") for text in (before, after))
    return Cursor(snapshot.before + before, after + snapshot.behind, newline)


def may_suggest(cursor: Cursor) -> bool:
    """Whether an automatic suggestion makes sense here.

    Only where nothing but closing brackets, quotes and punctuation stands to the right: ghost text in front of code
    that is already written is nearly always wrong, and hides it.
    """
    return all(character.isspace() or character in _CLOSERS for character in cursor.line_suffix)


def closers(cursor: Cursor) -> str:
    """Brackets, and a string's end, right behind the cursor: put there by the editor, or long before.

    Empty where code follows, or where a quote begins a string.
    """
    found = _CLOSING.match(cursor.line_suffix)
    if found is None or not may_suggest(cursor):
        return ""
    is_open = all(cursor.line_prefix.count(quote) % 2 for quote in set(found[0]) & _QUOTES)
    return found[0] if is_open else ""


def unclosed(cursor: Cursor) -> Cursor:
    """The same place as it would be if nothing stood closed behind it."""
    return replace(cursor, suffix=cursor.suffix[len(closers(cursor)) :])


def less_closed(cursor: Cursor) -> Iterator[Cursor]:
    """The same place with fewer closers, as it was before the editor put these there."""
    for count in range(1, len(closers(cursor)) + 1):
        yield replace(cursor, suffix=cursor.suffix[count:])


def line_limit(cursor: Cursor, max_lines: int) -> int:
    """How many lines a suggestion may have.

    `max_lines` where a block is opened or continued on an empty line, else 1.
    """
    if cursor.line_suffix.strip():
        return 1
    before = cursor.line_prefix.rstrip()
    return max_lines if not before or before.endswith(_BLOCK_OPENERS) else 1


def with_selection(snapshot: Snapshot, start: int, end: int, text: str) -> Snapshot:
    """The snapshot as it would be after the popup's choice `text` has replaced `snapshot.text[start:end]`."""
    return replace(
        snapshot, text=snapshot.text[:start] + text + snapshot.text[max(start, end) :], offset=start + len(text)
    )
