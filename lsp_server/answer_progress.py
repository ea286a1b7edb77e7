"""Shows in the client how an answer grows, if it shows any progress; cancelling it there cancels the computation."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from concurrent.futures import Future
from typing import Any, cast

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from inference.request import CancelToken, Step

log = logging.getLogger(__name__)

_REPORT_S = 0.2
"""Between two progress messages; people read no faster."""

_MESSAGE_LENGTH = 80
_TIMEOUT_S = 5.0


class AnswerProgress:
    """One progress message; made by `begin`."""

    def __init__(self, server: LanguageServer, token: types.ProgressToken | None) -> None:
        self._server = server
        self._token = token
        self._last = 0.0

    @classmethod
    async def begin(
        cls, server: LanguageServer, title: str, client_token: types.ProgressToken | None, cancel: CancelToken
    ) -> AnswerProgress:
        """Begin under the client's own token, or under a new one where it can show that."""
        window = server.client_capabilities.window
        token = client_token
        if token is None and window is not None and window.work_done_progress:
            token = str(uuid.uuid4())
            try:
                creating = cast(Any, server.work_done_progress).create_async(token)  # untyped in pygls
                await asyncio.wait_for(creating, _TIMEOUT_S)
            except Exception as error:
                log.info("the client shows no progress: %s", error)
                token = None

        def cancelled(future: Future[Any]) -> None:
            del future
            cancel.cancel()

        if token is not None:
            value = types.WorkDoneProgressBegin(title, cancellable=True)
            server.work_done_progress.begin(token, value)
            server.work_done_progress.tokens[token].add_done_callback(cancelled)
        return cls(server, token)

    def report(self, step: Step) -> None:
        """Show the end of the text so far, now and then."""
        now = time.monotonic()
        if self._token is None or not step.text or now - self._last < _REPORT_S:
            return
        self._last = now
        message = " ".join(step.text.split())[-_MESSAGE_LENGTH:]
        self._server.work_done_progress.report(self._token, types.WorkDoneProgressReport(message=message))

    def end(self) -> None:
        """Take it away."""
        if self._token is not None:
            self._server.work_done_progress.end(self._token, types.WorkDoneProgressEnd())
            self._server.work_done_progress.tokens.pop(self._token, None)
            self._token = None
