"""The real daemon with the embedded model, spoken to by a real LSP client library."""

from __future__ import annotations

import asyncio
import os
import queue
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient

from tests.protocol.raw_client import RawClient, spawned

COMMAND = [sys.executable, "-m", "lsp_server", "serve"]
SOURCE = Path(queue.__file__).read_text(encoding="utf-8")
URI = "file:///project/queue.py"


async def initialized(client: LanguageClient, capabilities: types.ClientCapabilities) -> types.InitializeResult:
    """Initialize, then wait until the model is ready."""
    result = await client.initialize_session(
        types.InitializeParams(
            capabilities=capabilities,
            process_id=os.getpid(),
            initialization_options={"completion": {"show": "everything"}},
        )
    )
    for _ in range(3000):
        if any(
            isinstance(value, types.WorkDoneProgressEnd)
            for values in client.progress_reports.values()
            for value in values
        ):
            return result
        await asyncio.sleep(0.02)
    raise TimeoutError("the model was not ready within a minute")


PROGRESS = types.WindowClientCapabilities(work_done_progress=True)
GHOST = types.ClientCapabilities(
    general=types.GeneralClientCapabilities(position_encodings=[types.PositionEncodingKind.Utf16]),
    text_document=types.TextDocumentClientCapabilities(inline_completion=types.InlineCompletionClientCapabilities()),
    window=PROGRESS,
)
POPUP = types.ClientCapabilities(
    text_document=types.TextDocumentClientCapabilities(completion=types.CompletionClientCapabilities()), window=PROGRESS
)


@pytest_lsp.fixture(config=ClientServerConfig(server_command=COMMAND))
async def ghost(lsp_client: LanguageClient) -> AsyncIterator[None]:
    result = await initialized(lsp_client, GHOST)
    assert result.capabilities.inline_completion_provider is not None
    assert result.capabilities.completion_provider is None, "ghost text needs no popup beside it"
    yield
    await lsp_client.shutdown_session()


@pytest_lsp.fixture(config=ClientServerConfig(server_command=COMMAND))
async def popup(lsp_client: LanguageClient) -> AsyncIterator[None]:
    result = await initialized(lsp_client, POPUP)
    assert result.capabilities.completion_provider is not None
    yield
    await lsp_client.shutdown_session()


class Editor:
    """One open buffer, edited at its end."""

    def __init__(self, client: LanguageClient, text: str) -> None:
        self.client, self.text, self.version = client, text, 1
        client.text_document_did_open(
            types.DidOpenTextDocumentParams(types.TextDocumentItem(URI, types.LanguageKind.Python, 1, text))
        )

    @property
    def cursor(self) -> types.Position:
        return types.Position(self.text.count("\n"), len(self.text.rsplit("\n", 1)[-1]))

    def type(self, text: str) -> None:
        self.version += 1
        change = types.TextDocumentContentChangePartial(types.Range(self.cursor, self.cursor), text)
        document = types.VersionedTextDocumentIdentifier(self.version, URI)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))
        self.text += text

    async def ghost_text(self) -> str:
        context = types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic)
        params = types.InlineCompletionParams(context, types.TextDocumentIdentifier(URI), self.cursor)
        answer = await self.client.text_document_inline_completion_async(params)
        assert isinstance(answer, types.InlineCompletionList)
        return str(answer.items[0].insert_text) if answer.items else ""

    async def popup_items(self) -> types.CompletionList:
        params = types.CompletionParams(types.TextDocumentIdentifier(URI), self.cursor)
        answer = await self.client.text_document_completion_async(params)
        assert isinstance(answer, types.CompletionList)
        return answer


async def test_ghost_text_and_typing_along_it(ghost: LanguageClient) -> None:
    editor = Editor(ghost, SOURCE + "\n\nclass Stack(LifoQueue):\n    def _put(self, item):\n        self.")
    text = await editor.ghost_text()
    assert text.strip()
    for length in range(1, len(text)):
        editor.type(text[length - 1])
        assert await editor.ghost_text() == text[length:]


async def test_a_popup_item_begins_with_the_word_typed(popup: LanguageClient) -> None:
    editor = Editor(popup, SOURCE + "\n\nclass Stack(LifoQueue):\n    def _put")
    answer = await editor.popup_items()
    for _ in range(200):  # an answer that exceeds the popup's budget goes on computing for the next request
        assert answer.is_incomplete
        if answer.items:
            break
        answer = await editor.popup_items()
    item = answer.items[0]
    assert item.label.startswith("_put(")
    assert item.filter_text == item.label
    assert isinstance(item.text_edit, types.TextEdit)
    assert item.text_edit.new_text.startswith(item.label)
    assert item.text_edit.range.start.character == 8


async def test_two_editors_share_one_daemon_over_tcp() -> None:
    process = await asyncio.create_subprocess_exec(*COMMAND, "--tcp", "127.0.0.1:0", stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    try:
        line = (await process.stderr.readline()).decode()
        assert line.startswith("fimd: listening on 127.0.0.1:")
        port = int(line.rsplit(":", 1)[1])
        first, second = [RawClient(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(2)]
        for client in (first, second):
            await client.start()
            client.open(SOURCE + "\n\ndef load(path):\n    with open(path) as")
        await first.ready()
        end = SOURCE.count("\n") + 3
        answers = [await client.items(end, 22, kind=1) for client in (first, second)]
        assert answers[0]
        assert answers[0] == answers[1]
        # One window closing must not close the other's.
        await first.result("shutdown", None)
        first.notify("exit", None)
        assert await second.items(end, 22, kind=1) == answers[1]
    finally:
        process.terminate()
        await process.wait()


async def test_over_tcp_a_request_sees_the_text_as_it_was_when_it_was_sent() -> None:
    """Both messages in one packet: the snapshot must be taken before the edit is applied."""
    process = await asyncio.create_subprocess_exec(*COMMAND, "--tcp", "127.0.0.1:0", stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    try:
        port = int((await process.stderr.readline()).decode().rsplit(":", 1)[1])
        client = RawClient(*await asyncio.open_connection("127.0.0.1", port))
        await client.start()
        client.open("import os\nos.path.", uri=URI)
        await client.ready()
        asked = client.ask(1, 8, kind=1, uri=URI)
        client.insert(0, 0, "import sys\n", uri=URI)
        assert (await client.reply(asked))["result"] == {"items": []}
    finally:
        process.terminate()
        await process.wait()


async def test_a_broken_settings_file_is_told_in_the_window_and_the_daemon_serves(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[completion\n", encoding="utf-8")
    async with spawned("-m", "lsp_server", "serve", "--config", str(config)) as (client, _):
        await client.start()
        assert "not valid TOML" in (await client.notification("window/showMessage"))["params"]["message"]
        await client.ready()
        client.open("import os\nos.")
        assert isinstance(await client.items(1, 3, kind=1), list)


async def test_a_model_that_does_not_exist_is_told_in_the_window_and_the_daemon_stays() -> None:
    async with spawned("-m", "lsp_server", "serve", "--model", "/nonexistent") as (client, _):
        await client.start()
        assert "/nonexistent" in (await client.notification("window/showMessage"))["params"]["message"]
        client.open("import os\nos.")
        assert await client.items(1, 3, kind=1) == []
