"""Steps against a model that goes round in circles, as small ones do when they are lost. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lsp_server.cursor import Cursor

_TOKEN = re.compile(r"\w+|\n[ \t]*|[ \t]+|[^\w\s]|\s")
_SHORTEST_CIRCLE = 16
"""In characters, of all rounds: `0, 0, 0` is code. `inference.stopping` ends most that goes round four times."""

_LINE_ROUNDS, _OPENING_ROUNDS, _ROUNDS = 2, 3, 4
"""Rounds after which whole lines, words that open a bracket each time, and words are taken for a circle:
`.parent.parent.parent` is code."""

_WORD_CHARACTERS = 3
_LOOKED_AT = 8000
"""Characters above the cursor that a suggestion, which is shorter, is compared with."""


def without_circles(text: str, cursor: Cursor) -> str:
    """Cut after the first round where the text ends in the same lines twice, and the line that has words four times.

    Lines are right as far as they go; a line that is cut short says something else.
    """
    # What begins a line goes round with it, also where it stands in front of the cursor.
    front = "\n" + cursor.line_prefix if not cursor.line_prefix.strip() else ""
    tokens: list[str] = _TOKEN.findall(front + text)
    for length, period in _periodic_beginnings(tokens[::-1]):
        start = len(tokens) - length
        piece = "".join(tokens[start : start + period])
        whole = length + (not piece.startswith("\n"))  # the last blank may have been trimmed
        rounds = whole // period
        has_lines = "\n" in piece
        is_circle = rounds >= (_LINE_ROUNDS if has_lines else _OPENING_ROUNDS if _opens(piece) else _ROUNDS)
        if is_circle and sum(map(len, tokens[start:])) >= _SHORTEST_CIRCLE and _words(piece) >= _WORD_CHARACTERS:
            kept = "".join(tokens[: start + period * has_lines])[len(front) :]
            return kept.rstrip() if has_lines else kept.rpartition("\n")[0].rstrip()
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


def _opens(text: str) -> bool:
    """Whether more brackets open in the text than close."""
    return sum((one in "([{") - (one in ")]}") for one in text) > 0


def _words(text: str) -> int:
    """How many characters of words the text has."""
    return sum(character.isalnum() for character in text)


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.split("\n") if line.strip()]
