"""Where a completion ends that has to begin with a tail, judged anew at every token but only where a token can tell.

`stopping.completion_end` and `closing.closing_end` read the whole text. Most tokens are part of a word, or white space
within a line, and end nothing, which shows from the token's own characters.
"""

from __future__ import annotations

import re

from inference.closing import closing_end
from inference.healing import Tail
from inference.request import Request
from inference.stopping import CLOSERS, completion_end, loop

_NO_WORD = re.compile(r"\W")
_TELLING, _TELLING_IN_STRINGS = re.compile(r"[)\]}\n]"), re.compile(r"[)\]}\n\"'`]")
"""What ends lines and closes brackets, or the string behind the cursor. What opens them only puts the end off."""


class Ending:
    """The end of a completion of `request`, which begins with `tail`; called with the text so far, longer each time."""

    def __init__(self, request: Request, tail: Tail) -> None:
        self._request, self._tail = request, tail.text
        self._line_prefix = line_prefix(request)
        self._telling = _TELLING_IN_STRINGS if set(request.closers) & set("\"'`") else _TELLING
        self._endless: str | None = None
        """The longest text that is known to go on."""

    def __call__(self, text: str) -> tuple[str, bool]:
        """What of `text` counts, and whether that is all."""
        if not text.startswith(self._tail):
            return "", False
        text = text[len(self._tail) :]
        known = self._endless
        if known is not None and text.startswith(known) and not self._may_end(known, text):
            cut = None
        else:
            cut = _earliest(
                completion_end(
                    text, self._request.prefix, self._request.max_lines, self._request.insist, self._request.suffix
                ),
                closing_end(text, self._request.closers, self._line_prefix),
            )
        if self._request.word_only and (behind := _NO_WORD.search(text)):
            cut = _earliest(cut, behind.start())
        if cut is not None:
            return text[:cut], True
        self._endless = text
        return text, False

    def _may_end(self, known: str, text: str) -> bool:
        """Whether `text`, which begins with `known`, may have an end where `known` has none."""
        if self._telling.search(text, len(known)) or loop(text):
            return True
        # What was white space so far, or only closed something, may become the beginning of a line outside the block.
        line = known[known.rfind("\n") + 1 :].strip()
        return all(character in CLOSERS for character in line)


def line_prefix(request: Request) -> str:
    """What stands before the cursor on its line."""
    return request.prefix[request.prefix.rfind("\n") + 1 :]


def _earliest(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)
