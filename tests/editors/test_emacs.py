"""fimd.el in a real Emacs: ghost text by lsp-mode, and by eglot with completion-preview-mode."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.editors.emacs import PLUGIN, Client, Emacs, batch, find, started
from tests.protocol.scripted import SERVER

pytestmark = pytest.mark.skipif(find() is None, reason="no Emacs: `make test-editors` brings one")
ACCEPT: dict[Client, str] = {"lsp-mode": "\x1b[27;5;13~", "eglot": "\t"}
"""C-RET, as xterm sends it where it is asked to tell it from RET, and TAB."""

CLIENTS = pytest.mark.parametrize("client", ["lsp-mode", "eglot"])
END_OF_LINE, SAVE = "\x05", "\x18\x13"
_DRAWS = "(bound-and-true-p lsp-inline-completion-mode)"

TOTAL = "def total(numbers):\n    result = 0\n    for number in numbers:\n        result += number\n    return\n"


@contextmanager
def typing(folder: Path, text: str, client: Client, **script: Any) -> Generator[Emacs]:
    """An Emacs whose server is ready and scripted."""
    server = shlex.join([sys.executable, str(SERVER), json.dumps({"text": "value + 1", **script})])
    command = ["sh", "-c", f"echo $$ >> {shlex.quote(str(folder / 'pids'))}; exec {server}"]
    with started(folder, text, client, command) as emacs:
        emacs.until(lambda: is_ready(emacs))
        yield emacs


def is_ready(emacs: Emacs) -> bool:
    asked = emacs.lisp('(or (plist-get (ignore-errors (fimd--execute "fimd.status")) :phase) "")')
    # Only now does lsp-mode draw ghost text.
    return asked == "ready" and emacs.lisp(f"(if (or (bound-and-true-p completion-preview-mode) {_DRAWS}) t :false)")


@CLIENTS
def test_ghost_text_is_shown_typed_along_and_accepted(tmp_path: Path, client: Client) -> None:
    with typing(tmp_path, "x =\ny = 2\n", client) as emacs:
        emacs.type(END_OF_LINE + " ")
        emacs.until(lambda: emacs.ghost() == "value + 1")
        emacs.type("va")
        emacs.until(lambda: emacs.ghost() == "lue + 1")
        emacs.type(ACCEPT[client])
        emacs.until(lambda: emacs.text() == "x = value + 1\ny = 2\n")


@CLIENTS
def test_wide_characters_before_the_cursor(tmp_path: Path, client: Client) -> None:
    with typing(tmp_path, "x = '🙂é',\n", client) as emacs:
        emacs.type(END_OF_LINE + " ")
        emacs.until(lambda: emacs.ghost() == "value + 1")
        emacs.type(ACCEPT[client])
        emacs.until(lambda: emacs.text() == "x = '🙂é', value + 1\n")


@CLIENTS
def test_a_file_keeps_its_line_ends(tmp_path: Path, client: Client) -> None:
    with typing(tmp_path, "y = 2\r\nx =\r\n", client) as emacs:
        emacs.type("\x0e" + END_OF_LINE + " ")
        emacs.until(lambda: emacs.ghost() == "value + 1")
        emacs.type(ACCEPT[client])
        emacs.until(lambda: emacs.text() == "y = 2\nx = value + 1\n")
        emacs.type(SAVE)
        emacs.until(lambda: (tmp_path / "example.py").read_bytes() == b"y = 2\r\nx = value + 1\r\n")


@CLIENTS
def test_an_answer_that_comes_too_late_is_never_written(tmp_path: Path, client: Client) -> None:
    # Eglot asks once only, and waits longer than other completion menus.
    with typing(tmp_path, "x =\n", client, step_s=0.1) as emacs:
        emacs.type(END_OF_LINE + " ")
        emacs.until(lambda: emacs.ghost() == "value + 1")
        emacs.type("7" + ACCEPT[client] + "z")
        emacs.until(lambda: emacs.text() == "x = 7z\n")


@CLIENTS
def test_commands_reach_the_server(tmp_path: Path, client: Client) -> None:
    with typing(tmp_path, "x =\n", client) as emacs:
        emacs.lisp("(progn (fimd-toggle) t)")
        assert emacs.lisp("(plist-get fimd--status :phase)") == "off"
        emacs.type(END_OF_LINE + " ")
        emacs.until(lambda: emacs.text() == "x = \n")
        time.sleep(1)  # several times what a suggestion takes
        assert emacs.ghost() == ""
        emacs.lisp('(progn (fimd-toggle) (fimd-toggle "python") (fimd-toggle "python") t)')
        emacs.type("\x7f ")
        emacs.until(lambda: emacs.ghost() == "value + 1")


@CLIENTS
def test_a_server_that_dies_is_noticed_and_started_again(tmp_path: Path, client: Client) -> None:
    with typing(tmp_path, "x =\n", client) as emacs:
        pids = (tmp_path / "pids").read_text().split()
        os.kill(int(pids[-1]), signal.SIGKILL)
        if client == "lsp-mode":
            emacs.until(lambda: "exited" in emacs.screen())
            emacs.type("y")
        else:
            emacs.until(lambda: "Server exited" in emacs.messages())
            emacs.lisp("(progn (call-interactively #'eglot) t)")
        emacs.until(lambda: len((tmp_path / "pids").read_text().split()) > len(pids))
        emacs.until(lambda: is_ready(emacs))
        emacs.type(END_OF_LINE + " ")
        emacs.until(lambda: emacs.ghost() == "value + 1")


@CLIENTS
def test_the_real_server_and_the_embedded_model(tmp_path: Path, client: Client) -> None:
    with started(tmp_path, TOTAL, client, [sys.executable, "-m", "lsp_server", "serve"]) as emacs:
        emacs.until(lambda: is_ready(emacs))
        emacs.type("\x1b>\x10" + END_OF_LINE + " ")
        emacs.until(lambda: emacs.ghost() == "result")
        emacs.type(ACCEPT[client])
        emacs.until(lambda: emacs.text() == TOTAL.replace("return\n", "return result\n"))


def test_the_package_compiles_without_a_warning_and_is_one(tmp_path: Path) -> None:
    (tmp_path / PLUGIN.name).write_bytes(PLUGIN.read_bytes())
    (tmp_path / "check.el").write_text(
        f"""(require 'package) (require 'checkdoc)
(setq byte-compile-error-on-warn t native-comp-enable-subr-trampolines nil)
(unless (byte-compile-file {json.dumps(str(tmp_path / PLUGIN.name))}) (kill-emacs 1))
(with-temp-buffer
  (insert-file-contents {json.dumps(str(PLUGIN))})
  (princ (package-desc-name (package-buffer-info))))""",
        encoding="utf-8",
    )
    done = batch(tmp_path / "check.el")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "fimd"
    checked: subprocess.CompletedProcess[str] = batch("--eval", f"(checkdoc-file {json.dumps(str(PLUGIN))})")
    assert checked.stderr == ""
