"""The key/value caches of the places that were worked at last, within a memory budget.

A person goes back and forth between files, and between places of one file. Each place has its prompt's keys and values
in a cache of its own, so that coming back costs only what was typed since.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter

from inference.kv_cache import KeyValueCache, common_prefix_length
from inference.models.base import CausalModel

BUDGET_BYTES = 128 * 1024**2
"""About four places at SantaCoder's size in float32, hundreds at the embedded model's."""

_MOST = 12
_GROWTH = 512
_WORTH_KEEPING = 32
"""A cache that would lose more tokens than this, and keep fewer than half of its own, is left for its own place."""


class CachePool:
    """Caches of one model, the one used last at the end."""

    def __init__(self, model: CausalModel, capacity: int, budget_bytes: int = BUDGET_BYTES) -> None:
        self._model = model
        self._capacity = capacity
        self._budget = budget_bytes
        self._caches: list[KeyValueCache] = []

    def reusable(self, prompt: Sequence[int]) -> int:
        """Most leading tokens of `prompt` that are in a cache that `take` would give; its last never counts."""
        return max((kept for kept, _ in self._usable(prompt)), default=0)

    def take(self, prompt: Sequence[int], room: int) -> KeyValueCache:
        """The cache to compute `prompt` in: the one that shares most with it, unless another place would lose by it.

        Args:
            prompt: the tokens that will be in it.
            room: tokens that will follow.
        """
        size = min(len(prompt) + room, self._model.context_length)
        best = max(self._usable(prompt), key=itemgetter(0), default=(0, None))[1]
        if best is None:
            best = self._fresh(size)
        elif not _holds(best, size):  # the same place, asked for a longer answer
            self._caches.remove(best)
            best = self._model.new_cache(self._roomy(size))
        if best in self._caches:
            self._caches.remove(best)
        self._caches.append(best)
        return best

    def _usable(self, prompt: Sequence[int]) -> Iterator[tuple[int, KeyValueCache]]:
        """Caches for `prompt`, the one used last first, with how many of its tokens but the last are in them."""
        wanted = list(prompt)
        for cache in reversed(self._caches):
            kept = common_prefix_length(cache.tokens, wanted)
            lost = len(cache.tokens) - kept
            if lost <= _WORTH_KEEPING or kept >= len(cache.tokens) / 2:  # else it belongs to another place
                yield min(kept, len(prompt) - 1), cache

    def _roomy(self, size: int) -> int:
        """A capacity that need not grow with each token that is typed."""
        return self._capacity if size <= self._capacity else -(-size // _GROWTH) * _GROWTH

    def _fresh(self, size: int) -> KeyValueCache:
        """A cache for another place: a new one within the budget, else the one that was not used for longest."""
        used = sum(cache.nbytes for cache in self._caches)
        if not self._caches or (len(self._caches) < _MOST and used * (1 + 1 / len(self._caches)) <= self._budget):
            return self._model.new_cache(self._roomy(size))
        oldest = self._caches[0]
        if _holds(oldest, size):
            return oldest
        self._caches.remove(oldest)
        return self._model.new_cache(self._roomy(size))


def _holds(cache: KeyValueCache, size: int) -> bool:
    return cache.capacity is None or size <= cache.capacity
