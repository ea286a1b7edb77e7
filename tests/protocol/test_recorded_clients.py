"""What real editors sent with `initialize`, as `tests/editors/record.py` has recorded it, and what they get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.protocol.raw_client import URI, RawClient, spawned
from tests.protocol.scripted import SERVER

FOLDER = Path(__file__).parents[1] / "editors" / "capabilities"
LINE = "x = '🙂é', "
WIDTHS = {"utf-8": len(LINE.encode()), "utf-16": len(LINE.encode("utf-16-le")) // 2, "utf-32": len(LINE)}

GHOST, MENU = "inlineCompletionProvider", "completionProvider"
EDITORS = [
    ("neovim", "utf-8", {GHOST}),
    ("emacs-lsp-mode", "utf-16", {GHOST}),
    ("emacs-eglot", "utf-8", {MENU}),
    ("helix", "utf-8", {MENU}),
    ("vscode", "utf-16", {GHOST}),
]


async def initialized(client: RawClient, name: str) -> dict[str, Any]:
    recorded = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    result = await client.result("initialize", {"processId": None, "rootUri": None, **recorded})
    client.notify("initialized", {})
    return result["capabilities"]


async def wait_until_ready(client: RawClient) -> None:
    """By asking: not every editor is told of progress."""
    while (await client.result("workspace/executeCommand", {"command": "fimd.status"}))["phase"] != "ready":
        pass


def test_every_recording_is_tested() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == {name for name, _, _ in EDITORS}


@pytest.mark.parametrize(("name", "encoding", "ways"), EDITORS)
async def test_each_editor_is_answered_in_its_own_way_and_encoding(name: str, encoding: str, ways: set[str]) -> None:
    async with spawned(SERVER, json.dumps({"text": "value + 1"})) as (client, _):
        offered = await initialized(client, name)
        assert offered["positionEncoding"] == encoding
        assert (MENU in offered) == (MENU in ways)
        await wait_until_ready(client)
        client.open(f"{LINE}\ny = 2\n")
        at = {"line": 0, "character": WIDTHS[encoding]}
        if GHOST in ways:
            assert GHOST in offered
            [item] = await client.items(**at)
            assert item["insertText"] == "value + 1", "plain text, which all of them accept"
            assert item["range"] == {"start": at, "end": at}
        else:
            answer = await client.result("textDocument/completion", {"textDocument": {"uri": URI}, "position": at})
            [item] = answer["items"]
            assert item["textEdit"] == {"newText": "value + 1", "range": {"start": at, "end": at}}
        unknown = [one["method"] for one in client.notifications if one["method"].startswith("fimd/")]
        # Neovim's plugin and fimd.el ask for it; eglot and Helix warn at what they don't know.
        assert bool(unknown) == (GHOST in ways)
