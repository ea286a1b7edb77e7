"""Tells the person what the model is doing: `$/progress` while it loads, one message if it can't be served."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from typing import Any, cast

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from inference.worker import Status
from lsp_server.model_host import ModelHost

log = logging.getLogger(__name__)

_CREATE_TIMEOUT_S = 10.0
"""A client that never answers `window/workDoneProgress/create` gets no progress, but still its messages. Not shorter:
a library that loads a model without letting other threads run keeps the answer waiting for some seconds."""


class LoadProgress:
    """Follows one model host on behalf of one connection; made inside the event loop.

    `tell` shows one sentence to the person; `changed` is called at each status.
    """

    def __init__(
        self, server: LanguageServer, tell: Callable[[str, types.MessageType], None], changed: Callable[[], None]
    ) -> None:
        self._server = server
        self._tell = tell
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Status] = asyncio.Queue()
        self._token: str | None = None

    def follow(self, host: ModelHost) -> asyncio.Task[None]:
        """Announce each status from now on, beginning with the present one, until the returned task is cancelled."""
        unsubscribe = host.worker.subscribe(self._hand_over)
        self._queue.put_nowait(host.status)
        task = asyncio.ensure_future(self._announce())
        task.add_done_callback(lambda _: unsubscribe())
        return task

    def _hand_over(self, status: Status) -> None:
        """Take a status from the inference thread into the event loop."""
        try:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, status)
        except RuntimeError:
            log.debug("the connection was closed while the model was loading")

    async def _announce(self) -> None:
        while True:
            status = await self._queue.get()
            try:
                self._changed()
                await self._show(status)
            except Exception:
                log.exception("could not announce %s", status)

    async def _show(self, status: Status) -> None:
        progress = self._server.work_done_progress
        if status.phase == "loading":
            if self._token is None:
                self._token = await self._begin(status.message)
            elif self._token:
                progress.report(self._token, types.WorkDoneProgressReport(message=status.message))
            return
        if status.phase == "failed":
            self._tell(status.message, types.MessageType.Error)
        for note in status.notes:
            self._tell(note, types.MessageType.Warning)
        for notice in status.notices:
            self._server.window_log_message(types.LogMessageParams(type=types.MessageType.Info, message=notice))
        if self._token:
            progress.end(self._token, types.WorkDoneProgressEnd(message=status.message))
        self._token = None

    async def _begin(self, message: str) -> str:
        """The token of a progress bar that now shows, or the empty string where the client has none."""
        window = self._server.client_capabilities.window
        if window is None or not window.work_done_progress:
            return ""
        token = str(uuid.uuid4())
        try:
            creating = cast(Any, self._server.work_done_progress).create_async(token)  # untyped in pygls
            await asyncio.wait_for(creating, _CREATE_TIMEOUT_S)
        except Exception as error:
            log.info("the client shows no progress: %s", error)
            return ""
        self._server.work_done_progress.begin(token, types.WorkDoneProgressBegin("fimd", message=message))
        return token
