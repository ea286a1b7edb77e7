"""What a filled hole is worth, and figures over many of them, with intervals. Pure.

`em1` is JetBrains' "perfect line" and the rule of most single-line benchmarks: the first line equals the file's,
white space at its end aside. `em` is the rule of the SantaCoder-FIM harness: the whole texts are equal when stripped.
"""

from __future__ import annotations

import ast
import random
import statistics
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from lsp_server.evaluation.holes import Hole
from lsp_server.likelihood import Evidence

_Z = 1.96
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Filled:
    """A hole and what was put there; the empty text means that nothing was."""

    hole: Hole
    text: str
    latency_ms: float
    is_likely: bool = True
    """Whether it would be shown unasked; see `lsp_server.likelihood`."""

    evidence: Evidence | None = None
    """What the model says of it; None where nothing was written."""

    @property
    def em1(self) -> bool:
        """Whether the first line is what stands in the file."""
        return bool(self.text) and _first(self.text) == _first(self.hole.truth)

    @property
    def em(self) -> bool:
        """Whether the whole is."""
        return self.text.strip() == self.hole.truth.strip()

    @property
    def saved_characters(self) -> int:
        """Characters of the leading lines that are right, less the key that accepts them."""
        pairs = zip(self.text.rstrip().split("\n"), self.hole.truth.split("\n"), strict=False)
        right = list(takewhile(lambda pair: pair[0].rstrip() == pair[1].rstrip(), pairs))
        return max(0, sum(len(line.rstrip()) for line, _ in right) + len(right) - 2)

    @property
    def is_junk(self) -> bool:
        """Whether even the first character is wrong."""
        return self.text.lstrip()[:1] != self.hole.truth.lstrip()[:1]

    @property
    def edit_similarity(self) -> float:
        """1 less the Levenshtein distance over the longer length."""
        longest = max(len(self.text), len(self.hole.truth))
        return 1 - _distance(self.text, self.hole.truth) / longest if longest else 1.0

    @property
    def parses(self) -> bool | None:
        """Whether the file is Python with it; None for other languages, and where it is not with the truth either."""
        hole = self.hole
        if hole.source.language != "python" or not _is_python(hole.prefix + hole.truth + hole.suffix):
            return None
        return _is_python(hole.prefix + self.text + hole.suffix)


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean, and between what it lies in 95 of 100 samples like this one."""

    value: float
    low: float
    high: float
    count: int
    """Of how many."""


def share(outcomes: Sequence[bool]) -> Figure:
    """A share with Wilson's interval (Wilson 1927)."""
    count = len(outcomes)
    if not count:
        return Figure(0.0, 0.0, 1.0, 0)
    value = sum(outcomes) / count
    centre = (value + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z * (value * (1 - value) / count + _Z**2 / (4 * count**2)) ** 0.5 / (1 + _Z**2 / count)
    return Figure(value, max(0.0, min(value, centre - half)), min(1.0, max(value, centre + half)), count)


def ratio(parts: Sequence[tuple[float, float]]) -> Figure:
    """The sum of the first numbers over the sum of the second, with a bootstrap interval; the same one each time."""
    whole = _over(parts)
    if len(parts) < 2:
        return Figure(whole, whole, whole, len(parts))
    rng = random.Random(len(parts))
    samples = sorted(_over(rng.choices(parts, k=len(parts))) for _ in range(_RESAMPLES))
    return Figure(whole, samples[_RESAMPLES // 40], samples[-_RESAMPLES // 40], len(parts))


def figures(filled: Sequence[Filled]) -> dict[str, Figure]:
    """All figures by name. Junk, precision, parses and similarity are of what is shown; the others of all holes."""
    shown = [one for one in filled if one.text]
    return {
        "em1": share([one.em1 for one in filled]),
        "em": share([one.em for one in filled]),
        "shown": share([bool(one.text) for one in filled]),
        "precision": share([one.em1 for one in shown]),
        "edit_similarity": ratio([(one.edit_similarity, 1) for one in shown]),
        "characters_saved": ratio([(one.saved_characters, len(one.hole.truth)) for one in filled]),
        "junk": share([one.is_junk for one in shown]),
        "parses": share([parsed for one in shown if (parsed := one.parses) is not None]),
    }


def latencies(filled: Sequence[Filled]) -> dict[str, float]:
    """Median and 95th percentile, in milliseconds."""
    if len(filled) < 2:
        return {}
    steps = statistics.quantiles((one.latency_ms for one in filled), n=20, method="inclusive")
    return {"p50_ms": steps[9], "p95_ms": steps[18]}


def grouped(filled: Sequence[Filled], key: Callable[[Filled], str]) -> dict[str, list[Filled]]:
    """By what `key` says, in order of appearance."""
    groups: dict[str, list[Filled]] = {}
    for one in filled:
        groups.setdefault(key(one), []).append(one)
    return groups


def _first(text: str) -> str:
    return text.split("\n", 1)[0].rstrip()


def _over(parts: Sequence[tuple[float, float]]) -> float:
    below = sum(part[1] for part in parts)
    return sum(part[0] for part in parts) / below if below else 0.0


def _distance(one: str, other: str) -> int:
    """Levenshtein's, by rows."""
    row = list(range(len(other) + 1))
    for number, left in enumerate(one, 1):
        diagonal, row[0] = row[0], number
        for place, right in enumerate(other, 1):
            diagonal, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, diagonal + (left != right))
    return row[-1]


def _is_python(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd escapes are the file's own
        try:
            ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True
