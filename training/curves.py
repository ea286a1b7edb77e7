"""Draws what runs have logged: held-out bits a character over the tokens that were learnt from."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def draw(logs: Sequence[Path], names: Sequence[str], tokens_a_step: int, out: Path) -> None:
    """Write a picture of the `log.jsonl` files, in which each is called by its name.

    Raises:
        ImportError: matplotlib, of the extra `bench`, is not installed.
        OSError: a log can't be read or the picture can't be written.
    """
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    figure, panes = pyplot.subplots(1, 2, figsize=(10, 3.6), sharex=True)
    for path, name in zip(logs, names, strict=True):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        measured = [row for row in rows if "bits" in row]
        learnt = [row["step"] * tokens_a_step / 1e6 for row in measured]
        for pane, figure_name in zip(panes, ("bits", "middle_bits"), strict=True):
            if all(figure_name in row for row in measured):
                pane.plot(learnt, [row[figure_name] for row in measured], label=name, linewidth=1.2)
    for pane, title in zip(panes, ("all text", "middles"), strict=True):
        pane.set_title(f"held out, {title}", fontsize=10)
        pane.set_xlabel("millions of tokens")
        pane.set_ylabel("bits a character")
        pane.grid(alpha=0.3)
        pane.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(out, dpi=110)
