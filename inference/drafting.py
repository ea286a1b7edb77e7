"""Guesses at what the model will write, for it to check many at a time. Knows ids only.

Code repeats itself: the longest run of tokens at the cursor that occurs elsewhere in the person's own files, or in what
the model wrote before, is likely to go on as it did there (prompt lookup; He et al. 2023, arXiv:2311.08252, and Hu et
al. 2024, arXiv:2411.10666). A wrong guess costs a little time and never changes what is written: `decoding` keeps a
guess only where the model would have chosen the same token.

Tokens are kept as the characters of a string, one each: Python searches strings at the speed of memory, so that no
index has to be built and kept up to date while a person types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from inference.models.base import LONGEST_STEP
from inference.pace import Pace

LONGEST = LONGEST_STEP - 1
"""Most tokens drafted at a time."""

_LONGEST_MATCH = 24
BY_MODEL = _LONGEST_MATCH + 1
"""In place of a match's length: a guess of a small model (see `draft_model`)."""

BY_TAIL = BY_MODEL + 1
"""In place of a match's length: the tokens of a text that the completion must begin with (see `healing`)."""

_MEMORY = 0.9
"""Share that a learnt chance keeps when one more token is judged."""

_UNLIKELY = 0.01
"""Chance of a drafted token, all before it included, from which on more are not worth a thought."""

_GUESSED = 0.6
"""Chance of a small model's guess before anything is learnt."""

_AROUND_S = 1e-4
"""What a pass takes beside the model, measured: to look for drafts, and to choose tokens from the logits."""

GAP = chr(0x10FFFF)
"""Between texts; no vocabulary has so many tokens."""


def as_string(tokens: Iterable[int]) -> str:
    """Tokens as the characters of a string."""
    return "".join(map(chr, tokens))


class CopyDrafter:
    """Drafts by the longest match of the newest tokens in `sources`, the last of which are looked at first."""

    def __init__(self, sources: Iterable[str], prefix: str) -> None:
        """Take `sources` and `prefix`, the text before the cursor, as `as_string` gives them."""
        self._text = GAP.join([*sources, prefix])
        self._end = self._text[-_LONGEST_MATCH:]
        self._seen: tuple[list[int], int] = [], _LONGEST_MATCH
        """What was written when last asked, and how long the match was."""

    def propose(self, written: Sequence[int], most: int) -> tuple[list[int], int]:
        """At most `most` tokens to follow `written`, which follows the prefix; and how long the match is."""
        near = self._end + as_string(written)
        size = len(self._text) + len(written)
        longest = self._longest_match(near, size, written)
        for length in range(longest, 0, -1):
            at = self._last(near[-length:], near, size - 1)
            while at >= 0 and self._following(at + length, near, 1) == GAP:
                at = self._last(near[-length:], near, at + length - 1)  # that was a source's end, which nothing follows
            if at >= 0:
                guesses = self._following(at + length, near, most).partition(GAP)[0]
                return [ord(token) for token in guesses], length
        return [], 0

    def _longest_match(self, near: str, size: int, written: Sequence[int]) -> int:
        """Length of the longest run at the end of all text that occurs before; if it does, every shorter one does.

        By each token it grows by one at most, so most of the time one or two lengths are tried.
        """
        before, matched = self._seen
        grown = len(written) - len(before)
        most = min(_LONGEST_MATCH, size - 1)
        high = min(most, matched + grown) if grown > 0 and list(written[: len(before)]) == before else most
        low, middle = 1, high
        while low <= high:
            if self._last(near[-middle:], near, size - 1) >= 0:
                low = middle + 1
            else:
                high = middle - 1
            middle = (low + high) // 2
        self._seen = list(written), high
        return high

    def _last(self, tail: str, near: str, end: int) -> int:
        """Index in all text of the last `tail` that ends at index `end` or before; -1 if there is none.

        `near` is the end of all text: what is written, and of what stands before it as much as a match is long. The
        rest, which is long, is neither copied nor looked at where that has one.
        """
        start = len(self._text) - len(self._end)
        at = near.rfind(tail, 0, max(0, end - start))
        return at + start if at >= 0 else self._text.rfind(tail, 0, min(end, len(self._text)))

    def _following(self, at: int, near: str, most: int) -> str:
        """At most `most` tokens of all text from index `at` on."""
        found = self._text[at : at + most]
        behind = max(0, at - len(self._text)) + len(self._end)
        return found + near[behind : behind + most - len(found)]


class DraftLength:
    """How many tokens to draft: what pays, by what was accepted so far and by what a longer pass costs here.

    Acceptance is learnt by the length of the match: two equal tokens say little, ten say a lot.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        # Before anything is learnt: a pair of equal tokens is half chance, eight are hardly ever.
        self._accepted = [*(min(0.3 + 0.08 * match, 0.9) for match in range(BY_MODEL)), _GUESSED, _GUESSED]

    def choose(self, match: int, most: int, pending: int = 1) -> int:
        """The number of drafted tokens, 0 to `most`, that should yield most tokens a second.

        They are verified in one pass with `pending` tokens that must be computed anyway.
        """
        return self._best(match, most, pending, 0.0)[0]

    def rate(self, match: int, most: int, draft_s: float = 0.0) -> float:
        """Tokens a second of the number that `choose` gives, where drafting them takes `draft_s` seconds."""
        return self._best(match, most, 1, draft_s)[1]

    def _best(self, match: int, most: int, pending: int, draft_s: float) -> tuple[int, float]:
        chance = min(self._accepted[match], 0.98)
        best, best_rate = 0, 1 / (self._pace.seconds(pending) + draft_s + _AROUND_S)
        expected, product = 1.0, 1.0
        for count in range(1, min(most, LONGEST) + 1):
            product *= chance
            if product < _UNLIKELY:
                break
            expected += product
            if (rate := expected / (self._pace.seconds(pending + count) + draft_s + _AROUND_S)) > best_rate:
                best, best_rate = count, rate
        return best, best_rate

    def learn(self, match: int, drafted: int, accepted: int) -> None:
        """Take in how many of a draft's tokens were right: all before the first wrong one."""
        for _ in range(accepted):
            self._accepted[match] = _MEMORY * self._accepted[match] + (1 - _MEMORY)
        if accepted < drafted:
            self._accepted[match] *= _MEMORY


Drafter = Callable[[Sequence[int], int], tuple[list[int], int]]
"""Like `CopyDrafter.propose`."""


def spelling(tail: Sequence[int], inner: Drafter) -> Drafter:
    """Drafts for a completion that must begin with the text of the tokens `tail` first, then those of `inner`."""

    def propose(written: Sequence[int], most: int) -> tuple[list[int], int]:
        if written or not tail or len(tail) > most:
            return inner(written, most)
        more, _ = inner(tail, most - len(tail)) if most > len(tail) else ([], 0)
        return [*tail, *more], BY_TAIL

    return propose
