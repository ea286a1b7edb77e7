"""Keeps what was chosen for a place while a person types there: other pieces at each key would void the model's cache.

Chosen anew only where the cursor has gone elsewhere, where a file that was chosen from has been edited, and, when
typing rests, where another choice is likely. Knows no clock: it is told when typing rests.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from operator import is_

from lsp_server.context.choice import Limits, Place, choose, query
from lsp_server.context.index import Indexed
from lsp_server.context.source import Piece, short_path
from lsp_server.context.words import likeness

_SAME_PLACE = 0.3
_SAME_PLACE_AT_REST = 0.8
"""Likeness of the lines before the cursor to those that was chosen for, from which on the choice stands."""

_PLACES_KEPT = 16


@dataclass(frozen=True, slots=True)
class _Chosen:
    words: frozenset[str]
    known: tuple[Indexed, ...]
    limits: Limits
    pieces: tuple[Piece, ...]

    @property
    def paths(self) -> set[str]:
        """Of the files that the pieces are from."""
        return {piece.path for piece in self.pieces}


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
        asked = query(place)
        earlier = self._chosen.get(place.uri)
        if earlier is not None and _stands(earlier, asked, known, limits, rested=rested):
            return earlier.pieces
        self.choices += 1
        pieces = choose(place, known, limits)
        if earlier is not None and set(earlier.pieces) == set(pieces):
            pieces = earlier.pieces  # in the order that the model has read
        self._chosen[place.uri] = _Chosen(asked, tuple(known), limits, pieces)
        self._chosen.move_to_end(place.uri)
        if len(self._chosen) > _PLACES_KEPT:
            self._chosen.popitem(last=False)
        return pieces


def _stands(earlier: _Chosen, asked: frozenset[str], known: Sequence[Indexed], limits: Limits, *, rested: bool) -> bool:
    is_unchanged = len(known) == len(earlier.known) and all(map(is_, known, earlier.known))
    if limits != earlier.limits or not (is_unchanged or _sources(earlier) <= set(map(id, known))):
        return False
    alike = likeness(asked, earlier.words) if asked != earlier.words else 1.0
    return is_unchanged and alike >= _SAME_PLACE_AT_REST if rested else alike >= _SAME_PLACE


def _sources(earlier: _Chosen) -> set[int]:
    """The files that was chosen from: as they are now, unless they have been edited."""
    return {id(one) for one in earlier.known if short_path(one.source.uri) in earlier.paths}
