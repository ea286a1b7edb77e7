"""`fimd eval`: how good suggestions are, on holes cut from real files: the product beside the model alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from lsp_server import likelihood
from lsp_server.commands.options import effective_settings, fail
from lsp_server.commands.session import ready_host
from lsp_server.evaluation import benchmarks, fitting, scores, sources
from lsp_server.evaluation.fill import Plain, Product
from lsp_server.evaluation.holes import KINDS, Hole, cut
from lsp_server.evaluation.scores import Filled
from lsp_server.model_host import ModelHost
from lsp_server.settings import Layer, Settings, merge
from lsp_server.version import VERSION

_SHARES = {"line": 4, "word-end": 1, "word-inline": 1, "block": 1, "new-file": 1}
"""Of eight holes, how many are of each kind."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to evaluate."""

    paths: tuple[Path, ...] = ()
    """Files and folders to cut holes from; empty for the held-out packages."""

    holes: int = 800
    seed: int = 1
    ablate: bool = False
    """Also the model without the local memory, and the memory without the model."""

    run_tests: bool = False
    """Whether what was written for a benchmark with tests may be run."""


def evaluate(wanted: Wanted, overrides: Layer, config: Path | None, as_json: bool) -> int:
    """Cut, fill, score and print; returns 0."""
    settings = effective_settings(overrides, config)
    holes = _cut(wanted, "evaluation")
    variants = asyncio.run(_filled(holes, settings, wanted.ablate))
    if as_json:
        print(json.dumps(_report(wanted, settings, variants)))
    else:
        _print(variants)
    return 0


def fit(wanted: Wanted, overrides: Layer, config: Path | None, into: Path | None) -> int:
    """Fit when the model's suggestions are shown unasked, and keep that for this machine, or `into` a file.

    Given files are used as they are: figures taken from the same ones afterwards flatter.
    """
    settings = effective_settings(overrides, config)
    holes = _cut(wanted, "fitting")

    async def product() -> list[Filled]:
        host, status = await ready_host(settings)
        if host is None:
            fail(status.message)
        variants = {"product": _product(host, settings, settings.completion.local_memory)}
        return (await _each(variants, holes))["product"]

    filled = asyncio.run(product())
    rule = fitting.fitted(filled)
    if rule is None:
        fail(f"{len(filled)} holes are too few to fit anything, or nearly all are filled right, or wrong: give more")
    allowed = [one for one in filled if one.evidence and rule.allows(one.evidence)]
    right = sum(one.em1 for one in allowed)
    entry = {
        "provenance": {
            "made_by": f"fimd {VERSION}: fimd eval --fit --holes {wanted.holes} --seed {wanted.seed}",
            "date": f"{datetime.now(tz=timezone.utc):%Y-%m-%d}",
            "packages": sorted({hole.source.package for hole in holes}),
            "holes": len(filled),
            "shown": len(allowed),
            "right": right,
        },
        "weights": {name: round(weight, 4) for name, weight in zip(likelihood.FEATURES, rule.weights, strict=True)},
        "least": round(rule.least, 4),
    }
    path = into or likelihood.user_file()
    try:
        likelihood.save(path, settings.model.name, entry)
    except (OSError, ValueError) as error:
        fail(f"can't write {path}: {error}")
    share = len(allowed) / len(filled)
    share_right = right / max(1, len(allowed))
    print(f"of {len(filled)} holes, the ones fitted on, {share:.0%} are shown, {share_right:.0%} of them right: {path}")
    return 0


