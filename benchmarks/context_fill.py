"""Whether other files help: `python benchmarks/context_fill.py FOLDER …` fills holes with and without them open.

Half of the holes are those of `context_holes.py`: calls of what a file imports from another one of its folder. The
rest, `elsewhere`, are ends of lines (see `lsp_server/evaluation/holes.py`) whose text stands in one of the other files,
and in their own nowhere else. Each is filled by the product, once with twenty files of the folder open beside it, the
imported ones among them, and once with none. What other files can do depends on the model: one that reads no pieces in
its prompt still has them in its local memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from dataclasses import replace
from pathlib import Path

from benchmarks.context_holes import holes_of, opened
from lsp_server.commands.session import ready_host
from lsp_server.context.source import Source
from lsp_server.evaluation import scores, sources
from lsp_server.evaluation.fill import Product
from lsp_server.evaluation.holes import Hole, cut
from lsp_server.evaluation.scores import Filled
from lsp_server.settings import Layer, merge

_TRIED = 40
"""Holes of each file that are looked at."""

_SHORTEST = 8
"""Characters: shorter texts stand somewhere by chance."""


async def filled(folders: list[Path], count: int, model: str, pieces: str) -> dict[str, list[Filled]]:
    """`count` holes, drawn evenly from `folders`, as they are filled `without` and `with` the other files."""
    holes: list[Hole] = []
    beside: dict[Path, tuple[Source, ...]] = {}
    for folder in map(Path.resolve, folders):
        files = sources.given([folder])
        known = [Source(file.path.as_uri(), file.text) for file in files]
        calls: list[Hole] = []
        elsewhere: list[Hole] = []
        for file, source in zip(files, known, strict=True):
            others = opened(source, known)
            beside[file.path] = tuple(reversed(others))  # the imported ones last, as if they had been edited last
            calls += [
                Hole("line", hole.kind, file, hole.place.prefix, hole.answer.rstrip(), hole.place.suffix)
                for hole in holes_of(source, others)
            ]
            elsewhere += _elsewhere(file, others)
        for found in (calls, elsewhere):
            random.Random(folder.name).shuffle(found)
            holes += found[: count // (2 * len(folders))]
    completion = {"debounce_ms": 0, "show": "everything"}
    settings, problems = merge(
        Layer("here", {"model": {"name": model}, "completion": completion, "context": {"use": pieces}})
    )
    host, status = await ready_host(settings)
    if host is None or problems:
        raise SystemExit(status.message if host is None else "; ".join(problems))
    without = Product(host, settings)
    others_open = Product(host, settings, lambda hole: beside[hole.source.path])
    return {
        "without": await without.fill(holes, lambda: None),
        "with": await others_open.fill(holes, lambda: None),
    }


def _elsewhere(file: sources.Source, others: list[Source]) -> list[Hole]:
    """Holes of `file` whose text stands in one of `others`, and in `file` only there."""
    return [
        replace(hole, trigger="elsewhere")
        for hole in cut([file], {"line": _TRIED}, seed=1)
        if len(text := hole.truth.strip()) >= _SHORTEST
        and text not in hole.prefix
        and text not in hole.suffix
        and any(text in other.text for other in others)
    ]


def main() -> None:
    """Print em1 with intervals, by what stands before the cursor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--holes", type=int, default=400)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--pieces", default="auto", help="whether the prompt has pieces of other files: auto, always")
    options = parser.parse_args()
    results = asyncio.run(filled(options.folders, options.holes, options.model, options.pieces))
    for name, group in results.items():
        for kind, ones in {"all": group, **scores.grouped(group, lambda one: one.hole.trigger)}.items():
            figure = scores.share([one.em1 for one in ones])
            shown = {"holes": len(ones), "em1, %": round(100 * figure.value, 1)}
            interval = [round(100 * figure.low, 1), round(100 * figure.high, 1)]
            print(json.dumps({"other files": name, "kind": kind, **shown, "interval": interval}))


if __name__ == "__main__":
    main()
