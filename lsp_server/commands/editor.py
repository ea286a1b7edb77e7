"""A small editor without a screen.

Starts a daemon as a child process and speaks to it over standard streams, for `fimd demo` and `fimd bench`.
"""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.client import LanguageClient

from lsp_server.version import VERSION

_LOAD_TIMEOUT_S = 600

OURS = (sys.executable, "-m", "lsp_server", "serve")
"""The command that starts the daemon."""


@dataclass(frozen=True, slots=True)
class Ghost:
    """One answer: the text shown (empty for none) and the time from the keystroke to the answer."""

    text: str
    latency_ms: float


class Editor:
    """One open file in one daemon. `text` and `cursor` are what the person sees."""

    def __init__(self, path: Path, text: str, cursor: int) -> None:
        self.text = text
        self.cursor = cursor
        self.message = ""
        """The error the daemon showed last, such as why the model could not be loaded."""

        self.initialize_s = self.ready_s = 0.0
        """Seconds from the start of the process to the answer to `initialize`, and to the model being ready."""

        self._uri = path.as_uri()
        self._version = 1
        self._loaded = asyncio.Event()
        self._client = LanguageClient("fimd", VERSION)
        self._listen()

    async def start(
        self, *arguments: str, command: tuple[str, ...] = (), settings: dict[str, Any] | None = None
    ) -> bool:
        """Start the daemon, or another `command`, with `arguments` and the editor's `settings`, and open the file.

        Returns whether the model is ready, else see `message`.
        """
        started = time.perf_counter()
        await self._client.start_io(*(command or OURS), *arguments)
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
            await self._client.initialize_async(
                types.InitializeParams(capabilities=capabilities, initialization_options=settings)
            )
        except RuntimeError as error:  # the process has ended
            self.message = f"the daemon did not start ({error}): run `fimd serve` to see why"
            return False
        self.initialize_s = time.perf_counter() - started
        self._client.initialized(types.InitializedParams())
        self._did_open()
        try:
            await asyncio.wait_for(self._loaded.wait(), _LOAD_TIMEOUT_S)
        except asyncio.TimeoutError:
            self.message = f"the model was not ready within {_LOAD_TIMEOUT_S} seconds: try again, or a smaller one"
        self.ready_s = time.perf_counter() - started
        return not self.message

    def open(self, path: Path, text: str, cursor: int) -> None:
        """Open another file, and go there; the earlier ones stay open."""
        self._uri, self._version, self.text, self.cursor = path.as_uri(), 1, text, cursor
        self._did_open()

    def _did_open(self) -> None:
        item = types.TextDocumentItem(self._uri, types.LanguageKind.Python, self._version, self.text)
        self._client.text_document_did_open(types.DidOpenTextDocumentParams(item))

    async def type(self, text: str) -> Ghost:
        """Insert `text` at the cursor, as a keystroke or an accepted suggestion does, and ask what comes next."""
        started = time.perf_counter()
        self.replace(self.cursor, self.cursor, text)
        return await self.ask(started)

    def replace(self, start: int, end: int, text: str) -> None:
        """Replace `self.text[start:end]`, and put the cursor behind the new text."""
        place = types.Range(self._position(start), self._position(end))
        self._version += 1
        change = types.TextDocumentContentChangePartial(range=place, text=text)
        document = types.VersionedTextDocumentIdentifier(version=self._version, uri=self._uri)
        self._client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))
        self.text = self.text[:start] + text + self.text[end:]
        self.cursor = start + len(text)

    async def ask(self, started: float | None = None) -> Ghost:
        """Ask for a suggestion at the cursor; `started` is when the key was pressed, now if None.

        Cancelling the task sends `$/cancelRequest`, as editors do for what they no longer want.

        Raises:
            RuntimeError: the daemon has ended, or answered with an error.
        """
        started = time.perf_counter() if started is None else started
        context = types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic)
        parameters = types.InlineCompletionParams(
            context, types.TextDocumentIdentifier(self._uri), self._position(self.cursor)
        )
        request_id = str(uuid.uuid4())
        sending: asyncio.Future[Any] = asyncio.ensure_future(
            cast(Any, self._client.protocol).send_request_async(
                types.TEXT_DOCUMENT_INLINE_COMPLETION, parameters, msg_id=request_id
            )
        )
        # A cancelled request has an answer too, which says so and which nobody waits for.
        sending.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            answer = await asyncio.shield(sending)
        except asyncio.CancelledError:
            self._client.cancel_request(types.CancelParams(request_id))
            raise
        except JsonRpcException as error:
            raise RuntimeError(error.message) from error
        items: list[types.InlineCompletionItem] = list(answer.items) if answer else []
        text = str(items[0].insert_text) if items else ""
        return Ghost(text, (time.perf_counter() - started) * 1000)

    async def statistics(self) -> dict[str, Any]:
        """What the daemon has counted since it was started; see `lsp_server.statistics`."""
        answer = await self._client.workspace_execute_command_async(types.ExecuteCommandParams("fimd.statistics"))
        return cast(dict[str, Any], answer)

    async def stop(self) -> None:
        """End the daemon as an editor does, unless it has ended by itself."""
        with suppress(RuntimeError):
            await self._client.shutdown_async(None)
            self._client.exit(None)
            await self._client.stop()

    def _position(self, offset: int) -> types.Position:
        """A place in LSP's terms; the files used here hold nothing outside the basic plane."""
        before = self.text[:offset]
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
