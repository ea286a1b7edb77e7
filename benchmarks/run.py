"""The whole comparison in one run: `make bench`; writes `benchmarks/report.md` and `benchmarks/latency.png`.

Takes half an hour to an hour on two cores, and 5 GB of disk for a model of SantaCoder's size, which is made once in
`build/bench` (see `big_checkpoint.py`). Machines are noisy: compare ratios within one report. `--resume` goes on where
a run was stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import big_checkpoint
import psutil
import torch
from cancelling import cancel_ms
from gguf import GGMLQuantizationType
from kept import Kept
from rich.console import Console
from tokenizers import Tokenizer

from inference.checkpoints.embedded import FOLDER
from inference.models.int8 import kernel_name
from lsp_server.commands.bench import default_files, draw, run, summary
from lsp_server.commands.editor import OURS, Editor
from lsp_server.commands.replay import Plan, Tally
from tests.model import gguf_writer

HERE = Path(__file__).parent
BUILD = HERE.parent / "build/bench"
_TOKENS = 16
"""New tokens a request at SantaCoder's size."""

_ROUNDS = 3
"""Engines take turns, so that what the machine does meanwhile meets all of them."""

_KEYS, _BIG_KEYS = 400, 100
_STARTED = "import os\n\n\ndef name(path):\n    return os.path."
_SHOWN = 'completion.show = "everything"\n'
"""The baselines hold nothing back, so fimd does not either: speed is compared here."""

_CONFIG = f'{_SHOWN}model.drafts = "never"\ncompletion.max_tokens = {_TOKENS}\n'
"""No drafts from the embedded model: it would know too well what the large one writes, which is made from it."""

_QUANTISED = {"Q8_0": GGMLQuantizationType.Q8_0, "Q4_K": GGMLQuantizationType.Q4_K}


_OF_OURS = frozenset({"reused_share", "unseen_share", "tokens_per_pass", "foreseen", "kept"})
"""Rows of the second table that only fimd's own engine counts."""

_HOW = """
## What is compared

The model of 1.1 billion parameters is the embedded one, spread over SantaCoder's shape: the same greedy text, the work
of the large model. Its text is therefore no better than the embedded model's, and says nothing about SantaCoder's.

All engines sit behind the same daemon and are typed at by the same person: the same passages, the same pauses as long
as nothing is accepted. `awaited` says how many waits the percentiles are taken from; few, so a p95 is a rough figure.
Every request may take 16 tokens at 1.1 B, and stops at the end of the line.

fimd runs the model in int8, suffix first, and reads a shorter prompt where the longer one would take more than 0.35 s.
The others run as a person would set them up by their documentation: prefix first, as on the model cards, with 1,024
tokens of prompt; `generate()` in float32 and without a cache between requests; llama.cpp with its prompt cache, which a
changed prefix empties from there on, suffix included. Neither can be stopped in the middle of an answer that nobody
waits for any more, and what waits behind it waits longer.
"""


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the report's first table."""

    figure: str
    reached: float
    wanted: float
    unit: str = "×"
    at_most: bool = False

    @property
    def is_met(self) -> bool:
        """Whether it is."""
        return self.reached <= self.wanted if self.at_most else self.reached >= self.wanted

    def row(self) -> str:
        """The line."""
        sign = "≤" if self.at_most else "≥"
        mark = "yes" if self.is_met else "**no**"
        return f"| {self.figure} | {self.reached:,.2f} {self.unit} | {sign} {self.wanted:g} {self.unit} | {mark} |"


def models() -> dict[str, Path]:
    """The large model, as a checkpoint and as GGUF files."""
    files = {"checkpoint": big_checkpoint.write(BUILD / "santacoder-size")}
    if not all((BUILD / f"{name}.gguf").is_file() for name in _QUANTISED):
        from transformers import AutoModelForCausalLM

        model: Any = cast(Any, AutoModelForCausalLM).from_pretrained(files["checkpoint"], dtype=torch.float32)
        tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
        for name, kind in _QUANTISED.items():
            part = gguf_writer.write(BUILD / f"{name}.part", model, tokenizer, kind)
            part.rename(BUILD / f"{name}.gguf")
    return {**files, **{name: BUILD / f"{name}.gguf" for name in _QUANTISED}}


