"""How many threads a forward pass is computed with: as many as were fastest for its size, on this machine, lately.

To share work out and to wait for each other takes threads some hundredths of a millisecond each time, and a multiple
where they had gone to sleep or where another program has the processor: more than there is to gain where there is
little work. So short passes share nothing but their matrices, and in how many threads those are multiplied is found out
for each size. On two cores, with the embedded model in the daemon, that halved the wait while typing and the
processor's time; beside a program that keeps one core busy, the wait was a fifth. `docs/precision.md` has the figures.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ParamSpec, TypeVar

import torch

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")

_SIZES = (1, 4, 16, 64, 256)
"""Tokens in a pass, for which it is found out."""

_FIXED_TOKENS = 16
"""What a pass costs whatever it computes, in tokens, about: passes of not quite the same size are compared."""

_FOLLOWS, _TRIAL_FOLLOWS = 0.2, 0.5
"""How fast what is known of a number of threads follows what is seen: of the usual one, and of one that is tried."""

_OUTLIER = 2.0
"""A pass that took so many times as long as usual was interrupted by something else, and counts for no more."""

_BETTER = 0.95
"""More threads are worth it from this share of the time on: fewer leave processors to others."""

_TRIED_EVERY, _FIRST_TRIAL = 32, 8
"""Passes of a size between two trials of another number of threads that is as fast, and before the first one."""

_RAREST = 8
"""So many times as rare, at most, are those of a number that was slower."""

LONGEST_TRIED_S = 0.15
"""Where a pass takes longer nothing new is tried, as one that took twice as long would be noticed; and what was tried
before is the more rarely."""

ALL = torch.get_num_threads()
"""As many as torch takes if it is told nothing: one a core, or what `OMP_NUM_THREADS` says."""


class _Sharing(threading.local):
    """In this thread."""

    among = 0
    """How many threads share what is `shared`; 0 where everything is."""


_sharing = _Sharing()


@contextmanager
def in_threads(count: int) -> Generator[None]:
    """Let torch compute with so many threads, and with all again behind it."""
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(ALL)  # new threads of the process, as a load has, begin with what was set last anywhere


@contextmanager
def only_matrices() -> Generator[None]:
    """Let threads share what is `shared`, and nothing else.

    In short passes all else is too small: attention of one token over 500 takes 45 µs on one thread and 230 on two.
    """
    outside, count = _sharing.among, torch.get_num_threads()
    _sharing.among = max(outside, count)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        _sharing.among = outside
        torch.set_num_threads(count)


def shared(compute: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs) -> _Result:
    """What `compute` gives, in all threads of the pass."""
    if _sharing.among <= 1:
        return compute(*given, **named)
    torch.set_num_threads(_sharing.among)
    try:
        return compute(*given, **named)
    finally:
        torch.set_num_threads(1)


@dataclass(slots=True)
class _Size:
    """What is known of passes of one size."""

    usual: int
    seconds: dict[int, float] = field(default_factory=dict[int, float])
    """By the number of threads."""

    passes: int = 0
    tried_at: dict[int, int] = field(default_factory=dict[int, int])
    """By the number of threads, the pass of the last trial."""

    def is_due(self, count: int) -> bool:
        """Whether another number of threads is to be tried: the slower it was, the longer ago.

        So trials of one that takes twice as long add less than half a per cent to the time of all passes.
        """
        usually = self.seconds.get(self.usual, 0.0)
        if count not in self.seconds:
            return self.passes > _FIRST_TRIAL and usually <= LONGEST_TRIED_S
        slower = max(1.0, self.seconds[count] / usually)
        between = _TRIED_EVERY * min(slower**3, _RAREST) * max(1.0, usually / LONGEST_TRIED_S)
        return self.passes - self.tried_at.get(count, 0) >= between


class ThreadChoice:
    """Chooses between one thread, two, four, and so on up to `most`, for each size by itself."""

    def __init__(self, most: int = ALL) -> None:
        self.counts = [*(1 << power for power in range(most.bit_length()) if 1 << power < most), most]
        """All numbers of threads, the least first."""

        self._sizes = {size: _Size(most) for size in _SIZES}

    def usual(self, tokens: int) -> int:
        """With how many threads a pass over `tokens` ≥ 1 is fastest, as far as is known."""
        return self._sizes[_nearest(tokens)].usual

    def next(self, tokens: int) -> int:
        """How many threads the next pass is to have: mostly the usual number, now and then one step more or less."""
        known = self._sizes[_nearest(tokens)]
        known.passes += 1
        at = self.counts.index(known.usual)
        for count in self.counts[max(0, at - 1) : at + 2]:
            if count != known.usual and known.is_due(count):
                known.tried_at[count] = known.passes
                return count
        return known.usual

    def record(self, tokens: int, count: int, seconds: float) -> None:
        """Learn that a pass with `count` threads took so long."""
        size = _nearest(tokens)
        known = self._sizes[size]
        seconds *= (size + _FIXED_TOKENS) / (tokens + _FIXED_TOKENS)
        before = known.seconds.setdefault(count, seconds)
        follows = _FOLLOWS if count == known.usual else _TRIAL_FOLLOWS
        known.seconds[count] = before + follows * (min(seconds, before * _OUTLIER) - before)
        least = min(known.seconds.values())
        known.usual = min(one for one, took in known.seconds.items() if _BETTER * took <= least)


@lru_cache(maxsize=1024)
def _nearest(tokens: int) -> int:
    """The size whose ratio to `tokens` is nearest to 1."""
    return min(_SIZES, key=lambda size: abs(math.log(size / tokens)))
