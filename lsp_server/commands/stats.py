"""`fimd stats`: what became of the suggestions that were shown on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lsp_server import usage
from lsp_server.commands.options import fail

_HEADINGS = {
    "shown": "shown",
    "accepted": "accepted",
    "partly_accepted": "in part",
    "typed_through": "typed",
    "rejected": "rejected",
    "unknown": "unknown",
    "saved_characters": "characters saved",
}
"""Of the columns, by what is counted in them; see `lsp_server.shown.Verdict`."""


def stats(days: int | None, as_json: bool, reset: bool) -> int:
    """Print the counts, of the last `days` if given, or forget them all; returns 0."""
    file = usage.user_file()
    since = "" if days is None else (date.today() - timedelta(days=days - 1)).isoformat()  # noqa: DTZ011  # the person's days
    try:
        if reset:
            usage.reset(file)
            print(f"all counts in {file} are forgotten")
            return 0
        rows = usage.read(file, since)
    except usage.UsageError as error:
        fail(str(error))
    total = {name: sum(row.counts[name] for row in rows) for name in usage.COUNTS}
    if as_json:
        listed = [{"day": row.day, "language": row.language, **row.counts} for row in rows]
        print(json.dumps({"file": str(file), "rows": listed, "total": total, "acceptance_rate": _rate(total)}))
    else:
        _print(file, rows, total, is_limited=days is not None)
    return 0


def _print(file: Path, rows: list[usage.Row], total: dict[str, int], is_limited: bool) -> None:
    console = Console(highlight=False, markup=False)
    if rows:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for heading in ("day", "language", *_HEADINGS.values(), "acceptance"):
            table.add_column(heading, justify="left" if heading in {"day", "language"} else "right", no_wrap=True)
        for row in rows:
            table.add_row(row.day, row.language, *_cells(row.counts))
        table.add_section()
        languages = sorted({row.language for row in rows})
        for language in languages if len(languages) > 1 else []:
            counts = {name: sum(row.counts[name] for row in rows if row.language == language) for name in usage.COUNTS}
            table.add_row("total", language, *_cells(counts))
        table.add_row("total", "", *_cells(total), style="bold")
        # A table that is cut at the edge of a pipe or of a narrow window would lose what it was asked for.
        console.width = max(console.width, 120)
        console.print(table, soft_wrap=True, crop=False)
        sentence = "Acceptance is the share of those shown that were accepted, whole or in part."
    elif is_limited:
        sentence = "No suggestion was shown in these days."
    else:
        sentence = (
            "No suggestion has been shown yet: counting begins with an editor on `fimd serve`, or with `fimd demo`."
        )
    console.print(f"{sentence} The counts lie in {file} and never leave this machine.", soft_wrap=True)


def _cells(counts: dict[str, int]) -> Iterable[str]:
    rate = _rate(counts)
    return (*(f"{counts[name]:,}" for name in _HEADINGS), "" if rate is None else f"{rate:.0%}")


def _rate(counts: dict[str, int]) -> float | None:
    """Accepted, whole or in part, of all shown; None where none were."""
    if not counts["shown"]:
        return None
    return (counts["accepted"] + counts["partly_accepted"]) / counts["shown"]
