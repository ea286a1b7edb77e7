"""Guesses by a small model, for a large one to check: for what the person's own files don't repeat.

The two need not share a tokenizer: what the small one writes is tokenised anew (Timor et al. 2025, arXiv:2502.05202,
"string-level exact match"). As with all drafts, a wrong guess costs time and changes nothing. Whether guesses pay is
learnt: how often they are right, and how long they take.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from inference.drafting import BY_MODEL, CopyDrafter, Drafter, DraftLength
from inference.engines.base import Engine, Steps
from inference.request import Request
from inference.tokenizer import TextTokenizer

_GUESSES = 8
"""Tokens of the small model at a time."""

_NEWEST_WEIGHS = 0.2
_FORGETS = 0.02
"""What is forgotten of how long a guess takes each time that none is asked for."""


class DraftModel:
    """A small engine that guesses for a large one with `tokenizer`."""

    def __init__(self, engine: Engine, tokenizer: TextTokenizer) -> None:
        self._engine, self._tokenizer = engine, tokenizer
        self._seconds = 0.0

    def prepare(self, request: Request) -> Steps:
        """See `Engine.prepare`."""
        return self._engine.prepare(request)

    def drafter(self, request: Request, copies: CopyDrafter, length: DraftLength) -> Drafter:
        """Drafts for one completion: copied, or guessed where by `length` that yields more tokens a second."""

        def propose(written: Sequence[int], most: int) -> tuple[list[int], int]:
            copied, match = copies.propose(written, most)
            count = min(most, _GUESSES)
            if length.rate(BY_MODEL, count, self._seconds) <= length.rate(match, len(copied)):
                self._seconds *= 1 - _FORGETS
                length.reconsider(BY_MODEL)
                return copied, match
            if guesses := self._guesses(request, written, count):
                return guesses, BY_MODEL
            length.learn(BY_MODEL, 1, 0)
            return copied, match

        return propose

    def _guesses(self, request: Request, written: Sequence[int], most: int) -> list[int]:
        """At most `most` of the large model's tokens to follow those `written` so far."""
        started = time.perf_counter()
        prefix = request.prefix + self._tokenizer.decode(written)
        guessing = self._engine.complete(
            replace(request, prefix=prefix, max_tokens=most, related=(), closers="", insist=False)
        )
        while True:
            try:
                next(guessing)
            except StopIteration as done:
                text: str = done.value.text
                break
        seconds = time.perf_counter() - started
        self._seconds += _NEWEST_WEIGHS * (seconds - self._seconds) if self._seconds else seconds
        return self._tokenizer.encode(text)[:most]
