"""A decoded token, and how probable it was: worked out when somebody asks, which is some tokens later, if at all.

A pass of the model leaves nothing else in the processor's caches, so each operation on its logits costs several times
what it costs when it is repeated. What can wait is therefore left for a loop over many tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Logits: TypeAlias = npt.NDArray[np.float32]
"""[vocabulary], or [n, vocabulary]. Beside the model, arithmetic is numpy's: for a row it takes a third of the time of
torch's operators, and it runs for each token."""

Likelihood: TypeAlias = tuple[float, float]
"""Natural logarithm of a token's probability among the tokens that were allowed, and by how much that is above the
second best's."""

IMPOSSIBLE: Likelihood = (math.nan, math.inf)
"""Of a token that had to be taken although none was allowed."""


class Token:
    """One decoded token."""

    __slots__ = ("_likelihood", "id")

    def __init__(self, identifier: int, likelihood: Likelihood | Callable[[], Likelihood]) -> None:
        """Take how likely it was, or what tells that when it is asked for."""
        self.id = identifier
        self._likelihood = likelihood

    @property
    def likelihood(self) -> Likelihood:
        """See `Likelihood`. When it is known, what it was worked out from is let go."""
        if callable(self._likelihood):
            self._likelihood = self._likelihood()
        return self._likelihood

    @property
    def logprob(self) -> float:
        """The first of its `likelihood`."""
        return self.likelihood[0]

    @property
    def margin(self) -> float:
        """The second of its `likelihood`."""
        return self.likelihood[1]


def most_probable(row: Logits) -> Token:
    """The most probable token of a row of logits [vocabulary], which must stay as it is."""
    identifier = int(row.argmax())
    return Token(identifier, partial(likelihood, row, identifier))


def likelihood(row: Logits, identifier: int, forbidden: Sequence[int] = ()) -> Likelihood:
    """Of the most probable token of a row of logits [vocabulary] without those that are `forbidden`."""
    best = row[identifier]
    if not math.isfinite(best) or identifier in forbidden:
        return IMPOSSIBLE
    others = without(row, forbidden)
    others -= best
    total = float(np.exp(others).sum())
    others[identifier] = -math.inf
    return -math.log(total), -float(others.max())


def without(row: Logits, ids: Sequence[int] | npt.NDArray[np.int64]) -> Logits:
    """Logits [vocabulary] of all but `ids`: a copy."""
    left = row.copy()
    left[ids if isinstance(ids, np.ndarray) else list(ids)] = -math.inf
    return left


def log_sum(row: Logits) -> float:
    """Logarithm of the sum of what a row's numbers are the logarithms of; minus infinity for none."""
    best = row.max(initial=-math.inf)
    if not math.isfinite(best):
        return float(best)
    return float(best) + math.log(float(np.exp(row - best).sum()))
