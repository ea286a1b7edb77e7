"""The straight line from a snapshot to a suggestion.

Turns a snapshot into a `Request` and a `Completion` into a `Suggestion`; knows nothing of pygls and of JSON. For each
document the newest place wins: calls for an older one still return, with None.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from inference.request import Completion, Request
from lsp_server import cursor as cursors
from lsp_server.computations import Computation, Computations
from lsp_server.cursor import Cursor
from lsp_server.debounce import Debounce
from lsp_server.documents import Snapshot
from lsp_server.exclusions import is_excluded
from lsp_server.foresight import Foresight
from lsp_server.model_host import ModelHost
from lsp_server.settings import Settings
from lsp_server.statistics import Statistics
from lsp_server.suggestion_cache import SuggestionCache
from lsp_server.trimming import trim

log = logging.getLogger(__name__)

Related = Callable[[str], tuple[str, ...]]
"""Texts of the other open documents beside the one at an address, the most related last."""


def _nothing(uri: str) -> tuple[str, ...]:
    del uri
    return ()


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Text to be inserted at the cursor, in the file's own line ends, and where it came from."""

    text: str
    latency_ms: float
    completion: Completion | None
    """What the model did for it; None when it was answered from the cache."""


class Completer:
    """Suggestions for one session (an editor window)."""

    def __init__(self, host: ModelHost, settings: Settings, related: Related = _nothing) -> None:
        self.settings = settings
        self.statistics = Statistics()
        self._host = host
        self._related = related
        self._generation = host.generation
        self._cache = SuggestionCache()
        self._debounce = Debounce()
        self.computations = Computations(self._compute)
        self.foresight = Foresight(host, self._foreseen_request, self._store, self)

    def forget(self, uri: str) -> None:
        """The document was closed: stop computing for it."""
        self.computations.forget(uri)
        self.foresight.stop()

    def forget_all(self) -> None:
        """The session ends: stop computing for it."""
        self.computations.forget_all()
        self.foresight.stop()

    def opened(self, snapshot: Snapshot) -> None:
        """A document was opened: prepare for a request in it."""
        cursor = cursors.split(snapshot)
        if self._is_served(snapshot, cursor, invoked=True):
            self._prepare(snapshot.uri, cursor)

    def edited(self, snapshot: Snapshot) -> None:
        """A document was changed, last at the snapshot's cursor: stop what no longer fits, and learn the rhythm."""
        self._debounce.typed(time.monotonic())
        cursor = cursors.split(snapshot)
        self.computations.edited(snapshot.uri, cursor)
        if self._is_served(snapshot, cursor, invoked=True):
            self._prepare(snapshot.uri, cursor)

    def _prepare(self, uri: str, cursor: Cursor) -> None:
        self.foresight.mode = self.settings.completion
        self.foresight.rested(uri, cursor)

    async def suggest(self, snapshot: Snapshot, *, invoked: bool) -> Suggestion | None:
        """What to show at the snapshot's cursor, or None.

        `invoked` means that the person asked for it: then nothing is waited for or held back. Never raises but
        `asyncio.CancelledError`.
        """
        started = time.perf_counter()
        self.statistics.requests += 1
        try:
            cursor = cursors.split(snapshot)
            if not self._is_served(snapshot, cursor, invoked):
                self.computations.forget(snapshot.uri)
                return None
            self._forget_earlier_models()
            completion: Completion | None = None
            text = self._cache.find(snapshot.uri, cursor)
            if text is None or (invoked and not text):  # an automatic request that found nothing did not insist
                text, completion = await self._computed(snapshot.uri, cursor, invoked)
            else:
                self.computations.forget(snapshot.uri)
        except Exception:
            log.exception("no suggestion because of an internal error")
            return None
        if not text:
            return None
        self.statistics.suggestions += 1
        self.statistics.from_cache += completion is None
        self.foresight.mode = self.settings.completion
        self.foresight.shown(snapshot.uri, cursor, text)
        return Suggestion(text.replace("\n", cursor.newline), (time.perf_counter() - started) * 1000, completion)

    def serves(self, uri: str, language: str) -> bool:
        """Whether the settings allow to look at a document at all."""
        settings = self.settings
        if not settings.enabled or language in settings.files.disabled_languages:
            return False
        return not is_excluded(uri, settings.files.exclude)

    def _is_served(self, snapshot: Snapshot, cursor: Cursor, invoked: bool) -> bool:
        if not self.serves(snapshot.uri, snapshot.language) or self._host.status.phase != "ready":
            return False
        return invoked or cursors.may_suggest(cursor)

    def _forget_earlier_models(self) -> None:
        if self._generation != self._host.generation:
            self._generation = self._host.generation
            self._cache.clear()

    async def _computed(self, uri: str, cursor: Cursor, invoked: bool) -> tuple[str | None, Completion | None]:
        """What the model suggests, or None where a call for another place has overtaken this one."""
        while True:
            generation = self._host.generation
            computation, completion = await self.computations.join(uri, cursor, invoked)
            if completion is None:
                return None, None
            text = trim(completion.text, computation.cursor)
            if generation == self._host.generation:
                self._cache.store(uri, computation.cursor, text)
            if computation.cursor == cursor:
                return text, completion
            # It was for an earlier place, and the text has been typed along since; if not to its end, ask again.
            if rest := self._cache.find(uri, cursor):
                return rest, completion

    async def _compute(self, computation: Computation) -> Completion | None:
        """Ask the model, after the debounce unless a person asked, and unless the token is cancelled by then."""
        cursor, token = computation.cursor, computation.token
        if not computation.invoked:
            await asyncio.sleep(self._delay_s(cursor))
        if token.cancelled:
            return None
        started = time.perf_counter()
        request = self._request(computation.uri, cursor, computation.invoked)
        future = self._host.worker.submit(request, token, session=self, on_step=computation.heard)
        completion = await asyncio.wrap_future(future)
        if completion is not None:
            self._debounce.answered(time.perf_counter() - started)
            self.statistics.add(completion)
        return completion

    def _delay_s(self, cursor: Cursor) -> float:
        fixed = self.settings.completion.debounce_ms
        return self._debounce.delay_s(cursor.line_prefix) if fixed == "auto" else fixed / 1000

    def _request(self, uri: str, cursor: Cursor, invoked: bool) -> Request:
        limits = self.settings.completion
        return Request(
            prefix=cursor.prefix,
            suffix=cursor.suffix,
            insist=invoked,
            max_tokens=limits.max_tokens,
            max_lines=cursors.line_limit(cursor, limits.max_lines),
            related=self._related(uri),
        )

    def _foreseen_request(self, uri: str, cursor: Cursor) -> Request:
        return self._request(uri, cursor, invoked=False)

    def _store(self, uri: str, cursor: Cursor, completion: Completion) -> None:
        """Keep a completion that nobody has asked for yet."""
        self._forget_earlier_models()
        self._cache.store(uri, cursor, trim(completion.text, cursor))
