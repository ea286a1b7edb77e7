"""Whether a suggestion is likely enough to be right to be shown unasked. Pure.

A wrong suggestion costs a person attention, a missing one nothing that they notice. What the model says of its own text
tells right from wrong well: how probable it was, and how clear the first choice. A logistic regression over that, the
length and the place is fitted for each model by `fimd eval --fit` on packages that its figures are not taken from.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import platformdirs

from inference.request import Completion
from lsp_server.cursor import Cursor

_MOST = 20.0
"""Larger margins and more improbable texts say no more."""

FEATURES = (
    "constant",
    "mean_logprob",
    "total_logprob",
    "first_margin",
    "log_characters",
    "in_word",
    "behind_blank",
    "at_line_start",
    "code_follows",
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a suggestion without knowing whether it is right: a number for each of `FEATURES`."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, completion: Completion, text: str, cursor: Cursor) -> Evidence:
        """Of `text`, which is shown of `completion` at `cursor`."""
        line = cursor.line_prefix
        last = line[-1:]
        return cls(
            (
                1.0,
                max(completion.mean_logprob, -_MOST),
                max(completion.mean_logprob * completion.generated_tokens, -_MOST),
                min(completion.first_margin, _MOST),
                math.log(max(1, len(text))),
                float(last.isalnum() or last == "_"),
                float(last.isspace() and bool(line.strip())),
                float(not line.strip()),
                float(bool(cursor.line_suffix.strip())),
            )
        )


@dataclass(frozen=True, slots=True)
class Threshold:
    """A fitted rule: weights by `FEATURES`, and the least probability of being right that is shown."""

    weights: tuple[float, ...]
    least: float

    def probability(self, evidence: Evidence) -> float:
        """How likely it is that the suggestion's first line is right."""
        score = sum(weight * value for weight, value in zip(self.weights, evidence.values, strict=True))
        return 1 / (1 + math.exp(-min(max(score, -60.0), 60.0)))

    def allows(self, evidence: Evidence) -> bool:
        """Whether to show it unasked."""
        return self.probability(evidence) >= self.least


def user_file() -> Path:
    """Where `fimd eval --fit` keeps what was fitted on this machine."""
    return Path(platformdirs.user_data_dir("fimd", appauthor=False)) / "thresholds.json"


def save(path: Path, model: str, entry: Mapping[str, Any]) -> None:
    """Put a model's `entry` into the table at `path`, which keeps the others'.

    Raises:
        OSError: it can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    table = {**_read(path), model: entry}
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


@cache
def threshold_of(model: str) -> Threshold:
    """The rule for a model by its name: fitted here, else shipped for it, else the shipped one for unknown models."""
    shipped = files("lsp_server") / "thresholds.json"
    tables = [_read(user_file()), json.loads(shipped.read_text(encoding="utf-8"))]
    for table in tables:
        if (found := _parsed(table.get(model))) is not None:
            return found
    return _parsed(tables[-1]["*"]) or Threshold((0.0,) * len(FEATURES), 0.0)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        table: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast(dict[str, Any], table) if isinstance(table, dict) else {}


def _parsed(entry: Any) -> Threshold | None:
    try:
        weights = tuple(float(entry["weights"][name]) for name in FEATURES)
        return Threshold(weights, float(entry["least"]))
    except (KeyError, TypeError, ValueError):
        return None
