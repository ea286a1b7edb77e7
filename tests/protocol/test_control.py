"""What a client may ask the daemon to do, and what a status bar is told."""

from __future__ import annotations

import itertools
from itertools import groupby
from typing import Any

import pytest

from tests.protocol.raw_client import RawClient
from tests.protocol.scripted import connected

STATUS_BAR = {"experimental": {"fimd": {"status": True}}}


async def run(client: RawClient, command: str, *arguments: object) -> Any:
    return await client.result("workspace/executeCommand", {"command": command, "arguments": list(arguments)})


def phases(client: RawClient) -> list[str]:
    """What was told, without what only had another message."""
    told = [n["params"]["phase"] for n in client.notifications if n["method"] == "fimd/status"]
    return [phase for phase, _ in groupby(told)]


async def test_a_status_bar_hears_of_loading_readiness_and_of_what_takes_long() -> None:
    async with connected(capabilities=STATUS_BAR, text="value", load_s=0.2, step_s=0.1) as client:
        await client.ready()
        client.open("x = \n")
        await client.items(0, 4, kind=1)
        await client.wait_for(lambda: phases(client)[-2:] == ["busy", "ready"])
        assert phases(client) == ["loading", "ready", "busy", "ready"]
        last = client.notifications[-1]["params"]
        assert last["model"] == "embedded"
        assert "ready" in last["message"]


async def test_a_status_bar_hears_of_failure() -> None:
    async with connected(capabilities=STATUS_BAR, fails="load") as client:
        told = await client.notification("fimd/status", '"error"')
        assert "download it again" in told["params"]["message"]


async def test_clients_that_did_not_ask_hear_nothing() -> None:
    async with connected(text="value") as client:
        await run(client, "fimd.toggle")
        assert phases(client) == []


async def test_suggestions_are_turned_off_and_on_altogether_or_for_a_language() -> None:
    async with connected(capabilities=STATUS_BAR, text="value") as client:
        client.open("x = \n")
        assert (await run(client, "fimd.toggle"))["phase"] == "off"
        assert await client.items(0, 4, kind=1) == []
        assert (await run(client, "fimd.toggle"))["phase"] == "ready"
        assert phases(client)[-2:] == ["off", "ready"]
        assert len(await client.items(0, 4, kind=1)) == 1
        assert (await run(client, "fimd.toggle", "python"))["phase"] == "ready"
        assert await client.items(0, 4, kind=1) == []
        await run(client, "fimd.toggle", "python")
        assert len(await client.items(0, 4, kind=1)) == 1


async def test_what_was_turned_off_stays_off_when_the_editor_sends_its_settings_again() -> None:
    async with connected(text="value") as client:
        client.open("x = \n")
        await run(client, "fimd.toggle")
        client.notify("workspace/didChangeConfiguration", {"settings": {"fimd": {"enabled": True}}})
        assert (await run(client, "fimd.status"))["phase"] == "off"
        assert await client.items(0, 4, kind=1) == []


async def test_another_model_is_loaded_and_the_same_one_again() -> None:
    async with connected(capabilities=STATUS_BAR, text="value") as client:
        client.open("x = \n")
        assert (await run(client, "fimd.selectModel", "santacoder"))["model"] == "santacoder"
        await client.wait_for(lambda: phases(client) == ["loading", "ready"] * 2)
        assert len(await client.items(0, 4)) == 1
        await run(client, "fimd.restart")
        await client.wait_for(lambda: phases(client) == ["loading", "ready"] * 3)
        assert len(await client.items(0, 4, kind=1)) == 1


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        *itertools.product(["fimd.selectModel", "fimd.accepted"], [[], [7], [None]]),
        *itertools.product(["fimd.toggle"], [[7], [["python"]], [{"language": "python"}]]),
    ],
)
async def test_a_wrong_argument_is_one_sentence_and_changes_nothing(command: str, arguments: list[object]) -> None:
    async with connected(text="value") as client:
        answer = await run(client, command, *arguments)
        assert (answer["model"], answer["phase"]) == ("embedded", "ready")
        await client.notification("window/showMessage", "as its argument")
