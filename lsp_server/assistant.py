"""The code actions *Explain this code* and *Write code for this comment*: offered, computed, streamed, shown.

Answers are computed by the shared model whenever no completion waits; see `inference.worker`.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import platformdirs
from lsprotocol import types
from pygls.lsp.server import LanguageServer

from inference.request import CancelToken, Completion, Instruction, Step
from lsp_server import code_actions
from lsp_server.answer_progress import AnswerProgress
from lsp_server.code_actions import Lines
from lsp_server.documents import Document, Documents
from lsp_server.model_host import ModelHost

log = logging.getLogger(__name__)

EXPLAIN, WRITE = "fimd.explain", "fimd.writeCode"
COMMANDS = (EXPLAIN, WRITE)

_TIMEOUT_S = 5.0
_KEPT_EXPLANATIONS = 20
_CAVEAT = "(not an instruction model)"

Tell = Callable[[str, types.MessageType], None]


class Assistant:
    """Code actions of one session (an editor window).

    Args:
        server: the connection.
        host: the model.
        documents: the open documents.
        tell: shows one sentence to the person.
    """

    def __init__(self, server: LanguageServer, host: ModelHost, documents: Documents, tell: Tell) -> None:
        self._server = server
        self._host = host
        self._documents = documents
        self._tell = tell
        self._tokens: set[CancelToken] = set()

    def offers(self, document: Document, params: types.CodeActionParams) -> list[types.CodeAction]:
        """What can be asked about the range of `params`, while there is a model to ask."""
        if self._host.status.phase != "ready":
            return []
        lines = _plain_lines(document)
        first, last = params.range.start.line, params.range.end.line
        if params.range.end.character == 0 and last > first:
            last -= 1  # a selection of whole lines ends in front of the next
        is_selection = params.range.start != params.range.end
        selected = Lines(first, last) if is_selection else code_actions.block_at(lines, first)
        found: list[tuple[str, str, Lines, types.CodeActionKind]] = []
        if selected is not None and selected.text(lines).strip():
            found.append(("Explain this code", EXPLAIN, selected, types.CodeActionKind.Empty))
        if comment := code_actions.comment_at(lines, last, document.language):
            found.append(("Write code for this comment", WRITE, comment[0], types.CodeActionKind.Refactor))
        caveat = "" if self._host.status.follows_instructions else f" {_CAVEAT}"
        wanted = params.context.only
        return [
            types.CodeAction(
                f"{title}{caveat}",
                kind=kind,
                command=types.Command(title, command, arguments=[document.uri, place.first, place.last]),
            )
            for title, command, place, kind in found
            if wanted is None or any(_is_within(kind, one) for one in wanted)
        ]

    async def run(self, params: types.ExecuteCommandParams) -> str | None:
        """Carry out one of `COMMANDS`; returns the answer, which has been shown too, or None where there is none."""
        document, place = self._place(params.arguments)
        if document is None or place is None:
            self._tell(f"{params.command} needs an open document and two line numbers: use the code action", _WARNING)
            return None
        if self._host.status.phase != "ready":
            self._tell("the model is not ready yet: try again in a moment", _WARNING)
            return None
        lines = _plain_lines(document)
        comment = code_actions.comment_at(lines, place.last, document.language)
        if params.command == EXPLAIN:
            title, asked = "explaining", Instruction("What does this code do?", place.text(lines))
        elif comment is None:
            self._tell("there is no comment at that line any more", _WARNING)
            return None
        else:
            place = comment[0]
            title, asked = "writing", Instruction(f"Write {document.language} code: {comment[1]}")
        version = document.version
        answer = await self._answer(asked, title, params.work_done_token)
        if answer is None:
            return None
        if not answer.text:
            self._tell("the model had no answer", types.MessageType.Info)
        elif params.command == EXPLAIN:
            await self._show(answer, place)
        else:
            await self._insert(document, version, place, code_actions.code_in(answer.text))
        return answer.text

    def forget_all(self) -> None:
        """The session ends: stop computing for it."""
        for token in self._tokens:
            token.cancel()

    def _place(self, arguments: Sequence[Any] | None) -> tuple[Document | None, Lines | None]:
        """Document and lines out of a command's arguments, which any client may send."""
        match arguments:
            case [str(uri), int(first), int(last)] if 0 <= first <= last:
                return self._documents.get(uri), Lines(first, last)
            case _:
                return None, None

    async def _answer(
        self, instruction: Instruction, title: str, client_token: types.ProgressToken | None
    ) -> Completion | None:
        """The model's answer, streamed as progress; None if it was cancelled there, or another model came meanwhile."""
        loop = asyncio.get_running_loop()
        cancel = CancelToken()
        progress = await AnswerProgress.begin(self._server, f"fimd: {title}", client_token, cancel)
        self._tokens.add(cancel)
        try:
            future = self._host.worker.answer(instruction, cancel, lambda step: _in_loop(loop, progress.report, step))
            return await asyncio.wrap_future(future)
        except Exception:
            log.exception("no answer because of an internal error")
            self._tell("the model failed to answer; see the log", types.MessageType.Error)
            return None
        finally:
            cancel.cancel()
            self._tokens.discard(cancel)
            progress.end()

    async def _show(self, answer: Completion, place: Lines) -> None:
        """Show an explanation as a markdown document, or as a message where the client can't."""
        caveat = "" if self._host.status.follows_instructions else f"\n\n*{answer.model} is not an instruction model.*"
        cut = " …" if answer.is_cut else ""
        window = self._server.client_capabilities.window
        if window is not None and window.show_document is not None and window.show_document.support:
            title = f"# Lines {place.first + 1}-{place.last + 1}, explained by {answer.model}"
            try:
                path = _write_explanation(f"{title}\n\n{answer.text}{cut}{caveat}\n")
                params = types.ShowDocumentParams(path.as_uri(), take_focus=False)
                shown = await asyncio.wait_for(self._server.window_show_document_async(params), _TIMEOUT_S)
                if shown.success:
                    return
            except Exception as error:
                log.warning("the client did not show the explanation: %s", error)
        self._tell(f"{answer.text}{cut}{caveat.strip()}", types.MessageType.Info)

    async def _insert(self, document: Document, version: int, place: Lines, code: str) -> None:
        """Insert code on new lines below a comment, in its indentation and the file's line ends."""
        if document.version != version:
            self._tell("the file has changed meanwhile, so nothing was inserted: ask again", _WARNING)
            return
        comment = _plain_lines(document)[place.last]
        newline = "\r\n" if "\r\n" in document.text else "\n"
        code = code_actions.indented(code, comment[: len(comment) - len(comment.lstrip())])
        end = document.position_at(sum(len(line) for line in document.lines[: place.last]) + len(comment))
        at = types.Position(end.line, end.character)
        edit = types.TextEdit(types.Range(at, at), newline + code.replace("\n", newline))
        identifier = types.OptionalVersionedTextDocumentIdentifier(document.uri, version)
        workspace = self._server.client_capabilities.workspace
        versioned = workspace and workspace.workspace_edit and workspace.workspace_edit.document_changes
        change = (
            types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(identifier, [edit])])
            if versioned
            else types.WorkspaceEdit(changes={document.uri: [edit]})
        )
        params = types.ApplyWorkspaceEditParams(change, label="fimd: write code for a comment")
        try:
            result = await asyncio.wait_for(self._server.workspace_apply_edit_async(params), _TIMEOUT_S)
        except Exception as error:
            log.warning("the client did not apply the edit: %s", error)
            return
        if not result.applied:
            self._tell("the editor did not insert the code: the file has probably changed", _WARNING)


_WARNING = types.MessageType.Warning


def _in_loop(loop: asyncio.AbstractEventLoop, act: Callable[[Step], None], step: Step) -> None:
    try:
        loop.call_soon_threadsafe(act, step)
    except RuntimeError:
        log.debug("the connection was closed while an answer was being written")


def _plain_lines(document: Document) -> list[str]:
    """A document's lines without their ends."""
    return [line.rstrip("\r\n") for line in document.lines]


def _is_within(kind: types.CodeActionKind, wanted: types.CodeActionKind | str) -> bool:
    """Whether a kind is the wanted one or below it, as LSP 3.17's hierarchy of kinds has it."""
    asked = wanted.value if isinstance(wanted, types.CodeActionKind) else wanted
    return kind.value == asked or kind.value.startswith(f"{asked}.") or not asked


def _write_explanation(text: str) -> Path:
    """Keep an explanation as a file that only its owner can read; the oldest ones go."""
    folder = platformdirs.user_cache_path("fimd") / "explanations"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in sorted(folder.glob("*.md"))[:-_KEPT_EXPLANATIONS]:
        old.unlink(missing_ok=True)
    path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}.md"
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path
