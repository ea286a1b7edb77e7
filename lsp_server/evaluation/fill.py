"""Fills holes: through the product as an editor would have it, and with what the model alone writes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inference.request import CancelToken, Request
from lsp_server.completer import Completer
from lsp_server.context.source import Source
from lsp_server.documents import Snapshot
from lsp_server.evaluation.holes import Hole
from lsp_server.evaluation.scores import Filled
from lsp_server.model_host import ModelHost
from lsp_server.settings import Settings

_PLAIN_TOKENS = 64
"""What the model alone may write; more than any hole needs."""

Heard = Callable[[], None]
"""Told after each hole."""


def _nothing(hole: Hole) -> tuple[Source, ...]:
    del hole
    return ()


@dataclass(frozen=True, slots=True)
class Product:
    """What is shown, by the settings, of what a model writes."""

    host: ModelHost
    settings: Settings
    opened: Callable[[Hole], tuple[Source, ...]] = _nothing
    """The other files that are open beside a hole's, and have been for a while, the most related last."""

    async def fill(self, holes: Sequence[Hole], heard: Heard) -> list[Filled]:
        """Each hole by itself, without what an earlier one has left in the caches of this window."""
        filled: list[Filled] = []
        for number, hole in enumerate(holes):
            others = self.opened(hole)
            completer = Completer(self.host, self.settings, lambda _, others=others: others)
            uri = hole.source.path.as_uri()
            if others:  # as after some seconds with them open
                completer.related.read(uri)
                request = Request(hole.prefix, hole.suffix, related=completer.related.texts(uri))
                prepared = self.host.worker.submit_idle(request, CancelToken(), completer, completes=False)
                await asyncio.wrap_future(prepared)
            snapshot = Snapshot(uri, hole.source.language, number, hole.prefix + hole.suffix, len(hole.prefix))
            started = time.perf_counter()
            suggestion = await completer.suggest(snapshot, invoked=False)
            seconds = time.perf_counter() - started
            completer.forget_all()
            filled.append(
                Filled(
                    hole, suggestion.text, 1000 * seconds, is_likely=suggestion.is_likely, evidence=suggestion.evidence
                )
                if suggestion
                else Filled(hole, "", 1000 * seconds)
            )
            heard()
        return filled


@dataclass(frozen=True, slots=True)
class Plain:
    """What the model writes by itself, as its card shows it."""

    host: ModelHost

    async def fill(self, holes: Sequence[Hole], heard: Heard) -> list[Filled]:
        """Each hole; where one line is missing the first line counts, which the model is not told."""
        filled: list[Filled] = []
        for hole in holes:
            most = _PLAIN_TOKENS * (4 if hole.kind == "task" else 1)
            request = Request(hole.prefix, hole.suffix, max_tokens=most, plain=True)
            started = time.perf_counter()
            completion = await asyncio.wrap_future(self.host.worker.submit(request, CancelToken()))
            text = completion.text if completion else ""
            text = text if hole.kind == "block" or "\n" in hole.truth else text.split("\n", 1)[0]
            filled.append(Filled(hole, text, 1000 * (time.perf_counter() - started)))
            heard()
        return filled
