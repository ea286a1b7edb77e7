"""Code actions over the wire: offered, streamed as progress, cancelled, shown and inserted as each client can."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pytest

from lsp_server.remote_control import COMMANDS as CONTROLS
from tests.protocol.raw_client import URI, Message, RawClient
from tests.protocol.scripted import connected

CODE = "def add(a, b):\n    # return the sum\n    pass\n\n\nx = 1\n"
SHOWS = {"window": {"workDoneProgress": True, "showDocument": {"support": True}}}
APPLIES = {"workspace": {"applyEdit": True, "workspaceEdit": {"documentChanges": True}}, **SHOWS}


async def actions(client: RawClient, first: int, last: int | None = None, **context: Any) -> list[Message]:
    """Code actions for whole lines, `last` included; without it for a cursor."""
    end = {"line": first, "character": 2} if last is None else {"line": last + 1, "character": 0}
    start = {"line": first, "character": 2 if last is None else 0}
    params = {"textDocument": {"uri": URI}, "range": {"start": start, "end": end}}
    return await client.result("textDocument/codeAction", {**params, "context": {"diagnostics": [], **context}})


def run(client: RawClient, action: Message, **more: Any) -> int:
    command = action["command"]
    params = {"command": command["command"], "arguments": command["arguments"], **more}
    return client.request("workspace/executeCommand", params)


def requests(client: RawClient, method: str) -> list[Message]:
    return [message for message in client.asked if message["method"] == method]


def check_explanation(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "It adds two numbers." in text
    assert "not an instruction model" in text
    assert path.stat().st_mode & 0o077 == 0, "for its owner only"


async def test_an_answer_cancelled_before_it_begins_leaves_nothing_behind() -> None:
    async with connected(capabilities=SHOWS, answer_text="x" * 100, step_s=0.005) as client:
        client.open(CODE)
        action = (await actions(client, 0))[0]
        running = run(client, action)
        client.notify("$/cancelRequest", {"id": running})
        assert (await client.reply(running))["error"]["code"] == -32800
        assert await client.reply(run(client, action))


async def test_the_capabilities_name_them() -> None:
    async with connected() as client:
        again = (await client.reply(1))["result"]["capabilities"]
        assert again["codeActionProvider"]["codeActionKinds"] == ["", "refactor"]
        commands = {"fimd.explain", "fimd.writeCode", "fimd.statistics", *CONTROLS}
        assert set(again["executeCommandProvider"]["commands"]) == commands


async def test_what_is_offered_where() -> None:
    async with connected(capabilities=APPLIES) as client:
        client.open(CODE)
        titles = [action["title"] for action in await actions(client, 1)]
        assert titles == [
            "Explain this code (not an instruction model)",
            "Write code for this comment (not an instruction model)",
        ]
        assert [action["command"]["arguments"] for action in await actions(client, 0, 2)] == [[URI, 0, 2]]
        assert await actions(client, 3) == [], "an empty line"
        assert [action["kind"] for action in await actions(client, 1, only=["refactor"])] == ["refactor"]
        assert await actions(client, 1, only=["quickfix"]) == []


async def test_code_is_not_offered_to_who_can_not_insert_it() -> None:
    async with connected() as client:
        client.open(CODE)
        assert len(await actions(client, 1)) == 1


@pytest.mark.parametrize("command", ["fimd.explain", "fimd.writeCode"])
async def test_a_command_looks_at_no_file_that_is_never_read(command: str) -> None:
    async with connected(capabilities=APPLIES) as client:
        client.open("# key\nKEY = 1\n", uri="file:///project/.env")
        params = {"command": command, "arguments": ["file:///project/.env", 0, 0]}
        assert await client.result("workspace/executeCommand", params) is None
        assert await client.notification("window/showMessage", "switched off for this file")


async def test_a_closed_document_ends_its_answer_and_gets_no_edit() -> None:
    async with connected(capabilities=APPLIES, answer_text="x" * 300, step_s=0.005) as client:
        client.open(CODE)
        running = run(client, (await actions(client, 1))[1])
        await client.wait_for(lambda: [n for n in client.notifications if "xxx" in str(n)])
        client.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
        client.open("other = 1\n")
        assert (await client.reply(running))["result"] is None
        assert requests(client, "workspace/applyEdit") == []


async def test_answers_are_not_heaped_up() -> None:
    async with connected(capabilities=SHOWS, answer_text="x" * 300, step_s=0.005) as client:
        client.open(CODE)
        action = (await actions(client, 0))[0]
        ids = [run(client, action) for _ in range(6)]
        assert await client.notification("window/showMessage", "several answers")
        replies = [await client.reply(one) for one in ids]
        assert sum(reply["result"] is None for reply in replies) == 2


async def test_an_editor_that_refuses_an_edit_is_reported() -> None:
    async with connected(capabilities=APPLIES, answer_text="y = 2") as client:
        client.open(CODE)
        client.responses["workspace/applyEdit"] = {"applied": False}
        await client.result("workspace/executeCommand", (await actions(client, 1))[1]["command"])
        assert await client.notification("window/showMessage", "did not insert")


async def test_an_editor_without_versioned_edits_gets_plain_ones() -> None:
    capabilities = {**SHOWS, "workspace": {"applyEdit": True}}
    async with connected(capabilities=capabilities, answer_text="y = 2") as client:
        client.open(CODE)
        client.responses["workspace/applyEdit"] = {"applied": True}
        await client.result("workspace/executeCommand", (await actions(client, 1))[1]["command"])
        edit = requests(client, "workspace/applyEdit")[0]["params"]["edit"]
        assert edit["changes"][URI][0]["newText"] == "\n    y = 2"


@pytest.mark.parametrize("text", ["```python\n```", "  \n"])
async def test_an_answer_without_code_inserts_nothing(text: str) -> None:
    async with connected(capabilities=APPLIES, answer_text=text) as client:
        client.open(CODE)
        await client.result("workspace/executeCommand", (await actions(client, 1))[1]["command"])
        assert await client.notification("window/showMessage", "had no answer")
        assert requests(client, "workspace/applyEdit") == []


async def test_an_instruction_model_is_not_marked() -> None:
    async with connected(follows_instructions=True) as client:
        client.open(CODE)
        assert [action["title"] for action in await actions(client, 5)] == ["Explain this code"]


@pytest.mark.parametrize("options", [{"files": {"disabled_languages": ["python"]}}, {"enabled": False}])
async def test_nothing_is_offered_where_fimd_is_off(options: Message) -> None:
    async with connected(options) as client:
        client.open(CODE)
        assert await actions(client, 0) == []


async def test_nothing_is_offered_in_files_that_are_never_read() -> None:
    async with connected() as client:
        client.open(CODE, uri="file:///project/.env")
        params = {
            "textDocument": {"uri": "file:///project/.env"},
            "range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}},
            "context": {"diagnostics": []},
        }
        assert await client.result("textDocument/codeAction", params) == []


async def test_an_explanation_is_streamed_and_shown_as_a_document() -> None:
    async with connected(capabilities=SHOWS, answer_text="It adds two numbers. " * 20, step_s=0.005) as client:
        client.open(CODE)
        client.responses["window/showDocument"] = {"success": True}
        action = (await actions(client, 0))[0]
        assert await client.result("workspace/executeCommand", action["command"] | {}) == "It adds two numbers. " * 20
        shown = requests(client, "window/showDocument")[0]["params"]["uri"]
        check_explanation(Path(unquote(urlparse(shown).path)))
        reports = [n["params"]["value"] for n in client.notifications if n["method"] == "$/progress"]
        assert any(value["kind"] == "begin" and value.get("cancellable") for value in reports)
        assert any(value["kind"] == "report" and "adds" in value.get("message", "") for value in reports)
        assert reports[-1]["kind"] == "end"


@pytest.mark.parametrize("answer", [None, {"success": False}])
async def test_where_the_client_can_not_show_documents_it_is_a_message(answer: Message | None) -> None:
    capabilities = SHOWS if answer else {"window": {"workDoneProgress": True}}
    async with connected(capabilities=capabilities, answer_text="It adds.") as client:
        client.open(CODE)
        client.responses["window/showDocument"] = answer
        await client.result("workspace/executeCommand", (await actions(client, 0))[0]["command"])
        assert await client.notification("window/showMessage", "fimd: It adds. (embedded is not an instruction model.)")
        assert not [n for n in client.notifications if n["method"] == "window/logMessage" and "It adds" in str(n)]


async def test_code_for_a_comment_is_inserted_below_it_in_its_indentation() -> None:
    async with connected(capabilities=APPLIES, answer_text="```python\nreturn a + b\n```") as client:
        client.open(CODE.replace("\n", "\r\n"))
        client.responses["workspace/applyEdit"] = {"applied": True}
        await client.result("workspace/executeCommand", (await actions(client, 1))[1]["command"])
        change = requests(client, "workspace/applyEdit")[0]["params"]["edit"]["documentChanges"][0]
        assert change["textDocument"] == {"uri": URI, "version": 1}
        end = {"line": 1, "character": 20}
        assert change["edits"] == [{"range": {"start": end, "end": end}, "newText": "\r\n    return a + b"}]


async def test_nothing_is_inserted_into_a_file_that_has_changed() -> None:
    async with connected(capabilities=APPLIES, answer_text="x" * 50, step_s=0.01) as client:
        client.open(CODE)
        running = run(client, (await actions(client, 1))[1])
        await client.wait_for(lambda: [n for n in client.notifications if "writing" in str(n)])
        client.insert(0, 0, "# ")
        await client.reply(running)
        assert await client.notification("window/showMessage", "changed meanwhile")
        assert requests(client, "workspace/applyEdit") == []


@pytest.mark.parametrize("how", ["progress", "request"])
async def test_an_answer_is_cancelled_in_either_way(how: str, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    async with connected(capabilities=SHOWS, answer_text="x" * 5000, step_s=0.005, journal=str(journal)) as client:
        client.open(CODE)
        running = run(client, (await actions(client, 0))[0])
        await client.wait_for(lambda: [n for n in client.notifications if "xxx" in str(n)])
        if how == "request":
            client.notify("$/cancelRequest", {"id": running})
        else:
            began = await client.wait_for(lambda: [n for n in client.notifications if "explaining" in str(n)])
            client.notify("window/workDoneProgress/cancel", {"token": began[0]["params"]["token"]})
        reply = await client.reply(running)
        assert reply.get("result", None) is None
        await client.wait_for(lambda: [n for n in client.notifications if "'end'" in str(n)][1:])
        assert requests(client, "window/showDocument") == []
        # The reply does not wait for the inference thread, and the file is there before its line is.
        while not journal.exists() or not journal.read_text().endswith("\n"):
            await asyncio.sleep(0.01)
        assert "abandoned" in journal.read_text()


async def test_the_clients_own_progress_token_is_used() -> None:
    async with connected(capabilities=SHOWS, answer_text="It adds.", step_s=0.01) as client:
        client.open(CODE)
        await client.reply(run(client, (await actions(client, 0))[0], workDoneToken="mine"))
        kinds = [n["params"]["value"]["kind"] for n in client.notifications if n["params"].get("token") == "mine"]
        assert (kinds[0], kinds[-1]) == ("begin", "end")


async def test_ghost_text_comes_while_an_answer_is_written() -> None:
    async with connected(capabilities=SHOWS, text=" + 2", answer_text="x" * 2000, step_s=0.005) as client:
        client.open(CODE)
        running = run(client, (await actions(client, 0))[0])
        await client.wait_for(lambda: [n for n in client.notifications if "explaining" in str(n)])
        items = await client.items(5, 5)
        assert items[0]["insertText"] == " + 2"
        assert not client.replies[running]


@pytest.mark.parametrize(
    "arguments", [None, [], ["file:///no.py", 0, 1], [URI, -1, 2], [URI, 3, 1], [URI, "0", "1"], [URI, 900, 901], [{}]]
)
async def test_arguments_that_make_no_sense_are_answered(arguments: Any) -> None:
    async with connected() as client:
        client.open(CODE)
        for command in ("fimd.explain", "fimd.writeCode"):
            reply = await client.reply(
                client.request("workspace/executeCommand", {"command": command, "arguments": arguments})
            )
            assert reply["result"] is None, reply


async def test_an_unknown_command_is_an_error() -> None:
    async with connected() as client:
        reply = await client.reply(client.request("workspace/executeCommand", {"command": "fimd.nothing"}))
        assert "no command 'fimd.nothing'" in reply["error"]["message"]


async def test_a_model_that_fails_is_said() -> None:
    async with connected(fails="complete") as client:
        client.open(CODE)
        reply = await client.reply(run(client, (await actions(client, 0))[0]))
        assert reply["result"] is None
        assert await client.notification("window/showMessage", "failed to answer")


async def test_notices_go_to_the_log_and_not_to_the_window() -> None:
    async with connected(notices=["scripted is under a licence"]) as client:
        assert await client.notification("window/logMessage", "under a licence")
        assert not [n for n in client.notifications if n["method"] == "window/showMessage"]
