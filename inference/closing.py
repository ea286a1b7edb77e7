"""What stands closed behind the cursor already: brackets, and the end of a string. Pure.

Editors put `)` behind a `(` as it is typed, so that the text after the cursor changes with a key before it. Where the
prompt begins with that text, a model that is shown the bracket has to read everything anew. So it is not shown: the
model writes the bracket itself, and its text ends there. (Of 520 brackets of held-out modules, the embedded model
filled 28 % exactly as they were, shown or not; 9 % without the cut.)
"""

from __future__ import annotations

import re

_QUOTES = ('"""', "'''", '"', "'", "`")
_OPENERS, _CLOSERS = "([{", ")]}"
_WORD = re.compile(r"\w*$")
_LONGEST_PREFIX = 2
_LONGEST_LINE = 2000
"""Characters of a line in which brackets are counted."""

_STRING_PREFIX = re.compile(r"[rbfu]{0,2}", re.IGNORECASE)


def closing_end(text: str, closers: str, line_prefix: str = "", *, is_whole: bool = False) -> int | None:
    """Index at which `text`, written between `line_prefix` and `closers`, closes what `closers` close; None if nowhere.

    `x)` in front of `)` ends after `x`, and so does `x).strip()`, of which no more fits. Where more brackets are open
    before the cursor than are closed behind it, the inner ones are for the text to close. A quote that opens no string
    of the text, as in `&'a T`, is known for one when the text `is_whole`.
    """
    if not closers:
        return None
    quote = next((one for one in _QUOTES if one in closers), "")
    if quote:
        return _end_of_string(text, quote, closers[0], _ends_with_escape(line_prefix))
    surplus = max(0, _open_brackets(line_prefix) - len(closers))
    ignored: frozenset[int] = frozenset()
    while True:
        end, unclosed = _end_of_code(text, surplus, ignored)
        if end is not None or unclosed is None or not is_whole:
            return end
        ignored |= {unclosed}


def before_closers(text: str, closers: str, line_prefix: str = "") -> str:
    """What of a whole `text` fits in front of `closers`."""
    return text[: closing_end(text, closers, line_prefix, is_whole=True)]


def _end_of_string(text: str, quote: str, closer: str, is_escaped: bool) -> int | None:
    """Where `text`, which begins in a string, ends it or closes the bracket `closer` in it."""
    opener = _OPENERS[_CLOSERS.index(closer)] if closer in _CLOSERS else ""
    depth = 0
    place = int(is_escaped)
    while place < len(text):
        character = text[place]
        if text.startswith(quote, place):
            return place
        if opener:
            depth += (character == opener) - (character == closer)
            if depth < 0:
                return place
        place += 2 if character == "\\" else 1
    return None


def _end_of_code(text: str, surplus: int, ignored: frozenset[int]) -> tuple[int | None, int | None]:
    """Where `text` closes one bracket more than it opens, and than `surplus`; and where a string begins without end.

    Quotes at the places `ignored` begin none.
    """
    depth = surplus
    place = 0
    while place < len(text):
        if place not in ignored and (quote := _opened_string(text, place)):
            end = _end_of_string(text[place + len(quote) :], quote, quote, is_escaped=False)
            if end is None:
                return None, place
            place += 2 * len(quote) + end
            continue
        depth += (text[place] in _OPENERS) - (text[place] in _CLOSERS)
        if depth < 0:
            return place, None
        place += 1
    return None, None


def _opened_string(text: str, place: int) -> str:
    """The quotes of a string that begins at `place`, else nothing: an apostrophe stands behind a word."""
    quote = next((one for one in _QUOTES if text.startswith(one, place)), "")
    if not quote:
        return ""
    word = _WORD.search(text, max(0, place - _LONGEST_PREFIX - 1), place)
    return quote if quote and (word is None or _STRING_PREFIX.fullmatch(word[0])) else ""


def _open_brackets(line_prefix: str) -> int:
    """How many brackets are open at the end of a line's beginning."""
    depth = place = 0
    line_prefix = line_prefix[-_LONGEST_LINE:]
    while place < len(line_prefix):
        quote = _opened_string(line_prefix, place)
        end = _end_of_string(line_prefix[place + len(quote) :], quote, quote, is_escaped=False) if quote else None
        if end is not None:
            place += 2 * len(quote) + end
            continue
        depth = max(0, depth + (line_prefix[place] in _OPENERS) - (line_prefix[place] in _CLOSERS))
        place += 1
    return depth


def _ends_with_escape(line_prefix: str) -> bool:
    return (len(line_prefix) - len(line_prefix.rstrip("\\"))) % 2 == 1
