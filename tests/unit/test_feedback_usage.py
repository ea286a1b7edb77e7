"""Counts on disk: by day and language, from several daemons, small for ever, and never an exception for a bad file."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server import usage
from lsp_server.shown import Outcome, Verdict
from lsp_server.usage import COUNTS, DamagedError, Row, Usage, UsageError

ROOT = Path(__file__).parents[2]
TODAY = date.today().isoformat()  # noqa: DTZ011


def outcome(verdict: Verdict, language: str = "python", saved: int = 0) -> Outcome:
    return Outcome(verdict, language, saved)


def counts(**given_counts: int) -> dict[str, int]:
    return {**dict.fromkeys(COUNTS, 0), **given_counts}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "usage.sqlite3"


def test_feedback_is_counted_by_day_and_language(file: Path) -> None:
    kept = Usage(file)
    kept.count(outcome(Verdict.ACCEPTED, saved=7))
    kept.count(outcome(Verdict.REJECTED))
    kept.count(outcome(Verdict.PARTLY_ACCEPTED, "c++", 3))
    assert usage.read(file) == [], "not written yet"
    kept.save()
    kept.count(outcome(Verdict.ACCEPTED, saved=1))
    kept.save()
    kept.save()
    assert usage.read(file) == [
        Row(TODAY, "c++", counts(shown=1, partly_accepted=1, saved_characters=3)),
        Row(TODAY, "python", counts(shown=3, accepted=2, rejected=1, saved_characters=8)),
    ]


def test_feedback_is_written_by_itself_after_a_while(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "_SAVE_S", 0.01)
    kept = Usage(file)
    for _ in range(2):
        kept.count(outcome(Verdict.TYPED_THROUGH))
        timer = kept._timer
        assert timer is not None
        timer.join(10)
    assert [row.counts["typed_through"] for row in usage.read(file)] == [2]


def test_feedback_of_several_daemons_at_once_is_all_there(file: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from lsp_server.shown import Outcome, Verdict; from lsp_server.usage import Usage\n"
        "kept = Usage(Path(sys.argv[1]))\n"
        "for number in range(25):\n"
        "    kept.count(Outcome(Verdict.ACCEPTED, 'python', 2))\n"
        "    kept.save()\n"
        "sys.exit(bool(kept._pending))\n"
    )
    daemons = [subprocess.Popen([sys.executable, "-c", script, str(file)], cwd=ROOT) for _ in range(4)]
    assert [daemon.wait(120) for daemon in daemons] == [0] * 4
    assert usage.read(file) == [Row(TODAY, "python", counts(shown=100, accepted=100, saved_characters=200))]


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be one" * 30, b"\0" * 5000])
def test_a_damaged_feedback_file_is_set_aside_in_one_sentence(
    file: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(DamagedError) as raised:
        usage.read(file)
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert file.with_suffix(".damaged").read_bytes() == content
    file.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        kept = Usage(file)
        kept.count(outcome(Verdict.ACCEPTED))
        kept.save()
    assert len(caplog.records) == 1
    assert usage.read(file)[0].counts["shown"] == 1


def test_a_feedback_file_with_damage_in_the_middle_is_set_aside(file: Path) -> None:
    many = Counter(
        {(f"2026-01-{day:02}", f"language{number}", "shown"): 1 for day in range(1, 29) for number in range(50)}
    )
    with sqlite3_file(file) as database:
        database.executemany("INSERT INTO usage VALUES (?, ?, ?, ?)", [(*key, count) for key, count in many.items()])
    body = bytearray(file.read_bytes())
    body[4096:-100] = bytes(range(256)) * (len(body[4096:-100]) // 256) + b"x" * (len(body[4096:-100]) % 256)
    file.write_bytes(body)
    with pytest.raises(DamagedError):
        usage.read(file)
    assert usage.read(file) == []


def sqlite3_file(file: Path) -> sqlite3.Connection:
    """A database with the table that `usage` makes."""
    usage.add(file, Counter())
    return sqlite3.connect(file)


def test_a_feedback_file_of_another_shape_is_set_aside(file: Path) -> None:
    file.parent.mkdir()
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE usage (something)")
    with pytest.raises(DamagedError):
        usage.read(file)
    assert usage.read(file) == []


def test_feedback_that_cant_be_written_is_told_once_and_kept(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.parent.write_text("a file where the folder should be", encoding="utf-8")
    kept = Usage(file)
    for _ in range(3):
        kept.count(outcome(Verdict.REJECTED))
        kept.save()
    assert len(caplog.records) == 1
    assert "\n" not in caplog.records[0].getMessage()
    file.parent.unlink()
    kept.save()
    assert usage.read(file)[0].counts["rejected"] == 3
    with pytest.raises(UsageError):
        usage.add(file.parent, Counter({(TODAY, "python", "shown"): 1}))


def test_old_feedback_is_added_up_by_month_and_stays_small(file: Path) -> None:
    start = date(2000, 1, 1)
    days = [(start + timedelta(days=number)).isoformat() for number in range(4000)]
    usage.add(file, Counter({(day, "python", name): 1 for day in days for name in COUNTS}))
    usage.add(file, Counter({(TODAY, "python", "shown"): 1, ("2000-01-05", "python", "shown"): 1}))
    rows = usage.read(file)
    assert len(rows) == 1 + 132
    assert rows[-1] == Row("2000-01", "python", {**dict.fromkeys(COUNTS, 31), "shown": 32})
    assert sum(row.counts["shown"] for row in rows) == 4002
    assert usage.read(file, since=TODAY) == rows[:1]


def test_feedback_is_forgotten_on_demand(file: Path) -> None:
    usage.reset(file)
    assert not file.exists()
    usage.add(file, Counter({(TODAY, "python", "shown"): 1}))
    usage.reset(file)
    assert usage.read(file) == []


@given(st.text(), st.sampled_from(Verdict))
def test_no_text_but_a_plain_language_id_is_ever_kept_of_feedback(language: str, verdict: Verdict) -> None:
    kept = Usage(Path("never written"))
    kept._timer = kept._timer or unstarted()
    kept.count(outcome(verdict, language))
    ids = {key[1] for key in kept._pending}
    assert ids in ({language}, {"other"})
    assert all(len(one) <= 40 and not any(part.isspace() for part in one) for one in ids)


def unstarted() -> usage.threading.Timer:
    return usage.threading.Timer(1, print)
