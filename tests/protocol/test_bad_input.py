"""What must never crash the server, hang it or stay unanswered."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.protocol.raw_client import URI, spawned
from tests.protocol.scripted import SERVER, connected


@pytest.mark.parametrize("context", [{"kind": 0}, {"kind": None}, {"kind": 9}])
async def test_odd_trigger_kinds_are_answered(context: dict[str, Any]) -> None:
    async with connected(text="value") as client:
        client.open("x = \n")
        assert len(await client.items(0, 4, **context)) == 1


async def test_a_request_without_context_is_answered() -> None:
    async with connected(text="value") as client:
        client.open("x = \n")
        params = {"textDocument": {"uri": URI}, "position": {"line": 0, "character": 4}}
        assert (await client.result("textDocument/inlineCompletion", params))["items"][0]["insertText"] == "value"


async def test_positions_past_the_end_are_clamped_and_unknown_documents_are_empty() -> None:
    async with connected(text="value") as client:
        client.open("x = ")
        end = {"line": 0, "character": 4}
        assert await client.items(90, 90) == [{"insertText": "value", "range": {"start": end, "end": end}}]
        assert (await client.reply(client.ask(0, 0, uri="file:///unknown.py")))["result"] == {"items": []}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"not json",
        b'{"jsonrpc": "2.0", "id": 1',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"id": 1' + b"0" * 5000 + b"}",
        b"",
    ],
    ids=["open", "words", "cut", "no UTF-8", "deep", "long number", "nothing"],
)
async def test_malformed_json_is_an_error_and_the_server_lives(body: bytes) -> None:
    async with connected(text="value") as client:
        client.send_bytes(body)
        assert (await client.reply(None))["error"]["code"] == -32700
        client.open("x = \n")
        assert len(await client.items(0, 4)) == 1


@pytest.mark.parametrize("body", [b"[]", b"3", b'"text"', b"null", b'{"method": "x"}'])
async def test_json_that_is_no_message_is_an_error_and_the_server_lives(body: bytes) -> None:
    async with connected(text="value") as client:
        client.send_bytes(body)
        assert (await client.reply(None))["error"]["code"] == -32600
        client.open("x = \n")
        assert len(await client.items(0, 4)) == 1


@pytest.mark.parametrize(
    "params",
    [None, {}, [], {"textDocument": {}}, {"textDocument": {"uri": URI}, "position": {"line": -1, "character": 0}}],
)
async def test_malformed_parameters_are_an_error_without_a_popup(params: object) -> None:
    async with connected(text="value") as client:
        client.open("x = \n")
        assert (await client.reply(client.request("textDocument/inlineCompletion", params)))["error"]["code"] == -32602
        assert len(await client.items(0, 4)) == 1
        assert not [n for n in client.notifications if n["method"] == "window/showMessage"]


async def test_malformed_notifications_are_survived() -> None:
    async with connected(text="value") as client:
        client.open("x = \n")
        client.notify("textDocument/didChange", {"textDocument": {"uri": URI}})
        client.notify("textDocument/didOpen", None)
        client.notify("textDocument/didClose", {"textDocument": {"uri": "file:///never"}})
        client.notify("no/such/notification", {})
        assert len(await client.items(0, 4)) == 1


async def test_unknown_methods_are_method_not_found() -> None:
    async with connected() as client:
        assert (await client.reply(client.request("no/such/method", {})))["error"]["code"] == -32601
        client.send({"id": "without params", "method": "no/such/method"})
        assert (await client.reply("without params"))["error"]["code"] == -32601


async def test_another_version_of_json_rpc_is_refused() -> None:
    async with connected() as client:
        client.send({"jsonrpc": "1.0", "id": "old", "method": "shutdown"})
        assert (await client.reply("old"))["error"]["code"] == -32600


async def test_a_second_initialize_is_refused() -> None:
    async with connected() as client:
        assert (await client.reply(client.request("initialize", {"capabilities": {}})))["error"]["code"] == -32600


async def test_headers_in_other_spellings_are_read() -> None:
    async with connected(text="value") as client:
        client.open("x = \n")
        body = b'{"jsonrpc": "2.0", "id": "odd", "method": "shutdown"}'
        client.send_raw(b"content-length:%d\r\nContent-Type: application/vscode-jsonrpc\r\n\r\n%b" % (len(body), body))
        assert (await client.reply("odd"))["result"] is None


@pytest.mark.parametrize("digits", [14, 6000])
async def test_a_message_beyond_all_measure_ends_the_connection(digits: int) -> None:
    async with spawned(SERVER, "{}") as (client, process):
        await client.start()
        client.send_raw(b"Content-Length: %b\r\n\r\n" % (b"9" * digits))
        await asyncio.wait_for(process.wait(), 5)


async def test_an_edit_with_a_null_range_replaces_the_whole_text() -> None:
    async with connected(text="value") as client:
        client.open("long enough that the next text is shorter")
        document = {"uri": URI, "version": 2}
        client.notify(
            "textDocument/didChange", {"textDocument": document, "contentChanges": [{"range": None, "text": "x = "}]}
        )
        [item] = await client.items(0, 99)
        assert item["range"]["start"] == item["range"]["end"] == {"line": 0, "character": 4}


async def test_requests_at_the_wrong_time_are_refused() -> None:
    async with spawned(SERVER, "{}") as (client, process):
        assert (await client.reply(client.ask(0, 0)))["error"]["code"] == -32002
        await client.start()
        await client.result("shutdown", None)
        assert (await client.reply(client.ask(0, 0)))["error"]["code"] == -32600
        client.notify("exit", None)
        assert await asyncio.wait_for(process.wait(), 5) == 0


async def test_lone_surrogates_and_odd_characters_pass_through() -> None:
    async with connected(text="value") as client:
        client.open("x = '\ud800\u202e\x0c' + \n")
        assert len(await client.items(0, 11)) == 1


@pytest.mark.parametrize("method", [[], {}, 3, None])
async def test_a_method_that_is_no_name_is_refused(method: object) -> None:
    async with connected(text="value") as client:
        client.send({"id": "odd", "method": method, "params": {}})
        assert (await client.reply("odd"))["error"]["code"] == -32600
        client.send({"method": method, "params": {}})
        client.open("x = \n")
        assert len(await client.items(0, 4)) == 1


@pytest.mark.parametrize("message_id", [[], {}, None, 1.5])
async def test_a_request_whose_id_is_no_id_is_survived(message_id: object) -> None:
    async with connected(text="value") as client:
        client.send({"id": message_id, "method": "textDocument/inlineCompletion", "params": {}})
        client.open("x = \n")
        assert len(await client.items(0, 4)) == 1


async def test_an_initialize_that_cant_be_decoded_may_be_sent_again() -> None:
    async with spawned(SERVER, "{}") as (client, _):
        assert (await client.reply(client.request("initialize", {"capabilities": 3})))["error"]["code"] == -32602
        assert await client.start()
