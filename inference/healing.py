"""Token healing: a prompt that ends between two tokens, and decoding that begins with what was cut off.

People stop typing anywhere, tokenizers cut only where training text was cut: `print` + `ln` is no way to write
`println`, and a space before a word belongs to the word. So the prompt backs up over the word or the marks at the
cursor and the blanks before them, to where a token ends whatever comes; and of the first tokens only those may be
chosen that begin with the text cut off, or that it begins with. (The idea is from guidance's "token healing", Lundberg
2023; that backing up over blanks too is worth as much again was measured here.)

The prompt then also stays the same while a word is typed, so that such a key costs no prefill at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference.token_bytes import BLANKS, TokenBytes, TokenIds
from inference.tokenizer import TextTokenizer

_TAIL = re.compile(r"\s*(?:\w+|[^\w\s]+)?\Z")
_LONGEST_CHARS = 64
"""More is not cut off: what is longer is no word, and each of its tokens would have to be decoded again."""

LONGEST_TAIL = 32
"""The same in tokens."""

_WINDOW_CHARS = 512
"""The text before the cursor that is tokenised to see where tokens end."""


@dataclass(frozen=True, slots=True)
class Tail:
    """What was cut off a prefix, which the completion has to begin with."""

    text: str
    ids: tuple[int, ...]
    """Its tokens as they stood in the prefix: the first guess at how the completion begins."""

    @property
    def bytes(self) -> bytes:
        """In UTF-8."""
        return self.text.encode()


NO_TAIL = Tail("", ())


class Healer:
    """Cuts prefixes for one tokenizer, and knows which tokens may follow."""

    def __init__(self, tokenizer: TextTokenizer, table: TokenBytes) -> None:
        self._tokenizer, self._table = tokenizer, table

    def cut(self, prefix: str) -> Tail:
        """What to leave out at the end of `prefix`; `NO_TAIL` where it is best left as it is."""
        window = prefix[-_WINDOW_CHARS:]
        window = window[_seam(window) :]
        least = len(_tail(window).encode("utf-8", "replace"))
        text = window.encode("utf-8", "replace")
        ids = self._tokenizer.encode(window)
        if not least or self._table.joined(ids) != text:
            return NO_TAIL
        size = count = 0
        while count < len(ids) and (size < least or text[len(text) - size] & 0xC0 == 0x80):
            count += 1
            size += len(self._table.joined(ids[-count : len(ids) - count + 1]))
        tail = text[len(text) - size :]
        is_long = count > LONGEST_TAIL or len(tail) > _LONGEST_CHARS
        if count == len(ids) or is_long or not self._table.single_bytes.issuperset(tail):
            return NO_TAIL
        return Tail(tail.decode(), tuple(ids[-count:]))

    def missing(self, tail: Tail, written: Sequence[int]) -> bytes:
        """What of `tail` the tokens `written` so far have not brought yet; empty where the completion is free."""
        whole = tail.bytes
        return whole[self._size(written, len(whole)) :]

    def goes_beyond(self, tail: Tail, written: Sequence[int]) -> bool:
        """Whether `written` has more than `tail`."""
        size = len(tail.bytes)
        return self._size(written, size + 1) > size

    def _size(self, written: Sequence[int], enough: int) -> int:
        """Bytes of `written`; where that is `enough` or more, at least `enough`. Asked at every token."""
        size = 0
        for identifier in written:
            if size >= enough:
                break
            size += len(self._table.of_token(identifier))
        return size

    def spelling(self, words: Sequence[bytes], written: Sequence[int], ends: Sequence[int]) -> TokenIds | None:
        """Tokens [n] after `written` that lead to one of `words`, or away from one that is whole, as `ends` do too.

        None where what is written is none of them, or goes beyond one.
        """
        so_far = self._table.joined(written)
        allowed: set[int] = set()
        is_whole = False
        for word in words:
            if word == so_far:
                is_whole = True
            elif word.startswith(so_far):
                allowed.update(self._table.spelling(word[len(so_far) :]))
        if is_whole:
            allowed.update(ends)
            return np.concatenate([np.array(sorted(allowed), dtype=np.int64), self._table.behind_words])
        return np.array(sorted(allowed), dtype=np.int64) if allowed else None

    def leads_to(self, words: Sequence[bytes], written: Sequence[int]) -> bool:
        """Whether what is written may still become one of `words`, or is one."""
        so_far = self._table.joined(written)
        return any(word.startswith(so_far) for word in words)

    def allowed(self, missing: bytes, *, then_blank: bool = True) -> TokenIds:
        """Tokens [n] that may come where `missing`, not empty, must: none but those lead to it.

        Unless it is `then_blank`, none that goes on with a blank.
        """
        shorter = np.array(self._table.beginnings_of(missing), dtype=np.int64)
        whole = self._table.beginning_with(missing)
        if not then_blank:
            whole = np.setdiff1d(whole, np.concatenate([self._table.beginning_with(missing + one) for one in BLANKS]))
        return np.concatenate([shorter, whole])

    @property
    def blank(self) -> TokenIds:
        """Tokens [n] that begin with a blank."""
        return self._table.blank


def _tail(window: str) -> str:
    """The least text to back up over: the word or the marks at the end, with the blanks before."""
    match = _TAIL.search(window, max(0, len(window) - _LONGEST_CHARS))
    return match[0] if match else ""


def _seam(window: str) -> int:
    """Where in `window` to begin: two lines with text before its end, so that the cursor's tokens are what they are."""
    at = len(window)
    for _ in range(2):
        at = window.rfind("\n", 0, len(window[:at].rstrip()))
        if at < 0:
            return 0
    return at + 1
