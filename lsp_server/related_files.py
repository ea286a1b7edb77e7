"""What a request gets from other files: their texts, for drafts, and pieces of them, for the prompt.

They are read in the event loop, a millisecond or two at a time and never for long within a request; until all have been
read, pieces come from those that have. Which pieces help is decided in `context`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from inference.request import ContextPiece
from lsp_server.context.choice import Limits, Place
from lsp_server.context.chooser import Chooser
from lsp_server.context.index import Index
from lsp_server.context.source import Source
from lsp_server.cursor import Cursor

Related = Callable[[str], tuple[Source, ...]]
"""The other files beside the one at an address that may be read, the most related last."""

_MOST_TEXTS = 8
"""Files that drafts are taken from."""

_REQUEST_S = 0.0005
_SLICE_S = 0.0015
"""Longest reading at a time: within a request, and while nothing else is to do in the event loop."""

_PAUSE_S = 0.01


def nothing(uri: str) -> tuple[Source, ...]:
    """No other files."""
    del uri
    return ()


class RelatedFiles:
    """The other files of one session (an editor window)."""

    def __init__(self, related: Related = nothing) -> None:
        self._related = related
        self._index = Index()
        self._chooser = Chooser()
        self._timer: asyncio.TimerHandle | None = None

    def texts(self, uri: str) -> tuple[str, ...]:
        """Texts of the files most related to the one at `uri`, the most related last."""
        return tuple(source.text for source in self._related(uri)[-_MOST_TEXTS:])

    def pieces(self, uri: str, cursor: Cursor, limits: Limits, *, rested: bool) -> tuple[ContextPiece, ...]:
        """Pieces of other files for `cursor`, the most useful first; the same ones while a person types there.

        `rested` says that typing rests: then it may be worth to choose others.
        """
        if not limits.pieces or not limits.characters:
            return ()
        self._index.update(self._related(uri), uri)
        if self._index.work(_until(_REQUEST_S)):
            self._go_on()
        place = Place(uri, cursor.prefix, cursor.suffix)
        found = self._chooser.pieces(place, self._index.known(), limits, rested=rested)
        return tuple(ContextPiece(piece.path, piece.text) for piece in found)

    def read_soon(self, uri: str) -> None:
        """Begin to read the files beside the one at `uri`, while nothing else is to do."""
        self._index.update(self._related(uri), uri)
        self._go_on()

    def read(self, uri: str) -> None:
        """Read them now, however long it takes: for commands, where nobody types."""
        self._index.update(self._related(uri), uri)
        self._index.work(lambda: False)

    def forget(self, uri: str) -> None:
        """The file at `uri` was closed: what was chosen for it is no longer wanted."""
        self._chooser.forget(uri)

    def stop(self) -> None:
        """Read no more until somebody asks."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _go_on(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_PAUSE_S, self._read_on)

    def _read_on(self) -> None:
        self._timer = None
        if self._index.work(_until(_SLICE_S)):
            self._go_on()


def _until(seconds: float) -> Callable[[], bool]:
    """Tells when so much time has passed."""
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() >= end
