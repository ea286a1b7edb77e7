"""The straight line from a snapshot to a suggestion.

Turns a snapshot into a `Request` and a `Completion` into a `Suggestion`; knows nothing of pygls and of JSON. For each
document the newest place wins: calls for an older one still return, with None.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from inference.closing import before_closers
from inference.request import CancelToken, Completion, Request
from lsp_server import cursor as cursors
from lsp_server import names
from lsp_server.computations import Computation, Computations
from lsp_server.context.choice import Limits
from lsp_server.context.source import short_path
from lsp_server.cursor import Cursor
from lsp_server.debounce import Debounce
from lsp_server.documents import Snapshot
from lsp_server.exclusions import is_excluded
from lsp_server.feedback import Feedback
from lsp_server.foresight import Foresight, is_allowed
from lsp_server.likelihood import Evidence, threshold_of
from lsp_server.model_host import ModelHost
from lsp_server.related_files import Related, RelatedFiles, nothing
from lsp_server.settings import Settings
from lsp_server.shown import Outcome
from lsp_server.statistics import Statistics
from lsp_server.suggestion_cache import SuggestionCache
from lsp_server.syntax import Place, is_indented, line_limit, place_at
from lsp_server.trimming import trim
from lsp_server.well_formed import parsing_part

log = logging.getLogger(__name__)


_ALTERNATIVES, _ALTERNATIVES_S = 2, 0.3
"""How many other texts a person who asks is offered, and for how many seconds the first one waits for them."""

_WORD_TOKENS = 12
"""Most tokens written for the rest of an identifier: as many as the longest names of usual code have."""


def _uncounted(outcome: Outcome) -> None:
    del outcome


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Text to be inserted at the cursor, in the file's own line ends, and where it came from."""

    text: str
    latency_ms: float
    completion: Completion | None
    """What the model did for it; None when it was answered from the cache."""

    cursor: Cursor
    """Where it belongs."""

    evidence: Evidence | None = None
    """What the model says of it; None when it was answered from the cache."""

    is_likely: bool = True
    """Whether it is likely enough to be right to be shown unasked."""


