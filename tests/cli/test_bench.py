"""`fimd bench` types into the real daemon with the embedded model, and says honestly what came of it."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lsp_server.commands.bench import percentile, summary
from lsp_server.commands.replay import Tally


def fimd(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lsp_server", *arguments], capture_output=True, text=True, check=False, timeout=170
    )


def test_a_short_trace_gives_figures_and_nothing_else(tmp_path: Path) -> None:
    done = fimd("bench", queue.__file__, "--keys", "60", "--model", "embedded", "--json")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    figures: dict[str, Any] = json.loads(done.stdout)
    assert figures["keys"] >= 30
    answered = figures["shown"] + figures["typed_along"] + figures["empty"]
    assert answered + figures["overtaken"] == figures["requests"]
    assert figures["shown"] > 0
    assert 0 < figures["p50_ms"] <= figures["p95_ms"]
    assert 0 < figures["reused_share"] <= 1
    assert figures["tokens_per_pass"] >= 1
    assert 50 < figures["peak_mb"] < 1000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no-such-file.py"], "no-such-file.py"),
        (["--plot", "no/such/folder/x.png"], "folder that exists"),
        (["--plot", "picture.xyz"], ".png, .svg or .pdf"),
        (["--model", "no-such-model"], "no-such-model"),
    ],
)
def test_what_can_not_be_done_is_one_sentence(arguments: list[str], words: str) -> None:
    if "--plot" in arguments:
        pytest.importorskip("matplotlib")
    done = fimd("bench", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_with_nothing_to_type_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "prose.txt"
    file.write_text("only prose\n" * 100, encoding="utf-8")
    done = fimd("bench", str(file))
    assert done.returncode == 2
    assert "no place to type" in done.stderr


def test_only_what_was_waited_for_to_its_end_counts_in_the_percentiles() -> None:
    names = (
        "requests", "from_cache", "prompt_tokens", "reused_tokens", "generated_tokens", "passes", "forwarded_tokens",
        "foreseen", "kept", "cpu_s", "peak_bytes",
    )  # fmt: skip
    counts: dict[str, Any] = dict.fromkeys(names, 10)
    none: dict[str, Any] = dict.fromkeys(names, 0)
    tally = Tally(
        keys=7, requests=4, awaited_ms=[900.0, 100.0, 500.0], shown_ms=[10.0], overtaken_ms=[300.0, 200.0], empty=1,
        before=none, after=counts,
    )  # fmt: skip
    figures = summary(tally)
    assert figures["p50_ms"] == 500.0
    assert figures["answered_before_next_key"] == 0.5


def test_percentiles() -> None:
    assert percentile([], 95) == 0
    assert percentile([7.0], 50) == 7.0
    assert percentile([float(value) for value in range(101)], 95) == 95.0
