"""What the person's own text says comes next, blended into the model's distribution. Knows ids only.

Code repeats itself, and locally most of all (Tu et al. 2014, "On the localness of software"; Hellendoorn and Devanbu
2017, "Are deep neural networks the best choice for modeling source code?"). For every context length up to `_ORDERS`,
the tokens that followed the same context elsewhere in the open files are counted; each length's distribution is
interpolated with that of the length below it (Witten and Bell 1991, method C), and the lowest with the model's. So the
model decides where nothing is known, and a long, unanimous match decides against it.

There is no index to be kept up to date: the places of the newest token are found by one comparison over all tokens, in
microseconds, and longer contexts by narrowing those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from inference.drafting import GAP

_ORDERS = 8
"""Longest context, in tokens: longer ones add nothing."""

_FEW, _MANY = 24, 200
"""Places: up to the first number Python's loops are faster than numpy's calls; from the second on, counting everything
is faster than sorting."""

Probabilities = npt.NDArray[np.float32]
Chances = npt.NDArray[np.float64]
Ids = Sequence[int] | npt.NDArray[np.integer]
Places = Sequence[int] | npt.NDArray[np.integer]
_NOWHERE: list[int] = []


_MOST_KNOWN = 2**21
"""Chances that are kept: 8 MB."""


class _Said(NamedTuple):
    """What the memory makes of a distribution: its share that stays, and what is added [vocabulary]."""

    stays: np.float32
    chances: Probabilities


class Counts(NamedTuple):
    """Different tokens, and how often each of them is there."""

    ids: Ids
    times: Chances


@dataclass(frozen=True, slots=True)
class Trust:
    """How much a model believes the memory. Found per model with `fimd eval --ablate`."""

    doubt: float = 1.0
    """Factor on the number of different tokens seen, Witten and Bell's evidence for one not seen: 1 is their own rule,
    more is for models that know better."""

    sure_order: int = 6
    """Shortest context, in tokens, that counts in full: towards one of k < n tokens the doubt is (n / k)² as large. A
    model that knows the language needs no telling what follows a comma."""

    def doubt_at(self, order: int) -> float:
        """The doubt towards contexts of `order` ≥ 1 tokens."""
        return self.doubt * max(1.0, self.sure_order / order) ** 2


class LocalMemory:
    """The tokens of the cursor's own file, and of others that are open.

    What the own file says is interpolated with what the others say, as in a nested cache: so that twenty open files
    don't outvote the one that is being written.
    """

    def __init__(self, text: str, trust: Trust, others: str = "") -> None:
        """Take `text`, which ends at the cursor, and `others`: tokens as characters, `GAP` between; see `drafting`."""
        self._text, self._other_text = text, others
        self._tokens, self._others = _as_tokens(text), _as_tokens(others)
        self._trust = trust
        self._known: dict[tuple[int, ...], _Said] = {}
        """What was worked out, by the context. While a word is typed the text stays the same, and half of all contexts
        were asked for at the last key."""

    def is_of(self, text: str, trust: Trust, others: str = "") -> bool:
        """Whether one made of these would say the same."""
        return self._text == text and self._other_text == others and self._trust == trust

    def blend(self, model: Probabilities, written: Sequence[int], ends: Sequence[int]) -> Probabilities:
        """The model's distribution [vocabulary] after `written`, which follows the cursor, changed by what is known.

        The chance of the tokens `ends`, which end the text, stays the model's: no file says where a hole does.
        """
        context = self._context(written)
        if (said := self._known.get(context)) is None:
            if len(self._known) >= _MOST_KNOWN // len(model):
                self._known.clear()
            self._known[context] = said = self._said(context, len(model))
        blended = model * said.stays
        blended += said.chances
        if len(ends):
            kept = model[ends]
            before = 1.0 - float(blended[ends].sum())
            blended *= np.float32((1.0 - float(kept.sum())) / max(before, 1e-9))
            blended[ends] = kept
        return blended

    def _context(self, written: Sequence[int]) -> tuple[int, ...]:
        """The newest tokens, back to where the file begins if that is among them."""
        recent = [*map(ord, self._text[max(0, len(self._text) + len(written) - _ORDERS) :]), *written][-_ORDERS:]
        if ord(GAP) in recent:
            recent = recent[len(recent) - recent[::-1].index(ord(GAP)) :]
        return tuple(recent)

    def _said(self, context: tuple[int, ...], vocabulary: int) -> _Said:
        """What all texts say comes after a context."""
        # What each context adds, and all that was before keeps: so that only what is known is touched, not all tokens.
        steps: list[tuple[float, Ids, Chances]] = []
        for text, tokens in ((self._other_text, self._others), (self._text, self._tokens)):
            for order, counts in _counts(text, tokens, context, vocabulary):
                total = int(counts.times.sum())
                weight = total / (total + self._trust.doubt_at(order) * len(counts.ids))
                steps.append((1 - weight, counts.ids, (weight / total) * counts.times))
        stays = 1.0
        chances = np.zeros(vocabulary, dtype=np.float32)
        for share, ids, added in reversed(steps):
            chances[ids] += stays * added
            stays *= share
        return _Said(np.float32(stays), chances)


def _counts(
    text: str, tokens: npt.NDArray[np.uint32], context: tuple[int, ...], vocabulary: int
) -> Iterator[tuple[int, Counts]]:
    """What followed the newest token of a context, the last two, and so on, in `text`, whose `tokens` these are.

    With how many; ends where nothing did.
    """
    places = np.flatnonzero(tokens[:-1] == context[-1]) if context else _NOWHERE
    counts: Counts | None = None
    for order in range(1, len(context) + 1):
        before = len(places)
        if order > 1:
            places = _narrowed(places, order - 1, context[-order], text, tokens)
        if not len(places):
            return
        if counts is None or len(places) != before:  # else the longer context is at the same places
            counts = _counted(places, text, tokens, vocabulary)
        if len(counts.ids):
            yield order, counts


def _as_tokens(text: str) -> npt.NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _narrowed(places: Places, back: int, token: int, text: str, tokens: npt.NDArray[np.uint32]) -> Places:
    """Those of `places` with `token` so many places `back`."""
    if len(places) <= _FEW:
        wanted = chr(token)
        return [place for place in places if place >= back and text[place - back] == wanted]
    found = np.asarray(places)
    found = found[np.searchsorted(found, back) :]
    return found[tokens[found - back] == token]


def _counted(places: Places, text: str, tokens: npt.NDArray[np.uint32], vocabulary: int) -> Counts:
    """The different tokens below `vocabulary` that follow `places`, and how often."""
    if len(places) <= _FEW:
        times = Counter(identifier for place in places if (identifier := ord(text[place + 1])) < vocabulary)
        return Counts(list(times), np.array([*times.values()], dtype=np.float64))
    followers = tokens[np.asarray(places) + 1]
    followers = followers[followers < vocabulary]
    if len(followers) > _MANY:  # where sorting them takes longer than a look at the whole vocabulary
        every = np.bincount(followers)
        ids = np.flatnonzero(every)
        return Counts(ids, every[ids].astype(np.float64))
    ids, times = np.unique(followers, return_counts=True)
    return Counts(ids, times.astype(np.float64))
