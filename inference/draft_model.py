"""Guesses by a small model, for a large one to check: for what the person's own files don't repeat.

The two need not share a tokenizer: what the small one writes is tokenised anew (Timor et al. 2025, arXiv:2502.05202,
"string-level exact match"). As with all drafts, a wrong guess costs time and changes nothing. Whether guesses pay is
learnt: how often they are right, and how long they take.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace

from inference.drafting import BY_MODEL, CopyDrafter, Drafter, DraftLength
from inference.engines.base import Engine, Steps
from inference.request import Completion, Request
from inference.tokenizer import TextTokenizer

log = logging.getLogger(__name__)

_GUESSES = 8
"""Tokens of the small model at a time."""

_FEWEST = 3
"""Where fewer may be drafted, the small model is not asked."""

_NEWEST_WEIGHS = 0.2
_SOONEST, _LATEST = 16, 1024
"""Passes until guesses that don't pay are tried again; each time in vain, it takes twice as many."""


_SOON = 64
"""Passes, about as many as the longest completion takes: where a try is nearer, the text is read for it."""


class DraftModel:
    """A small engine that guesses for a large one with `tokenizer`."""

    def __init__(self, engine: Engine, tokenizer: TextTokenizer) -> None:
        self._engine, self._tokenizer = engine, tokenizer
        self._works = True
        self._seconds = 0.0
        self._wait = self._left = 0
        """Passes between two tries, and until the next one; 0 while guesses pay."""

    def prepare(self, request: Request) -> Steps:
        """Let the small model read the text around the gap, so that a guess costs what it writes."""
        if self._works and self._left <= _SOON:
            try:
                yield from self._engine.prepare(self._asked(request, ""))
            except Exception as error:
                self._give_up(error)
        return Completion("", "", 0, 0, 0, 0.0)

    def drafter(self, request: Request, copies: CopyDrafter, length: DraftLength) -> Drafter:
        """Drafts for one completion: copied, or guessed where by `length` that yields more tokens a second."""
        expected_end = False

        def propose(written: Sequence[int], most: int) -> tuple[list[int], int]:
            nonlocal expected_end
            if expected_end:  # and the large model goes on
                length.learn(BY_MODEL, 1, 0)
            expected_end = False
            copied, match = copies.propose(written, most)
            if most < _FEWEST or not self._is_due(length, length.rate(match, len(copied)), most):
                return copied, match
            guesses = self._guesses(request, written)[:most]
            expected_end = not guesses
            return (guesses, BY_MODEL) if guesses else (copied, match)

        return propose

    def _is_due(self, length: DraftLength, rate: float, most: int) -> bool:
        """Whether guesses promise more tokens a second than `rate`, or should be tried again."""
        if not self._works:
            return False
        if length.rate(BY_MODEL, min(most, _GUESSES), self._seconds) > rate:
            self._wait = self._left = 0
            return True
        if not self._left:
            self._wait = min(max(_SOONEST, 2 * self._wait), _LATEST)
            self._left = self._wait
        self._left -= 1
        return self._left == 0

    def _guesses(self, request: Request, written: Sequence[int]) -> list[int]:
        """Tokens of the large model to follow those `written` so far; none where the small one has nothing to say."""
        started = time.perf_counter()
        guessing = self._engine.complete(self._asked(request, self._tokenizer.decode(written)))
        try:
            completion = _finished(guessing)
        except Exception as error:
            self._give_up(error)
            return []
        seconds = time.perf_counter() - started
        weighs = _NEWEST_WEIGHS if self._seconds and not self._wait else 1.0
        self._seconds += weighs * (seconds - self._seconds)
        tokens = self._tokenizer.encode(completion.text)
        return tokens[:-1] if completion.is_cut else tokens  # where it was cut, the last may be half a word

    def _asked(self, request: Request, written: str) -> Request:
        """What the small model is asked. The same number of tokens each time: prompts are cut to leave room for it."""
        prefix = request.prefix + written
        request = replace(request, words=(), avoid=(), word_only=False, memory="auto")
        return replace(request, prefix=prefix, max_tokens=_GUESSES, related=(), context=(), closers="", insist=False)

    def _give_up(self, error: Exception) -> None:
        log.error("the embedded model has failed and guesses no more", exc_info=error)
        self._works = False


def _finished(steps: Steps) -> Completion:
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value
