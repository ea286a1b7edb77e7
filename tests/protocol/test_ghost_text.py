"""Inline completions over the wire: content, encodings, timing, cancelling."""

from __future__ import annotations

import asyncio
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from tests.protocol.raw_client import spawned
from tests.protocol.scripted import CANCELLED_CODES, SERVER, connected


async def test_one_item_in_plain_text_with_a_range_at_the_cursor() -> None:
    async with connected(text="value") as client:
        client.open("x = \n")
        here = {"line": 0, "character": 4}
        assert await client.items(0, 4) == [{"insertText": "value", "range": {"start": here, "end": here}}]


@pytest.mark.parametrize(("line", "end_character"), [("os.pa", 5), ("os.pazz", 7)], ids=["before", "around"])
async def test_the_popups_selection_is_replaced_and_continued(line: str, end_character: int) -> None:
    async with connected(text=".join") as client:
        client.open(f"{line}\n")
        start, end = {"line": 0, "character": 3}, {"line": 0, "character": end_character}
        chosen = {"range": {"start": start, "end": end}, "text": "path"}
        items = await client.items(0, 5, selectedCompletionInfo=chosen)
        assert items == [{"insertText": "path.join", "range": chosen["range"]}]


@pytest.mark.parametrize(
    ("offered", "chosen", "character"),
    [
        (["utf-16", "utf-8"], "utf-8", 10),
        (["utf-16", "utf-32"], "utf-32", 7),
        (["utf-16"], "utf-16", 8),
        (None, "utf-16", 8),
    ],
)
async def test_requests_and_edits_in_the_negotiated_encoding(
    offered: list[str] | None, chosen: str, character: int
) -> None:
    general = {"general": {"positionEncodings": offered}} if offered else {}
    async with spawned(SERVER, json.dumps({"text": "value"})) as (client, _):
        capabilities = await client.start(**general)
        assert capabilities["positionEncoding"] == chosen
        await client.ready()
        client.open("s = '😀\n")  # up to here 6 code points, 7 UTF-16 units, 9 bytes
        client.insert(0, character - 1, "'")
        client.insert(0, character, " + ")
        items = await client.items(0, character + 3)
        assert items[0]["range"]["start"] == {"line": 0, "character": character + 3}


async def test_a_changed_document_is_never_answered_with_stale_text() -> None:
    async with connected(text="value", step_s=0.03) as client:
        client.open("x = \n")
        asked = client.ask(0, 4, kind=1)
        client.insert(0, 4, "(")
        assert (await client.reply(asked))["result"] == {"items": []}


async def test_a_newer_request_supersedes_the_older_which_is_still_answered() -> None:
    async with connected(text="value", step_s=0.02) as client:
        client.open("x = \n")
        ids = [client.ask(0, character, kind=1) for character in (0, 1, 2, 3, 4)]
        replies = [await client.reply(asked) for asked in ids]
        assert [len(reply["result"]["items"]) for reply in replies] == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(("prefill_steps", "characters"), [(500, 1), (1, 500)], ids=["prefill", "decode"])
async def test_cancel_is_answered_at_once_and_stops_computing(
    tmp_path: Path, prefill_steps: int, characters: int
) -> None:
    journal = tmp_path / "journal"
    script: dict[str, Any] = {
        "text": "x" * characters,
        "prefill_steps": prefill_steps,
        "step_s": 0.01,
        "journal": str(journal),
    }
    async with connected(**script) as client:
        client.open("x = \n")
        asked = client.ask(0, 4, kind=1)
        await asyncio.sleep(0.2)
        client.notify("$/cancelRequest", {"id": asked})
        assert (await client.reply(asked))["error"]["code"] in CANCELLED_CODES
        while not journal.exists() or not journal.read_text().endswith("\n"):  # it is there before its line is
            await asyncio.sleep(0.01)
        entry = json.loads(journal.read_text())
        assert entry["outcome"] == "abandoned"
        assert entry["steps"] < 100


async def test_a_storm_of_changes_requests_and_cancels_gets_one_reply_each() -> None:
    """200 changes and requests, 2 ms apart, 40 % of them cancelled: the figures of the issue that asked for this."""
    async with connected(text="value", prefill_steps=3, step_s=0.01) as client:
        client.open("x = \n")
        rng = random.Random(1)
        ids: list[int] = []
        for number in range(200):
            client.insert(0, 4 + number, "y")
            ids.append(client.ask(0, 5 + number))
            if rng.random() < 0.4:
                client.notify("$/cancelRequest", {"id": rng.choice(ids[-5:])})
            await asyncio.sleep(0.002)
        sent = time.monotonic()
        await client.wait_for(lambda: all(client.replies[asked] for asked in ids))
        assert time.monotonic() - sent < 2
        await asyncio.sleep(0.3)
        assert [len(client.replies[asked]) for asked in ids] == [1] * 200
        errors = [reply["error"]["code"] for asked in ids for reply in client.replies[asked] if "error" in reply]
        assert errors
        assert set(errors) <= CANCELLED_CODES
        assert client.replies[ids[-1]][0].get("result", {}).get("items") != [], (
            "the last request is the one that counts"
        )


async def test_statistics_are_told_to_whoever_asks() -> None:
    async with connected(text="value") as client:
        client.open("x = \n")
        await client.items(0, 4)
        counts = await client.result("workspace/executeCommand", {"command": "fimd.statistics"})
        assert (counts["requests"], counts["suggestions"], counts["computed"]) == (1, 1, 1)
        assert counts["resident_bytes"] > 10_000_000
        assert counts["peak_bytes"] >= counts["resident_bytes"]


async def test_other_open_files_are_related_but_secret_ones_are_never_read(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    async with connected(text="value", journal=str(journal)) as client:
        client.open("x = \n")
        client.open("import os\n", uri="file:///other.py")
        client.open("TOKEN=1\n", uri="file:///project/.env")
        await client.items(0, 4)
    related = [json.loads(line).get("related") for line in journal.read_text(encoding="utf-8").splitlines()]
    assert ["import os\n"] in related
    assert not any("TOKEN" in text for texts in related for text in texts)


async def test_an_identifier_is_completed_in_front_of_code_and_nothing_else_is() -> None:
    async with connected(text="lue, sep") as client:
        client.open("print(va, end=1)\n")
        at = {"line": 0, "character": 8}
        assert await client.items(0, 8) == [{"insertText": "lue", "range": {"start": at, "end": at}}]
        assert await client.items(0, 7) == []
        assert await client.items(0, 6) == []


async def test_comments_are_left_alone_where_the_settings_say_so() -> None:
    async with connected({"completion": {"in_comments": False}}, text="value") as client:
        client.open("# why \nx = \n")
        assert await client.items(0, 6) == []
        assert len(await client.items(0, 6, kind=1)) == 1
        assert len(await client.items(1, 4)) == 1


async def test_a_suggestion_comes_in_the_files_own_indentation_and_line_ends() -> None:
    async with connected(text="\n    if x:\n        return 1") as client:
        client.open("def f():\r\n\tif x:\r\n\t\treturn 2\r\n\r\ndef g():\r\n")
        [item] = await client.items(4, 8)
        assert item["insertText"] == "\r\n\tif x:\r\n\t\treturn 1"
