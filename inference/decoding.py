"""Chunked prefill and greedy decoding, as generators.

Between two yields the caller may stop pulling for good: all state lives in the cache, which is consistent after every
forward pass. Knows ids only; text, formats and stop rules are the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from inference.decoded_token import Token
from inference.drafting import Drafter, DraftLength
from inference.kv_cache import KeyValueCache
from inference.models.base import LONGEST_STEP, CausalModel
from inference.picking import MODELS_OWN, Picker

PREFILL_CHUNK = 128
"""Tokens a prefill step where nothing else is said."""


def prefill_except_last(
    model: CausalModel, cache: KeyValueCache, prompt: Sequence[int], chunk: int | Callable[[], int] = PREFILL_CHUNK
) -> Generator[None, None, list[int]]:
    """Bring `cache` to `prompt` except for its last chunk, reusing what it shares with it; yields after each chunk.

    Returns the last chunk, at least one token. A `chunk` that is a function is asked before each.
    """
    start = cache.rewind_to(prompt)
    while True:
        size = chunk if isinstance(chunk, int) else chunk()
        if start + size >= len(prompt):
            return list(prompt[start:])
        model.forward(prompt[start : start + size], cache)
        start += size
        yield


def prefill(
    model: CausalModel, cache: KeyValueCache, prompt: Sequence[int], chunk: int | Callable[[], int] = PREFILL_CHUNK
) -> Generator[None, None, Tensor]:
    """Bring `cache` to exactly `prompt`, at least one token, as `prefill_except_last` does.

    Returns the logits [vocabulary] after the last prompt token.
    """
    rest = yield from prefill_except_last(model, cache, prompt, chunk)
    return model.forward(rest, cache)[-1]


@dataclass(slots=True)
class Tally:
    """What decoding took, for reports."""

    passes: int = 0
    drafted: int = 0
    accepted: int = 0


@dataclass(frozen=True, slots=True)
class Drafting:
    """How to decode several tokens a forward pass."""

    propose: Drafter
    length: DraftLength
    tally: Tally = field(default_factory=Tally)


def greedy(
    model: CausalModel, cache: KeyValueCache, logits: Tensor, picker: Picker = MODELS_OWN
) -> Generator[Token, None, None]:
    """Decode from `logits` [vocabulary], the token that `picker` picks each time.

    The forward pass for a token runs only when the next one is asked for, so the last token costs none. This is the
    reference for `drafted`.
    """
    written: list[int] = []
    while True:
        token = picker.pick(logits[None], written)[0]
        written.append(token.id)
        yield token
        if len(written) == picker.choice.most:
            return
        logits = model.forward([token.id], cache)[-1]


def drafted(
    model: CausalModel, cache: KeyValueCache, rest: Sequence[int], picker: Picker, drafting: Drafting
) -> Generator[list[Token], None, None]:
    """Decode the same tokens as `greedy` does, those of one forward pass at a time: several where a draft is right.

    Begins with `rest`, the prompt's last tokens, which are not in `cache` yet: what follows them is drafted too. A
    drafted token counts where it is the one that is picked after those before it (greedy verification; Leviathan et al.
    2023, arXiv:2211.17192). After each pass the cache holds what was decoded and nothing else.
    """
    written: list[int] = []
    tally = drafting.tally
    most = picker.choice.most
    pending = list(rest)
    while True:
        room = LONGEST_STEP - len(pending)
        if most is not None:
            room = min(room, most - len(written) - 1)
        proposed, match = drafting.propose(written, room) if room > 0 else ([], 0)
        guesses = proposed[: drafting.length.choose(match, len(proposed), len(pending))]
        logits = model.forward([*pending, *guesses], cache, last=1 + len(guesses))
        picked = picker.pick(logits, written, guesses)
        right = len(picked) - 1
        cache.drop(len(guesses) - right)
        if guesses:
            drafting.length.learn(match, len(guesses), right)
        elif proposed:
            # Not worth trying by what is known, which must not stay so for ever: seen to be right for nothing.
            drafting.length.learn(match, 1, int(picked[0].id == proposed[0]))
        tally.passes += bool(written)
        tally.drafted += len(guesses)
        tally.accepted += right
        written += [token.id for token in picked]
        yield picked
        if most is not None and len(written) >= most:
            return
        pending = [picked[-1].id]
