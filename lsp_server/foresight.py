"""What is likely to be asked next, computed while nothing else is to do.

After a suggestion is shown: what would be suggested if it were accepted. When a document is opened, and when typing
rests: the context of the cursor, longer than there is time for while somebody waits. All of it gives way to any real
request, and none is done on battery power unless the settings ask for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from inference.request import CancelToken, Completion, Request
from lsp_server import machine
from lsp_server.cursor import Cursor
from lsp_server.model_host import ModelHost
from lsp_server.settings import CompletionSettings

log = logging.getLogger(__name__)

_REST_S = 0.3
"""A pause in typing after which the context is prepared: longer than nearly all between two keys of a word."""

_LOOK_S = 0.15
"""Nobody accepts a suggestion sooner, and who types on by then has not been waiting for it."""

MakeRequest = Callable[[str, Cursor], Request]
Store = Callable[[str, Cursor, Completion], None]


class Foresight:
    """One session's idle work.

    Args:
        host: the model.
        make_request: what would be asked at a place of a document.
        store: keeps a completion that was foreseen for a place.
        session: whose idle work it is; only the newest is kept.
    """

    def __init__(self, host: ModelHost, make_request: MakeRequest, store: Store, session: object) -> None:
        self._host, self._make_request, self._store, self._session = host, make_request, store, session
        self.mode: CompletionSettings = CompletionSettings()
        self._timer: asyncio.TimerHandle | None = None
        self._token = CancelToken()
        self._tasks: set[asyncio.Task[None]] = set()
        self.stored = 0
        """How many completions were computed in advance."""

    def is_allowed(self) -> bool:
        """Whether idle work may be done now."""
        warm_up = self.mode.warm_up
        return warm_up == "always" or (warm_up == "auto" and not machine.on_battery())

    def shown(self, uri: str, cursor: Cursor, text: str) -> None:
        """A suggestion is shown: foresee what follows its acceptance."""
        self._cancel_timer()
        accepted = replace(cursor, prefix=cursor.prefix + text)
        self._timer = asyncio.get_running_loop().call_later(_LOOK_S, self._foresee, uri, accepted)

    def rested(self, uri: str, cursor: Cursor, delay_s: float = _REST_S) -> None:
        """The cursor is probably at `cursor`: if nothing else happens for `delay_s`, prepare for a request there."""
        self._cancel_timer()
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._prepare, uri, cursor)

    def stop(self) -> None:
        """Do nothing more, and nothing of what was begun."""
        self._cancel_timer()
        self._token.cancel()
        self._token = CancelToken()

    def _prepare(self, uri: str, cursor: Cursor) -> None:
        if self.is_allowed():
            request = self._make_request(uri, cursor)
            self._host.worker.submit_idle(request, self._token, self._session, completes=False)

    def _foresee(self, uri: str, cursor: Cursor) -> None:
        if self.is_allowed():
            task = asyncio.ensure_future(self._foreseen(uri, cursor))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _foreseen(self, uri: str, cursor: Cursor) -> None:
        request, token, generation = self._make_request(uri, cursor), self._token, self._host.generation
        future = self._host.worker.submit_idle(request, token, self._session, completes=True)
        completion = await asyncio.wrap_future(future)
        if completion is not None and generation == self._host.generation and not token.cancelled:
            self._store(uri, cursor, completion)
            self.stored += 1

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
