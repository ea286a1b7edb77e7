"""`fimd complete FILE:LINE:COL`: one suggestion, through the same steps as in an editor."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from lsp_server.commands.options import fail, settings_or_exit
from lsp_server.commands.session import ready_completer
from lsp_server.completer import Suggestion
from lsp_server.documents import Document, Position
from lsp_server.exclusions import is_excluded
from lsp_server.position_encoding import PositionEncoding


def complete(place: str, model: str | None, config: Path | None, as_json: bool) -> int:
    """Print the suggestion; returns the exit status, 0 also where there is nothing to suggest."""
    settings = settings_or_exit(model, config)
    path, line, column = _parsed(place)
    uri = "file:///stdin" if path == "-" else Path(path).resolve().as_uri()
    if is_excluded(uri, settings.files.exclude):
        fail(f"{path} is among the files that are never read (files.exclude)")
    document = Document(uri, "", 0, _text(path), PositionEncoding.UTF32)
    position = Position(line - 1, column - 1)

    async def ask() -> tuple[Suggestion | None, str]:
        completer, status = await ready_completer(settings)
        if completer is None:
            fail(status.message)
        return await completer.suggest(document.snapshot(position), invoked=True), settings.model.name

    suggestion, name = asyncio.run(ask())
    if as_json:
        print(json.dumps(_json(suggestion, document, position, name)))
    elif suggestion:
        print(suggestion.text)
    else:
        print("fimd: nothing to suggest there", file=sys.stderr)
    return 0


def _parsed(place: str) -> tuple[str, int, int]:
    """File, 1-based line and 1-based column; the file's own name may contain colons."""
    parts = place.rsplit(":", 2)
    if len(parts) != 3 or not parts[0] or not parts[1].isdigit() or not parts[2].isdigit() or "0" in parts[1:]:
        fail(f"{place} is not FILE:LINE:COL with line and column from 1: give for example setup.py:12:5")
    return parts[0], int(parts[1]), int(parts[2])


def _text(path: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return raw.decode("utf-8")
    except OSError as error:
        fail(f"can't read {path}: {error.strerror}")
    except UnicodeDecodeError:
        fail(f"{path} is not UTF-8 text: convert it first")


def _json(suggestion: Suggestion | None, document: Document, position: Position, model: str) -> dict[str, object]:
    """The suggestion with its zero-based range in code points, as LSP's utf-32 counts, and what it cost."""
    completion = suggestion.completion if suggestion else None
    cursor = document.position_at(document.snapshot(position).offset)
    place = {"line": cursor.line, "character": cursor.character}
    return {
        "text": suggestion.text if suggestion else "",
        "range": {"start": place, "end": place},
        "model": model,
        "prompt_tokens": completion.prompt_tokens if completion else 0,
        "reused_tokens": completion.reused_tokens if completion else 0,
        "generated_tokens": completion.generated_tokens if completion else 0,
        "latency_ms": round(suggestion.latency_ms, 1) if suggestion else 0.0,
    }
