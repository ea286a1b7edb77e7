"""What the model is doing for each document: one computation a document, for the newest place asked about.

Requests for the same place share one. A computation goes on while a person types what it has already written: its text
is what the next request will want. It stops at once when the text takes another way, and soon when nobody waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from inference.request import CancelToken, Completion, Step
from lsp_server.cursor import Cursor

_GRACE_S = 0.02
"""Clients cancel a request, change the text and ask anew, in no certain order: so long an orphan may live."""

_FOLLOWED_GRACE_S = 0.3
"""The same, when the text has been changed to what the computation has written."""


@dataclass(slots=True)
class Computation:
    """One place's completion on its way."""

    uri: str
    cursor: Cursor
    invoked: bool
    token: CancelToken = field(default_factory=CancelToken)
    written: str = ""
    """What the model has written so far; set by the inference thread."""

    is_followed: bool = False
    """Whether the text has been changed to what is written."""

    waiters: int = 0
    task: asyncio.Task[Completion | None] = field(init=False)

    def heard(self, step: Step) -> None:
        """Take in a step; called by the inference thread."""
        self.written = step.text

    def serves(self, cursor: Cursor) -> bool:
        """Whether its completion, or the rest of it, is for `cursor`: the same place, or what is written typed along.

        Where nothing is written yet, a new computation costs nothing: it goes on with the same keys and values.
        """
        if cursor == self.cursor:
            return True
        if cursor.suffix != self.cursor.suffix or not cursor.prefix.startswith(self.cursor.prefix):
            return False
        typed = cursor.prefix[len(self.cursor.prefix) :]
        return self.written.startswith(typed) and self.written != typed

    def is_for(self, cursor: Cursor, invoked: bool) -> bool:
        """Whether a request at `cursor` should wait for it."""
        if cursor != self.cursor and self.task.done():  # its rest was not what was wanted
            return False
        return self.serves(cursor) and (self.invoked or not invoked)


Compute = Callable[[Computation], Awaitable[Completion | None]]
"""Asks the model for a computation's completion."""


class Computations:
    """One session's computations, by document."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._running: dict[str, Computation] = {}
        self.kept = 0
        """How many requests were served by a computation for an earlier place."""

    async def join(self, uri: str, cursor: Cursor, invoked: bool) -> tuple[Computation, Completion | None]:
        """Wait for the computation that serves `cursor`, after starting it if need be.

        The completion is None where the computation was overtaken or stopped.
        """
        computation = self._running.get(uri)
        if computation is None or not computation.is_for(cursor, invoked):
            computation = self._start(uri, cursor, invoked)
        self.kept += computation.cursor != cursor
        computation.waiters += 1
        try:
            return computation, await asyncio.shield(computation.task)
        finally:
            computation.waiters -= 1
            if computation.waiters == 0:
                self._orphan(uri, computation)

    def edited(self, uri: str, cursor: Cursor) -> None:
        """The text has changed, and its cursor is now probably at `cursor`: stop what no longer fits."""
        if computation := self._running.get(uri):
            if not computation.serves(cursor):
                self.forget(uri)
            elif cursor != computation.cursor:
                computation.is_followed = True

    def is_running(self, uri: str) -> bool:
        """Whether the model is at work for a document."""
        return uri in self._running

    def forget(self, uri: str) -> None:
        """Stop computing for a document."""
        if computation := self._running.pop(uri, None):
            computation.token.cancel()

    def forget_all(self) -> None:
        """Stop computing."""
        for uri in list(self._running):
            self.forget(uri)

    def _start(self, uri: str, cursor: Cursor, invoked: bool) -> Computation:
        self.forget(uri)
        computation = self._running[uri] = Computation(uri, cursor, invoked)
        computation.task = asyncio.ensure_future(self._compute(computation))
        return computation

    def _orphan(self, uri: str, computation: Computation) -> None:
        """Nobody waits any more: forget a computation that is done, and stop one that is not, soon."""
        if computation.task.done():
            self._drop(uri, computation)
        else:
            grace = _FOLLOWED_GRACE_S if computation.is_followed else _GRACE_S
            asyncio.get_running_loop().call_later(grace, self._abandon, uri, computation)

    def _abandon(self, uri: str, computation: Computation) -> None:
        if computation.waiters == 0:
            computation.token.cancel()
            self._drop(uri, computation)

    def _drop(self, uri: str, computation: Computation) -> None:
        if self._running.get(uri) is computation:
            del self._running[uri]
