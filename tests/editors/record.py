"""Records what real editors send with `initialize`: `python -m tests.editors.record` writes `capabilities`.

`tests/protocol/test_recorded_clients.py` then asks the server as those editors do, wherever it runs.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tests.editors import emacs, install, neovim, terminal, test_helix, vscode
from tests.protocol.scripted import SERVER

FOLDER = Path(__file__).parent / "capabilities"
_LEFT_OUT = ("processId", "rootPath", "rootUri", "workspaceFolders", "workDoneToken", "initializationOptions")
"""What is of this machine, or of our own settings."""

Start = Callable[[Path, list[str]], AbstractContextManager[Any]]

EDITORS: dict[str, Start] = {
    "neovim": lambda folder, command: neovim.started(folder, "x = 1\n", {"cmd": command}),
    "emacs-lsp-mode": lambda folder, command: emacs.started(folder, "x = 1\n", "lsp-mode", command),
    "emacs-eglot": lambda folder, command: emacs.started(folder, "x = 1\n", "eglot", command),
    "helix": lambda folder, command: test_helix.opened(folder, "x = 1\n", command),
    "vscode": lambda folder, command: vscode.started(
        folder, vscode.packed(folder / "packed"), "x = 1\n", f"exec {shlex.join(command)}"
    ),
}


def recorded(start: Start) -> dict[str, Any]:
    """The parameters of an editor's `initialize`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        heard = folder / "heard"
        server = shlex.join([sys.executable, str(SERVER), json.dumps({"text": "value"})])
        with start(folder, ["sh", "-c", f"tee {shlex.quote(str(heard))} | {server}"]):
            content = terminal.until(lambda: _first_message(heard), lambda: "the editor has sent nothing")
    params: dict[str, Any] = json.loads(content)["params"]
    return {key: value for key, value in params.items() if key not in _LEFT_OUT}


def _first_message(heard: Path) -> str:
    """The body of the first message, once it is there as a whole."""
    head, _, body = (heard.read_bytes() if heard.exists() else b"").partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    size = int(lengths[0].partition(b":")[2]) if lengths else 0
    return body[:size].decode() if size and len(body) >= size else ""


def main() -> None:
    """Record all."""
    root = install.install(install.FOLDER)
    os.environ.update(install.environment(root))
    FOLDER.mkdir(exist_ok=True)
    for name, start in EDITORS.items():
        path = FOLDER / f"{name}.json"
        path.write_text(
            json.dumps(recorded(start), indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
        )
        print(path)


if __name__ == "__main__":
    main()
