"""LSP in and out: decodes what a client sends, asks the completer, encodes what it answers.

Each request is answered exactly once: pygls sends either a handler's result or, when `$/cancelRequest` cancels the
handler, error -32800. The handlers here return a list for every other case, because clients show errors to people (or
keep stale ghost text).
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from dataclasses import replace
from typing import Any, cast

import psutil
from lsprotocol import types
from lsprotocol.converters import get_converter
from pygls.exceptions import JsonRpcException, PyglsError
from pygls.lsp.server import LanguageServer

from lsp_server import cursor as cursors
from lsp_server.assistant import Assistant
from lsp_server.completer import Completer
from lsp_server.documents import Document, Position, Snapshot
from lsp_server.handlers import register
from lsp_server.items import popup_item, position_of, range_of
from lsp_server.machine import peak_bytes
from lsp_server.model_host import ModelHost
from lsp_server.protocol import FimdProtocol
from lsp_server.remote_control import RemoteControl
from lsp_server.settings import Layer, Settings, merge
from lsp_server.shown import Offer, Outcome
from lsp_server.status_report import METHOD, StatusReport
from lsp_server.usage import Usage, user_file
from lsp_server.version import VERSION

log = logging.getLogger(__name__)


class FimdServer(LanguageServer):
    """One connection to one editor window.

    Args:
        host: the model, shared with other connections.
        layers: settings below the client's own (user file).
        overrides: settings above the client's own (command-line flags).
    """

    protocol: FimdProtocol  # pyright: ignore[reportIncompatibleVariableOverride]  # made by protocol_cls below

    def __init__(self, host: ModelHost, layers: tuple[Layer, ...] = (), overrides: Layer | None = None) -> None:
        super().__init__(
            "fimd",
            VERSION,
            protocol_cls=FimdProtocol,
            converter_factory=get_converter,
            notebook_document_sync=_NOTEBOOKS,
        )
        self.host = host
        self._layers = layers
        self._options = self._changed = Layer("editor settings", {})
        self._overrides = overrides or Layer("command line", {})
        self._session = Layer("this session", {})
        self._told: set[str] = set()
        self.usage = Usage(user_file())
        self.completer = Completer(
            host, Settings(), lambda uri: self.protocol.notebooks.others(uri, self._serves), self._settled
        )
        self.status = StatusReport(
            host, lambda: self.completer.settings, lambda report: self.protocol.notify(METHOD, report)
        )
        self.control = RemoteControl(self.override, self._restart, self.completer.feedback, self.status, self.tell)
        self.assistant = Assistant(self, host, self.protocol.documents, self._serves, self.tell)
        self.exit_code = 1
        self.stop_event = threading.Event()
        self.background: set[asyncio.Task[Any]] = set()
        """Tasks that outlive the handler that started them; cancelled when the connection ends."""

        register(self)

    def report_server_error(self, error: Exception, source: type[PyglsError | JsonRpcException]) -> None:
        """Log it: pygls's own way is a popup in the editor."""
        log.warning("%s: %s", source.__name__, error)

    def code_actions(self, params: types.CodeActionParams) -> list[types.CodeAction]:
        """What can be asked about the place, in a file that is served."""
        document = self.protocol.documents.get(params.text_document.uri)
        return [] if document is None else self.assistant.offers(document, params)

    def edited(self, uri: str) -> None:
        """A document was opened or changed."""
        document = self.protocol.documents.get(uri)
        if document is None:
            return
        if document.edited_at is None:  # all of it is new
            self.completer.computations.forget(uri)
        if document.edits is None:
            self.completer.feedback.forgotten(uri, time.monotonic())
        else:
            self.completer.feedback.edited(uri, document.edits, time.monotonic())

        def take() -> Snapshot:
            snapshot = self.protocol.notebooks.snapshot(document, _END)
            return snapshot if document.edited_at is None else replace(snapshot, offset=document.edited_at)

        self.completer.edited(uri, document.language, take)

    def closed(self, uri: str) -> None:
        """A document was closed."""
        self.completer.forget(uri)
        self.assistant.forget(uri)

    def statistics(self) -> dict[str, Any]:
        """What this window's suggestions took, and this process."""
        process = psutil.Process()
        return {
            **self.completer.statistics.as_dict(),
            "foreseen": self.completer.foresight.stored,
            "forwarded_tokens": self.host.worker.forwarded_tokens,
            "cpu_s": sum(process.cpu_times()[:2]),
            "resident_bytes": process.memory_info().rss,
            "peak_bytes": peak_bytes(),
        }

    def _serves(self, document: Document) -> bool:
        return self.completer.serves(document.uri, document.language)

    def _settled(self, outcome: Outcome) -> None:
        """Count what became of a suggestion."""
        if self.completer.settings.statistics:
            self.usage.count(outcome)

    def forget_all(self) -> None:
        """The connection ends: stop computing for it, and keep what was counted."""
        self.completer.forget_all()
        self.assistant.forget_all()
        self.usage.save()

    def hang_up(self, exit_code: int) -> None:
        """End this connection after the current message."""
        self.exit_code = exit_code
        self.stop_event.set()

    def initialize(self, options: object) -> None:
        """Take over the client's `initializationOptions`."""
        self._options = Layer("initialization options", _section(options))
        self._configure()

    def reconfigure(self, settings: object) -> None:
        """Take over a `workspace/didChangeConfiguration`, which lies above the initialization options.

        Some clients send the settings of all servers, some send null: what is not ours says nothing.
        """
        section = _section(settings)
        if section.keys() & Settings.model_fields.keys():
            self._changed = Layer("editor settings", section)
            self._reconfigured()

    def override(self, layer: Layer) -> None:
        """Take over what the person has chosen for this session, which lies above everything else."""
        self._session = layer
        self._reconfigured()

    def _restart(self) -> None:
        self.host.restart()
        self.status.announce()

    def _reconfigured(self) -> None:
        before = self.completer.settings.model
        self._configure()
        self.completer.settings_changed()
        # The model is shared: another window may have chosen one since, which a change of anything else leaves alone.
        if self.completer.settings.model != before or (
            self.completer.settings.enabled and self.host.status.phase == "failed"
        ):
            self.host.use(self.completer.settings.model)
        self.status.announce()

    def _configure(self) -> None:
        settings, problems = merge(*self._layers, self._options, self._changed, self._overrides, self._session)
        for problem in problems:
            if problem not in self._told:
                self._told.add(problem)
                self.tell(problem, types.MessageType.Warning)
        self.completer.settings = settings

    def tell(self, sentence: str, kind: types.MessageType) -> None:
        """One sentence for the person: in the window and in the log."""
        log.warning("%s", sentence)
        self.window_show_message(types.ShowMessageParams(type=kind, message=f"fimd: {sentence}"))
        self.window_log_message(types.LogMessageParams(type=kind, message=sentence))

    async def inline_items(self, params: types.InlineCompletionParams) -> list[types.InlineCompletionItem]:
        """At most one item, or three for whoever asks: in plain text and with a range, which all clients understand."""
        document = self.protocol.documents.get(params.text_document.uri)
        if document is None:
            return []
        snapshot = self.protocol.notebooks.snapshot(document, position_of(params.position))
        self.completer.feedback.asked(document.uri, snapshot.offset, time.monotonic())
        start = end = snapshot.offset
        place = range_of(document, start, end)
        typed = ""
        if selected := params.context.selected_completion_info:
            # The popup's choice is about to replace its range: suggest what follows it.
            place, typed = selected.range, selected.text
            start, end = (document.snapshot(position_of(at)).offset for at in (place.start, place.end))
            snapshot = cursors.with_selection(snapshot, start, end, typed)
        invoked = params.context.trigger_kind == types.InlineCompletionTriggerKind.Invoked
        with self.status.busy():
            suggestion = await self.completer.suggest(snapshot, invoked=invoked)
            others = await self.completer.alternatives(snapshot, suggestion) if suggestion and invoked else []
        if suggestion is None or not self._is_current(document, snapshot):
            return []
        self.completer.shown(snapshot, suggestion)
        text = typed + suggestion.text
        texts = (typed + other for other in others)
        offer = Offer(
            document.uri, document.language, document.text, start, max(start, end), text, len(typed), (*texts,)
        )
        self.completer.feedback.shown(offer, time.monotonic())
        return [types.InlineCompletionItem(one, range=place) for one in (text, *offer.others)]

    async def popup_items(self, params: types.CompletionParams) -> list[types.CompletionItem]:
        """At most one item for a completion popup, within the popup's time budget.

        A suggestion that takes longer is finished in the background, for the next request here or along its text.
        `CompletionTriggerKind.Invoked` says nothing: it is also what typing an identifier sends.
        """
        document = self.protocol.documents.get(params.text_document.uri)
        if document is None:
            return []
        snapshot = self.protocol.notebooks.snapshot(document, position_of(params.position))
        at = snapshot.offset
        self.completer.feedback.asked(document.uri, at, time.monotonic())
        task = asyncio.ensure_future(self.completer.suggest(snapshot, invoked=False))
        self.background.add(task)
        task.add_done_callback(self.background.discard)
        try:
            await asyncio.wait({task}, timeout=self.completer.settings.completion.popup_budget_ms / 1000)
        except asyncio.CancelledError:
            task.cancel()
            raise
        suggestion = task.result() if task.done() and not task.cancelled() else None
        if suggestion is None or not self._is_current(document, snapshot) or suggestion.text[0] in "\r\n":
            return []  # a popup can't show what begins on the next line
        self.completer.shown(snapshot, suggestion)
        offer = Offer(document.uri, document.language, document.text, at, at, suggestion.text)
        self.completer.feedback.shown(offer, time.monotonic())
        return [popup_item(document, snapshot, suggestion.text)]

    def _is_current(self, document: Document, snapshot: Snapshot) -> bool:
        """Whether the text asked about is still what the client has: clients draw stale answers without a check."""
        return self.protocol.documents.get(document.uri) is document and document.version == snapshot.version


_END = Position(1 << 31, 0)
_NOTEBOOKS = types.NotebookDocumentSyncOptions([types.NotebookDocumentFilterWithNotebook("*")], save=True)
"""All kinds of notebooks, with all their cells."""


def _section(value: object) -> dict[str, Any]:
    """Our settings in what a client sends: some put them under the server's name, some don't."""
    options = cast(dict[str, Any], value) if isinstance(value, dict) else {}
    nested = options.get("fimd", options)
    return cast(dict[str, Any], nested) if isinstance(nested, dict) else {}
