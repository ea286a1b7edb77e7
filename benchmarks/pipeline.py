"""What everything around the model costs: `python benchmarks/pipeline.py`; writes `benchmarks/pipeline.md`.

A person types into a file of 2,000 lines, and the product suggests. Of the time between the two, what the
model's forward passes take is subtracted; the rest is the document's edit, the split at the cursor, syntax, names,
prompt, healing, picking, memory, stops, trimming and the parse check. Then the same for files as nobody writes them.

A pass reads all weights, and leaves the processor's caches without anything else: what comes after it takes longer
for that. So one row is measured once more with passes that only look up what they gave the first time.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sysconfig
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from random import Random

from lsp_server.spinning import spin_briefly

spin_briefly()  # as the daemon does, before torch is imported

import torch
from torch import Tensor

from inference.checkpoints.deferred import loader
from inference.checkpoints.spec import ModelSpec
from inference.engines.base import Engine, EngineLoader, Report
from inference.engines.local import LocalEngine
from inference.kv_cache import KeyValueCache
from inference.models.base import CausalModel
from lsp_server.commands.session import ready_host
from lsp_server.completer import Completer
from lsp_server.documents import Document, Position
from lsp_server.evaluation import holes, sources
from lsp_server.model_host import ModelHost
from lsp_server.position_encoding import PositionEncoding
from lsp_server.settings import Layer, Settings, merge

LINES = 2000
_WARM_UP = 3
_KEYS = 12
"""Characters that are typed at each place."""

_PYTHON = Path(sysconfig.get_path("stdlib"))


class Timed:
    """A model that counts the seconds of its passes, and can give again what it gave; implements `CausalModel`."""

    def __init__(self, model: CausalModel) -> None:
        self._model = model
        self.seconds = 0.0
        self.context_length, self.device, self.precision = model.context_length, model.device, model.precision
        self.is_interruptible = model.is_interruptible
        self.new_cache = model.new_cache
        self.keeps = self.looks_up = False
        self._given: dict[int, Tensor] = {}
        """Logits [vocabulary] by a hash of the tokens before them."""

    def forward(self, tokens: Sequence[int], cache: KeyValueCache, last: int = 1) -> Tensor:
        """See `CausalModel.forward`."""
        started = time.perf_counter()
        keys = self._keys([*cache.tokens, *tokens], last) if self.keeps else []
        if keys and self.looks_up:
            # What was no guess the first time was not given; it counts as wrong.
            nothing = torch.zeros_like(next(iter(self._given.values())))
            logits = torch.stack([self._given.get(key, nothing) for key in keys])
            cache.extended(tokens)
        else:
            logits = self._model.forward(tokens, cache, last)
            self._given.update((key, row.clone()) for key, row in zip(keys, logits, strict=False))
        self.seconds += time.perf_counter() - started
        return logits

    @staticmethod
    def _keys(tokens: list[int], last: int) -> list[int]:
        """What the logits behind the `last` tokens are kept by."""
        return [hash(tuple(tokens[: len(tokens) - back])) for back in reversed(range(last))]


@dataclass(slots=True)
class Bench:
    """The model, and the rows of the table."""

    models: list[Timed] = field(default_factory=list[Timed])
    rows: list[str] = field(default_factory=list[str])

    def make_loader(self, spec: ModelSpec) -> EngineLoader:
        """The usual loader, with the model's passes timed."""
        usual = loader(spec)

        def load(report: Report) -> Engine:
            engine = usual(report)
            if not isinstance(engine, LocalEngine):
                raise TypeError("only models that run in this process can be timed")
            self.models = [Timed(engine.model.model)]
            engine.model.model = self.models[0]
            return engine

        return load

    async def host(self, settings: Settings) -> ModelHost:
        """A host whose model is ready."""
        host, status = await ready_host(settings, ModelHost(self.make_loader))
        if host is None:
            raise SystemExit(status.message)
        return host

    async def measure(self, name: str, host: ModelHost, places: Sequence[Place], memory: str) -> None:
        """A row: at each of `places` some characters are typed, and a suggestion asked for behind each."""
        settings = _settings(memory)
        completer = Completer(host, settings)
        outside: list[float] = []
        jumps: list[float] = []
        suggested = unasked = 0
        # Warm, as after some minutes of work: what is kept by words and by windows is there.
        for number, place in enumerate([*places[:_WARM_UP], *places]):
            before, keys = place.prefix[:-_KEYS], place.prefix[-_KEYS:]
            uri = f"file:///typed{number}.py"  # what was suggested for another place is not in its cache
            document = Document(uri, "python", number, before + place.suffix, _ENCODING)
            at = document.position_at(len(before))
            for count, key in enumerate(keys):
                self.models[0].seconds = 0.0
                started = time.perf_counter()
                document.replace(at, at, key)
                at = Position(at.line + 1, 0) if key == "\n" else Position(at.line, at.character + 1)
                suggestion = await completer.suggest(document.snapshot(at), invoked=False)
                seconds = time.perf_counter() - started - self.models[0].seconds
                if number >= _WARM_UP:
                    asked = self.models[0].seconds > 0
                    (outside if count else jumps).extend([1000 * seconds] * asked)
                    unasked += not asked
                    suggested += suggestion is not None
        completer.forget_all()
        cells = (name, memory, len(outside), unasked, suggested, *_figures(outside), *_figures(jumps)[:1])
        self.rows.append(f"| {' | '.join(map(str, cells))} |")
        print(self.rows[-1], flush=True)


