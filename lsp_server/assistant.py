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

_MOST_ANSWERS = 4
"""Of one window at a time; each holds keys and values of its own."""

Tell = Callable[[str, types.MessageType], None]
Serves = Callable[[Document], bool]


class Assistant:
    """Code actions of one session (an editor window).

    Args:
        server: the connection.
        host: the model.
        documents: the open documents.
        serves: whether the settings allow to look at a document.
        tell: shows one sentence to the person, and logs it.
    """

    def __init__(
        self, server: LanguageServer, host: ModelHost, documents: Documents, serves: Serves, tell: Tell
    ) -> None:
        self._server = server
        self._host = host
        self._documents = documents
        self._serves = serves
        self._tell = tell
        self._tokens: dict[CancelToken, str] = {}

    def offers(self, document: Document, params: types.CodeActionParams) -> list[types.CodeAction]:
        """What can be asked about the range of `params`, while there is a model to ask."""
        if self._host.status.phase != "ready" or not self._serves(document):
            return []
        lines = _plain_lines(document)
        first, last = (min(at.line, len(lines) - 1) for at in (params.range.start, params.range.end))
        if params.range.end.character == 0 and last > first:
            last -= 1  # a selection of whole lines ends in front of the next
        is_selection = params.range.start != params.range.end
        selected = Lines(first, last) if is_selection else code_actions.block_at(lines, first)
        found: list[tuple[str, str, Lines, types.CodeActionKind]] = []
        if selected is not None and selected.text(lines).strip():
            found.append(("Explain this code", EXPLAIN, selected, types.CodeActionKind.Empty))
        workspace = self._server.client_capabilities.workspace
        can_insert = workspace is not None and workspace.apply_edit
        if can_insert and (comment := code_actions.comment_at(lines, last, document.language)):
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
            self._tell(f"{params.command} needs an open document and two of its lines: use the code action", _WARNING)
            return None
        if refusal := self._refusal(document):
            self._tell(refusal, _WARNING)
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
        version, is_tuned = document.version, self._host.status.follows_instructions
        answer = await self._answer(asked, title, params.work_done_token, document.uri)
        if answer is None:
            return None
        code = code_actions.code_in(answer.text)
        if not (answer.text if params.command == EXPLAIN else code).strip():
            self._tell("the model had no answer", types.MessageType.Info)
        elif params.command == EXPLAIN:
            await self._show(answer, place, is_tuned)
        else:
            await self._insert(document, version, place, code)
        return answer.text

    def _refusal(self, document: Document) -> str:
        """Why nothing can be asked about a document now, or the empty string."""
        if not self._serves(document):
            return "fimd is switched off for this file: see its settings"
        if self._host.status.phase != "ready":
            return "the model is not ready yet: try again in a moment"
        if len(self._tokens) >= _MOST_ANSWERS:
            return "several answers are being written already: wait for one, or cancel it"
        return ""

    def forget(self, uri: str) -> None:
        """The document was closed: stop computing for it."""
        for token, own in self._tokens.items():
            if own == uri:
                token.cancel()

    def forget_all(self) -> None:
        """The session ends: stop computing for it."""
        for token in self._tokens:
            token.cancel()

    def _place(self, arguments: Sequence[Any] | None) -> tuple[Document | None, Lines | None]:
        """Document and lines out of a command's arguments, which any client may send."""
        match arguments:
            case [str(uri), int(first), int(last)] if not isinstance(first, bool) and not isinstance(last, bool):
                document = self._documents.get(uri)
                count = len(document.lines) if document else 0
                return document, Lines(first, last) if 0 <= first <= last < count else None
            case _:
                return None, None

    async def _answer(
        self, instruction: Instruction, title: str, client_token: types.ProgressToken | None, uri: str
    ) -> Completion | None:
        """The model's answer, streamed as progress; None if it was cancelled, or another model came meanwhile."""
        loop = asyncio.get_running_loop()
        cancel = CancelToken()
        self._tokens[cancel] = uri
        progress: AnswerProgress | None = None
        try:
            progress = await AnswerProgress.begin(self._server, f"fimd: {title}", client_token, cancel)
            report = progress.report
            future = self._host.worker.answer(instruction, cancel, lambda step: _in_loop(loop, report, step))
            answer = await asyncio.wrap_future(future)
            if answer is None and not cancel.cancelled:
                self._tell("another model was loaded meanwhile: ask again", _WARNING)
        except Exception:
            log.exception("no answer because of an internal error")
            self._tell("the model failed to answer; see the log", types.MessageType.Error)
            return None
        else:
            return answer
        finally:
            cancel.cancel()
            del self._tokens[cancel]
            if progress is not None:
                progress.end()

    async def _show(self, answer: Completion, place: Lines, is_tuned: bool) -> None:
        """Show an explanation as a markdown document, or as a message where the client can't."""
        cut = " …" if answer.is_cut else ""
        caveat = "" if is_tuned else f"({answer.model} is not an instruction model.)"
        window = self._server.client_capabilities.window
        if window is not None and window.show_document is not None and window.show_document.support:
            title = f"# Lines {place.first + 1}-{place.last + 1}, explained by {answer.model}"
            try:
                path = _write_explanation(f"{title}\n\n{answer.text}{cut}\n\n{caveat}\n")
                params = types.ShowDocumentParams(path.as_uri(), take_focus=False)
                shown = await asyncio.wait_for(self._server.window_show_document_async(params), _TIMEOUT_S)
                if shown.success:
                    return
            except Exception as error:
                log.warning("the client did not show the explanation: %s", error)
        # Not by `tell`, which logs: an answer quotes the code that it is about.
        message = " ".join(filter(None, (f"fimd: {answer.text}{cut}", caveat)))
        self._server.window_show_message(types.ShowMessageParams(types.MessageType.Info, message))

    async def _insert(self, document: Document, version: int, place: Lines, code: str) -> None:
        """Insert code on new lines below a comment, in its indentation and the file's line ends."""
        if self._documents.get(document.uri) is not document or document.version != version:
            self._tell("the file has changed meanwhile, so nothing was inserted: ask again", _WARNING)
            return
        comment = _plain_lines(document)[place.last]
        newline = next((end for end in ("\r\n", "\n", "\r") if document.lines[place.last].endswith(end)), "\n")
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
            log.warning("the client did not answer the edit: %s", error)
            self._tell("the editor did not insert the code: it may not be able to", _WARNING)
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
