"""What the subcommands share: settings from file and flags, and one clear line instead of a traceback."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

from lsp_server.settings import Layer, Settings, merge, read_file, user_file


def flags(model: str | None) -> Layer:
    """The settings that command-line flags stand for."""
    return Layer("command line", {"model": {"name": model}} if model else {})


def settings_or_exit(model: str | None, config: Path | None) -> Settings:
    """Settings from the file and the flags; any mistake ends the command with one line each and status 2."""
    layer, problems = read_file(config or user_file(), required=config is not None)
    settings, more = merge(layer, flags(model))
    if problems or more:
        fail(*problems, *more)
    return settings


def fail(*sentences: str) -> NoReturn:
    """End the command with status 2 and one line per sentence on standard error."""
    for sentence in sentences:
        print(f"fimd: {sentence}", file=sys.stderr)
    sys.exit(2)
