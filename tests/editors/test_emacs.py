"""fimd.el in a real Emacs: ghost text by lsp-mode, and by eglot with completion-preview-mode."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.editors.emacs import Client, Emacs, find, started
from tests.protocol.scripted import SERVER

pytestmark = pytest.mark.skipif(find() is None, reason="no Emacs: `make test-editors` brings one")
ACCEPT: dict[Client, str] = {"lsp-mode": "\x1b[27;5;13~", "eglot": "\t"}
"""C-RET, as xterm sends it where it is asked to tell it from RET, and TAB."""

CLIENTS = pytest.mark.parametrize("client", ["lsp-mode", "eglot"])
END_OF_LINE = "\x05"


@contextmanager
def typing(folder: Path, text: str, client: Client, **script: Any) -> Generator[Emacs]:
    """An Emacs whose server is ready and scripted."""
    command = [sys.executable, str(SERVER), json.dumps({"text": "value + 1", **script})]
    with started(folder, text, client, command) as emacs:
        emacs.until(lambda: emacs.lisp('(if (ignore-errors (fimd--execute "fimd.status")) t :false)') is True)
        yield emacs


@CLIENTS
def test_ghost_text_is_shown_typed_along_and_accepted(tmp_path: Path, client: Client) -> None:
    with typing(tmp_path, "x =\ny = 2\n", client) as emacs:
        emacs.type(END_OF_LINE + " ")
        emacs.until(lambda: emacs.ghost() == "value + 1")
        emacs.type("va")
        emacs.until(lambda: emacs.ghost() == "lue + 1")
        emacs.type(ACCEPT[client])
        emacs.until(lambda: emacs.text() == "x = value + 1\ny = 2\n")
