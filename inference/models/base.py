"""What the decoder needs of a model. Knows nothing of text, formats or stopping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from inference.kv_cache import KeyValueCache

LONGEST_STEP = 17
"""Most tokens of a decode step: the newest one, and those drafted after it."""


class CausalModel(Protocol):
    """A causal language model on one device."""

    @property
    def context_length(self) -> int:
        """Most tokens, prompt and completion together, that the model's positions allow."""
        ...

    @property
    def device(self) -> str:
        """Where the weights are, such as `cpu` or `cuda:0`."""
        ...

    @property
    def precision(self) -> str:
        """Type of most of its weights, as the setting `model.precision` spells it."""
        ...

    @property
    def is_interruptible(self) -> bool:
        """Whether a pass that nobody waits for any more is given up between layers; see `interruption`."""
        ...

    def new_cache(self, capacity: int) -> KeyValueCache:
        """An empty cache for this model with room for `capacity` tokens."""
        ...

    def forward(self, tokens: Sequence[int], cache: KeyValueCache, last: int = 1) -> Tensor:
        """Append `tokens` [n ≥ 1] to `cache`, which this model has made and which has room for them.

        Returns the logits [last, vocabulary] that follow each of the `last` ≤ n newest tokens, in float32. They are the
        caller's to keep: no later pass writes into them.
        """
        ...
