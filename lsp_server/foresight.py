"""What is likely to be asked next, computed while nothing else is to do.

After a suggestion is shown: what would be suggested if it were accepted. When a document is opened, and when typing
rests: the context of the cursor, longer than there is time for while somebody waits. All of it gives way to any real
request, and none is done on battery power unless the settings ask for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from inference.request import CancelToken, Completion, Request
from lsp_server import machine
from lsp_server.model_host import ModelHost

_REST_S = 0.3
"""A pause in typing after which the context is prepared: longer than nearly all between two keys of a word."""

_LOOK_S = 0.15
"""Nobody accepts a suggestion sooner, and who types on by then has not been waiting for it."""

Ask = Callable[[], Request | None]
"""Makes the request when its time has come, or None where nothing should be done any more."""

Keep = Callable[[Completion], None]
"""Takes a completion that was foreseen."""


class Foresight:
    """One session's idle work; `session` tells it from other windows' at the worker."""

    def __init__(self, host: ModelHost, session: object) -> None:
        self._host, self._session = host, session
        self._timer: asyncio.TimerHandle | None = None
        self._token = CancelToken()
        self._tasks: set[asyncio.Task[None]] = set()
        self.stored = 0
        """How many completions were computed in advance."""

    def shown(self, ask: Ask, keep: Keep) -> None:
        """A suggestion is shown: foresee what follows its acceptance, unless something else happens first."""
        self._after(_LOOK_S, lambda: self._foresee(ask, keep))

    def rested(self, ask: Ask) -> None:
        """The text was changed: if nothing else happens for a while, prepare for a request."""
        self._after(_REST_S, lambda: self._prepare(ask))

    def stop(self) -> None:
        """Do nothing more, and nothing of what was begun."""
        self._cancel_timer()
        self._token.cancel()
        self._token = CancelToken()

    def _after(self, delay_s: float, work: Callable[[], None]) -> None:
        self._cancel_timer()
        self._timer = asyncio.get_running_loop().call_later(delay_s, work)

    def _prepare(self, ask: Ask) -> None:
        if (request := ask()) is not None:
            self._host.worker.submit_idle(request, self._token, self._session, completes=False)

    def _foresee(self, ask: Ask, keep: Keep) -> None:
        if (request := ask()) is not None:
            task = asyncio.ensure_future(self._foreseen(request, keep))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _foreseen(self, request: Request, keep: Keep) -> None:
        token, generation = self._token, self._host.generation
        future = self._host.worker.submit_idle(request, token, self._session, completes=True)
        completion = await asyncio.wrap_future(future)
        if completion is not None and generation == self._host.generation and not token.cancelled:
            keep(completion)
            self.stored += 1

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def is_allowed(warm_up: str) -> bool:
    """Whether the setting `completion.warm_up` allows idle work now."""
    return warm_up == "always" or (warm_up == "auto" and not machine.on_battery())
