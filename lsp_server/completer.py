"""The straight line from a snapshot to a suggestion.

The only module that knows the nouns of both packages: it turns a snapshot into a `Request` and a `Completion` into a
`Suggestion`. Knows nothing of pygls and of JSON. For each document the newest call wins; an older one still returns,
with None.
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


class Completer:
    """Suggestions for one session (an editor window)."""

    def __init__(self, host: ModelHost, settings: Settings) -> None:
        self.settings = settings
        self._host = host
        self._cache = SuggestionCache()
        self._newest: dict[str, CancelToken] = {}

    def forget(self, uri: str) -> None:
        """The document was closed: stop computing for it."""
        if token := self._newest.pop(uri, None):
            token.cancel()

    def forget_all(self) -> None:
        """The session ends: stop computing for it."""
        for uri in list(self._newest):
            self.forget(uri)

    def model_changed(self) -> None:
        """Another model answers from now on: what the old one said no longer counts."""
        self._cache.clear()

    async def suggest(self, snapshot: Snapshot, *, invoked: bool) -> Suggestion | None:
        """What to show at the snapshot's cursor, or None.

        `invoked` means that the person asked for it: then nothing is waited for or held back. Cancelling the awaiting
        task stops the computation at its next step. Never raises but `asyncio.CancelledError`.
        """
        started = time.perf_counter()
        token = self._supersede(snapshot.uri)
        try:
            cursor = cursors.split(snapshot)
            if not self._is_served(snapshot, cursor, invoked):
                return None
            completion: Completion | None = None
            text = self._cache.find(snapshot.uri, cursor)
            if text is None:
                completion = await self._compute(cursor, token, 0 if invoked else self.settings.completion.debounce_ms)
                if completion is None:
                    return None
                text = trim(completion.text, cursor)
                self._cache.store(snapshot.uri, cursor, text)
        except asyncio.CancelledError:
            token.cancel()
            raise
        except Exception:
            log.exception("no suggestion because of an internal error")
            return None
        finally:
            if self._newest.get(snapshot.uri) is token:
                del self._newest[snapshot.uri]
        if not text:
            return None
        return Suggestion(text.replace("\n", cursor.newline), (time.perf_counter() - started) * 1000, completion)

    def _supersede(self, uri: str) -> CancelToken:
        """A token for the newest call on this document; the older call's is cancelled."""
        if older := self._newest.get(uri):
            older.cancel()
        token = self._newest[uri] = CancelToken()
        return token

    def _is_served(self, snapshot: Snapshot, cursor: Cursor, invoked: bool) -> bool:
        settings = self.settings
        if not settings.enabled or snapshot.language in settings.files.disabled_languages:
            return False
        if is_excluded(snapshot.uri, settings.files.exclude) or self._host.status.phase != "ready":
            return False
        return invoked or cursors.may_suggest(cursor)

    async def _compute(self, cursor: Cursor, token: CancelToken, debounce_ms: int) -> Completion | None:
        """The model's completion, or None where a newer call has overtaken this one."""
        if debounce_ms:
            await asyncio.sleep(debounce_ms / 1000)
        if token.cancelled:
            return None
        limits = self.settings.completion
        request = Request(cursor.prefix, cursor.suffix, limits.max_tokens, cursors.line_limit(cursor, limits.max_lines))
        return await asyncio.wrap_future(self._host.worker.submit(request, token, session=self))
