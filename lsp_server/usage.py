"""How many suggestions were shown, accepted, rejected: by day and language, in one small file on this machine.

Numbers only: no text, no file's name. SQLite keeps them, because several daemons may add to them at the same time and
any of them may be ended in the middle. Knows nothing of suggestions but their outcomes.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from lsp_server.shown import Outcome, Verdict

if TYPE_CHECKING:  # some Pythons are built without it
    import sqlite3

log = logging.getLogger(__name__)

COUNTS = ("shown", *(verdict.value for verdict in Verdict), "saved_characters")
"""What is counted. Each suggestion is in `shown`, and in the count of its one verdict."""

_SAVE_S = 5.0
"""Counts are written so long after the first of them, all at once; that many are lost when a daemon is killed."""

_BUSY_S = 2.0
"""Longest wait for another daemon that is writing, which takes milliseconds."""

_DAYS = 400
"""Older days are added up by month, so that the file stays small for ever."""

_SCHEMA = "CREATE TABLE IF NOT EXISTS usage (day, language, name, count, PRIMARY KEY (day, language, name))"
_ADD = "ON CONFLICT (day, language, name) DO UPDATE SET count = count + excluded.count"

Key = tuple[str, str, str]
"""Day (2026-11-21, or 2026-11 for a month long past), language, and one of `COUNTS`."""


class UsageError(Exception):
    """The statistics can't be kept or read; the message says why in one sentence."""


class DamagedError(UsageError):
    """The file was damaged, and has been set aside: the next attempt begins a new one."""


@dataclass(frozen=True, slots=True)
class Row:
    """One language's counts on one day."""

    day: str
    language: str
    counts: dict[str, int]


def user_file() -> Path:
    """Where the statistics are kept on this system."""
    return platformdirs.user_state_path("fimd") / "usage.sqlite3"


class Usage:
    """Counts outcomes at once, and writes them down now and then from a thread of its own."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._pending: Counter[Key] = Counter()
        self._timer: threading.Timer | None = None
        self._counting, self._writing = threading.Lock(), threading.Lock()
        self._is_told = False

    def count(self, outcome: Outcome) -> None:
        """Count a suggestion that has ended now."""
        day = time.strftime("%Y-%m-%d")
        # An id that a client sends: as a rule a short word, but it could be anything.
        language = outcome.language if re.fullmatch(r"[\w.+#-]{1,40}", outcome.language) else "other"
        with self._counting:
            self._pending[day, language, "shown"] += 1
            self._pending[day, language, outcome.verdict.value] += 1
            self._pending[day, language, "saved_characters"] += outcome.saved_characters
            if self._timer is None:
                self._timer = threading.Timer(_SAVE_S, self.save)
                self._timer.daemon = True
                self._timer.start()

    def save(self) -> None:
        """Write down what was counted; a failure is logged once, and tried again with the next counts."""
        with self._writing:
            with self._counting:
                pending, self._pending = self._pending, Counter()
                if self._timer is not None:
                    self._timer.cancel()
                self._timer = None
            if not pending:
                return
            try:
                self._add(pending)
            except UsageError as error:
                if not self._is_told:
                    log.warning("%s", error)
                self._is_told = True
                with self._counting:
                    self._pending.update(pending)

    def _add(self, pending: Counter[Key]) -> None:
        try:
            add(self._file, pending)
        except DamagedError as error:
            log.warning("%s", error)
            add(self._file, pending)


def add(file: Path, counts: Counter[Key]) -> None:
    """Add counts to those in the file.

    Raises:
        UsageError: the file can't be written.
    """
    before = (date.today() - timedelta(days=_DAYS)).isoformat()  # noqa: DTZ011  # the person's days
    is_old = "length(day) = 10 AND day < ?"
    with _opened(file) as database:
        rows = [(*key, count) for key, count in counts.items() if count]
        database.executemany(f"INSERT INTO usage VALUES (?, ?, ?, ?) {_ADD}", rows)  # noqa: S608  # only constants
        database.execute(
            "INSERT INTO usage SELECT substr(day, 1, 7) AS month, language, name, sum(count) FROM usage "  # noqa: S608
            f"WHERE {is_old} GROUP BY month, language, name {_ADD}",
            (before,),
        )
        database.execute(f"DELETE FROM usage WHERE {is_old}", (before,))  # noqa: S608


def read(file: Path, since: str = "") -> list[Row]:
    """The counts from the day `since` on, the newest day first; none where there is no file.

    Raises:
        UsageError: the file can't be read.
    """
    if not file.exists():
        return []
    rows: dict[tuple[str, str], dict[str, int]] = {}
    with _opened(file) as database:
        found = database.execute(
            "SELECT day, language, name, ifnull(CAST(count AS INTEGER), 0) FROM usage WHERE day >= ? "
            "ORDER BY day DESC, language",
            (since,),
        )
        for day, language, name, count in found:
            if name in COUNTS:
                rows.setdefault((str(day), str(language)), dict.fromkeys(COUNTS, 0))[name] = count
    return [Row(day, language, counts) for (day, language), counts in rows.items()]


def reset(file: Path) -> None:
    """Forget all counts.

    Raises:
        UsageError: the file can't be written.
    """
    if file.exists():
        with _opened(file) as database:
            database.execute("DELETE FROM usage")


@contextmanager
def _opened(file: Path) -> Generator[sqlite3.Connection]:
    """The file's database in one transaction, made where there is none.

    Raises:
        UsageError: it can't be used.
        DamagedError: it was no such database, or a damaged one.
    """
    try:
        import sqlite3
    except ImportError as error:
        raise UsageError(f"statistics are not kept, because this Python has no SQLite: {error}") from error
    known = _identity(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with closing(sqlite3.connect(file, timeout=_BUSY_S)) as database, database:
            database.execute(_SCHEMA)
            yield database
    except sqlite3.OperationalError as error:
        if "column" not in str(error):  # locked, read-only, a full disk
            raise UsageError(f"the statistics in {file} can't be used now: {error}") from error
        raise _set_aside(file, known, error) from error
    except sqlite3.DatabaseError as error:
        raise _set_aside(file, known, error) from error
    except OSError as error:
        raise UsageError(f"the statistics in {file} can't be used now: {error.strerror or error}") from error


def _identity(file: Path) -> int | None:
    """Tells a file from another one that has taken its name since."""
    try:
        return file.stat().st_ino
    except OSError:
        return None


def _set_aside(file: Path, known: int | None, error: Exception) -> UsageError:
    """Rename a damaged file, unless another daemon has done so already; returns the error that says so."""
    aside = file.with_suffix(".damaged")
    try:
        if _identity(file) == known:
            file.replace(aside)
    except OSError as failure:
        reason = failure.strerror or failure
        return UsageError(f"the statistics in {file} are damaged ({error}) and can't be set aside: {reason}")
    return DamagedError(f"the statistics in {file} were damaged ({error}): they are in {aside} now, and begin anew")
