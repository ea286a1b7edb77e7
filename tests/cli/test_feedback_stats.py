"""`fimd stats`: what the demo did, in numbers; days and languages; a damaged file is one sentence."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest

from lsp_server import usage
from tests.cli.test_commands import fimd

TODAY = date.today()  # noqa: DTZ011


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands of a test find the counts."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return usage.user_file()


def test_feedback_statistics_say_what_the_demo_says(state: Path) -> None:
    assert "No suggestion has been shown yet" in fimd("stats").stdout
    done = fimd("demo")
    told = re.search(r"(\d+) suggestions? shown, (\d+) accepted", done.stdout)
    assert told, done.stdout
    total = json.loads(fimd("stats", "--json").stdout)["total"]
    assert (total["shown"], total["accepted"]) == (int(told[1]), int(told[2]))
    saved = [len(ast.literal_eval(text)) - 1 for text in re.findall(r"Tab: accepted (.+)", done.stdout)]
    assert total["saved_characters"] == sum(saved)
    assert total["shown"] == sum(total[name] for name in usage.COUNTS if name not in {"shown", "saved_characters"})
    assert [file.name for file in state.parent.iterdir()] == [state.name]


def test_feedback_statistics_by_day_and_language(state: Path) -> None:
    yesterday, long_ago = ((TODAY - timedelta(days=days)).isoformat() for days in (1, 3))
    today = TODAY.isoformat()
    usage.add(
        state,
        Counter({
            (today, "python", "shown"): 8, (today, "python", "accepted"): 1, (today, "python", "partly_accepted"): 1,
            (today, "java", "shown"): 2, (yesterday, "python", "shown"): 1200, (long_ago, "rust", "shown"): 5,
            (long_ago, "rust", "accepted"): 5, (today, "python", "saved_characters"): 31,
        }),
    )  # fmt: skip
    lines = fimd("stats").stdout.splitlines()
    assert lines[0].split()[:4] == ["day", "language", "shown", "accepted"]
    listed = [line.split()[:3] for line in lines[1:5]]
    expected = [[today, "java", "2"], [today, "python", "8"], [yesterday, "python", "1,200"], [long_ago, "rust", "5"]]
    assert listed == expected
    assert next(line for line in lines if line.startswith(f"{today}  python")).split()[-2:] == ["31", "25%"]
    assert [line.split()[1] for line in lines if line.startswith("total")] == ["java", "python", "rust", "1,215"]
    assert str(state) in lines[-1]
    assert "never leave this machine" in lines[-1]
    last_two = json.loads(fimd("stats", "--days", "2", "--json").stdout)
    assert last_two["total"]["shown"] == 1210
    assert [row["language"] for row in last_two["rows"]] == ["java", "python", "python"]
    assert last_two["acceptance_rate"] == 2 / 1210


def test_feedback_statistics_are_forgotten_on_demand(state: Path) -> None:
    usage.add(state, Counter({("2026-01-01", "python", "shown"): 8}))
    assert "No suggestion was shown in these days" in fimd("stats", "--days", "1").stdout
    assert str(state) in fimd("stats", "--reset").stdout
    empty = json.loads(fimd("stats", "--json").stdout)
    assert (empty["rows"], empty["total"]["shown"], empty["acceptance_rate"]) == ([], 0, None)


def test_damaged_feedback_statistics_are_one_sentence(state: Path) -> None:
    state.parent.mkdir(parents=True)
    state.write_bytes(b"no database" * 100)
    done = fimd("stats")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "damaged" in done.stderr
    assert fimd("stats").returncode == 0
    assert fimd("stats", "--days", "0").returncode == 2
