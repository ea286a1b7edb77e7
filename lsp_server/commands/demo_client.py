"""A small editor without a screen.

Starts the daemon as a child process and speaks to it over standard streams, for `fimd demo`.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from lsp_server.version import VERSION

_LOAD_TIMEOUT_S = 600


@dataclass(frozen=True, slots=True)
class Ghost:
    """One answer: the text shown (empty for none) and the time from the keystroke to the answer."""

    text: str
    latency_ms: float


class DemoClient:
    """One open file in one daemon. `text` and `cursor` are what the person sees."""

    def __init__(self, path: Path, text: str, cursor: int) -> None:
        self.text = text
        self.cursor = cursor
        self.message = ""
        """The error the daemon showed last, such as why the model could not be loaded."""

        self._uri = path.as_uri()
        self._version = 1
        self._loaded = asyncio.Event()
        self._client = LanguageClient("fimd demo", VERSION)
        self._listen()

    async def start(self, *arguments: str) -> bool:
        """Start `fimd serve` with `arguments` and open the file.

        Returns whether the model is ready, else see `message`.
        """
        await self._client.start_io(sys.executable, "-m", "lsp_server", "serve", *arguments)
        capabilities = types.ClientCapabilities(
            general=types.GeneralClientCapabilities(
                position_encodings=[types.PositionEncodingKind.Utf32, types.PositionEncodingKind.Utf16]
            ),
            text_document=types.TextDocumentClientCapabilities(
                inline_completion=types.InlineCompletionClientCapabilities()
            ),
            window=types.WindowClientCapabilities(work_done_progress=True),
        )
        try:
            await self._client.initialize_async(types.InitializeParams(capabilities=capabilities))
        except RuntimeError as error:  # the process has ended
            self.message = f"the daemon did not start ({error}): run `fimd serve` to see why"
            return False
        self._client.initialized(types.InitializedParams())
        item = types.TextDocumentItem(self._uri, types.LanguageKind.Python, self._version, self.text)
        self._client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        try:
            await asyncio.wait_for(self._loaded.wait(), _LOAD_TIMEOUT_S)
        except asyncio.TimeoutError:
            self.message = f"the model was not ready within {_LOAD_TIMEOUT_S} seconds: try again, or a smaller one"
        return not self.message

    async def type(self, text: str) -> Ghost:
        """Insert `text` at the cursor, as a keystroke or an accepted suggestion does, and ask what comes next."""
        started = time.perf_counter()
        at = self._position()
        self._version += 1
        change = types.TextDocumentContentChangePartial(range=types.Range(at, at), text=text)
        document = types.VersionedTextDocumentIdentifier(version=self._version, uri=self._uri)
        self._client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))
        self.text = self.text[: self.cursor] + text + self.text[self.cursor :]
        self.cursor += len(text)
        context = types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic)
        answer = await self._client.text_document_inline_completion_async(
            types.InlineCompletionParams(context, types.TextDocumentIdentifier(self._uri), self._position())
        )
        items = answer.items if isinstance(answer, types.InlineCompletionList) else answer or []
        text = str(items[0].insert_text) if items else ""
        return Ghost(text, (time.perf_counter() - started) * 1000)

    async def stop(self) -> None:
        """End the daemon as an editor does, unless it has ended by itself."""
        with suppress(RuntimeError):
            await self._client.shutdown_async(None)
            self._client.exit(None)
            await self._client.stop()

    def _position(self) -> types.Position:
        """The cursor in LSP's terms; the demo's files hold nothing outside the basic plane."""
        before = self.text[: self.cursor]
        return types.Position(before.count("\n"), len(before) - before.rfind("\n") - 1)

    def _listen(self) -> None:
        def create(params: types.WorkDoneProgressCreateParams) -> None:
            """Agree to show progress."""

        def progress(params: types.ProgressParams) -> None:
            value = params.value
            if isinstance(value, types.WorkDoneProgressEnd) or (isinstance(value, dict) and value.get("kind") == "end"):
                self._loaded.set()

        def show_message(params: types.ShowMessageParams) -> None:
            if params.type == types.MessageType.Error:
                self.message = params.message
                self._loaded.set()

        def log_message(params: types.LogMessageParams) -> None:
            """The same sentence again, for the log."""

        for method, handler in (
            (types.WINDOW_WORK_DONE_PROGRESS_CREATE, create),
            (types.PROGRESS, progress),
            (types.WINDOW_SHOW_MESSAGE, show_message),
            (types.WINDOW_LOG_MESSAGE, log_message),
        ):
            self._client.feature(method)(handler)
