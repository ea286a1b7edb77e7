"""Short runs at equal time, each with one thing changed: which shape, tokenizer and recipe learn most on this machine.

All begin with random weights and see the same corpus. A run of some minutes says which learns faster, not which would
know most in the end.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from training import tokenizer as tokenizer_step
from training import train


@dataclass(frozen=True)
class Variant:
    """One thing that is changed."""

    name: str
    recipe: Mapping[str, Any] = field(default_factory=dict[str, Any])
    vocabulary: int | None = None


VARIANTS = (
    Variant("as shipped"),
    Variant("3 layers, width 352", {"layers": 3, "width": 352}),
    Variant("10 layers, width 192", {"layers": 10, "width": 192}),
    Variant("12 layers, width 320", {"layers": 12, "width": 320, "heads": 5}),
    Variant("vocabulary of 8,192", vocabulary=8192),
    Variant("AdamW on everything", {"has_muon": False}),
    Variant("middles count once", {"middle_weight": 1.0}),
)
_TIMED_STEPS = 12
_BASE = train.Recipe(warmup_steps=30, decay_share=0.4, validate_every=100, save_every=10**9)


def run(corpus: Path, out: Path, minutes: float, variants: tuple[Variant, ...] = VARIANTS) -> Iterator[str]:
    """Train each of `variants` so long, but those that are in `out` already; yields the rows of a table.

    Raises:
        OSError: the corpus or its tokenizer is missing, or `out` can't be written.
    """
    yield "| changed | parameters | steps | bits a character | of middles | end token, nats |"
    yield "|---|---:|---:|---:|---:|---:|"
    for variant in variants:
        folder = out / variant.name.replace(" ", "-").replace(",", "")
        figures = folder / "figures.json"
        if not figures.exists():
            folder.mkdir(parents=True, exist_ok=True)
            figures.write_text(json.dumps(_trained(variant, corpus, folder, 60 * minutes)), encoding="utf-8")
        found = json.loads(figures.read_text(encoding="utf-8"))
        yield (
            f"| {variant.name} | {found['parameters'] / 1e6:.1f} M | {found['steps']} | {found['bits']:.3f} "
            f"| {found['middle_bits']:.3f} | {found['end_loss']:.2f} |"
        )


def _trained(variant: Variant, corpus: Path, out: Path, seconds: float) -> dict[str, float]:
    """Figures of one variant after a run of about so many seconds."""
    tokenizer = corpus / "tokenizer.json"
    if variant.vocabulary:
        tokenizer = out / "tokenizer.json"
        tokenizer_step.build(corpus / "train.jsonl", tokenizer, variant.vocabulary)
    recipe = replace(_BASE, **variant.recipe)
    pace = _seconds_a_step(replace(recipe, steps=_TIMED_STEPS, validate_every=10**9), corpus, tokenizer, out / "timed")
    recipe = replace(recipe, steps=max(2 * recipe.warmup_steps, int(seconds / pace)))
    train.train(corpus, tokenizer, out / "run", recipe)
    last = json.loads((out / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    size = sum(path.stat().st_size for path in (out / "run" / "model").glob("*.safetensors"))
    return {**last, "steps": recipe.steps, "parameters": size / 4}


def _seconds_a_step(recipe: train.Recipe, corpus: Path, tokenizer: Path, out: Path) -> float:
    started = time.monotonic()
    train.train(corpus, tokenizer, out, recipe)
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    # The first steps are slow, the last one is evaluated.
    measured = rows[-2]["seconds"] - rows[3]["seconds"]
    return (measured or time.monotonic() - started) / (len(rows) - 5)
