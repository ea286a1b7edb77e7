"""pygls's protocol with our own documents, and a reply to everything that asks for one.

What pygls 2.1 leaves undone and this mends: a request whose parameters can't be decoded, a message that is no JSON and
a request at the wrong time get a JSON-RPC error instead of silence; `exit` ends one connection, not the whole process;
a closed connection's documents don't stay in memory.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Generator, Sequence
from concurrent.futures import InvalidStateError
from typing import Any, cast

from cattrs import Converter
from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method

from lsp_server import wire
from lsp_server.documents import Documents, Edit, Position
from lsp_server.notebooks import Cell, Notebooks

log = logging.getLogger(__name__)

Handlers = Generator[Any, Any, None]


class FimdProtocol(LanguageServerProtocol):
    """One connection to one editor window."""

    def __init__(self, server: LanguageServer, converter: Converter) -> None:
        super().__init__(server, converter)
        self.documents = Documents()
        self.notebooks = Notebooks(self.documents)
        self.client_shows_ghost_text = False
        self.client_shows_status = False
        self._initialized = False

    def receive(self, body: bytes) -> None:
        """Decode and dispatch one message; whatever is wrong with a request is answered here."""
        try:
            data: object = json.loads(body)
        except (ValueError, RecursionError) as error:
            self.refuse(None, types.ErrorCodes.ParseError, f"the message is not valid JSON: {error}")
            return
        if not isinstance(data, dict) or cast(dict[str, Any], data).get("jsonrpc") != self.VERSION:
            message_id = cast(dict[str, Any], data).get("id") if isinstance(data, dict) else None
            self.refuse(message_id, types.ErrorCodes.InvalidRequest, "a message must be one JSON-RPC 2.0 object")
            return
        message = cast(dict[str, Any], data)
        is_request = "id" in message and "method" in message
        if is_request and (refusal := self._refusal(message["method"])):
            self.refuse(message["id"], *refusal)
            return
        try:
            self._dispatch(message)
        except JsonRpcException as error:
            if is_request:
                self.refuse(message["id"], types.ErrorCodes(error.code), error.message)
        except InvalidStateError:
            log.debug("a reply came to a request of ours that nobody waits for any more")
        except ConnectionError:
            raise
        except Exception:
            log.exception("a message could not be handled")
            if is_request:
                self.refuse(message["id"], types.ErrorCodes.InternalError, "the message could not be handled")

    def _dispatch(self, message: dict[str, Any]) -> None:
        ghost_text = wire.shows_ghost_text(message.get("params"))
        status = wire.shows_status(message.get("params"))
        wire.normalise(message)
        structured = cast(Any, self.structure_message(message))
        if message.get("method") == types.INITIALIZE:
            self._initialized = True
            self.client_shows_ghost_text, self.client_shows_status = ghost_text, status
        self.handle_message(structured)

    def _refusal(self, method: object) -> tuple[types.ErrorCodes, str] | None:
        """Why a request can't be taken at all (LSP 3.17, "Server lifecycle"), or None."""
        if not isinstance(method, str):
            return types.ErrorCodes.InvalidRequest, "a method is named by a string"
        if self._shutdown:
            return types.ErrorCodes.InvalidRequest, "the server is shutting down"
        if not self._initialized and method != types.INITIALIZE:
            return types.ErrorCodes.ServerNotInitialized, "send initialize first"
        if self._initialized and method == types.INITIALIZE:
            return types.ErrorCodes.InvalidRequest, "initialize was sent before"
        if method not in self.fm.builtin_features and method not in self.fm.features:
            return types.ErrorCodes.MethodNotFound, f"there is no method {method!r}"
        return None

    def refuse(self, message_id: object, code: types.ErrorCodes, reason: str) -> None:
        """Answer with a JSON-RPC error; `message_id` is None where the request's id could not be read."""
        log.warning("refused a message: %s", reason)
        self._send_data({"jsonrpc": self.VERSION, "id": message_id, "error": {"code": code.value, "message": reason}})

    def get_message_type(self, method: str) -> type[Any] | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """As in pygls, but without its cache, which would keep this connection and its documents for ever."""
        return types.METHOD_TO_TYPES.get(method, (None,))[0]

    def get_result_type(self, method: str) -> type[Any] | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """See `get_message_type`."""
        return types.METHOD_TO_TYPES.get(method, (None, None))[1]

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> Handlers:
        """Keep the document, in place of pygls's own."""
        item = params.text_document
        self.documents.open(item.uri, str(item.language_id), item.version, item.text)
        yield from self._own_handler(types.TEXT_DOCUMENT_DID_OPEN, params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> Handlers:
        """Apply the changes in their order, each to the result of the one before."""
        self._change(params.text_document, params.content_changes)
        yield from self._own_handler(types.TEXT_DOCUMENT_DID_CHANGE, params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> Handlers:
        """Forget the document."""
        self.documents.close(params.text_document.uri)
        yield from self._own_handler(types.TEXT_DOCUMENT_DID_CLOSE, params)

    @lsp_method(types.NOTEBOOK_DOCUMENT_DID_OPEN)
    def lsp_notebook_document__did_open(self, params: types.DidOpenNotebookDocumentParams) -> Handlers:
        """Keep the notebook, in place of pygls's own, and each of its cells as a document."""
        for item in params.cell_text_documents:
            self.documents.open(item.uri, str(item.language_id), item.version, item.text)
        notebook = params.notebook_document
        self.notebooks.open(notebook.uri, [_cell(cell) for cell in notebook.cells])
        yield from self._own_handler(types.NOTEBOOK_DOCUMENT_DID_OPEN, params)

    @lsp_method(types.NOTEBOOK_DOCUMENT_DID_CHANGE)
    def lsp_notebook_document__did_change(self, params: types.DidChangeNotebookDocumentParams) -> Handlers:
        """Apply what has happened to the cells: their order first, then their kinds, then their texts."""
        if cells := params.change.cells:
            if cells.structure:
                self._restructure(params.notebook_document.uri, cells.structure)
            for cell in cells.data or ():
                self.notebooks.update(_cell(cell))
            for content in cells.text_content or ():
                self._change(content.document, content.changes)
        yield from self._own_handler(types.NOTEBOOK_DOCUMENT_DID_CHANGE, params)

    @lsp_method(types.NOTEBOOK_DOCUMENT_DID_CLOSE)
    def lsp_notebook_document__did_close(self, params: types.DidCloseNotebookDocumentParams) -> Handlers:
        """Forget the notebook and its cells."""
        for cell in (*self.notebooks.cells(params.notebook_document.uri), *params.cell_text_documents):
            self.documents.close(cell.uri, is_remembered=False)
        self.notebooks.close(params.notebook_document.uri)
        yield from self._own_handler(types.NOTEBOOK_DOCUMENT_DID_CLOSE, params)

    def _restructure(self, uri: str, structure: types.NotebookDocumentCellChangeStructure) -> None:
        for closed in structure.did_close or ():
            self.documents.close(closed.uri, is_remembered=False)
        for item in structure.did_open or ():
            self.documents.open(item.uri, str(item.language_id), item.version, item.text)
        array = structure.array
        self.notebooks.splice(uri, array.start, array.delete_count, [_cell(cell) for cell in array.cells or ()])

    def _change(
        self,
        identifier: types.VersionedTextDocumentIdentifier,
        changes: Sequence[types.TextDocumentContentChangeEvent],
    ) -> None:
        """Apply changes to a document in their order, each to the result of the one before."""
        document = self.documents.get(identifier.uri)
        if document is None:
            log.warning("change to a document that is not open: %s", identifier.uri)
            return
        edits: list[Edit] | None = []
        for change in changes:
            if isinstance(change, types.TextDocumentContentChangePartial):
                edit = document.replace(_position(change.range.start), _position(change.range.end), change.text)
                if edits is not None:
                    edits.append(edit)
            else:
                document.replace_all(change.text)
                edits = None
        document.edits = edits
        document.version = identifier.version
        self.documents.touched(document.uri)

    @lsp_method(types.WORKSPACE_EXECUTE_COMMAND)
    async def lsp_workspace__execute_command(self, params: types.ExecuteCommandParams) -> object:  # pyright: ignore[reportIncompatibleMethodOverride]  # pygls takes either
        """Run a command, which must be a coroutine function that takes the whole parameters.

        pygls gives it the arguments only, without the progress token, and a cancel would not reach it.
        """
        handler = cast(dict[str, Any], self.fm.commands).get(params.command)
        if handler is None:
            raise JsonRpcInvalidParams(f"there is no command {params.command!r}")
        return await handler(params)

    @lsp_method(types.EXIT)
    def lsp_exit(self, *args: Any) -> Handlers:
        """Leave the end to the server: pygls itself would end the process, and with it other windows' connections."""
        yield from self._own_handler(types.EXIT, *args)

    def _own_handler(self, method: str, *args: Any) -> Handlers:
        """Go on with the handler that the server registered for the same method; pygls runs what is yielded."""
        handler = cast(dict[str, Any], self.fm.features).get(method)
        if handler is not None:
            yield handler, args, None

    @property
    def is_shut_down(self) -> bool:
        """Whether the client has sent `shutdown`."""
        return self._shutdown


def _cell(cell: types.NotebookCell) -> Cell:
    return Cell(cell.document, cell.kind == types.NotebookCellKind.Code)


def _position(position: types.Position) -> Position:
    return Position(position.line, position.character)
