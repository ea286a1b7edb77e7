"""Steps against a model that goes round in circles, as small ones do when they are lost. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lsp_server.cursor import Cursor

_TOKEN = re.compile(r"\w+|\n[ \t]*|[ \t]+|[^\w\s]|\s")
_SHORTEST_CIRCLE = 16
"""In characters, of all rounds: `0, 0, 0` is code. `inference.stopping` ends what goes round four times."""

_ROUNDS, _LINE_ROUNDS = 3, 2
"""Rounds after which words, and whole lines, are taken for a circle."""

_WORD_CHARACTERS = 3
_LOOKED_AT = 8000
"""Characters above the cursor that a suggestion, which is shorter, is compared with."""


def without_circles(text: str, cursor: Cursor) -> str:
    """Cut after the first round where the text ends in the same words three times over, or in the same lines twice."""
    # What begins a line goes round with it, also where it stands in front of the cursor.
    front = "\n" + cursor.line_prefix if not cursor.line_prefix.strip() else ""
    tokens: list[str] = _TOKEN.findall(front + text)
    for length, period in _periodic_beginnings(tokens[::-1]):
        start = len(tokens) - length
        piece = "".join(tokens[start : start + period])
        whole = length + (not piece.startswith("\n"))  # the last blank may have been trimmed
        rounds = whole // period
        is_circle = rounds >= (_LINE_ROUNDS if "\n" in piece else _ROUNDS)
        if is_circle and sum(map(len, tokens[start:])) >= _SHORTEST_CIRCLE and _words(piece) >= _WORD_CHARACTERS:
            return "".join(tokens[: start + period])[len(front) :].rstrip()
    return text


def unlike_the_lines_above(text: str, cursor: Cursor) -> str:
    """Nothing, where all the text does is to repeat the line or lines just above, as they are indented."""
    above, _, line_prefix = cursor.prefix[-_LOOKED_AT:].rpartition("\n")
    if text.startswith("\n"):
        above, written = f"{above}\n{line_prefix}", text
    else:
        written = line_prefix + text
    lines = _lines(written)
    if _words(written) < _WORD_CHARACTERS or _lines(above)[-len(lines) :] != lines:
        return text
    return ""


def _periodic_beginnings(tokens: Sequence[str]) -> list[tuple[int, int]]:
    """Length and period of the beginnings of `tokens` that hold their period at least twice, the longest first.

    The period is the shortest, from the failure function of Knuth, Morris and Pratt 1977 (SIAM J. Comput. 6:2).
    """
    found: list[tuple[int, int]] = []
    failure = [0] * (len(tokens) + 1)
    matched = 0
    for length in range(2, len(tokens) + 1):
        while matched and tokens[length - 1] != tokens[matched]:
            matched = failure[matched]
        matched += tokens[length - 1] == tokens[matched]
        failure[length] = matched
        period = length - matched
        if length >= 2 * period:
            found.append((length, period))
    return found[::-1]


def _words(text: str) -> int:
    """How many characters of words the text has."""
    return sum(character.isalnum() for character in text)


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.split("\n") if line.strip()]
