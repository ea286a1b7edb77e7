"""A real VS Code (code-server) with the packed extension, driven through a browser by keys as a person types them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.editors.install import EXTENSION, FOLDER, has_vscode
from tests.editors.terminal import TIMEOUT_S, until

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
_SIZE = {"width": 900, "height": 420}
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_SETTINGS = {
    "chat.disableAIFeatures": True,
    "editor.minimap.enabled": False,
    "extensions.ignoreRecommendations": True,
    "files.autoSave": "afterDelay",
    "files.autoSaveDelay": 100,
    "files.eol": "\n",
    "telemetry.telemetryLevel": "off",
    "update.mode": "none",
    "workbench.colorTheme": "Default Dark Modern",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "workbench.startupEditor": "none",
    "workbench.tips.enabled": False,
}


def is_here() -> bool:
    """Whether there is one."""
    return "FIMD_CODE_SERVER" in os.environ and has_vscode(FOLDER) and (EXTENSION / "node_modules").exists()


class VSCode:
    """One that runs, with one file open."""

    def __init__(self, page: Page, file: Path) -> None:
        self.page, self.file = page, file

    def type(self, keys: str) -> None:
        """Type text."""
        self.page.keyboard.type(keys)

    def press(self, key: str) -> None:
        """Press a key, as `Tab` or `Control+End`."""
        self.page.keyboard.press(key)

    def ghost(self) -> str:
        """The ghost text that is drawn; empty for none."""
        return self.page.evaluate(
            "[...document.querySelectorAll('.ghost-text-decoration, .ghost-text-decoration-preview')]"
            ".map((one) => one.textContent).join('').replace(/\\u00a0/g, ' ')"
        )

    def text(self) -> str:
        """What is on the disk, where the editor saves it as soon as the typing rests."""
        return self.file.read_bytes().decode()

    def status(self) -> str:
        """What the status bar's item says."""
        found = self.page.query_selector('[id="fimd.fimd.fimd"]')
        return (found.get_attribute("aria-label") or "") if found else ""

    def said(self) -> str:
        """Notifications that are shown."""
        return "\n".join(one.inner_text() for one in self.page.query_selector_all(".notification-list-item"))

    def command(self, name: str) -> None:
        """Carry out a command of the palette."""
        self.press("F1")
        self.type(name)
        self.page.wait_for_selector(f".quick-input-list [aria-label*='{name}']")
        self.press("Enter")

    def until(self, condition: Callable[[], Any]) -> Any:
        """The first true value of `condition`."""
        seen = lambda: f"{self.text()!r}, ghost {self.ghost()!r}, status {self.status()!r}, said {self.said()!r}"  # noqa: E731
        return until(condition, seen)


def packed(folder: Path) -> Path:
    """The extension as a .vsix, made as its authors make it, and installed into `folder` by VS Code itself."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["npm", "run", "package"], cwd=EXTENSION, check=True, capture_output=True)
    command = [*_server(folder), "--install-extension", str(EXTENSION / "fimd.vsix")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "successfully installed" in done.stdout + done.stderr
    return folder


def _server(folder: Path) -> list[str]:
    config = folder / "config.yaml"
    config.write_text("auth: none\ncert: false\n", encoding="utf-8")
    flags = ["--config", str(config), "--user-data-dir", str(folder), "--extensions-dir", str(folder / "extensions")]
    return [os.environ["FIMD_CODE_NODE"], os.environ["FIMD_CODE_SERVER"], *flags]


@contextmanager
def started(
    folder: Path, extensions: Path, text: str, script: str, *, trusts: bool = True, **settings: Any
) -> Generator[VSCode]:
    """A VS Code with a Python file that holds `text` open, whose fimd is what a shell's `script` runs.

    Unless it `trusts` the file's folder, that is restricted.
    """
    project, program = folder / "project", folder / "fimd"
    project.mkdir(exist_ok=True)
    file = project / "example.py"
    file.write_bytes(text.encode())
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    shutil.copytree(extensions / "extensions", folder / "extensions")
    for name in ("User", "Machine"):  # what is of this machine only, the browser's side does not set
        (folder / name).mkdir()
        trust = {"security.workspace.trust.enabled": not trusts, "security.workspace.trust.startupPrompt": "never"}
        values = {**_SETTINGS, **trust, "fimd.server.path": str(program), **settings}
        (folder / name / "settings.json").write_text(json.dumps(values), encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    flags = ["--bind-addr", f"127.0.0.1:{port}", "--disable-telemetry", "--disable-update-check"]
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [*_server(folder), *flags, *(["--disable-workspace-trust"] if trusts else []), str(project)],
        stdout=log,
        stderr=log,
    )
    try:
        until(lambda: _answers(port), (folder / "log").read_text)
        with _page() as page:
            page.goto(f"http://127.0.0.1:{port}/?folder={project}")
            page.wait_for_selector(".monaco-workbench", timeout=1000 * TIMEOUT_S)
            page.get_by_role("treeitem", name="example.py").dblclick(timeout=1000 * TIMEOUT_S)
            page.wait_for_selector(".monaco-editor .view-line", timeout=1000 * TIMEOUT_S)
            page.locator(".monaco-editor .view-lines").first.click()
            yield VSCode(page, file)
    finally:
        process.terminate()
        process.wait()
        log.close()


@contextmanager
def _page() -> Generator[Page]:
    root = os.environ["FIMD_CHROMIUM_ROOT"]
    # One of its libraries looks for another in a folder of the system's own.
    environment = {
        **{name: value for name, value in os.environ.items() if name != "DBUS_SESSION_BUS_ADDRESS"},
        "LD_LIBRARY_PATH": f"{root}/usr/lib/x86_64-linux-gnu/pulseaudio",
        "FONTCONFIG_SYSROOT": root,
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=f"{root}/usr/lib/chromium/chromium", args=list(_ARGUMENTS), env=dict(environment)
        )
        page = browser.new_page(viewport={"width": _SIZE["width"], "height": _SIZE["height"]})
        page.set_default_timeout(1000 * TIMEOUT_S)
        yield page
        browser.close()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
