"""Ties LSP's methods to the server's; nothing is decided here."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from lsp_server.assistant import COMMANDS
from lsp_server.load_progress import LoadProgress
from lsp_server.position_encoding import PositionEncoding
from lsp_server.remote_control import COMMANDS as CONTROLS

if TYPE_CHECKING:
    from lsp_server.server import FimdServer

log = logging.getLogger(__name__)

_CODE_ACTIONS = types.CodeActionOptions([types.CodeActionKind.Empty, types.CodeActionKind.Refactor])


def register(server: FimdServer) -> None:
    """Tie all of them."""
    _register_requests(server)
    _register_documents(server)
    _register_commands(server)


def _register_requests(server: FimdServer) -> None:
    """Tie LSP methods to the server; the popup's only when the client has no ghost text."""

    @server.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        server.protocol.documents.encoding = PositionEncoding(
            server.workspace.position_encoding or PositionEncoding.UTF16
        )
        server.initialize(params.initialization_options)
        popup = server.completer.settings.completion.popup
        if popup == "always" or (popup == "auto" and not server.protocol.client_shows_ghost_text):
            options = types.CompletionOptions(trigger_characters=[".", "(", "=", " ", ",", "["])
            server.feature(types.TEXT_DOCUMENT_COMPLETION, options)(completion)

    @server.feature(types.INITIALIZED)
    async def initialized(params: types.InitializedParams) -> None:
        server.status.is_wanted = server.protocol.client_shows_status
        server.background.add(LoadProgress(server, server.tell, server.status.announce).follow(server.host))
        server.host.use(server.completer.settings.model)

    @server.feature(types.EXIT)
    def leave(params: None) -> None:
        server.hang_up(0 if server.protocol.is_shut_down else 1)  # LSP 3.17, "Exit Notification"

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    def did_change_configuration(params: types.DidChangeConfigurationParams) -> None:
        server.reconfigure(params.settings)

    @server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
    async def inline_completion(params: types.InlineCompletionParams) -> types.InlineCompletionList:
        return types.InlineCompletionList(items=await server.inline_items(params))

    async def completion(params: types.CompletionParams) -> types.CompletionList:
        return types.CompletionList(is_incomplete=True, items=await server.popup_items(params))


def _register_documents(server: FimdServer) -> None:
    """Tie what happens to documents to the server; `protocol.py` has kept them by then."""

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def did_open(params: types.DidOpenTextDocumentParams) -> None:
        server.edited(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def did_change(params: types.DidChangeTextDocumentParams) -> None:
        server.edited(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def did_close(params: types.DidCloseTextDocumentParams) -> None:
        server.closed(params.text_document.uri)

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_CHANGE)
    def did_change_notebook(params: types.DidChangeNotebookDocumentParams) -> None:
        cells = params.change.cells
        for closed in (cells.structure.did_close if cells and cells.structure else None) or ():
            server.closed(closed.uri)
        for changed in (cells.text_content if cells else None) or ():
            server.edited(changed.document.uri)

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_SAVE)
    def did_save_notebook(params: types.DidSaveNotebookDocumentParams) -> None:
        log.debug("saved %s, whose text is known", params.notebook_document.uri)

    @server.feature(types.NOTEBOOK_DOCUMENT_DID_CLOSE)
    def did_close_notebook(params: types.DidCloseNotebookDocumentParams) -> None:
        for cell in params.cell_text_documents:
            server.closed(cell.uri)


def _register_commands(server: FimdServer) -> None:
    """Tie code actions and all commands to the server."""

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, _CODE_ACTIONS)
    def code_action(params: types.CodeActionParams) -> list[types.CodeAction]:
        return server.code_actions(params)

    async def execute(params: types.ExecuteCommandParams) -> str | None:
        return await server.assistant.run(params)

    async def statistics(params: types.ExecuteCommandParams) -> dict[str, Any]:
        return server.statistics()

    async def control(params: types.ExecuteCommandParams) -> dict[str, str]:
        return server.control.run(params)

    for name in CONTROLS:
        server.command(name)(control)
    for name in COMMANDS:
        server.command(name)(execute)
    server.command("fimd.statistics")(statistics)
