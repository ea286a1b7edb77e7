"""The extension, packed, in a real VS Code."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import zipfile
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


def stand_in(folder: Path, command: list[str]) -> Path:
    """A wheel whose program `fimd` runs a command: what is installed from the network is not what is tested here."""
    wheel = folder / "fimd_stand_in-1.0-py3-none-any.whl"
    files = {
        "fimd_stand_in.py": f"import os\n\n\ndef main():\n    os.execv({command[0]!r}, {command!r})\n",
        "fimd_stand_in-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: fimd-stand-in\nVersion: 1.0\n",
        "fimd_stand_in-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "fimd_stand_in-1.0.dist-info/entry_points.txt": "[console_scripts]\nfimd = fimd_stand_in:main\n",
        "fimd_stand_in-1.0.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return wheel


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
    settings: dict[str, Any] = {"fimd.server.path": "/nowhere/fimd"}
    with vscode.started(tmp_path, extensions, "x =\n", "", **settings) as editor:
        editor.until(lambda: "/nowhere/fimd, the setting fimd.server.path, is no program" in editor.said())
        assert "Install" in editor.said()
        editor.until(lambda: "no program" in editor.status())


def test_the_server_is_installed_into_an_environment_of_its_own(tmp_path: Path, extensions: Path) -> None:
    wheel = stand_in(tmp_path, [sys.executable, str(SERVER), json.dumps({"text": "value + 1"})])
    given = {"path": "", "package": str(wheel), "python": sys.executable, "pipArguments": ["--no-index", "--no-deps"]}
    settings: dict[str, Any] = {f"fimd.server.{name}": value for name, value in given.items()}
    with vscode.started(tmp_path, extensions, "x =\n", "", **settings) as editor:
        editor.until(lambda: "fimd's server is not installed" in editor.said())
        editor.page.get_by_role("button", name="Install", exact=True).click()
        editor.until(lambda: "ready" in editor.status())
        assert list(tmp_path.glob("**/fimd.fimd/environment/bin/fimd"))
        editor.page.locator(".monaco-editor .view-lines").first.click()
        editor.press("Control+Home")
        editor.press("End")
        editor.type(" ")
        editor.until(lambda: editor.ghost() == "value + 1")


def test_what_can_not_be_installed_is_told_in_a_sentence(tmp_path: Path, extensions: Path) -> None:
    given = {"path": "", "package": str(tmp_path / "nowhere.whl"), "python": sys.executable}
    settings: dict[str, Any] = {f"fimd.server.{name}": value for name, value in given.items()}
    with vscode.started(tmp_path, extensions, "x =\n", "", **settings) as editor:
        editor.command("fimd: Install the Server")
        editor.until(lambda: "Installing fimd failed: ERROR" in editor.said() and "nowhere.whl" in editor.said())


def test_a_server_that_ends_at_once_is_told_of_once_and_not_started_again(tmp_path: Path, extensions: Path) -> None:
    with vscode.started(tmp_path, extensions, "x =\n", f"echo $$ >> {tmp_path}/pids; exit 3") as editor:
        editor.until(lambda: "fimd did not start" in editor.said())
        editor.until(lambda: "did not start" in editor.status())
        editor.page.wait_for_timeout(2000)
        assert len((tmp_path / "pids").read_text().split()) == 1
        assert "started again" not in editor.said()
        editor.command("fimd: Restart")
        editor.until(lambda: len((tmp_path / "pids").read_text().split()) == 2)


def test_a_server_that_never_answers_is_given_up(tmp_path: Path, extensions: Path) -> None:
    run = f"if [ -e {tmp_path}/hung ]; then touch {tmp_path}/again; exit 3; fi; touch {tmp_path}/hung; sleep 90; exit"
    with vscode.started(tmp_path, extensions, "x =\n", run) as editor:
        editor.until((tmp_path / "hung").exists)
        editor.page.wait_for_timeout(25_000)
        editor.until(lambda: "fimd did not start: no answer in 30 seconds" in editor.said())
        editor.command("Notifications: Clear All Notifications")
        editor.until(lambda: "no answer" not in editor.said())
        editor.command("fimd: Restart")
        editor.until((tmp_path / "again").exists)
        editor.until(lambda: "fimd did not start" in editor.said())
        assert "no answer" not in editor.said()


def test_a_folder_that_is_not_trusted_does_not_say_which_program_is_run(tmp_path: Path, extensions: Path) -> None:
    server = shlex.join([sys.executable, str(SERVER), json.dumps({"text": "value + 1"})])
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n", encoding="utf-8")
    trap.chmod(0o755)
    folder = tmp_path / "project" / ".vscode"
    folder.mkdir(parents=True)
    (folder / "settings.json").write_text(json.dumps({"fimd.server.path": str(trap)}), encoding="utf-8")
    with vscode.started(tmp_path, extensions, "x =\n", f"exec {server}", trusts=False) as editor:
        editor.until(lambda: "ready" in editor.status())
        assert not (tmp_path / "sprung").exists()


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