def _figures(milliseconds: list[float]) -> list[str]:
    """Their median, 95th percentile and maximum, as they are written; nothing of fewer than two."""
    if len(milliseconds) < 2:
        return ["", "", ""]
    steps = statistics.quantiles(milliseconds, n=20, method="inclusive")
    return [f"{figure:.1f}" for figure in (steps[9], steps[18], max(milliseconds))]


@dataclass(frozen=True, slots=True)
class Place:
    """A text with a cursor in it."""

    prefix: str
    """Ends with what is typed."""

    suffix: str


_ENCODING = PositionEncoding.UTF32


def _settings(memory: str) -> Settings:
    options = {"debounce_ms": 0, "warm_up": "never", "show": "everything", "local_memory": memory}
    settings, problems = merge(Layer("benchmark", {"completion": options}))
    if problems:
        raise SystemExit("; ".join(problems))
    return settings


def usual(count: int) -> list[Place]:
    """Places in the first 2,000 lines of a module of the standard library where a person pauses."""
    source = sources.given([_PYTHON / "typing.py"])[0]
    text = "".join(source.text.splitlines(keepends=True)[:LINES])
    cut = holes.cut([sources.Source("bench", source.path, "python", text)], {"line": count, "word-end": count // 4}, 1)
    return [Place(hole.prefix, hole.suffix) for hole in cut if hole.prefix]


def unusual(count: int) -> dict[str, list[Place]]:
    """Places in files as nobody writes them, by the files' names; the line ends there where there is more than one."""
    found: dict[str, list[Place]] = {}
    for name, text in _files().items():
        rng = Random(name)
        drawn = sorted(rng.randrange(2, len(text)) for _ in range(count))
        found[name] = [
            Place(text[:at], text[max(at, text.find("\n", at)) :]) for at in drawn if text[at - 1] not in "\r\n"
        ]
    return found


def _files() -> dict[str, str]:
    rng = Random(1)
    line = "    value = compute(first, second)"
    ends, brackets, blanks = ("\n", "\r", "\r\n"), "[{(", " \t"
    return {
        "50,000 lines with CRLF": f"{line}\r\n" * 50_000,
        "one line of a megabyte": "x = [" + "first, second, " * 70_000 + "]",
        "binary": "".join(map(chr, (rng.randrange(1, 0x2FF) for _ in range(200_000)))),
        "mixed line ends": "".join(line + rng.choice(ends) for _ in range(LINES)),
        "brackets never closed": "".join(f"call({brackets[n % 3]}\n" for n in range(LINES)),
        "tabs and blanks": "".join(f"{rng.choice(blanks) * rng.randint(0, 6)}x = 1\n" for _ in range(LINES)),
        "right to left, combining": "שלום = 'e\u0301a\u0308' + مرحبا\n" * LINES,
    }


async def measured(count: int) -> list[str]:
    """All rows."""
    bench = Bench()
    host = await bench.host(_settings("auto"))
    for memory in ("never", "auto"):
        await bench.measure(f"{LINES:,} lines of Python", host, usual(count), memory)
    (model,) = bench.models
    model.keeps = True
    await bench.measure("a quarter of the places", host, usual(count // 4), "never")
    model.looks_up = True
    await bench.measure("the same, passes looked up", host, usual(count // 4), "never")
    model.keeps = model.looks_up = False
    for name, places in unusual(40).items():
        await bench.measure(name, host, places, "auto")
    return bench.rows


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--places", type=int, default=160)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "pipeline.md")
    options = parser.parse_args()
    rows = asyncio.run(measured(options.places))
    text = "\n".join(
        [
            "# What everything around the model costs",
            "",
            f"{datetime.now(tz=timezone.utc):%Y-%m-%d}; two cores; embedded model; in milliseconds, without the",
            "model's forward passes. Made by `python benchmarks/pipeline.py`, whose first lines say what is in it.",
            "",
            "Twelve characters are typed at each place. *Keys* are those but the first that the model was asked for;",
            "for the *others* it was not: what was suggested before still fits, or nothing would make sense there.",
            "A pass reads all weights and leaves the processor's caches without anything else; with *passes looked up*",
            "it only gives again what it gave before, and what remains is the work itself.",
            "",
            "| file | memory | keys | others | suggested | p50 | p95 | most | first key, p50 |",
            "|---|---|---:|---:|---:|---:|---:|---:|---:|",
            *rows,
            "",
        ]
    )
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
