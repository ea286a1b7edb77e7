"""Over the wire: rejections are remembered, outcomes are counted on disk, and only if the settings allow it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lsp_server import usage
from tests.protocol.raw_client import URI, Message, RawClient
from tests.protocol.scripted import connected


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the daemons of a test keep their counts."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return usage.user_file()


@pytest.fixture
def damaged(state: Path) -> Path:
    """The same, where something else has taken its place."""
    state.parent.mkdir(parents=True)
    state.write_bytes(b"no database" * 100)
    return state


async def end(client: RawClient) -> None:
    """End the session as an editor does, and wait until the daemon has ended."""
    await client.result("shutdown", None)
    client.notify("exit", None)
    with pytest.raises(ConnectionError):
        await client.wait_for(lambda: False)


def delete(client: RawClient, line: int, start: int, stop: int) -> None:
    client.version += 1
    place = {"start": {"line": line, "character": start}, "end": {"line": line, "character": stop}}
    document = {"uri": URI, "version": client.version}
    changes = [{"range": place, "text": ""}]
    client.notify("textDocument/didChange", {"textDocument": document, "contentChanges": changes})


def counted(file: Path) -> dict[str, int]:
    """What is not zero of the one row in the file."""
    [row] = usage.read(file)
    assert row.language == "python"
    return {name: count for name, count in row.counts.items() if count}


async def test_feedback_is_on_disk_when_the_session_ends(state: Path) -> None:
    async with connected(text="value") as client:
        client.open("x = \n")
        assert await client.items(0, 4)
        client.insert(0, 4, "v")
        assert await client.items(0, 5)
        client.insert(0, 5, "alue")
        await end(client)
    assert counted(state) == {"shown": 1, "accepted": 1, "saved_characters": 3}


async def test_a_rejected_suggestion_comes_back_only_where_it_is_asked_for_feedback(
    state: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    async with connected({"completion": {"warm_up": "never"}}, text="value", journal=str(journal)) as client:
        client.open("x = \n")
        assert await client.items(0, 4)
        delete(client, 0, 3, 4)
        client.insert(0, 3, " ")
        computed = len(journal.read_text(encoding="utf-8").splitlines())
        assert await client.items(0, 4) == []
        assert len(journal.read_text(encoding="utf-8").splitlines()) == computed, "the model is not asked in vain"
        assert await client.items(0, 4, kind=1)
        assert await client.items(0, 4), "it was asked for, and stays"
        await end(client)
    assert counted(state) == {"shown": 2, "rejected": 1, "unknown": 1}


async def test_feedback_from_a_popup_that_replaces_the_word(state: Path) -> None:
    capabilities: dict[str, Any] = {"textDocument": {"completion": {}}}
    async with connected({"completion": {"popup": "always"}}, capabilities, text="th.join(") as client:
        client.open("os.pa\n")
        params = {"textDocument": {"uri": URI}, "position": {"line": 0, "character": 5}}
        answer: Message = await client.result("textDocument/completion", params)
        [item] = answer["items"]
        change = {"range": item["textEdit"]["range"], "text": item["textEdit"]["newText"]}
        document = {"uri": URI, "version": 2}
        client.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})
        await end(client)
    assert counted(state) == {"shown": 1, "accepted": 1, "saved_characters": 6}


@pytest.mark.parametrize("popup", [False, True])
async def test_asking_elsewhere_is_feedback_too(state: Path, popup: bool) -> None:
    async with connected({"completion": {"popup": "always"}}, text="value") as client:
        client.open("x = \ny = 1\n")
        for line, character in ((0, 4), (0, 4), (1, 2)):
            if popup:
                position = {"line": line, "character": character}
                params = {"textDocument": {"uri": URI}, "position": position}
                await client.result("textDocument/completion", params)
            else:
                await client.items(line, character)
        await end(client)
    assert counted(state) == {"shown": 1, "rejected": 1}


async def test_feedback_on_a_popups_choice_counts_only_what_follows_it(state: Path) -> None:
    async with connected(text=".join(") as client:
        client.open("os.pa\n")
        place = {"start": {"line": 0, "character": 3}, "end": {"line": 0, "character": 5}}
        [item] = await client.items(0, 5, selectedCompletionInfo={"range": place, "text": "path"})
        change = {"range": item["range"], "text": item["insertText"]}
        document = {"uri": URI, "version": 2}
        client.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})
        await end(client)
    assert counted(state) == {"shown": 1, "accepted": 1, "saved_characters": 4}


@pytest.mark.parametrize("how", ["close", "replace", "hang up"])
async def test_feedback_that_never_came_is_counted_as_unknown(state: Path, how: str) -> None:
    async with connected(text="value") as client:
        client.open("x = \n")
        assert await client.items(0, 4)
        if how == "close":
            client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        elif how == "replace":
            document = {"uri": URI, "version": 2}
            client.notify(
                "textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": "x = value\n"}]}
            )
        if how == "hang up":
            client._writer.close()
            with pytest.raises(ConnectionError):
                await client.wait_for(lambda: False)
        else:
            await end(client)
    assert counted(state) == {"shown": 1, "unknown": 1}


async def test_no_feedback_is_kept_where_the_settings_say_so(state: Path) -> None:
    async with connected({"statistics": False}, text="value") as client:
        client.open("x = \n")
        assert await client.items(0, 4)
        client.insert(0, 4, "value")
        await end(client)
    assert usage.read(state) == []


async def test_a_damaged_feedback_file_disturbs_nobody(damaged: Path) -> None:
    async with connected(text="value") as client:
        client.open("x = \n")
        assert await client.items(0, 4)
        client.insert(0, 4, "value")
        await end(client)
        assert not [note for note in client.notifications if note["method"] == "window/showMessage"]
    assert counted(damaged)["accepted"] == 1


@pytest.mark.parametrize("is_told_first", [True, False])
async def test_acceptance_that_a_client_tells_of_counts_once(state: Path, is_told_first: bool) -> None:
    async with connected(text="value + 1") as client:
        client.open("x = \n")
        assert await client.items(0, 4)
        told = {"command": "fimd.accepted", "arguments": [URI]}
        if is_told_first:
            await client.result("workspace/executeCommand", told)
        client.insert(0, 4, "value + 1")
        if not is_told_first:
            await client.result("workspace/executeCommand", told)
        await end(client)
    assert counted(state) == {"shown": 1, "accepted": 1, "saved_characters": 8}
