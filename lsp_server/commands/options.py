"""What the subcommands share: settings from file and flags, and one clear line instead of a traceback."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

from lsp_server.settings import Layer, Settings, merge, read_file, user_file


def flags(**model: str | None) -> Layer:
    """The settings that command-line flags stand for; `model` are keys of that section, None where not given."""
    given = {key: value for key, value in model.items() if value is not None}
    return Layer("command line", {"model": given} if given else {})


def effective_settings(overrides: Layer, config: Path | None) -> Settings:
    """Settings from the file and the flags, with a line on standard error for each entry that is ignored.

    A file that can't be read at all ends the command with status 2.
    """
    layer = file_layer(config)
    if layer.problems:
        fail(*layer.problems)
    settings, problems = merge(layer, overrides)
    for problem in problems:
        print(f"fimd: {problem}", file=sys.stderr)
    return settings


def file_uri(path: str) -> str:
    """The address of a file named on the command line; ends the command for names that lead nowhere."""
    try:
        return Path(path).resolve().as_uri()
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, names too long, null characters
        fail(f"can't read {path!r}: {error}")


def file_layer(config: Path | None) -> Layer:
    """The settings of the file named on the command line, which must exist then, or else of the user's own."""
    return read_file(config or user_file(), required=config is not None)


def fail(*sentences: str) -> NoReturn:
    """End the command with status 2 and one line per sentence on standard error."""
    for sentence in sentences:
        print(f"fimd: {sentence}", file=sys.stderr)
    sys.exit(2)
