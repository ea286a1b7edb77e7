"""`fimd complete FILE:LINE:COL`: one suggestion, through the same steps as in an editor."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from lsp_server.commands.options import effective_settings, fail, file_uri
from lsp_server.commands.session import ready_completer
from lsp_server.completer import Suggestion
from lsp_server.documents import Document, Position
from lsp_server.exclusions import is_excluded
from lsp_server.position_encoding import PositionEncoding
from lsp_server.settings import Layer


def complete(place: str, overrides: Layer, config: Path | None, as_json: bool) -> int:
    """Print the suggestion; returns the exit status, 0 also where there is nothing to suggest."""
    settings = effective_settings(overrides, config)
    path, position = _parsed(place)
    uri = "file:///stdin" if path == "-" else file_uri(path)
    if is_excluded(uri, settings.files.exclude):
        fail(f"{path} is among the files that are never read (files.exclude)")
    document = Document(uri, "", 0, read_text(path), PositionEncoding.UTF32)

    async def ask() -> Suggestion | None:
        completer, status = await ready_completer(settings)
        if completer is None:
            fail(status.message)
        return await completer.suggest(document.snapshot(position), invoked=True)

    suggestion = asyncio.run(ask())
    if as_json:
        print(json.dumps(_json(suggestion, document, position, settings.model.name)))
    elif suggestion:
        print(suggestion.text)
    else:
        print("fimd: nothing to suggest there", file=sys.stderr)
    return 0


def _parsed(place: str) -> tuple[str, Position]:
    """File and zero-based position; the file's own name may contain colons. `-` alone is the end of standard input."""
    if place.startswith("--"):
        fail(f"there is no option {place}: see fimd complete --help")
    if place == "-":
        return place, Position(sys.maxsize, 0)
    parts = place.rsplit(":", 2)
    numbers = [int(part) for part in parts[1:] if part.isdecimal() and part.isascii()]
    if len(parts) != 3 or not parts[0] or len(numbers) != 2 or min(numbers) < 1:
        fail(f"{place} is not FILE:LINE:COL with line and column from 1: give for example setup.py:12:5")
    return parts[0], Position(numbers[0] - 1, numbers[1] - 1)


def read_text(path: str) -> str:
    """The text of a file, or of standard input for `-`; ends the command where it can't be read."""
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
