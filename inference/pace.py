"""What a forward pass costs on this machine, learnt from every one that is run.

A decode step reads all weights whatever it computes, so eight tokens cost little more than one; how much more depends
on model, kernels and machine. Drafting, the size of prefill chunks and the length of prompts follow from this curve.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache

from torch import Tensor

from inference.kv_cache import KeyValueCache
from inference.models.base import CausalModel
from inference.threads import ThreadChoice, in_threads

_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
_LOAD_FOLLOWS = 0.2
_CURVE_FOLLOWS = 0.05
"""How fast what is known follows what is seen: the load of the machine soon, the cost of one size slowly."""

_SHORTEST_S = 1e-6
_OUTLIER = 2.0
"""A pass that took so many times as long as usual was interrupted by something else, and counts for no more."""


class Pace:
    """Seconds by number of tokens in a forward pass: measured at some numbers, interpolated between them.

    A machine that is busy with something else is slower at every number, so the curve's height is kept apart from its
    form: else a size that was measured in a bad moment, and avoided since, would seem slow for ever.
    """

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}
        self._sizes: list[int] = []
        self._load = 1.0

    def record(self, tokens: int, seconds: float) -> None:
        """Learn that a pass over `tokens` ≥ 1 took so long."""
        size = _nearest(tokens)
        seconds *= size / tokens if tokens > 64 else 1.0
        known = self._seconds.get(size)
        if known is None:
            self._seconds[size] = max(seconds, _SHORTEST_S) / self._load
            self._sizes = sorted(self._seconds)
            return
        ratio = min(max(seconds / (known * self._load), 1 / _OUTLIER), _OUTLIER)
        self._load *= ratio**_LOAD_FOLLOWS
        self._seconds[size] = known * ratio**_CURVE_FOLLOWS

    def seconds(self, tokens: int) -> float:
        """What a pass over `tokens` should take; 0 while nothing is known."""
        if tokens <= 0 or not self._seconds:
            return 0.0
        return self._load * self._unloaded(tokens)

    def _unloaded(self, tokens: int) -> float:
        place = bisect_right(self._sizes, tokens)
        if place == 0:
            return self._seconds[self._sizes[0]]
        low = self._sizes[place - 1]
        least = self._seconds[low]
        if place == len(self._sizes):
            return least * tokens / low if low >= 16 else least * (1 + 0.05 * (tokens - low))
        high = self._sizes[place]
        return least + (self._seconds[high] - least) * (tokens - low) / (high - low)

    def largest_within(self, seconds: float, least: int, most: int) -> int:
        """The most tokens, `least` to `most`, that a pass may have to take no longer than `seconds`."""
        fitting = [size for size in _SIZES if least < size <= most and self.seconds(size) <= seconds]
        return max(fitting, default=least)


@lru_cache(maxsize=1024)
def _nearest(tokens: int) -> int:
    """The size whose ratio to `tokens` is nearest to 1."""
    return min(_SIZES, key=lambda one: abs(math.log(one / tokens)))


class PacedModel:
    """A model that records what its passes take, and has each computed by as many threads as are fastest.

    Implements `CausalModel`. A GPU answers before it has computed: there only what `self_check.measure_pace` reads at
    load counts.
    """

    def __init__(self, model: CausalModel) -> None:
        self.model = model
        self.pace = Pace()
        self.threads = ThreadChoice() if model.device == "cpu" else None
        self.forwarded_tokens = 0
        """Tokens computed since the model was loaded."""

    @property
    def context_length(self) -> int:
        """See `CausalModel.context_length`."""
        return self.model.context_length

    @property
    def device(self) -> str:
        """See `CausalModel.device`."""
        return self.model.device

    @property
    def precision(self) -> str:
        """See `CausalModel.precision`."""
        return self.model.precision

    @property
    def is_interruptible(self) -> bool:
        """See `CausalModel.is_interruptible`."""
        return self.model.is_interruptible

    def new_cache(self, capacity: int) -> KeyValueCache:
        """See `CausalModel.new_cache`."""
        return self.model.new_cache(capacity)

    def forward(self, tokens: Sequence[int], cache: KeyValueCache, last: int = 1) -> Tensor:
        """See `CausalModel.forward`."""
        self.forwarded_tokens += len(tokens)
        if self.threads is None:
            return self.model.forward(tokens, cache, last)
        size = len(tokens)
        count = self.threads.next(size)
        started = time.perf_counter()
        with in_threads(count):
            logits = self.model.forward(tokens, cache, last)
        seconds = time.perf_counter() - started
        self.threads.record(size, count, seconds)
        if count == self.threads.usual(size):
            self.pace.record(size, seconds)
        return logits
