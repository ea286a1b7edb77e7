"""A real Emacs in a terminal of its own, driven by keys as a person types them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from tests.editors.terminal import Terminal, until
from tests.editors.terminal import started as in_terminal

PLUGIN = Path(__file__).parents[2] / "editors" / "emacs" / "fimd.el"

Client = Literal["lsp-mode", "eglot"]

_INIT = """
(setq native-comp-jit-compilation nil inhibit-automatic-native-compilation t
      native-comp-enable-subr-trampolines nil ; nothing is compiled here
      inhibit-startup-screen t make-backup-files nil auto-save-default nil create-lockfiles nil
      server-socket-dir {folder} server-name "socket" project-vc-extra-root-markers '("example.py"))
(dolist (package (directory-files {packages} t "^[^.]"))
  (add-to-list 'load-path package)
  (dolist (autoloads (directory-files package t "-autoloads\\.el$")) (load autoloads t t)))
(load {plugin} nil t)
(setq fimd-command '({command}) fimd-languages '("python"))
(fimd-setup)
(server-start)
(defun drawn ()
  "The ghost text on the screen."
  (let ((overlay (or (bound-and-true-p lsp-inline-completion--overlay)
                     (bound-and-true-p completion-preview--overlay))))
    (if (and (overlayp overlay) (overlay-buffer overlay))
        (substring-no-properties (or (overlay-get overlay 'after-string) "")) "")))
(defun begin ()
  "Begin to edit."
{begin})
"""

_BEGIN: dict[Client, str] = {
    "lsp-mode": """
  (require 'lsp-mode)
  (setq lsp-auto-guess-root t lsp-session-file {session} lsp-enable-snippet nil lsp-warn-no-matched-clients nil
        lsp-log-io t)
  (lsp)""",
    "eglot": """
  (require 'eglot)
  (setq eglot-sync-connect nil)
  (call-interactively #'eglot)""",
}


def find() -> str | None:
    """The program, if there is one."""
    return os.environ.get("FIMD_EMACS")


def batch(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What Emacs does without a terminal: loads files, or evaluates what stands behind `--eval`."""
    command = [*_program(), "--batch", *(["--load"] if isinstance(arguments[0], Path) else []), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def _program() -> list[str]:
    return [find() or "emacs", f"--dump-file={os.environ['FIMD_EMACS_DUMP']}", "-Q"]


class Emacs:
    """One that runs, with one file open."""

    def __init__(self, terminal: Terminal, folder: Path) -> None:
        self.type = terminal.type
        self._terminal = terminal
        self._client = [os.environ["FIMD_EMACSCLIENT"], "--socket-name", str(folder / "socket"), "--eval"]

    def lisp(self, expression: str) -> Any:
        """What an expression gives in the window's buffer, as JSON can say it."""
        inner = f"(with-current-buffer (window-buffer) (base64-encode-string (json-serialize (vector {expression})) t))"
        done = subprocess.run([*self._client, inner], capture_output=True, text=True, timeout=20, check=False)
        if done.returncode:
            raise AssertionError(f"Emacs says: {done.stderr}{done.stdout}")
        return json.loads(base64.b64decode(done.stdout.strip().strip('"')))[0]

    def text(self) -> str:
        """All of the buffer."""
        return self.lisp("(buffer-substring-no-properties (point-min) (point-max))")

    def ghost(self) -> str:
        """The ghost text that is drawn; empty for none."""
        return self.lisp("(drawn)")

    def messages(self) -> str:
        """All that has been said in the echo area."""
        return self.lisp('(with-current-buffer "*Messages*" (buffer-string))')

    def screen(self) -> str:
        """What was drawn last."""
        return self._terminal.drawn()[-2000:]

    def until(self, condition: Callable[[], Any]) -> Any:
        """The first true value of `condition`."""
        return until(condition, lambda: f"text {self.text()!r}, ghost text {self.ghost()!r}; {self.messages()[-1500:]}")


@contextmanager
def started(folder: Path, text: str, client: Client, command: list[str]) -> Generator[Emacs]:
    """An Emacs with fimd set up to run `command`, and a Python file that holds `text` open."""
    file, init = folder / "example.py", folder / "init.el"
    file.write_bytes(text.encode())
    begin = _BEGIN[client].format(session=json.dumps(str(folder / "session")))
    init.write_text(
        _INIT.format(
            folder=json.dumps(str(folder)),
            packages=json.dumps(os.environ["FIMD_EMACS_PACKAGES"]),
            plugin=json.dumps(str(PLUGIN)),
            command=" ".join(map(json.dumps, command)),
            begin=begin,
        ),
        encoding="utf-8",
    )
    command = [*_program(), "-nw", "--load", str(init), str(file)]
    with in_terminal(command, folder / "screen", {"HOME": str(folder)}) as terminal:
        emacs = Emacs(terminal, folder)
        until((folder / "socket").exists, terminal.drawn)
        emacs.until(lambda: emacs.text() == text.replace("\r\n", "\n"))
        emacs.lisp("(progn (begin) t)")
        yield emacs
