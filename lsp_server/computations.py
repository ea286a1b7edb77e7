"""What the model is doing for each document: one computation a document, for the newest place asked about.

Requests for the same place share one. A computation goes on while a person types what it has already written: its text
is what the next request will want. It stops at once when the text takes another way, and soon when nobody waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from inference.closing import closing_end
from inference.request import CancelToken, Completion, Step
from lsp_server.cursor import Cursor, closers, less_closed

_GRACE_S = 0.02
"""Clients cancel a request, change the text and ask anew, in no certain order: so long an orphan may live."""

_FOLLOWED_GRACE_S = 0.1
"""How long after the text was changed to what a computation has written: the request for it comes at once."""


@dataclass(slots=True)
class Computation:
    """One place's completion on its way."""

    uri: str
    cursor: Cursor
    invoked: bool
    token: CancelToken = field(default_factory=CancelToken)
    written: str = ""
    """What the model has written so far; set by the inference thread."""

    generation: int = 0
    """Which model computes it; see `ModelHost.generation`."""

    followed_s: float = -1.0
    """When the text was last changed to what is written, by `time.monotonic`."""

    waiters: int = 0
    task: asyncio.Task[Completion | None] = field(init=False)

    def heard(self, step: Step) -> None:
        """Take in a step; called by the inference thread."""
        self.written = step.text

    def serves(self, cursor: Cursor) -> bool:
        """Whether its completion, or the rest of it, is for `cursor`: the same place, or what is written typed along.

        An editor may have closed brackets meanwhile that were typed along.

        Where nothing is written yet, a new computation costs nothing: it goes on with the same keys and values.
        """
        if cursor == self.cursor:
            return True
        rest = self._rest(cursor)
        return bool(rest) and self._end(rest, cursor) != 0

    def ready(self, cursor: Cursor) -> str:
        """What is for `cursor` in the text so far, where nothing more can come: it ends in front of a new bracket."""
        rest = self._rest(cursor)
        return rest[: self._end(rest, cursor) or 0]

    def _rest(self, cursor: Cursor) -> str:
        """What is written beyond `cursor`, if that is where typing it along leads."""
        written, typed = self.written, cursor.prefix[len(self.cursor.prefix) :]
        if not cursor.prefix.startswith(self.cursor.prefix) or not written.startswith(typed):
            return ""
        is_same = any(place.suffix == self.cursor.suffix for place in (cursor, *less_closed(cursor)))
        return written[len(typed) :] if is_same else ""

    def _end(self, rest: str, cursor: Cursor) -> int | None:
        """Where it ends in front of brackets that were put behind `cursor` since, if there are any."""
        return None if cursor.suffix == self.cursor.suffix else closing_end(rest, closers(cursor), cursor.line_prefix)

    def is_for(self, cursor: Cursor, invoked: bool) -> bool:
        """Whether a request at `cursor` should wait for it."""
        # What a finished one found is in the cache; if it is not there, nothing was found that fits.
        return not self.task.done() and self.serves(cursor) and (self.invoked or not invoked)


Compute = Callable[[Computation], Awaitable[Completion | None]]
"""Asks the model for a computation's completion."""


class Computations:
    """One session's computations, by document."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._running: dict[str, Computation] = {}
        self._newest: dict[str, int] = {}

    def enter(self, uri: str) -> int:
        """Number a request for a document; see `is_newest`."""
        self._newest[uri] = number = self._newest.get(uri, 0) + 1
        return number

    def is_newest(self, uri: str, number: int) -> bool:
        """Whether no other request for the document has come since."""
        return self._newest.get(uri) == number

    async def join(self, uri: str, cursor: Cursor, invoked: bool) -> tuple[Computation, Completion | None]:
        """Wait for the computation that serves `cursor`, after starting it if need be.

        The completion is None where the computation was overtaken or stopped.
        """
        computation = self._running.get(uri)
        if computation is None or not computation.is_for(cursor, invoked):
            computation = self._start(uri, cursor, invoked)
        computation.waiters += 1
        try:
            return computation, await asyncio.shield(computation.task)
        finally:
            computation.waiters -= 1
            if computation.waiters == 0:
                self._orphan(uri, computation)

    def edited(self, uri: str, cursor: Cursor) -> None:
        """The text has changed, and its cursor is now probably at `cursor`: stop what no longer fits."""
        computation = self._running.get(uri)
        if computation is None:
            return
        place = computation.cursor
        if computation.serves(cursor):
            computation.followed_s = time.monotonic()
        elif not (place.prefix.startswith(cursor.prefix) and place.suffix == cursor.suffix):
            # Else it is for a text that is on its way to be typed, as with a popup's choice, or was just taken back.
            self.forget(uri)

    def running(self, uri: str) -> Computation | None:
        """What the model is at work on for a document."""
        return self._running.get(uri)

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
        for other, orphan in list(self._running.items()):
            if orphan.waiters == 0:
                self.forget(other)
        computation = self._running[uri] = Computation(uri, cursor, invoked)
        computation.task = asyncio.ensure_future(self._compute(computation))
        # Whoever waits is told of a failure; if nobody does, nobody needs to know.
        computation.task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return computation

    def _orphan(self, uri: str, computation: Computation) -> None:
        """Nobody waits any more: forget a computation that is done, and stop one that is not, soon."""
        if computation.task.done():
            self._drop(uri, computation)
        else:
            asyncio.get_running_loop().call_later(_GRACE_S, self._abandon, uri, computation)

    def _abandon(self, uri: str, computation: Computation) -> None:
        """Stop a computation that still nobody waits for, unless it has just been followed."""
        left = computation.followed_s + _FOLLOWED_GRACE_S - time.monotonic()
        if computation.waiters == 0 and left > 0:
            asyncio.get_running_loop().call_later(left, self._abandon, uri, computation)
        elif computation.waiters == 0:
            computation.token.cancel()
            self._drop(uri, computation)

    def _drop(self, uri: str, computation: Computation) -> None:
        if self._running.get(uri) is computation:
            del self._running[uri]
