"""`fimd bench`: how soon ghost text comes while a person types, measured from outside the daemon."""

from __future__ import annotations

import asyncio
import importlib
import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from statistics import quantiles
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from lsp_server.commands.options import fail
from lsp_server.commands.replay import Plan, ReplayError, Tally, replay

_DEFAULT_MODULES = ("contextlib", "json.decoder", "mimetypes", "queue")
"""Modules of the standard library that were kept out of the embedded model's training."""


def bench(plan: Plan, as_json: bool, plot: Path | None) -> int:
    """Replay a typing trace and print what it took; returns 0."""
    if plot is not None:
        _check_plot(plot)
    plan = plan if plan.files else replace(plan, files=default_files())
    for file in plan.files:
        if not file.is_file():
            fail(f"there is no file {file}: give source files to be typed in again, or none for the default ones")
    tally = run(plan)
    figures = summary(tally)
    if as_json:
        print(json.dumps({"files": [str(file) for file in plan.files], "seed": plan.seed, **figures}))
    else:
        Console().print(_table(figures))
    if plot is not None:
        try:
            draw({"fimd": tally}, plot)
        except (OSError, ValueError) as error:
            fail(f"can't save the picture to {plot}: {error}")
    return 0


def _check_plot(plot: Path) -> None:
    """Say before the replay, not after it, that there can be no picture."""
    if find_spec("matplotlib") is None:
        fail("a picture needs matplotlib: pip install 'fimd[bench]'")
    if plot.suffix not in {".png", ".svg", ".pdf"} or not plot.parent.is_dir():
        fail(f"can't save the picture to {plot}: name a .png, .svg or .pdf file in a folder that exists")


def default_files() -> tuple[Path, ...]:
    """Files that are on every machine and that the embedded model has never seen."""
    specs = [find_spec(name) for name in _DEFAULT_MODULES]
    return tuple(Path(spec.origin).resolve() for spec in specs if spec is not None and spec.origin is not None)


def run(plan: Plan) -> Tally:
    """Replay with a progress bar on standard error; a daemon that can't be used ends the command."""
    columns = (TextColumn("typing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("typing", total=plan.keys)

        def on_key(pressed: int) -> None:
            progress.update(task, completed=min(pressed, plan.keys))

        try:
            return asyncio.run(replay(plan, on_key))
        except (ReplayError, OSError, UnicodeDecodeError) as error:
            fail(str(error).removeprefix("fimd: "))


def summary(tally: Tally) -> dict[str, float]:
    """Figures of a replay: milliseconds, shares of 1, counts.

    The percentiles are of what a person waits for: from the last key of a burst to new ghost text, however long it
    takes; `empty_p50_ms` where none came. `shown`, `typed_along`, `empty` and `overtaken` are the requests that raced
    with a next key; `shown` is ghost text that was new, not what was there already and typed along.
    """
    counts = {name: tally.after[name] - tally.before[name] for name in tally.after}
    useful = counts["prompt_tokens"] - counts["reused_tokens"] + counts["generated_tokens"]
    answered = tally.requests - len(tally.overtaken_ms)
    return {
        "keys": tally.keys,
        "awaited": len(tally.awaited_ms),
        "awaited_empty": len(tally.awaited_empty_ms),
        "requests": tally.requests,
        "shown": len(tally.shown_ms),
        "typed_along": tally.typed_along,
        "empty": tally.empty,
        "overtaken": len(tally.overtaken_ms),
        **{f"p{share}_ms": percentile(tally.awaited_ms, share) for share in (50, 75, 95)},
        "empty_p50_ms": percentile(tally.awaited_empty_ms, 50),
        "answered_before_next_key": _share(answered, tally.requests),
        "answered_from_cache": _share(counts["from_cache"], counts["requests"]),
        "reused_share": _share(counts["reused_tokens"], counts["prompt_tokens"]),
        "unseen_share": _share(counts["forwarded_tokens"] - useful, counts["forwarded_tokens"]),
        "tokens_per_pass": _share(counts["generated_tokens"], counts["passes"]),
        "foreseen": counts["foreseen"],
        "kept": counts["kept"],
        "accepted": tally.accepted,
        "accepted_characters": tally.accepted_characters,
        "cpu_s_per_1000_keys": 1000 * _share(counts["cpu_s"], tally.keys),
        "peak_mb": tally.after["peak_bytes"] / 1e6,
        "initialize_s": round(tally.initialize_s, 3),
        "ready_s": round(tally.ready_s, 3),
    }


def percentile(values: list[float], share: int) -> float:
    """The value below which `share` percent of `values` lie; 0 where there are none."""
    if len(values) < 2:
        return round(sum(values), 1)
    return round(quantiles(values, n=100, method="inclusive")[share - 1], 1)


def draw(tallies: dict[str, Tally], path: Path) -> None:
    """The share of awaited ghost text that was there within a time, for each system by name."""
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for name, tally in tallies.items():
        ordered = sorted(max(value, 0.1) for value in tally.awaited_ms)
        axes.step(ordered, [(place + 1) / len(ordered) for place in range(len(ordered))], where="post", label=name)
    axes.set(xscale="log", xlabel="last key to ghost text, ms", ylabel="share of suggestions", ylim=(0, 1))
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 0.0


def _table(figures: dict[str, float]) -> Table:
    table = Table("figure", "value", title="fimd bench")
    for name, value in figures.items():
        table.add_row(name.replace("_", " "), f"{value:,.3f}".rstrip("0").rstrip("."))
    return table
