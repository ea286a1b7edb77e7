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

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.drafting import GAP

_ORDERS = 8
"""Longest context, in tokens: longer ones add nothing."""

_MANY = 200
Probabilities = npt.NDArray[np.float32]


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
        self._tokens, self._others = _as_tokens(text), _as_tokens(others)
        self._trust = trust

    def blend(self, model: Probabilities, written: Sequence[int], ends: Sequence[int]) -> Probabilities:
        """The model's distribution [vocabulary] after `written`, which follows the cursor, changed by what is known.

        The chance of the tokens `ends`, which end the text, stays the model's: no file says where a hole does.
        """
        blended = model.copy()
        kept = model[ends] if len(ends) else None
        for tokens in (self._others, self._tokens):
            for order, followers in enumerate(self._followers(tokens, written), 1):
                ids, counts = _counted(followers, len(blended))
                total = int(counts.sum())
                if not total:
                    continue
                weight = total / (total + self._trust.doubt_at(order) * len(ids))
                blended *= 1 - weight
                blended[ids] += (weight / total) * counts.astype(np.float32)
        if kept is not None:
            before = 1.0 - float(blended[ends].sum())
            blended *= (1.0 - float(kept.sum())) / max(before, 1e-9)
            blended[ends] = kept
        return blended

    def _followers(self, tokens: npt.NDArray[np.uint32], written: Sequence[int]) -> list[npt.NDArray[np.uint32]]:
        """What followed the newest tokens in `tokens`: after the last, the last two, and so on."""
        found: list[npt.NDArray[np.uint32]] = []
        recent = [*self._tokens[max(0, len(self._tokens) + len(written) - _ORDERS) :], *written][-_ORDERS:]
        if ord(GAP) in recent:  # the file begins there
            recent = recent[len(recent) - recent[::-1].index(ord(GAP)) :]
        if not recent:
            return found
        places = np.flatnonzero(tokens[:-1] == recent[-1])
        for order in range(1, len(recent) + 1):
            if order > 1:
                places = places[places >= order - 1]
                places = places[tokens[places - (order - 1)] == recent[-order]]
            if not places.size:
                break
            followers = tokens[places + 1]
            found.append(followers[followers != ord(GAP)])
        return found


def _as_tokens(text: str) -> npt.NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _counted(
    followers: npt.NDArray[np.uint32], vocabulary: int
) -> tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]]:
    """The different tokens below `vocabulary` among `followers`, in ascending order, and how often each is there."""
    if len(followers) > _MANY:  # where sorting them takes longer than a look at the whole vocabulary
        every = np.bincount(followers, minlength=vocabulary)[:vocabulary]
        ids = np.flatnonzero(every)
        return ids, every[ids]
    ids, counts = np.unique(followers, return_counts=True)
    known = ids < vocabulary
    return ids[known], counts[known]
