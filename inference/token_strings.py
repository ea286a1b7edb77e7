"""A person's texts as strings of their tokens, which drafts and the local memory look through.

While somebody types, all but the cursor's own line stays the same from key to key: what a text became is kept.
"""

from __future__ import annotations

from collections import OrderedDict

from inference.drafting import as_string
from inference.tokenizer import TextTokenizer

_NEAR = 2000
"""Characters at the end of a growing text within which a place is looked for where it can be tokenised apart."""

_KEPT = 32
"""Texts: those of the other files, and of both sides of the cursor in a few places."""


class TokenStrings:
    """The strings of one tokenizer's tokens."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._head = self._head_string = ""

    def of(self, text: str) -> str:
        """The whole `text`, but for lines that nobody writes; see `TextTokenizer.encode_written`."""
        if (known := self._kept.get(text)) is not None:
            self._kept.move_to_end(text)
            return known
        made = as_string(self._tokenizer.encode_written(text))
        self._kept[text] = made
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return made

    def growing(self, text: str) -> str:
        """The same for a text that is being typed at its end: only its last lines are tokenised again."""
        seam = self._tokenizer.last_seam(text[-_NEAR:])
        if seam:
            seam += max(0, len(text) - _NEAR)
        else:  # in a text of another script, say; a token more or less at one place does no harm here
            seam = text.rfind("\n", 0, len(text) - _NEAR // 4) + 1
        head = text[:seam]
        if head != self._head:
            if self._head and head.startswith(self._head):  # lines more: both end where texts may be cut
                more = as_string(self._tokenizer.encode_written(head[len(self._head) :]))
                self._head_string += more
            else:
                self._head_string = self.of(head)
            self._head = head
        return self._head_string + as_string(self._tokenizer.encode_written(text[seam:]))

    def known(self, text: str) -> str:
        """What of `text` has been tokenised before, from its beginning on: costs little however long it is."""
        made = self._kept.get(text)
        return as_string(self._tokenizer.encode_known(text)) if made is None else made
