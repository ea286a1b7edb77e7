"""The straight line from a snapshot to a suggestion.

Turns a snapshot into a `Request` and a `Completion` into a `Suggestion`; knows nothing of pygls and of JSON. For each
document the newest place wins: calls for an older one still return, with None. Calls for the same place share one
computation, which stops when the last of them is cancelled.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

from inference.request import CancelToken, Completion, Request
from lsp_server import cursor as cursors
from lsp_server.cursor import Cursor
from lsp_server.documents import Snapshot
from lsp_server.exclusions import is_excluded
from lsp_server.model_host import ModelHost
from lsp_server.settings import Settings
from lsp_server.suggestion_cache import SuggestionCache
from lsp_server.trimming import trim

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Text to be inserted at the cursor, in the file's own line ends, and where it came from."""

    text: str
    latency_ms: float
    completion: Completion | None
    """What the model did for it; None when it was answered from the cache."""


@dataclass(slots=True)
class _Computation:
    """What the model is doing for one place of one document."""

    cursor: Cursor
    invoked: bool
    token: CancelToken
    task: asyncio.Task[Completion | None]
    waiters: int = 0

    def stop(self) -> None:
        self.token.cancel()


class Completer:
    """Suggestions for one session (an editor window)."""

    def __init__(self, host: ModelHost, settings: Settings) -> None:
        self.settings = settings
        self._host = host
        self._generation = host.generation
        self._cache = SuggestionCache()
        self._running: dict[str, _Computation] = {}

    def forget(self, uri: str) -> None:
        """The document was closed: stop computing for it."""
        if computation := self._running.pop(uri, None):
            computation.stop()

    def forget_all(self) -> None:
        """The session ends: stop computing for it."""
        for uri in list(self._running):
            self.forget(uri)

    async def suggest(self, snapshot: Snapshot, *, invoked: bool) -> Suggestion | None:
        """What to show at the snapshot's cursor, or None.

        `invoked` means that the person asked for it: then nothing is waited for or held back. Never raises but
        `asyncio.CancelledError`.
        """
        started = time.perf_counter()
        try:
            cursor = cursors.split(snapshot)
            if not self._is_served(snapshot, cursor, invoked):
                self.forget(snapshot.uri)
                return None
            self._forget_earlier_models()
            completion: Completion | None = None
            text = self._cache.find(snapshot.uri, cursor)
            if text is None or (invoked and not text):  # an automatic request that found nothing did not insist
                generation = self._generation
                completion = await self._completion_at(snapshot.uri, cursor, invoked)
                if completion is None:
                    return None
                text = trim(completion.text, cursor)
                if generation == self._host.generation:
                    self._cache.store(snapshot.uri, cursor, text)
            else:
                self.forget(snapshot.uri)
        except Exception:
            log.exception("no suggestion because of an internal error")
            return None
        if not text:
            return None
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

    async def _completion_at(self, uri: str, cursor: Cursor, invoked: bool) -> Completion | None:
        """The model's completion, or None where a call for another place has overtaken this one."""
        computation = self._running.get(uri)
        if computation is None or computation.cursor != cursor or (invoked and not computation.invoked):
            self.forget(uri)
            token = CancelToken()
            task = asyncio.ensure_future(self._compute(cursor, token, invoked))
            computation = self._running[uri] = _Computation(cursor, invoked, token, task)
        computation.waiters += 1
        try:
            return await asyncio.shield(computation.task)
        finally:
            computation.waiters -= 1
            if computation.waiters == 0:
                computation.stop()
                if self._running.get(uri) is computation:
                    del self._running[uri]

    async def _compute(self, cursor: Cursor, token: CancelToken, invoked: bool) -> Completion | None:
        """Ask the model, after the debounce unless `invoked`, and unless the token is cancelled by then."""
        limits = self.settings.completion
        if not invoked:
            await asyncio.sleep(limits.debounce_ms / 1000)
        if token.cancelled:
            return None
        lines = cursors.line_limit(cursor, limits.max_lines)
        request = Request(cursor.prefix, cursor.suffix, insist=invoked, max_tokens=limits.max_tokens, max_lines=lines)
        return await asyncio.wrap_future(self._host.worker.submit(request, token, session=self))
