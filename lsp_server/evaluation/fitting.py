"""Fits what tells right suggestions from wrong ones; see `lsp_server.likelihood`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lsp_server.evaluation.scores import Filled
from lsp_server.likelihood import Threshold

_RIDGE = 1.0
"""Weight of the squared weights, so that a few hundred holes don't say more than they know."""

_STEPS = 30
PRECISION = 0.45
"""What is shown unasked should be right so often, at least: less often shown, more of it would be right."""


def fitted(filled: Sequence[Filled], precision: float = PRECISION) -> Threshold | None:
    """The rule that shows most where, of what it shows, at least `precision` is right; None with too few holes.

    Identifiers within a line don't count for the precision.

    Logistic regression by Newton's method, with a ridge on all weights but the constant's.
    """
    shown = [one for one in filled if one.evidence is not None]
    right = np.array([one.em1 for one in shown], dtype=float)
    if len(shown) < 50 or not 5 <= right.sum() <= len(shown) - 5:
        return None
    values = np.array([one.evidence.values for one in shown if one.evidence])
    weights = np.zeros(values.shape[1])
    ridge = np.diag([0.0, *[_RIDGE] * (values.shape[1] - 1)])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(values @ weights, -30, 30)))
        slope = values.T @ (right - chance) - ridge @ weights
        curve = (values * (chance * (1 - chance))[:, None]).T @ values + ridge + 1e-6 * np.eye(len(weights))
        weights += np.linalg.solve(curve, slope)
    # Identifiers within a line are mostly right: among them, lines that are mostly wrong would not be noticed.
    counted = np.array([one.hole.kind != "word-inline" for one in shown])
    chance = 1 / (1 + np.exp(-np.clip(values[counted] @ weights, -30, 30)))
    order = np.argsort(-chance)
    precisions = np.cumsum(right[counted][order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(precisions >= precision)
    least = float(chance[order[good[-1]]]) if good.size else float(chance.max())
    return Threshold(tuple(float(weight) for weight in weights), least)