class Completer:
    """Suggestions for one session (an editor window).

    `related` gives the other files that drafts and the prompt may take from; `settled` hears what became of each
    suggestion that was shown.
    """

    def __init__(
        self,
        host: ModelHost,
        settings: Settings,
        related: Related = nothing,
        settled: Callable[[Outcome], None] = _uncounted,
    ) -> None:
        self.settings = settings
        self.statistics = Statistics()
        self._host = host
        self.related = RelatedFiles(related)
        self._generation = host.generation
        self._cache = SuggestionCache()
        self._debounce = Debounce()
        self.computations = Computations(self._compute)
        self.foresight = Foresight(host, self)
        self.feedback = Feedback(settled)

    def forget(self, uri: str) -> None:
        """The document was closed: stop computing for it."""
        self.computations.forget(uri)
        self.foresight.stop()
        self.feedback.forgotten(uri, time.monotonic())
        self.related.forget(uri)

    def settings_changed(self) -> None:
        """What was computed under other settings no longer counts."""
        self._cache.clear()
        self.computations.forget_all()
        self.foresight.stop()

    def forget_all(self) -> None:
        """The session ends: stop computing for it."""
        self.computations.forget_all()
        self.foresight.stop()
        self.feedback.ended(time.monotonic())
        self.related.stop()

    def edited(self, uri: str, language: str, take: Callable[[], Snapshot]) -> None:
        """A document was opened or changed; `take` gives its text, with the cursor where it probably is.

        Stops what no longer fits, learns the rhythm, and prepares for a request when the typing rests.
        """
        self._debounce.typed(time.monotonic())
        if not self._is_served(uri, language):
            self.computations.forget(uri)
            return
        if self.computations.running(uri):
            self.computations.edited(uri, cursors.split(take()))

        def ask() -> Request | None:
            if not self._is_served(uri, language) or not is_allowed(self.settings.completion.warm_up):
                return None
            return self._request(uri, cursors.split(take()), invoked=False, rested=True)

        if self._reads_other_files():
            self.related.read_soon(uri)
        self.foresight.rested(ask)

    def shown(self, snapshot: Snapshot, suggestion: Suggestion) -> None:
        """A suggestion has been sent: count it, and foresee what follows if it is accepted."""
        self.statistics.suggestions += 1
        self.statistics.from_cache += suggestion.completion is None
        uri, place = snapshot.uri, suggestion.cursor
        text = suggestion.text.replace("\r\n", "\n").replace("\r", "\n")
        accepted = replace(place, prefix=place.prefix + text)

        def ask() -> Request | None:
            known = self._known(uri, accepted) is not None
            if known or not self._is_served(uri, snapshot.language):
                return None
            if not cursors.is_free(accepted) or not self._may_suggest(accepted):
                return None
            return self._request(uri, accepted, invoked=False) if is_allowed(self.settings.completion.warm_up) else None

        def keep(completion: Completion) -> None:
            self._forget_earlier_models()
            self._cache.store(uri, accepted, self._worth_showing(completion, accepted, invoked=False))

        self.foresight.shown(ask, keep)

    async def suggest(self, snapshot: Snapshot, *, invoked: bool) -> Suggestion | None:
        """What to show at the snapshot's cursor, or None.

        `invoked` means that the person asked for it: then nothing is waited for or held back. Never raises but
        `asyncio.CancelledError`.
        """
        started = time.perf_counter()
        self.statistics.requests += 1
        try:
            cursor = cursors.split(snapshot)
            if not self._is_served(snapshot.uri, snapshot.language) or not (invoked or self._may_suggest(cursor)):
                if not self._is_asked_for(snapshot.uri, cursor):
                    self.computations.forget(snapshot.uri)
                return None
            self._forget_earlier_models()
            completion: Completion | None = None
            text = self._known(snapshot.uri, cursor, invoked=invoked)
            is_word = cursors.completes_identifier(cursor)
            # An automatic request that found nothing did not insist, and within a line it wanted a word's end only.
            if text is None or (invoked and (is_word or not text)):
                text, completion = await self._computed(snapshot.uri, cursor, invoked)
            elif not self._is_asked_for(snapshot.uri, cursor):
                self.computations.forget(snapshot.uri)
            if text and is_word and not invoked:
                text = cursors.identifier_part(text)
            if not text or (not invoked and self._is_unwanted(snapshot, text)):
                return None
        except Exception:
            log.exception("no suggestion because of an internal error")
            return None
        evidence = Evidence.of(completion, text, cursor) if completion else None
        is_likely = completion is None or evidence is None or threshold_of(completion.model).allows(evidence)
        text = text.replace("\n", cursor.newline)
        return Suggestion(text, (time.perf_counter() - started) * 1000, completion, cursor, evidence, is_likely)

    async def alternatives(self, snapshot: Snapshot, first: Suggestion) -> list[str]:
        """Other texts for the place of `first`, at most two, the best first; none that would take long.

        Raises nothing but `asyncio.CancelledError`.
        """
        started = time.perf_counter()
        texts = [first.text]
        beginnings = [first.completion.beginning] if first.completion and first.completion.beginning else []
        found: list[tuple[float, str]] = []
        token = CancelToken()
        try:
            request = self._request(snapshot.uri, first.cursor, invoked=True)
            while len(found) < _ALTERNATIVES and time.perf_counter() - started < _ALTERNATIVES_S:
                asked = replace(request, avoid=tuple(beginnings))
                future = asyncio.wrap_future(self._host.worker.submit(asked, token, session=(self, "alternatives")))
                left = max(0.0, started + _ALTERNATIVES_S - time.perf_counter())
                await asyncio.wait({future}, timeout=left)
                completion = future.result() if future.done() else None  # the first one has been waiting all the time
                if completion is None or not completion.beginning or completion.beginning in beginnings:
                    break
                beginnings.append(completion.beginning)
                text = _trimmed(completion.text, first.cursor, completion.is_cut).replace("\n", first.cursor.newline)
                if text and text not in texts:
                    texts.append(text)
                    found.append((completion.mean_logprob, text))
        except Exception:
            log.exception("no more suggestions because of an internal error")
        finally:
            token.cancel()
        return [text for _, text in sorted(found, reverse=True)]

    def serves(self, uri: str, language: str) -> bool:
        """Whether the settings allow to look at a document at all."""
        settings = self.settings
        if not settings.enabled or language in settings.files.disabled_languages:
            return False
        return not is_excluded(uri, settings.files.exclude)

    def _is_unwanted(self, snapshot: Snapshot, text: str) -> bool:
        """Whether the person did not want this here a moment ago; it stays in the cache, so nothing is computed."""
        alone = cursors.split(replace(snapshot, before="", behind=""))  # as the document itself is shown and edited
        return self.feedback.is_rejected(snapshot.uri, alone.prefix, alone.suffix, text, time.monotonic())

    def _is_asked_for(self, uri: str, cursor: Cursor) -> bool:
        """Whether the person waits for what is being computed at this very place."""
        running = self.computations.running(uri)
        return running is not None and running.invoked and running.cursor == cursor and running.waiters > 0

    def _may_suggest(self, cursor: Cursor) -> bool:
        """Whether an automatic suggestion makes sense at a place, and the settings allow one there."""
        settings = self.settings.completion
        if not cursors.may_suggest(cursor):
            return False
        excluded = {Place.COMMENT: not settings.in_comments, Place.STRING: not settings.in_strings}
        return not any(excluded.values()) or not excluded.get(place_at(cursor), False)

    def _is_served(self, uri: str, language: str) -> bool:
        return self._host.status.phase == "ready" and self.serves(uri, language)

    def _reads_other_files(self) -> bool:
        use = self.settings.context.use
        return use == "always" or (use == "auto" and self._host.status.reads_other_files)

    def _forget_earlier_models(self) -> None:
        if self._generation != self._host.generation:
            self._generation = self._host.generation
            self._cache.clear()

    def _known(self, uri: str, cursor: Cursor, *, invoked: bool = False) -> str | None:
        """What was computed already for `cursor`; see `SuggestionCache.find`.

        Also what was suggested, or is being written, since before a bracket of it was typed and closed by the editor.
        """
        if (text := self._cache.find(uri, cursor)) is not None:
            return text
        for place in cursors.less_closed(cursor):
            if earlier := self._cache.find(uri, place):
                fitting = before_closers(earlier, cursors.closers(cursor), cursor.line_prefix)
                return _trimmed(fitting, cursor) or None
        running = self.computations.running(uri)
        if running is None or not (invoked or running.invoked or self.settings.completion.show == "everything"):
            return None  # whether it is likely enough shows when it is done
        ready = _trimmed(running.ready(cursor), cursor)
        return (ready if invoked or not ready else parsing_part(ready, cursor)) or None

    async def _computed(self, uri: str, cursor: Cursor, invoked: bool) -> tuple[str | None, Completion | None]:
        """What the model suggests, or None where a call for another place has overtaken this one."""
        number = self.computations.enter(uri)
        while True:
            computation, completion = await self.computations.join(uri, cursor, invoked)
            if completion is None:
                return None, None
            text = self._worth_showing(completion, computation.cursor, invoked)
            if computation.generation == self._host.generation:
                self._cache.store(uri, computation.cursor, text)
            if computation.cursor == cursor:
                return text, completion
            # It was for an earlier place, and the text has been typed along since; if not to its end, ask again.
            if rest := self._known(uri, cursor):
                self.statistics.kept += 1
                return rest, completion
            if not self.computations.is_newest(uri, number):
                return None, None

    def _worth_showing(self, completion: Completion, cursor: Cursor, invoked: bool) -> str:
        """What of a completion is shown at `cursor`: unasked, only what is likely to be right."""
        text = _trimmed(completion.text, cursor, completion.is_cut)
        if text and (not invoked or "\n" in text):
            text = parsing_part(text, cursor) or (text if invoked else "")
        if invoked or not text or self.settings.completion.show == "everything":
            return text
        return text if threshold_of(completion.model).allows(Evidence.of(completion, text, cursor)) else ""

    async def _compute(self, computation: Computation) -> Completion | None:
        """Ask the model, after the debounce unless a person asked, and unless the token is cancelled by then."""
        cursor, token = computation.cursor, computation.token
        if not computation.invoked:
            await asyncio.sleep(self._delay_s(cursor))
        if token.cancelled:
            return None
        started = time.perf_counter()
        computation.generation = self._host.generation
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

    def _request(self, uri: str, cursor: Cursor, invoked: bool, *, rested: bool = False) -> Request:
        limits, context = self.settings.completion, self.settings.context
        most = Limits(context.max_pieces if self._reads_other_files() else 0, context.max_characters)
        related = self.related.texts(uri)
        place = place_at(cursor)
        is_prose = place in {Place.COMMENT, Place.STRING}
        is_word = not invoked and cursors.completes_identifier(cursor)
        return Request(
            prefix=cursor.prefix,
            # Whoever insists wants something there: a model that sees the bracket does not begin with it.
            suffix=cursor.suffix if invoked else cursors.unclosed(cursor).suffix,
            closers=cursors.closers(cursor),
            insist=invoked,
            max_tokens=min(limits.max_tokens, _WORD_TOKENS) if is_word else limits.max_tokens,
            word_only=is_word,
            words=() if is_prose else names.beginning_as_typed(cursor.prefix, cursor.suffix, related, cursor.language),
            max_lines=line_limit(place, limits.max_lines),
            at_indentation=is_indented(cursor, place),
            related=related,
            context=self.related.pieces(uri, cursor, most, rested=rested),
            path=short_path(uri),
            memory=limits.local_memory,
        )


def _trimmed(text: str, cursor: Cursor, is_cut: bool = False) -> str:
    """What is shown of a completion, which ends in front of what stands closed behind the cursor."""
    return trim(text, cursors.unclosed(cursor), is_cut=is_cut)