def _cut(wanted: Wanted, split: sources.Split) -> list[Hole]:
    for path in wanted.paths:
        if not path.exists():
            fail(f"there is no {path}: give source files, or folders of them, or none for the held-out packages")
    try:
        tasks = [hole for path in wanted.paths if benchmarks.is_benchmark(path) for hole in benchmarks.read(path)]
    except benchmarks.UnreadableError as error:
        fail(str(error))
    folders = [path for path in wanted.paths if not benchmarks.is_benchmark(path)]
    found = sources.given(folders) if wanted.paths else sources.held_out(split)
    total = sum(_SHARES.values())
    holes = cut(found, {kind: max(1, wanted.holes * _SHARES[kind] // total) for kind in KINDS}, wanted.seed) + tasks
    if not holes:
        fail("no holes can be cut from these files: give source files, or folders of them, of a few hundred lines")
    return holes


async def _filled(holes: list[Hole], settings: Settings, ablate: bool) -> dict[str, list[Filled]]:
    """The holes as each variant fills them."""
    host, status = await ready_host(settings)
    if host is None:
        fail(status.message)
    variants: dict[str, Plain | Product] = {"raw": Plain(host)}
    if ablate:
        variants |= {"memory": _product(host, settings, "only"), "model": _product(host, settings, "never")}
    variants["product"] = _product(host, settings, settings.completion.local_memory)
    return await _each(variants, holes)


async def _each(variants: Mapping[str, Plain | Product], holes: list[Hole]) -> dict[str, list[Filled]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    filled: dict[str, list[Filled]] = {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tasks = {name: progress.add_task(name, total=len(holes)) for name in variants}
        for name, variant in variants.items():
            filled[name] = await variant.fill(holes, lambda task=tasks[name]: progress.advance(task))
    return filled


def _product(host: ModelHost, settings: Settings, memory: str) -> Product:
    """The product with everything shown that it can show: what is likely enough is marked."""
    options = {"completion": {"debounce_ms": 0, "warm_up": "never", "show": "everything", "local_memory": memory}}
    chosen, problems = merge(Layer("settings", settings.model_dump()), Layer("fimd eval", options))
    if problems:
        raise ValueError("; ".join(problems))
    return Product(host, chosen)


def _report(wanted: Wanted, settings: Settings, variants: dict[str, list[Filled]]) -> dict[str, Any]:
    """All figures, for a script."""
    return {
        "model": settings.model.name,
        "seed": wanted.seed,
        "holes": {kind: len(group) for kind, group in _by_kind(variants["product"]).items()},
        "by_kind": {
            name: {kind: _figures(group) for kind, group in _by_kind(filled).items()}
            for name, filled in variants.items()
        },
        "likely": {kind: _figures(group) for kind, group in _by_kind(_likely(variants["product"])).items()},
        "by_trigger": {
            name: {
                trigger: _figures(group)
                for trigger, group in scores.grouped(filled, lambda one: one.hole.trigger).items()
                if trigger
            }
            for name, filled in variants.items()
        },
        "tests_passed": {
            name: asdict(scores.share(passed))
            for name, filled in variants.items()
            if wanted.run_tests and (passed := benchmarks.passed(filled)) is not None
        },
        "by_language": {
            name: {
                language: _figures(group)
                for language, group in scores.grouped(filled, lambda one: one.hole.source.language).items()
            }
            for name, filled in variants.items()
        },
    }


def _figures(filled: list[Filled]) -> dict[str, Any]:
    return {name: asdict(figure) for name, figure in scores.figures(filled).items()} | scores.latencies(filled)


def _by_kind(filled: list[Filled]) -> dict[str, list[Filled]]:
    return scores.grouped(filled, lambda one: one.hole.kind)


def _likely(filled: list[Filled]) -> list[Filled]:
    """The same with only what would be shown unasked."""
    return [one if one.is_likely else Filled(one.hole, "", one.latency_ms) for one in filled]


def _print(variants: dict[str, list[Filled]]) -> None:
    console = Console()
    columns = {**variants, "shown unasked": _likely(variants["product"])}
    for kind, group in _by_kind(variants["product"]).items():
        table = Table(title=f"{kind}: {len(group)} holes", title_justify="left")
        table.add_column("figure")
        for name in columns:
            table.add_column(name, justify="right")
        scored = {name: scores.figures(_by_kind(filled)[kind]) for name, filled in columns.items()}
        for figure in next(iter(scored.values())):
            table.add_row(figure.replace("_", " "), *(_cell(figures[figure]) for figures in scored.values()))
        times = {name: scores.latencies(_by_kind(filled)[kind]) for name, filled in columns.items()}
        for name in ("p50_ms", "p95_ms"):
            table.add_row(name.replace("_", " "), *(f"{one.get(name, 0):.0f}" for one in times.values()))
        console.print(table)


def _cell(figure: scores.Figure) -> str:
    if not figure.count:
        return "–"
    return f"{100 * figure.value:.1f} % [dim]({100 * figure.low:.0f}–{100 * figure.high:.0f})[/dim]"
