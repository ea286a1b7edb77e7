"""A real Helix with the settings of `editors/helix`: suggestions stand in its completion menu."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.editors.terminal import Terminal, started, until
from tests.protocol.scripted import SERVER

SETTINGS = Path(__file__).parents[2] / "editors" / "helix" / "languages.toml"
pytestmark = pytest.mark.skipif("FIMD_HELIX" not in os.environ, reason="no Helix: `make test-editors` brings one")
ESCAPE, ENTER, TAB, ASK = "\x1b", "\r", "\t", "\x18"


@contextmanager
def typing(folder: Path, text: str, **script: Any) -> Generator[Terminal]:
    """A Helix whose server is ready and scripted."""
    with opened(folder, text, [sys.executable, str(SERVER), json.dumps({"text": "lue + 1", **script})]) as terminal:
        log = folder / "log"
        until(lambda: log.exists() and '"method":"initialized"' in log.read_text(), terminal.drawn)
        yield terminal


@contextmanager
def opened(folder: Path, text: str, server: list[str]) -> Generator[Terminal]:
    """A Helix with a Python file that holds `text` open, at its first character."""
    settings = SETTINGS.read_text(encoding="utf-8")
    assert 'command = "fimd"\nargs = ["serve"]' in settings
    settings = settings.replace(
        'command = "fimd"\nargs = ["serve"]', f"command = {json.dumps(server[0])}\nargs = {json.dumps(server[1:])}"
    )
    (folder / "helix").mkdir()
    (folder / "helix" / "languages.toml").write_text(settings, encoding="utf-8")
    (folder / "helix" / "config.toml").write_text("", encoding="utf-8")
    (folder / "example.py").write_bytes(text.encode())
    places = {f"XDG_{kind}_HOME": str(folder) for kind in ("CONFIG", "CACHE", "STATE", "DATA")}
    command = [os.environ["FIMD_HELIX"], "-vv", "--log", str(folder / "log"), str(folder / "example.py")]
    with started(command, folder / "screen", {**places, "HOME": str(folder)}) as terminal:
        yield terminal


def saved(terminal: Terminal, folder: Path) -> bytes:
    size = terminal.size
    terminal.type(ESCAPE)  # by itself: with what follows at once, it would be one key
    until(lambda: "NOR" in terminal.drawn(size), terminal.drawn)
    before = (folder / "example.py").stat().st_mtime_ns
    terminal.type(f":w{ENTER}")
    until(lambda: (folder / "example.py").stat().st_mtime_ns != before, terminal.drawn)
    return (folder / "example.py").read_bytes()


def take(terminal: Terminal, keys: str, suggestion: str) -> None:
    """Type `keys` at the end of the line, until `suggestion` is in the menu, and take it."""
    size = terminal.size
    terminal.type("A" + keys)
    until(lambda: suggestion in terminal.drawn(size), terminal.drawn)
    terminal.type(TAB + ENTER)


def test_a_suggestion_is_in_the_menu_and_is_taken(tmp_path: Path) -> None:
    with typing(tmp_path, "x =\ny = 2\n") as helix:
        take(helix, " va", "value + 1")
        assert saved(helix, tmp_path) == b"x = value + 1\ny = 2\n"


def test_wide_characters_before_the_cursor_and_the_files_own_line_ends(tmp_path: Path) -> None:
    with typing(tmp_path, "x = '🙂é',\r\ny = 2\r\n") as helix:
        take(helix, " va", "value + 1")
        assert saved(helix, tmp_path).decode() == "x = '🙂é', value + 1\r\ny = 2\r\n"


def test_a_suggestion_that_takes_longer_than_other_menus_wait(tmp_path: Path) -> None:
    with typing(tmp_path, "x =\n", step_s=0.05) as helix:
        take(helix, " va", "value + 1")
        assert saved(helix, tmp_path) == b"x = value + 1\n"


def test_a_server_that_dies_is_told_of_and_can_be_started_again(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    server = shlex.join([sys.executable, str(SERVER), json.dumps({"text": "lue + 1"})])
    with opened(tmp_path, "x =\n", ["sh", "-c", f"echo $$ >> {shlex.quote(str(pids))}; exec {server}"]) as helix:
        until(lambda: pids.exists() and pids.read_text().strip(), helix.drawn)
        until(lambda: '"method":"initialized"' in (tmp_path / "log").read_text(), helix.drawn)
        size = helix.size
        os.kill(int(pids.read_text()), signal.SIGKILL)
        until(lambda: "exited" in helix.drawn(size), helix.drawn)
        helix.type(":lsp-restart\r")
        until(lambda: (tmp_path / "log").read_text().count('"method":"initialized"') == 2, helix.drawn)
        take(helix, " va", "value + 1")
        assert saved(helix, tmp_path) == b"x = value + 1\n"


def test_the_real_server_and_the_embedded_model(tmp_path: Path) -> None:
    text = "def total(numbers):\n    result = 0\n    for number in numbers:\n        result += number\n    return\n"
    with opened(tmp_path, text, [sys.executable, "-m", "lsp_server", "serve"]) as helix:
        log = tmp_path / "log"
        until(lambda: log.exists() and 'String("end")' in log.read_text(), helix.drawn)
        helix.type("ge")  # the last line
        take(helix, f" {ASK}", "result")  # where no word has begun, so that Helix has none of its own to offer
        assert saved(helix, tmp_path).decode() == text.replace("return\n", "return result\n")
