"""Clients without ghost text: completion popups."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.protocol.raw_client import URI, RawClient, spawned
from tests.protocol.scripted import CANCELLED_CODES, SERVER, connected


async def test_requests_for_the_same_place_share_the_answer() -> None:
    options = {"completion": {"popup": "always"}}
    async with connected(options, text="value", step_s=0.02) as client:
        client.open("x = \n")
        asked = client.ask(0, 4, kind=1)
        items = (await popup(client, 0, 4))["items"]
        assert [item["label"] for item in items] == ["value"]
        assert len((await client.reply(asked))["result"]["items"]) == 1


POPUP = {"textDocument": {"completion": {}}}


async def popup(client: RawClient, line: int, character: int) -> dict[str, Any]:
    params = {"textDocument": {"uri": URI}, "position": {"line": line, "character": character}}
    return await client.result("textDocument/completion", params)


async def test_a_client_without_ghost_text_gets_a_popup_item() -> None:
    async with connected(capabilities=POPUP, text="lue + 1") as client:
        client.open("x = va\n")
        answer = await popup(client, 0, 6)
        assert answer["isIncomplete"]
        [item] = answer["items"]
        word = {"start": {"line": 0, "character": 4}, "end": {"line": 0, "character": 6}}
        assert (item["label"], item["filterText"]) == ("value + 1", "value + 1")
        assert item["textEdit"] == {"newText": "value + 1", "range": word}


async def test_a_popup_is_not_held_and_what_comes_later_serves_the_next_keystroke() -> None:
    options = {"completion": {"popup_budget_ms": 100, "debounce_ms": 0}}
    async with connected(options, POPUP, text="value", step_s=0.1) as client:
        client.open("x = \n")
        assert (await popup(client, 0, 4))["items"] == []
        await asyncio.sleep(1)
        client.insert(0, 4, "v")
        assert [item["label"] for item in (await popup(client, 0, 5))["items"]] == ["value"]


async def test_a_cancelled_popup_request_stops_computing(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    options = {"completion": {"popup_budget_ms": 5000}}
    async with connected(options, POPUP, text="x" * 500, step_s=0.01, journal=str(journal)) as client:
        client.open("x = \n")
        position = {"line": 0, "character": 4}
        asked = client.request("textDocument/completion", {"textDocument": {"uri": URI}, "position": position})
        await asyncio.sleep(0.3)
        client.notify("$/cancelRequest", {"id": asked})
        assert (await client.reply(asked))["error"]["code"] in CANCELLED_CODES
        while not journal.exists():
            await asyncio.sleep(0.01)
        assert json.loads(journal.read_text())["outcome"] == "abandoned"


@pytest.mark.parametrize(
    ("setting", "capabilities", "offered"),
    [
        ("auto", {}, False),
        ("auto", POPUP, True),
        ("auto", {"textDocument": {"inlineCompletion": None}}, False),
        ("always", {}, True),
        ("never", POPUP, False),
    ],
)
async def test_popups_are_offered_where_there_is_no_ghost_text(
    setting: str, capabilities: dict[str, Any], offered: bool
) -> None:
    async with spawned(SERVER, "{}") as (client, _):
        answer = await client.start({"completion": {"popup": setting}}, **capabilities)
        assert ("completionProvider" in answer) is offered
        assert answer["inlineCompletionProvider"] is not None


async def test_a_popup_shows_what_begins_with_a_blank_but_not_what_begins_on_the_next_line() -> None:
    async with connected(capabilities=POPUP, text=" value") as client:
        client.open("x =\n")
        [item] = (await popup(client, 0, 3))["items"]
        assert (item["label"], item["textEdit"]["newText"]) == ("value", " value")
    async with connected(capabilities=POPUP, text="\n    return 1") as client:
        client.open("def f():\n")
        assert (await popup(client, 0, 8))["items"] == []
