"""Keeps what was chosen for a place while a person types there: other pieces at each key would void the model's cache.

Chosen anew only where the cursor has gone elsewhere, where a file that was chosen from has been edited, and, when
typing rests, where the model lacks what has become the most useful. Knows no clock: it is told when typing rests.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import is_

from lsp_server.context.choice import NEAR_CHARS, Limits, Place, choose, query
from lsp_server.context.index import Indexed
from lsp_server.context.source import Piece, short_path
from lsp_server.context.words import likeness

_SAME_PLACE = 0.3
_SAME_PLACE_AT_REST = 0.5
"""Likeness of the lines before the cursor to those that was chosen for, from which on it is the same place."""

_PLACES_KEPT = 16


@dataclass(frozen=True, slots=True)
class _Chosen:
    words: frozenset[str]
    """Of the lines before the cursor, when the pieces were chosen."""

    looked_at: str
    """Text before the cursor, when it was last asked whether others would be better."""

    known: tuple[Indexed, ...]
    limits: Limits
    pieces: tuple[Piece, ...]


class Chooser:
    """The pieces of each place, one place a file."""

    def __init__(self) -> None:
        self._chosen: OrderedDict[str, _Chosen] = OrderedDict()
        self.choices = 0
        """How often was chosen, for whoever wants to know whether it is rare."""

    def pieces(self, place: Place, known: Sequence[Indexed], limits: Limits, *, rested: bool) -> tuple[Piece, ...]:
        """Pieces for `place` out of the files that have been read, the most useful first.

        `rested` says that typing rests.
        """
        asked, near = query(place), place.prefix[-NEAR_CHARS:]
        earlier = self._chosen.get(place.uri)
        alike = 0.0
        if earlier is not None and earlier.limits == limits and _are_of(earlier, known):
            alike = likeness(asked, earlier.words) if asked != earlier.words else 1.0
            is_looked_at = near == earlier.looked_at and _is_same(known, earlier.known)
            if (alike >= _SAME_PLACE and not rested) or is_looked_at:
                return earlier.pieces
        self.choices += 1
        pieces = choose(place, known, limits)
        if earlier is not None and alike >= _SAME_PLACE_AT_REST and _holds(earlier.pieces, pieces[:1]):
            self._keep(place.uri, replace(earlier, looked_at=near, known=tuple(known)))
            return earlier.pieces
        if earlier is not None and set(earlier.pieces) == set(pieces):
            pieces = earlier.pieces  # in the order that the model has read
        self._keep(place.uri, _Chosen(asked, near, tuple(known), limits, pieces))
        return pieces

    def forget(self, uri: str) -> None:
        """Forget what was chosen for the file at `uri`."""
        self._chosen.pop(uri, None)

    def _keep(self, uri: str, chosen: _Chosen) -> None:
        self._chosen[uri] = chosen
        self._chosen.move_to_end(uri)
        if len(self._chosen) > _PLACES_KEPT:
            self._chosen.popitem(last=False)


def _are_of(earlier: _Chosen, known: Sequence[Indexed]) -> bool:
    """Whether the files that was chosen from are as they were."""
    paths = {piece.path for piece in earlier.pieces}
    return {one for one in earlier.known if short_path(one.source.uri) in paths} <= set(known)


def _is_same(known: Sequence[Indexed], earlier: Sequence[Indexed]) -> bool:
    return len(known) == len(earlier) and all(map(is_, known, earlier))


def _holds(pieces: Sequence[Piece], wanted: Sequence[Piece]) -> bool:
    """Whether all lines of the pieces wanted are in `pieces`."""
    lines = {line for piece in pieces for line in piece.text.split("\n")}
    return all(line in lines for piece in wanted for line in piece.text.split("\n"))
