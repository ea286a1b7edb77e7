"""The Neovim plugin in a real Neovim: ghost text drawn by it and by Neovim itself, with the real server process."""

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

from tests.editors.neovim import Neovim, find, started
from tests.protocol.scripted import SERVER

pytestmark = pytest.mark.skipif(find() is None, reason="no Neovim: put nvim on the path, or name it in FIMD_NVIM")
WAYS = pytest.mark.parametrize("way", ["native", "own"])


@contextmanager
def typing(folder: Path, content: str, way: str = "own", **script: Any) -> Generator[Neovim]:
    """A Neovim whose server is ready and scripted."""
    server = shlex.join([sys.executable, SERVER, json.dumps({"text": "value + 1", **script})])
    command = ["sh", "-c", f"echo $$ > {shlex.quote(str(folder / 'pid'))}; exec {server}"]
    with started(folder, content, {"cmd": command, "ghost_text": way}) as neovim:
        neovim.until(lambda: neovim.lua('require("fimd").report.phase') == "ready")
        yield neovim


@WAYS
def test_ghost_text_is_shown_typed_along_and_accepted(tmp_path: Path, way: str) -> None:
    with typing(tmp_path, "x = \ny = 2\n", way) as neovim:
        neovim.type("A")
        neovim.until(lambda: neovim.ghost() == "value + 1")
        neovim.type("va")
        neovim.until(lambda: neovim.ghost() == "lue + 1")
        neovim.type("<Tab>")
        neovim.until(lambda: neovim.text() == ["x = value + 1", "y = 2"])
        assert neovim.lua("vim.api.nvim_win_get_cursor(0)") == [1, 13]


@WAYS
def test_words_and_lines_are_accepted_one_at_a_time(tmp_path: Path, way: str) -> None:
    with typing(tmp_path, "def f():\n", way, text="\n    return 1\n    x = 2") as neovim:
        neovim.type("A")
        neovim.until(lambda: neovim.ghost().startswith("\n    return 1"))
        neovim.type("<M-Down>")
        neovim.until(lambda: neovim.text() == ["def f():", "    return 1"])
    folder = tmp_path / "words"
    folder.mkdir()
    with typing(folder, "x = \n", way) as neovim:
        neovim.type("A")
        neovim.until(lambda: neovim.ghost() == "value + 1")
        neovim.type("<M-Right>")
        neovim.until(lambda: neovim.text() == ["x = value"])
        neovim.until(lambda: neovim.ghost() == " + 1")
        neovim.type("<M-Right>")
        neovim.until(lambda: neovim.text() == ["x = value +"])


@WAYS
def test_line_ends_of_the_file_are_not_written_into_the_buffer(tmp_path: Path, way: str) -> None:
    with typing(tmp_path, "def f():\r\nx = 1\r\n", way, text="\n    return 1\n    x = 2") as neovim:
        neovim.type("A")
        neovim.until(neovim.ghost)
        neovim.type("<M-Down>")
        neovim.until(lambda: neovim.text() == ["def f():", "    return 1", "x = 1"])


@WAYS
def test_an_answer_that_comes_too_late_is_never_written(tmp_path: Path, way: str) -> None:
    with typing(tmp_path, "x = \n", way, step_s=0.1) as neovim:
        neovim.type("A")
        neovim.until(lambda: neovim.ghost() == "value + 1")
        neovim.type("7<Tab>z")
        line = neovim.until(lambda: next((line for line in neovim.text() if line.endswith("z")), ""))
        assert "".join(line.split()) == "x=7z"  # Neovim itself may still draw, and so the key be taken for nothing


@WAYS
def test_wide_characters_before_the_cursor(tmp_path: Path, way: str) -> None:
    with typing(tmp_path, "x = '🙂é', \n", way) as neovim:
        neovim.type("A")
        neovim.until(lambda: neovim.ghost() == "value + 1")
        neovim.type("<Tab>")
        neovim.until(lambda: neovim.text() == ["x = '🙂é', value + 1"])


@WAYS
def test_dismissed_text_stays_away_until_something_is_typed(tmp_path: Path, way: str) -> None:
    with typing(tmp_path, "x = \n", way) as neovim:
        neovim.type("A")
        neovim.until(lambda: neovim.ghost() == "value + 1")
        neovim.type("<C-]>")
        neovim.until(lambda: not neovim.ghost())
        neovim.type("v")
        neovim.until(lambda: neovim.ghost() == "alue + 1")


@WAYS
def test_a_suggestion_is_asked_for_by_a_key(tmp_path: Path, way: str) -> None:
    with typing(tmp_path, "x = 1\n", way) as neovim:
        neovim.type("A")
        neovim.type("<Left><M-\\>")
        neovim.until(neovim.ghost)


def test_keys_are_what_they_were_where_nothing_is_shown(tmp_path: Path) -> None:
    with typing(tmp_path, "x = 1\n", text="") as neovim:
        neovim.type("A<Tab>y")
        neovim.until(lambda: neovim.text()[0].split() == ["x", "=", "1", "y"])


def test_commands_reach_the_server_and_the_statusline_says_so(tmp_path: Path) -> None:
    with typing(tmp_path, "x = \n") as neovim:
        neovim.type(":Fimd toggle<CR>")
        neovim.until(lambda: neovim.lua('require("fimd").status()') == "fimd off")
        neovim.type(":Fimd toggle<CR>")
        neovim.until(lambda: neovim.lua('require("fimd").status()') == "fimd")


def test_a_server_that_dies_is_noticed_and_started_again(tmp_path: Path) -> None:
    with typing(tmp_path, "x = \n") as neovim:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        neovim.until(lambda: neovim.lua('require("fimd").report.phase') == "stopped")
        neovim.type(":Fimd start<CR>")
        neovim.until(lambda: neovim.lua('require("fimd").report.phase') == "ready")
        neovim.type("A")
        neovim.until(lambda: neovim.ghost() == "value + 1")


def test_the_health_check_says_what_works(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lsp_server", "serve"]
    with started(tmp_path, "x = \n", {"cmd": command}) as neovim:
        neovim.type(":checkhealth fimd<CR>")
        found = neovim.until(lambda: [line for line in neovim.text() if "OK" in line or "✅" in line])
        assert any("ghost text" in line for line in found)
        neovim.type(":help fimd.setup()<CR>")
        neovim.until(lambda: any("All of them, with their defaults" in line for line in neovim.text()))


@WAYS
def test_the_real_server_and_the_embedded_model(tmp_path: Path, way: str) -> None:
    text = "def total(numbers):\n    result = 0\n    for number in numbers:\n        result += number\n    return\n"
    command = [sys.executable, "-m", "lsp_server", "serve"]
    with started(tmp_path, text, {"cmd": command, "ghost_text": way}) as neovim:
        neovim.until(lambda: neovim.lua('require("fimd").report.phase') == "ready")
        neovim.type("GA ")
        neovim.until(lambda: neovim.ghost() == "result")
        neovim.type("<Tab>")
        neovim.until(lambda: neovim.text()[-1] == "    return result")
