"""How many threads a forward pass is computed with: as many as were fastest for its size, on this machine, lately.

The threads of a pass wait for each other some dozen times a layer, which costs more than it gains where there is little
work to share. 5.5 million parameters in int8, on two cores with nothing else to do: one thread takes 0.45 to 0.7 of the
time of two, up to eight tokens, and 1.4 times as long from 128 on. Where other programs compute too, all wait for the
thread that isn't being run: beside two such programs one thread takes a quarter to two thirds of the time of two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

import torch

_SIZES = (1, 4, 16, 64, 256)
"""Tokens in a pass, for which it is found out."""

_FIXED_TOKENS = 16
"""What a pass costs whatever it computes, in tokens, about: passes of not quite the same size are compared."""

_FOLLOWS = 0.2
"""How fast what is known of a number of threads follows what is seen."""

_OUTLIER = 2.0
"""A pass that took so many times as long as usual was interrupted by something else, and counts for no more."""

_BETTER = 0.95
"""More threads are worth it from this share of the time on: fewer leave processors to others."""

_TRIED_EVERY, _FIRST_TRIAL = 32, 8
"""Passes of a size between two trials of another number of threads that is as fast, and before the first one."""

_LONGEST_TRIED_S = 0.15
"""Nothing is tried where a pass takes longer: one that took twice as long would be noticed."""

ALL = torch.get_num_threads()
"""As many as torch takes if it is told nothing: one a core, or what `OMP_NUM_THREADS` says."""


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

        So trials add less than half a per cent to the time of all passes, however slow they are.
        """
        usually = self.seconds.get(self.usual, 0.0)
        if usually > _LONGEST_TRIED_S:
            return False
        if count not in self.seconds:
            return self.passes > _FIRST_TRIAL
        slower = max(1.0, self.seconds[count] / usually)
        return self.passes - self.tried_at.get(count, 0) >= _TRIED_EVERY * slower**3


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
        seconds = min(max(seconds, before / _OUTLIER), before * _OUTLIER)
        known.seconds[count] = before + _FOLLOWS * (seconds - before)
        least = min(known.seconds.values())
        known.usual = min(one for one, took in known.seconds.items() if _BETTER * took <= least)


@lru_cache(maxsize=1024)
def _nearest(tokens: int) -> int:
    """The size whose ratio to `tokens` is nearest to 1."""
    return min(_SIZES, key=lambda size: abs(math.log(size / tokens)))
