"""pygls's protocol with our own documents, and a reply to everything that asks for one.

What pygls 2.1 leaves undone and this mends: a request whose parameters can't be decoded, a message that is not JSON,
and a request before `initialize` or after `shutdown` get a JSON-RPC error instead of silence; `exit` ends one
connection, not the whole process.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Generator
from typing import Any, cast

from cattrs import Converter
from lsprotocol import types
from pygls.exceptions import JsonRpcException, PyglsError
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method
from pygls.protocol.json_rpc import RPCMessage, RPCRequest

from lsp_server import wire
from lsp_server.documents import Documents, Position

log = logging.getLogger(__name__)

Handlers = Generator[Any, Any, None]


class FimdProtocol(LanguageServerProtocol):
    """One connection to one editor window."""

    def __init__(self, server: LanguageServer, converter: Converter) -> None:
        super().__init__(server, converter)
        self.documents = Documents()
        self.client_shows_ghost_text = False
        self._initialized = False

    def structure_message(self, data: dict[str, Any]) -> Any:
        """Decode one JSON object; called by the JSON parser for every object, nested ones included."""
        if "jsonrpc" not in data:
            return data
        if data.get("method") == types.INITIALIZE and isinstance(params := data.get("params"), dict):
            self.client_shows_ghost_text = wire.shows_ghost_text(cast(dict[str, Any], params))
        wire.normalise(data)
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "id" in data and "method" in data:
                self._send_response(data["id"], error=error.to_response_error())
            raise

    def handle_message(self, message: RPCMessage) -> None:
        """Dispatch one decoded message, after refusing requests that come at the wrong time.

        The times are those of LSP 3.17, section "Server lifecycle".
        """
        if not isinstance(getattr(message, "jsonrpc", None), str):
            self.refuse(None, types.ErrorCodes.InvalidRequest, "a message must be one JSON-RPC 2.0 object")
        elif isinstance(message, RPCRequest) and self._shutdown:
            self.refuse(message.id, types.ErrorCodes.InvalidRequest, "the server is shutting down")
        elif isinstance(message, RPCRequest) and not self._initialized and message.method != types.INITIALIZE:
            self.refuse(message.id, types.ErrorCodes.ServerNotInitialized, "send initialize first")
        else:
            self._initialized = self._initialized or getattr(message, "method", None) == types.INITIALIZE
            super().handle_message(message)

    def refuse(self, message_id: str | int | None, code: types.ErrorCodes, reason: str) -> None:
        """Answer with a JSON-RPC error; `message_id` is None where the request's id could not be read."""
        error = {"jsonrpc": "2.0", "id": message_id, "error": {"code": code.value, "message": reason}}
        self._send_data(error)

    def report(self, error: Exception, source: type[PyglsError | JsonRpcException]) -> None:
        """Log what went wrong with a message; text that was not JSON is answered here, because nothing else can."""
        log.warning("%s: %s", source.__name__, error)
        if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)):
            self.refuse(None, types.ErrorCodes.ParseError, f"the message is not valid JSON: {error}")

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> Handlers:
        """Keep the document, in place of pygls's own."""
        item = params.text_document
        self.documents.open(item.uri, str(item.language_id), item.version, item.text)
        yield from self._own_handler(types.TEXT_DOCUMENT_DID_OPEN, params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> Handlers:
        """Apply the changes in their order, each to the result of the one before."""
        if document := self.documents.get(params.text_document.uri):
            for change in params.content_changes:
                if isinstance(change, types.TextDocumentContentChangePartial):
                    document.replace(_position(change.range.start), _position(change.range.end), change.text)
                else:
                    document.replace_all(change.text)
            document.version = params.text_document.version
        else:
            log.warning("change to a document that is not open: %s", params.text_document.uri)
        yield from self._own_handler(types.TEXT_DOCUMENT_DID_CHANGE, params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> Handlers:
        """Forget the document."""
        self.documents.close(params.text_document.uri)
        yield from self._own_handler(types.TEXT_DOCUMENT_DID_CLOSE, params)

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


def _position(position: types.Position) -> Position:
    return Position(position.line, position.character)