def engine(kind: str, model: Path) -> dict[str, float]:
    """Figures of one engine, from a process of its own; see `engines.py`."""
    command = [sys.executable, str(HERE / "engines.py"), kind, str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    if done.returncode:
        raise SystemExit(f"{kind} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def in_turns(files: dict[str, Path], kept: Kept, console: Console) -> dict[str, dict[str, float]]:
    """Figures of each engine: medians over rounds in which all of them are measured one after the other."""
    rounds: dict[str, list[dict[str, float]]] = {}
    first = [("fimd int8, first start", "fimd", "checkpoint")]
    others = [
        ("fimd int8", "fimd", "checkpoint"),
        ("generate fp32", "generate", "checkpoint"),
        ("llama.cpp Q8_0", "llama.cpp", "Q8_0"),
        ("llama.cpp Q4_K", "llama.cpp", "Q4_K"),
    ]
    for label, kind, name in first + _ROUNDS * others:
        console.print(f"engine: {label}")
        measured = rounds.setdefault(label, [])
        measured.append(kept.get(f"{label} {len(measured)}", lambda kind=kind, name=name: engine(kind, files[name])))
        console.print(f"  {measured[-1]}")
    return {
        label: {figure: statistics.median(one[figure] for one in measured) for figure in measured[0]}
        for label, measured in rounds.items()
    }


def trace(command: tuple[str, ...], keys: int) -> Tally:
    """A typing trace into one daemon.

    llama.cpp's server hangs at its start once in a while: a baseline that fails gets a second chance.
    """
    plan = Plan(default_files(), keys, seed=1, command=command)
    try:
        return run(plan)
    except SystemExit:
        if command[: len(OURS)] == OURS:
            raise
    Console(stderr=True).print("  it failed: once more")
    return run(plan)


async def start(runs: int = 4) -> tuple[float, float]:
    """Medians, in seconds from the start of the process: `initialize` answered, and a first suggestion shown."""
    initialized: list[float] = []
    suggested: list[float] = []
    for _ in range(runs):
        editor = Editor(Path("start.py").resolve(), _STARTED, len(_STARTED))
        if not await editor.start("--config", str(BUILD / "defaults.toml")):
            raise SystemExit(editor.message)
        ghost = await editor.type("b")
        if not ghost.text:
            raise SystemExit("nothing was suggested after the start: choose another text")
        initialized.append(editor.initialize_s)
        suggested.append(editor.ready_s + ghost.latency_ms / 1000)
        await editor.stop()
    return statistics.median(initialized[1:]), statistics.median(suggested[1:])  # the first warms the disk


def measure(kept: Kept, console: Console) -> tuple[list[Goal], dict[str, dict[str, float]], dict[str, Tally]]:
    """Everything that the report says."""
    console.print("making the models")
    files = models()
    for name, text in (("defaults", _SHOWN), ("ours", _CONFIG), ("asked", _CONFIG + 'completion.warm_up = "never"\n')):
        (BUILD / f"{name}.toml").write_text(text, encoding="utf-8")
    engines = in_turns(files, kept, console)
    ours = (*OURS, "--model", str(files["checkpoint"]), "--precision", "int8", "--config")
    baseline = (sys.executable, str(HERE / "baselines.py"))
    traces: dict[str, Tally] = {}
    for label, command, keys in (
        ("fimd, embedded", (*OURS, "--config", str(BUILD / "defaults.toml")), _KEYS),
        ("fimd, 1.1 B int8", (*ours, str(BUILD / "ours.toml")), _BIG_KEYS),
        ("fimd, 1.1 B int8, nothing in advance", (*ours, str(BUILD / "asked.toml")), _BIG_KEYS),
        ("llama.cpp, 1.1 B Q8_0", (*baseline, "llama.cpp", str(files["Q8_0"]), str(_TOKENS)), _BIG_KEYS),
        ("llama.cpp, 1.1 B Q4_K", (*baseline, "llama.cpp", str(files["Q4_K"]), str(_TOKENS)), _BIG_KEYS),
        ("generate, 1.1 B fp32", (*baseline, "generate", str(files["checkpoint"]), str(_TOKENS)), _BIG_KEYS),
    ):
        console.print(f"typing trace: {label}")
        found = kept.get(label, lambda command=command, keys=keys: asdict(trace(command, keys)))
        traces[label] = Tally(**found)
        console.print(f"  {summary(traces[label])}")
    console.print("start and cancel")
    started = asyncio.run(start())
    cancels = {
        name: asyncio.run(cancel_ms(model)) for name, model in (("embedded", ""), ("1.1 B", str(files["checkpoint"])))
    }
    return goals(engines, traces, started, cancels), engines, traces


def goals(
    engines: dict[str, dict[str, float]],
    traces: dict[str, Tally],
    started: tuple[float, float],
    cancels: dict[str, float],
) -> list[Goal]:
    """What is wanted, and what was reached."""
    ours, llama8, llama4 = engines["fimd int8"], engines["llama.cpp Q8_0"], engines["llama.cpp Q4_K"]
    p50 = {name: summary(tally)["p50_ms"] for name, tally in traces.items()}
    embedded = summary(traces["fimd, embedded"])
    big = p50["fimd, 1.1 B int8"]
    llama = min(p50["llama.cpp, 1.1 B Q8_0"], p50["llama.cpp, 1.1 B Q4_K"])
    return [
        Goal("decode, int8 against generate() fp32", ours["decode"] / engines["generate fp32"]["decode"], 3),
        Goal("prefill of 512 tokens against llama.cpp Q8_0", ours["prefill"] / llama8["prefill"], 5),
        Goal("prefill of 512 tokens against llama.cpp Q4_K", ours["prefill"] / llama4["prefill"], 3.5),
        Goal("decode, int8, no drafts, against llama.cpp Q8_0", ours["decode"] / llama8["decode"], 1.15),
        Goal("decode, int8, no drafts, against llama.cpp Q4_K", ours["decode"] / llama4["decode"], 1.2),
        Goal("share of memory bandwidth in int8 decode", 100 * ours["bandwidth_share"], 75, "%"),
        Goal("typing, 1.1 B: generate()'s p50 ÷ ours", p50["generate, 1.1 B fp32"] / max(big, 0.1), 10),
        Goal("typing, 1.1 B: llama.cpp's better p50 ÷ ours", llama / max(big, 0.1), 3),
        Goal(
            "the same, with nothing computed in advance",
            llama / max(p50["fimd, 1.1 B int8, nothing in advance"], 0.1),
            3,
        ),
        Goal("typing, embedded: p50", embedded["p50_ms"], 60, "ms", at_most=True),
        Goal("typing, embedded: p95", embedded["p95_ms"], 150, "ms", at_most=True),
        Goal("typing, embedded: answered before the next key", 100 * embedded["answered_before_next_key"], 75, "%"),
        Goal("drafts, embedded: tokens a forward pass", embedded["tokens_per_pass"], 1.6, "tokens"),
        Goal("start: initialize", started[0], 0.5, "s", at_most=True),
        Goal("start: first suggestion, embedded", started[1], 2.5, "s", at_most=True),
        Goal("start: 1.1 B int8 ready from its cache", ours["ready_s"], 8, "s", at_most=True),
        Goal("memory: embedded, at its peak", embedded["peak_mb"], 450, "MB", at_most=True),
        Goal("memory: 1.1 B int8, resident", ours["resident_mb"], 1600, "MB", at_most=True),
        Goal("cancel, embedded: until the thread is free, worst of 20", cancels["embedded"], 50, "ms", at_most=True),
        Goal("cancel, 1.1 B int8: the same", cancels["1.1 B"], 150, "ms", at_most=True),
    ]


def report(wanted: list[Goal], engines: dict[str, dict[str, float]], traces: dict[str, Tally]) -> str:
    """The report as Markdown."""
    memory = psutil.virtual_memory().total / 1e9
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "xllamacpp"))
    machine = f"{platform.system()} {platform.machine()}, {_processor()}, {os.cpu_count()} cores, {memory:.0f} GB"
    lines = [
        "# fimd against what a person could pick instead",
        "",
        f"{datetime.now(tz=timezone.utc):%Y-%m-%d}; {machine}; Python {platform.python_version()}, {libraries}.",
        f"int8 kernels: {kernel_name()}.",
        "Made by `make bench`; `benchmarks/run.py` says what is measured and how.",
        "",
        "| figure | reached | wanted | |",
        "|---|---:|---:|---|",
        *(goal.row() for goal in wanted),
        "",
        "## Engines at SantaCoder's size (1.12 billion parameters)",
        "",
        "| engine | prefill of 512, tokens/s | decode, tokens/s | other |",
        "|---|---:|---:|---|",
    ]
    for name, figures in engines.items():
        other = ", ".join(f"{key} {value:,.2f}" for key, value in figures.items() if key not in {"prefill", "decode"})
        lines.append(f"| {name} | {figures['prefill']:,.0f} | {figures['decode']:,.1f} | {other} |")
    names = list(traces)
    summaries = [summary(tally) for tally in traces.values()]
    lines += ["", "## Typing traces", "", "![latencies](latency.png)", "", f"| figure | {' | '.join(names)} |"]
    lines += [f"|---|{'---:|' * len(names)}"]
    for key in summaries[0]:
        cells = [
            "–" if key in _OF_OURS and not name.startswith("fimd") else f"{one[key]:,.4g}"
            for name, one in zip(names, summaries, strict=True)
        ]
        lines.append(f"| {key.replace('_', ' ')} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n" + _HOW


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")), "")


def _environment() -> dict[str, str]:
    return {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(HERE.parent)}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, help="folder for report.md and latency.png")
    parser.add_argument("--resume", action="store_true", help="keep what a run that was stopped has measured")
    arguments = parser.parse_args()
    os.environ.update(_environment())
    console = Console(stderr=True)
    wanted, engines, traces = measure(Kept(BUILD / "measured", resume=arguments.resume), console)
    text = report(wanted, engines, traces)
    (arguments.out / "report.md").write_text(text, encoding="utf-8")
    draw(traces, arguments.out / "latency.png")
    print(text)


if __name__ == "__main__":
    main()
