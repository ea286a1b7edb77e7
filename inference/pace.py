"""What a forward pass costs on this machine, learnt from every one that is run.

A decode step reads all weights whatever it computes, so eight tokens cost little more than one; how much more depends
on model, kernels and machine. Drafting, the size of prefill chunks and the length of prompts follow from this curve.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from torch import Tensor

from inference.kv_cache import KeyValueCache
from inference.models.base import CausalModel

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
        self._load = 1.0

    def record(self, tokens: int, seconds: float) -> None:
        """Learn that a pass over `tokens` ≥ 1 took so long."""
        size = min(_SIZES, key=lambda one: abs(math.log(one / tokens)))
        seconds *= size / tokens if tokens > 64 else 1.0
        known = self._seconds.get(size)
        if known is None:
            self._seconds[size] = max(seconds, _SHORTEST_S) / self._load
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
        points = sorted(self._seconds.items())
        below = [point for point in points if point[0] <= tokens]
        above = [point for point in points if point[0] > tokens]
        if not below:
            return above[0][1]
        if not above:
            size, seconds = below[-1]
            return seconds * tokens / size if size >= 16 else seconds * (1 + 0.05 * (tokens - size))
        (low, least), (high, most) = below[-1], above[0]
        return least + (most - least) * (tokens - low) / (high - low)

    def largest_within(self, seconds: float, least: int, most: int) -> int:
        """The most tokens, `least` to `most`, that a pass may have to take no longer than `seconds`."""
        fitting = [size for size in _SIZES if least < size <= most and self.seconds(size) <= seconds]
        return max(fitting, default=least)


class PacedModel:
    """A model that records what its passes take; implements `CausalModel`.

    A GPU answers before it has computed: there only what `self_check.measure_pace` reads at load counts.
    """

    def __init__(self, model: CausalModel) -> None:
        self.model = model
        self.pace = Pace()
        self._is_synchronous = model.device == "cpu"
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
        started = time.perf_counter()
        logits = self.model.forward(tokens, cache, last)
        if self._is_synchronous:
            self.pace.record(len(tokens), time.perf_counter() - started)
        return logits
