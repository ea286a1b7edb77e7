"""Which token comes next: the most probable one that is allowed. Knows ids only.

A token may be forbidden for good or as the first; the first ones may have to spell out a given text (`healing`); and
the model's distribution may be blended with what the person's own files say (`local_memory`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from inference.decoded_token import Logits, Token, likelihood, log_sum, most_probable, without
from inference.healing import NO_TAIL, Healer, Tail
from inference.local_memory import LocalMemory
from inference.token_bytes import TokenIds

_LEAST = 1e-30


@dataclass(frozen=True, slots=True)
class Choice:
    """Which tokens may be decoded, and how many."""

    forbidden: Sequence[int] = ()
    """Never chosen: a prompt's own control tokens, which a model that has also learnt to write prompts would put where
    the prefix looks finished."""

    forbidden_first: Sequence[int] = ()
    """Not chosen as the first token of what is new."""

    ends: Sequence[int] = ()
    """Tokens that end the text."""

    vocabulary: int | None = None
    """Ids from this one on are padding of the weights' rows, which no tokenizer knows."""

    most: int | None = None
    """How many; None for without end."""


ANY = Choice()


@dataclass(frozen=True, slots=True)
class Picker:
    """The rule for one completion."""

    choice: Choice = ANY
    tail: Tail = NO_TAIL
    healer: Healer | None = None
    memory: LocalMemory | None = None
    words: tuple[bytes, ...] = ()
    """In UTF-8, what the text may begin with, if it is not free; each begins with the tail."""

    avoid: tuple[tuple[int, ...], ...] = ()
    """What may not be written at the beginning."""

    may_indent: bool = True
    """Whether what is new may begin with a blank."""

    def pick(self, rows: Tensor, written: Sequence[int], guesses: Sequence[int] = ()) -> list[Token]:
        """What follows `written`, then each of `guesses` [n], by their logits `rows` [n + 1, at least vocabulary].

        Ends with the first token that is no guess. Rows are float32.
        """
        if self.memory is None and not self._is_bound(written):
            return self._models_own(rows, guesses)
        picked: list[Token] = []
        so_far = list(written)
        for row, guess in zip_longest(rows.cpu().numpy(), guesses):
            picked.append(self._one(self._possible(row), so_far))
            if picked[-1].id != guess:
                break
            so_far.append(picked[-1].id)
        return picked

    def _models_own(self, rows: Tensor, guesses: Sequence[int]) -> list[Token]:
        """The same, where nothing but the model counts."""
        if not rows.is_cpu:
            tokens = _picked_on_device(self._possible_on_device(rows))
            right = next((n for n, guess in enumerate(guesses) if tokens[n].id != guess), len(guesses))
            return tokens[: right + 1]
        forbidden = self.choice.forbidden
        picked: list[Token] = []
        for row, guess in zip_longest(rows.numpy()[:, : self.choice.vocabulary], guesses):
            best = int(row.argmax())
            if best in forbidden:
                best = int(without(row, forbidden).argmax())
            picked.append(Token(best, partial(likelihood, row, best, forbidden)))
            if best != guess:
                break
        return picked

    def logprobs(self, rows: Tensor, written: Sequence[Sequence[int]]) -> Logits:
        """Natural logarithms of the probabilities [n, vocabulary] of all tokens after each of `written` [n].

        By their logits `rows` [n, at least vocabulary]; what a tail or words demand does not count.
        """
        found: list[Logits] = []
        for row, one in zip(rows.cpu().numpy(), written, strict=True):
            blended = self._blended(self._possible(row), one)
            found.append(blended - np.float32(log_sum(blended)))
        return np.stack(found)

    def given_tail(self, logprobs: Logits) -> Logits:
        """Those of a first token [vocabulary], given that it begins as the tail does or the tail as it."""
        if self.healer is None or not self.tail.text:
            return logprobs
        allowed = self.healer.allowed(self.tail.bytes)
        given = log_sum(logprobs[allowed[allowed < len(logprobs)]])
        return logprobs - np.float32(given) if math.isfinite(given) else logprobs

    def _possible(self, row: Logits) -> Logits:
        """A row of logits [vocabulary] without tokens that may not be written: a copy."""
        return without(row[: self.choice.vocabulary], self.choice.forbidden)

    def _possible_on_device(self, rows: Tensor) -> Tensor:
        """The same of rows [n, vocabulary], where they are."""
        rows = rows[:, : self.choice.vocabulary]
        if self.choice.forbidden:
            rows = rows.index_fill(1, torch.tensor(self.choice.forbidden, device=rows.device), -torch.inf)
        return rows

    def _is_bound(self, written: Sequence[int]) -> bool:
        """Whether what comes next is not the model's alone to choose."""
        if self._is_beginning(written) or any(len(beginning) > len(written) for beginning in self.avoid):
            return True
        return bool(self.words) and self.healer is not None and self.healer.leads_to(self.words, written)

    def _is_beginning(self, written: Sequence[int]) -> bool:
        """Whether what comes next is bound by the tail, or the first of what is new."""
        if self.healer is None or not self.tail.text:
            return not written
        return not self.healer.goes_beyond(self.tail, written)

    def _one(self, row: Logits, written: Sequence[int]) -> Token:
        """The choice from one row of logits [vocabulary]."""
        missing = self.healer.missing(self.tail, written) if self.healer else b""
        if not missing and self._is_beginning(written):
            if self.choice.forbidden_first:
                row = without(row, self.choice.forbidden_first)
            if self.healer and not self.may_indent:
                row = without(row, self.healer.blank)
        row = self._blended(row, written)
        if taken := [beginning[-1] for beginning in self.avoid if beginning[:-1] == tuple(written)]:
            row = without(row, taken)
        if missing and self.healer:
            row = _only(row, self.healer.allowed(missing, then_blank=self.may_indent))
        if not self.words or self.healer is None:
            return most_probable(row)
        leading = self.healer.spelling(self.words, written, self.choice.ends)
        among = row if leading is None else _only(row, leading)
        if among is row or not (among > -math.inf).any():
            return most_probable(row)
        best = most_probable(among)
        # How sure that is shows only beside what the model would have written.
        return Token(best.id, lambda: (float(row[best.id]) - log_sum(row), best.margin))

    def _blended(self, row: Logits, written: Sequence[int]) -> Logits:
        """Logits [vocabulary] of the model's distribution with the memory's in it."""
        if self.memory is None:
            return row
        own = row - np.float32(log_sum(row))
        blended = self.memory.blend(np.exp(own), written, self.choice.ends)
        # What the memory leaves no chance keeps the model's order.
        unlikely = blended <= _LEAST
        blended[unlikely] = 1.0
        return np.where(unlikely, own + np.float32(math.log(_LEAST)), np.log(blended))


