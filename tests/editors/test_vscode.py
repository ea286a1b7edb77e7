"""The extension, packed, in a real VS Code."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.protocol.scripted import SERVER

if TYPE_CHECKING:
    from tests.editors.vscode import VSCode

pytest.importorskip("playwright", reason="no browser driver: `make test-editors` brings one")
from tests.editors import vscode

pytestmark = pytest.mark.skipif(not vscode.is_here(), reason="no VS Code: `make test-editors` brings one")


@pytest.fixture(scope="module")
def extensions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the packed extension is installed."""
    return vscode.packed(tmp_path_factory.mktemp("packed"))


@contextmanager
def typing(folder: Path, extensions: Path, text: str, *, settings: Any = None, **script: Any) -> Generator[VSCode]:
    """A VS Code whose server is ready and scripted."""
    server = shlex.join([sys.executable, str(SERVER), json.dumps({"text": "value + 1", **script})])
    run = f"""
    if [ "$1" != serve ]; then exec {sys.executable} -m lsp_server "$@"; fi
    echo $$ >> {folder}/pids
    exec {server}"""
    with vscode.started(folder, extensions, text, run, **(settings or {})) as editor:
        editor.until(lambda: "ready" in editor.status())
        yield editor


def test_ghost_text_is_shown_typed_along_and_accepted(tmp_path: Path, extensions: Path) -> None:
    with typing(tmp_path, extensions, "x =\ny = 2\n") as editor:
        editor.press("Control+Home")
        editor.press("End")
        editor.type(" ")
        editor.until(lambda: editor.ghost() == "value + 1")
        editor.type("va")
        editor.until(lambda: editor.ghost() == "lue + 1")
        editor.press("Tab")
        editor.until(lambda: editor.text() == "x = value + 1\ny = 2\n")


def test_wide_characters_before_the_cursor_and_the_files_own_line_ends(tmp_path: Path, extensions: Path) -> None:
    with typing(tmp_path, extensions, "x = '🙂é',\r\ny = 2\r\n") as editor:
        editor.press("Control+Home")
        editor.press("End")
        editor.type(" ")
        editor.until(lambda: editor.ghost() == "value + 1")
        editor.press("Tab")
        editor.until(lambda: editor.text() == "x = '🙂é', value + 1\r\ny = 2\r\n")


def test_an_answer_that_comes_too_late_is_never_written(tmp_path: Path, extensions: Path) -> None:
    with typing(tmp_path, extensions, "x =\n", step_s=0.1) as editor:
        editor.press("Control+Home")
        editor.press("End")
        editor.type(" ")
        editor.until(lambda: editor.ghost() == "value + 1")
        editor.type("7")
        editor.press("Tab")
        editor.type("z")
        editor.until(lambda: editor.text().rstrip().endswith("z"))
        assert "".join(editor.text().split()) == "x=7z"


def test_a_server_that_dies_is_started_again_and_the_person_is_told(tmp_path: Path, extensions: Path) -> None:
    with typing(tmp_path, extensions, "x =\n") as editor:
        pids = (tmp_path / "pids").read_text().split()
        os.kill(int(pids[-1]), signal.SIGKILL)
        editor.until(lambda: "fimd stopped and is started again" in editor.said())
        editor.until(lambda: len((tmp_path / "pids").read_text().split()) > len(pids))
        editor.until(lambda: "ready" in editor.status())
        editor.press("Control+Home")
        editor.press("End")
        editor.type(" ")
        editor.until(lambda: editor.ghost() == "value + 1")


def test_what_was_turned_off_stays_off_when_the_server_is_started_again(tmp_path: Path, extensions: Path) -> None:
    with typing(tmp_path, extensions, "x =\n") as editor:
        editor.command("fimd: Turn Suggestions On or Off")
        editor.until(lambda: "off" in editor.status())
        pids = (tmp_path / "pids").read_text().split()
        os.kill(int(pids[-1]), signal.SIGKILL)
        editor.until(lambda: "started again" in editor.status())
        editor.until(lambda: "started again" not in editor.status())
        assert "off" in editor.status()
        editor.command("fimd: Restart")
        editor.until(lambda: len((tmp_path / "pids").read_text().split()) == len(pids) + 2)
        editor.until(lambda: "off" in editor.status())
        assert "stopped" not in editor.status()


def test_commands_change_what_is_suggested(tmp_path: Path, extensions: Path) -> None:
    with typing(tmp_path, extensions, "x =\n") as editor:
        editor.command("fimd: Turn Suggestions On or Off")
        editor.until(lambda: "off" in editor.status())
        editor.command("fimd: Turn Suggestions On or Off")
        editor.until(lambda: "ready" in editor.status())
        editor.command("fimd: Choose Model")
        editor.page.wait_for_selector(".quick-input-list [aria-label^='santacoder-mha']")
        editor.press("Escape")
        editor.command("fimd: Show Log")
        editor.page.wait_for_selector(".output-view, .part.panel")


def test_without_a_server_it_is_offered_to_install_one(tmp_path: Path, extensions: Path) -> None:
    with vscode.started(tmp_path, extensions, "x =\n", "", **{"fimd.server.path": "/nowhere/fimd"}) as editor:
        editor.until(lambda: "/nowhere/fimd, the setting fimd.server.path, is no program" in editor.said())
        assert "Install" in editor.said()
        editor.until(lambda: "no program" in editor.status())


def test_the_real_server_and_the_embedded_model(tmp_path: Path, extensions: Path) -> None:
    text = "def total(numbers):\n    result = 0\n    for number in numbers:\n        result += number\n    return\n"
    with vscode.started(tmp_path, extensions, text, f'exec {sys.executable} -m lsp_server "$@"') as editor:
        editor.until(lambda: "ready" in editor.status())
        editor.press("Control+End")
        editor.press("ArrowUp")
        editor.press("End")
        editor.type(" ")
        editor.until(lambda: editor.ghost() == "result")
        editor.press("Control+b")  # the picture is of the text
        editor.until(lambda: not editor.page.is_visible(".part.sidebar"))
        editor.until(lambda: editor.ghost() == "result")
        vscode.SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        editor.page.screenshot(path=vscode.SCREENSHOTS / "vscode.png")
        editor.press("Tab")
        editor.until(lambda: editor.text() == text.replace("return\n", "return result\n"))
