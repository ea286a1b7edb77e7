"""Notebooks over the wire: what the model reads, and where suggestions go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.protocol.raw_client import RawClient, spawned
from tests.protocol.scripted import SERVER, connected

BOOK = "file:///project/book.ipynb"


def cell(number: int) -> str:
    return f"vscode-notebook-cell:/project/book.ipynb#c{number}"


def item(number: int, text: str, language: str = "python") -> dict[str, Any]:
    return {"uri": cell(number), "languageId": language, "version": 1, "text": text}


def of_kind(number: int, language: str = "python") -> dict[str, Any]:
    return {"kind": 1 if language == "markdown" else 2, "document": cell(number)}


def open_book(client: RawClient, *texts: tuple[str, str]) -> None:
    book = {
        "uri": BOOK,
        "notebookType": "jupyter-notebook",
        "version": 1,
        "cells": [of_kind(number, language) for number, (language, _) in enumerate(texts)],
    }
    items = [item(number, text, language) for number, (language, text) in enumerate(texts)]
    client.notify("notebookDocument/didOpen", {"notebookDocument": book, "cellTextDocuments": items})


def change(client: RawClient, **cells: Any) -> None:
    params = {"notebookDocument": {"uri": BOOK, "version": 2}, "change": {"cells": cells}}
    client.notify("notebookDocument/didChange", params)


class Read:
    """What a scripted model was asked, from its journal."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal

    def last(self) -> dict[str, Any]:
        return json.loads(self._journal.read_text(encoding="utf-8").splitlines()[-1])


async def asked(client: RawClient, number: int, line: int, character: int) -> list[dict[str, Any]]:
    reply = await client.reply(client.ask(line, character, kind=1, uri=cell(number)))
    return reply["result"]["items"]


THREE = (("python", "import os\n"), ("markdown", "# Title"), ("python", "x = \ny = 2"), ("python", "print(x)"))


async def test_notebooks_are_declared() -> None:
    async with spawned(SERVER, "{}") as (client, _):
        capabilities = await client.start(notebookDocument={"synchronization": {}})
        assert capabilities["notebookDocumentSync"] == {"notebookSelector": [{"notebook": "*"}], "save": True}


async def test_a_cell_is_completed_in_the_context_of_the_others(tmp_path: Path) -> None:
    journal = Read(tmp_path / "journal")
    async with connected(text="value", journal=str(tmp_path / "journal")) as client:
        open_book(client, *THREE)
        here = {"line": 0, "character": 4}
        assert await asked(client, 2, 0, 4) == [{"insertText": "value", "range": {"start": here, "end": here}}]
        assert (journal.last()["prefix"], journal.last()["suffix"]) == ("import os\n\nx = ", "\ny = 2\n\nprint(x)")


async def test_cells_are_edited_added_moved_and_removed(tmp_path: Path) -> None:
    journal = Read(tmp_path / "journal")
    async with connected(text="value", journal=str(tmp_path / "journal")) as client:
        open_book(client, *THREE)
        at = {"line": 0, "character": 0}
        edit = {"range": {"start": at, "end": at}, "text": "import re, "}
        whole = {"range": None, "text": "print(y)"}
        change(
            client,
            structure={
                "array": {"start": 3, "deleteCount": 0, "cells": [of_kind(4)]},
                "didOpen": [item(4, "added = 1")],
            },
            textContent=[
                {"document": {"uri": cell(0), "version": 2}, "changes": [edit]},
                {"document": {"uri": cell(3), "version": 2}, "changes": [whole]},
            ],
        )
        assert await asked(client, 2, 0, 4)
        assert journal.last()["prefix"] == "import re, import os\n\nx = "
        assert journal.last()["suffix"] == "\ny = 2\n\nadded = 1\n\nprint(y)"
        change(client, structure={"array": {"start": 2, "deleteCount": 1}})
        change(client, structure={"array": {"start": 0, "deleteCount": 0, "cells": [of_kind(2)]}})
        assert await asked(client, 2, 0, 4)
        assert journal.last()["prefix"] == "x = "
        change(
            client,
            structure={"array": {"start": 1, "deleteCount": 1}, "didClose": [{"uri": cell(0)}]},
            data=[{"kind": 1, "document": cell(4)}],
        )
        assert await asked(client, 2, 0, 4)
        assert journal.last()["suffix"] == "\ny = 2\n\nprint(y)"
        assert await asked(client, 0, 0, 0) == [], "closed"


async def test_cells_of_several_languages_and_broken_changes_do_no_harm(tmp_path: Path) -> None:
    journal = Read(tmp_path / "journal")
    async with connected(text="value", journal=str(tmp_path / "journal")) as client:
        open_book(
            client, ("python", "import os\n"), ("sql", "select "), ("javascript", "let a = "), ("markdown", "So ")
        )
        assert await asked(client, 1, 0, 7)
        assert (journal.last()["prefix"], journal.last()["suffix"]) == ("select ", "")
        assert await asked(client, 3, 0, 3)
        assert journal.last()["prefix"] == "So "
        change(client, structure={"array": {"start": 90, "deleteCount": 90, "cells": [of_kind(77)]}})
        change(client, textContent=[{"document": {"uri": cell(77), "version": 2}, "changes": [{"text": "x"}]}])
        unknown = {"notebookDocument": {"uri": "file:///no.ipynb", "version": 1}, "change": {"cells": {"data": []}}}
        client.notify("notebookDocument/didChange", unknown)
        client.notify("notebookDocument/didSave", {"notebookDocument": {"uri": BOOK}})
        assert await asked(client, 0, 0, 9)
        assert await asked(client, 77, 0, 0) == []


async def test_a_closed_notebook_is_forgotten(tmp_path: Path) -> None:
    journal = Read(tmp_path / "journal")
    async with connected(text="value", journal=str(tmp_path / "journal")) as client:
        open_book(client, *THREE)
        client.open("z = \n")
        assert await client.items(0, 4, kind=1)
        assert any("import os" in text for text in journal.last()["related"])
        closed = [{"uri": cell(number)} for number in range(4)]
        params = {"notebookDocument": {"uri": BOOK}, "cellTextDocuments": closed}
        client.notify("notebookDocument/didClose", params)
        assert await asked(client, 2, 0, 4) == []
        client.insert(0, 4, "(")
        assert await client.items(0, 5, kind=1)
        assert journal.last()["related"] == []


async def test_context_of_a_secret_file_is_never_read(tmp_path: Path) -> None:
    journal = Read(tmp_path / "journal")
    source = "def token():\n    return 'abcdefgh'\n"
    async with connected(text="value", journal=str(tmp_path / "journal")) as client:
        client.open(source, uri="file:///project/credentials")
        client.open(source, uri="file:///project/tokens.py")
        client.notify("textDocument/didClose", {"textDocument": {"uri": "file:///project/tokens.py"}})
        client.open("from tokens import token\n\nprint(token(\n")
        assert await client.items(2, 12, kind=1)
        assert journal.last()["context"] == [["project/tokens.py", source.strip()]], "closed files still count"
        client.notify("textDocument/didOpen", {"textDocument": {**item(0, source), "uri": "file:///project/id_rsa.py"}})
        client.insert(2, 12, "1")
        assert await client.items(2, 13, kind=1)
        assert "id_rsa" not in json.dumps(journal.last())
