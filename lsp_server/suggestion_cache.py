"""Suggestions that were computed already, found again at the same place or after part of them has been typed. Pure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from lsp_server.cursor import Cursor

_KEY_CHARS = 1000
"""How much text on either side of the cursor must agree.

A suggestion that was right for this much context is right again.
"""


@dataclass(frozen=True, slots=True)
class _Entry:
    before: str
    after: str
    text: str


class SuggestionCache:
    """The last `capacity` suggestions of one session, newest first.

    Empty ones too, so that nothing is asked twice in vain.
    """

    def __init__(self, capacity: int = 64) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[tuple[str, str, str], _Entry] = OrderedDict()

    def store(self, uri: str, cursor: Cursor, text: str) -> None:
        """Remember what is suggested at `cursor`; an empty `text` means that nothing is."""
        entry = _Entry(cursor.prefix[-_KEY_CHARS:], cursor.suffix[:_KEY_CHARS], text)
        key = (uri, entry.before, entry.after)
        self._entries[key] = entry
        self._entries.move_to_end(key)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)

    def find(self, uri: str, cursor: Cursor) -> str | None:
        """What is left to suggest at `cursor`, or None when nothing stored fits.

        That is a stored text, or its rest where its start has been typed since.

        The empty string says that this very place was asked before and nothing was found.
        """
        for key, entry in reversed(self._entries.items()):
            if key[0] == uri and (rest := _rest(entry, cursor)) is not None:
                return rest
        return None

    def clear(self) -> None:
        """Forget everything: another model would answer differently."""
        self._entries.clear()


def _rest(entry: _Entry, cursor: Cursor) -> str | None:
    if not cursor.suffix.startswith(entry.after) or (
        len(entry.after) < _KEY_CHARS and len(cursor.suffix) != len(entry.after)
    ):
        return None
    whole = len(entry.before) < _KEY_CHARS
    earliest = max(0, len(cursor.prefix) - len(entry.before) - len(entry.text))
    start = 0 if whole else cursor.prefix.rfind(entry.before, earliest)
    if start < 0 or not cursor.prefix.startswith(entry.before, start):
        return None
    typed = cursor.prefix[start + len(entry.before) :]
    if not entry.text.startswith(typed) or (typed and typed == entry.text):
        return None
    return entry.text[len(typed) :]