def _only(row: Logits, ids: TokenIds) -> Logits:
    """Logits [vocabulary] of `ids` [n], and of nothing else."""
    ids = ids[ids < len(row)]
    only = np.full_like(row, -math.inf)
    only[ids] = row[ids]
    return only


MODELS_OWN = Picker()
"""The model's own choice, whatever it is."""


def _picked_on_device(rows: Tensor) -> list[Token]:
    """The most probable token after each of `rows` [n, vocabulary], found where they are."""
    best, indexes = rows.max(dim=-1)
    second = rows.topk(min(2, rows.shape[-1]), dim=-1).values[:, -1]
    ids = cast(list[int], cast(Any, indexes).tolist())
    logprobs = cast(list[float], cast(Any, best - rows.logsumexp(dim=-1)).tolist())
    margins = cast(list[float], cast(Any, best - second).tolist())
    return [
        Token(one, (logprob, margin if math.isfinite(margin) else math.inf))
        for one, logprob, margin in zip(ids, logprobs, margins, strict=True)
    ]


def remembered(picker: Picker, vocabulary: int, most: int) -> Iterator[Token]:
    """At most `most` tokens, less than `vocabulary`, by the memory of `picker` alone; ends where it knows nothing."""
    nothing = torch.zeros(1, vocabulary)
    written: list[int] = []
    while len(written) < most:
        token = picker.pick(nothing, written)[0]
        if token.margin <= 0:  # as probable as another: nothing tells them apart
            return
        written.append(token.id)
        yield token
