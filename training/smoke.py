"""The whole training pipeline in three minutes, on the standard library and with a model too small to be of use.

Shows that the steps fit together on this machine; what they can do shows in `make train` only.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from training import corpus, export, tokenizer, train

_CHARS = 1_500_000
"""Of the training texts; of the held-out ones a quarter."""

_RECIPE = train.Recipe(
    steps=160, batch=8, length=256, width=128, layers=3, heads=2, warmup_steps=10, validate_every=40, save_every=80
)
_HOLES = 70


def run(out: Path) -> Iterator[str]:
    """Make everything anew below `out`; yields a line about each step.

    Raises:
        RuntimeError: the loss did not fall, or the evaluation failed.
        OSError: `out` cannot be written.
    """
    shutil.rmtree(out, ignore_errors=True)
    corpus.build(out / "whole", out / "CORPUS.md")
    for name, most in (("train", _CHARS), ("heldout", _CHARS // 4)):
        _shortened(out / "whole" / f"{name}.jsonl", out / f"{name}.jsonl", most)
    tokenizer.build(out / "train.jsonl", out / "tokenizer.json", vocabulary=1024)
    yield f"corpus and tokenizer: {out}"
    train.train(out, out / "tokenizer.json", out / "run", _RECIPE)
    rows = [json.loads(line) for line in (out / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    held_out = [row["held_out_loss"] for row in rows if "held_out_loss" in row]
    yield f"held-out loss {held_out[0]:.2f} -> {held_out[-1]:.2f} nats a token, {rows[-1]['bits']:.2f} bits a character"
    if not held_out[-1] <= held_out[0] - 1:
        raise RuntimeError("the loss did not fall: something is wrong with the samples, the model or the optimisers")
    before, after = export.export(out, out / "tokenizer.json", out / "run", out / "model")
    yield f"packed into int8 rows: loss {before:.3f} -> {after:.3f}"
    shutil.copyfile(out / "tokenizer.json", out / "run" / "model" / "tokenizer.json")
    command = [
        sys.executable,
        "-m",
        "lsp_server",
        "eval",
        "--model",
        str(out / "run" / "model"),
        "--holes",
        str(_HOLES),
    ]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"fimd eval failed: {done.stderr.strip()[-500:]}")
    for kind, figures in json.loads(done.stdout)["by_kind"]["product"].items():
        yield f"{kind}: em1 {100 * figures['em1']['value']:.0f} % of {figures['em1']['count']} holes"


def _shortened(source: Path, target: Path, most: int) -> None:
    """The first texts of a `*.jsonl` corpus, `most` characters of them."""
    taken = 0
    with source.open(encoding="utf-8") as rows, target.open("w", encoding="utf-8") as kept:
        for row in rows:
            if taken > most:
                return
            taken += len(row)
            kept.write(row)
