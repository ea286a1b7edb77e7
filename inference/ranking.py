"""Which of the names that exist belongs at the cursor, where code follows: the one that makes the line likeliest.

A model that writes from left to right does not look at what comes behind a name before it has chosen it, and one that
was taught to infill looks too little. Here each name is judged with the code behind it: by the probability of its own
tokens and of the next words on the line. Knows ids only, but for `names_for`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from inference.decoded_token import Logits
from inference.healing import Tail
from inference.kv_cache import KeyValueCache, common_prefix_length
from inference.models.base import CausalModel
from inference.picking import Picker
from inference.request import Request
from inference.tokenizer import TextTokenizer

_MOST_NAMES = 64
_MOST_JUDGED = 12
"""Names that are considered, by their first tokens, and those of them that the model reads: one pass each."""

_LONGEST_TOKENS = 24
_FOLLOWING = re.compile(r"(?:[ \t]*(?:\w+|[^\w\s]+)){1,2}")
"""What behind the cursor counts: two words or marks; more says no more about the name."""

_WORD_AT_END = re.compile(r"\w+\Z")
_LONGEST_WORD = 100


@dataclass(frozen=True, slots=True)
class Name:
    """A name that the text may go on with."""

    rest: str
    """What of it is not there yet; empty for one that is whole."""

    ids: tuple[int, ...]
    """Tokens [n ≥ 1] of the text from the prompt's end to behind the code that follows the name."""

    own: int
    """How many of them the name has to itself, at least 1."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A name and how likely it is."""

    name: Name
    own_logprob: float
    """Sum over its own tokens."""

    logprob: float
    """Sum over all tokens: what names are compared by."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The likeliest name."""

    best: Judged
    margin: float
    """By how much its `logprob` is above any other's at least; infinite where there is no other."""

    read: int
    """How many names were read."""


def names_for(request: Request, tail: Tail, tokenizer: TextTokenizer) -> list[Name]:
    """The names of `request.words` that the identifier at the cursor may become, as they would stand on the line.

    Empty where none of them goes on, or where the prompt's end is not known to be a token's end; see `healing`.
    """
    typed = _WORD_AT_END.search(request.prefix[-_LONGEST_WORD:])
    following = _FOLLOWING.match(request.suffix.split("\n", 1)[0])
    if typed is None or following is None or not tail.text.endswith(typed[0]):
        return []
    found: list[Name] = []
    for word in request.words[:_MOST_NAMES]:
        rest = word[len(typed[0]) :]
        ids = tokenizer.encode(tail.text + rest + following[0])
        own = common_prefix_length(tokenizer.encode(tail.text + rest), ids)
        if word.startswith(typed[0]) and len(ids) <= _LONGEST_TOKENS:
            found.append(Name(rest, tuple(ids), max(1, own)))
    return found if any(name.rest for name in found) else []


def judged(
    model: CausalModel, cache: KeyValueCache, prompt_rest: Sequence[int], names: Sequence[Name], picker: Picker
) -> Generator[None, None, Verdict]:
    """The likeliest of `names`, at least one of them; yields between passes.

    `prompt_rest` are the prompt's last tokens, which are not in `cache` yet; afterwards it holds the prompt.

    A name is no likelier than its first token, so those that can't win any more are left out.
    """
    first = picker.given_tail(picker.logprobs(model.forward(prompt_rest, cache), ((),))[0])
    bounds = sorted((-float(first[name.ids[0]]), at) for at, name in enumerate(names))
    found: list[Judged] = []
    unread = -math.inf
    for bound, at in ((-least, at) for least, at in bounds):
        if len(found) == _MOST_JUDGED or (found and bound < max(one.logprob for one in found)):
            unread = bound
            break
        yield
        found.append(judge(model, cache, names[at], first, picker))
    found.sort(key=lambda one: -one.logprob)
    others = max([unread, *(one.logprob for one in found[1:])])
    return Verdict(found[0], found[0].logprob - others, len(found))


def judge(model: CausalModel, cache: KeyValueCache, name: Name, first: Logits, picker: Picker) -> Judged:
    """One name, after a prompt that `cache` holds and that the log probabilities `first` [vocabulary] follow."""
    logprobs = [float(first[name.ids[0]])]
    before = name.ids[:-1]
    if before:
        logits = model.forward(before, cache, last=len(before))
        cache.drop(len(before))
        rows = picker.logprobs(logits, [before[: at + 1] for at in range(len(before))])
        logprobs += [float(row[identifier]) for row, identifier in zip(rows, name.ids[1:], strict=True)]
    return Judged(name, sum(logprobs[: name.own]), sum(logprobs))
