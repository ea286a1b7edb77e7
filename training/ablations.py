"""Short runs at equal time, each with one thing changed: which shape, tokenizer and recipe learn most on this machine.

All begin with random weights and see the same corpus. A run of some minutes says which learns faster, not which would
know most in the end. Machines are not equally fast all the time, so only the first run is timed; another gets as many
steps as its own take time beside the first one's, both timed right then.
"""

from __future__ import annotations

import json
import shutil
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
_TIMED = ("layers", "width", "heads", "has_muon", "batch", "length")
"""What of a recipe changes the time that a step takes."""

_BASE = train.Recipe(new_file_rate=0.0, warmup_steps=30, decay_share=0.4, validate_every=100, save_every=10**9)


def run(corpus: Path, out: Path, minutes: float, variants: tuple[Variant, ...] = VARIANTS) -> Iterator[str]:
    """Train each of `variants` so long, but those that are in `out` already; yields the rows of a table.

    Raises:
        OSError: the corpus or its tokenizer is missing, or `out` can't be written.
    """
    yield "| changed | parameters | steps | bits a character | of middles | end token, nats |"
    yield "|---|---:|---:|---:|---:|---:|"
    steps: int | None = None
    for variant in variants:
        folder = out / variant.name.replace(" ", "-").replace(",", "")
        figures = folder / "figures.json"
        if not figures.exists():
            folder.mkdir(parents=True, exist_ok=True)
            runs = _Runs(corpus, folder, variant)
            steps_here = (
                int(60 * minutes / runs.seconds_a_step()) if steps is None else runs.steps_beside(variants[0], steps)
            )
            figures.write_text(json.dumps(runs.trained(steps_here)), encoding="utf-8")
        found = json.loads(figures.read_text(encoding="utf-8"))
        steps = steps or int(found["steps"])
        yield (
            f"| {variant.name} | {found['parameters'] / 1e6:.1f} M | {found['steps']} | {found['bits']:.3f} "
            f"| {found['middle_bits']:.3f} | {found['end_loss']:.2f} |"
        )


@dataclass(frozen=True)
class _Runs:
    """The runs of one variant."""

    corpus: Path
    folder: Path
    variant: Variant

    def trained(self, steps: int) -> dict[str, float]:
        """Figures after so many steps, or after as many as it takes to warm up."""
        recipe = replace(_BASE, **self.variant.recipe)
        recipe = replace(recipe, steps=max(2 * recipe.warmup_steps, steps))
        train.train(self.corpus, self._tokenizer(), self.folder / "run", recipe)
        last = json.loads((self.folder / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
        size = sum(path.stat().st_size for path in (self.folder / "run" / "model").glob("*.safetensors"))
        return {**last, "steps": recipe.steps, "parameters": size / 4}

    def seconds_a_step(self) -> float:
        """What one takes, by a few of them."""
        recipe = replace(_BASE, steps=_TIMED_STEPS, validate_every=10**9, **self.variant.recipe)
        out = self.folder / "timed"
        shutil.rmtree(out, ignore_errors=True)
        train.train(self.corpus, self._tokenizer(), out, recipe)
        rows = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
        return (rows[-2]["seconds"] - rows[3]["seconds"]) / (len(rows) - 5)  # the first are slow, the last is evaluated

    def steps_beside(self, first: Variant, steps: int) -> int:
        """As many as take the time of so many `steps` of the `first` variant."""
        one, other = (replace(_BASE, **variant.recipe) for variant in (first, self.variant))
        is_as_fast = all(getattr(one, name) == getattr(other, name) for name in _TIMED)
        if is_as_fast and first.vocabulary == self.variant.vocabulary:
            return steps
        beside = _Runs(self.corpus, self.folder / "beside", first)
        beside.folder.mkdir(exist_ok=True)
        return int(steps * beside.seconds_a_step() / self.seconds_a_step())

    def _tokenizer(self) -> Path:
        if not self.variant.vocabulary:
            return self.corpus / "tokenizer.json"
        built = self.folder / "tokenizer.json"
        if not built.exists():
            tokenizer_step.build(self.corpus / "train.jsonl", built, self.variant.vocabulary)
        return built
