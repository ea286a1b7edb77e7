"""Chunked prefill and greedy decoding, as generators.

Between two yields the caller may stop pulling for good: all state lives in the cache, which is consistent after every
forward pass. Knows ids only; text, formats and stop rules are the engine's.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inference.kv_cache import KeyValueCache
from inference.models.base import CausalModel

PREFILL_CHUNK = 128
"""Tokens a prefill step, which bounds how long a cancel waits: about 1.2 s at 1.1 B in float32 on two cores.

Larger chunks gain little.
"""


@dataclass(frozen=True, slots=True)
class Token:
    """One decoded token and its natural-log probability."""

    id: int
    logprob: float


def prefill(
    model: CausalModel, cache: KeyValueCache, prompt: Sequence[int], chunk: int = PREFILL_CHUNK
) -> Generator[None, None, Tensor]:
    """Bring `cache` to exactly `prompt`, reusing what it shares with it; yields after each chunk of `chunk` tokens.

    Returns the logits [vocabulary] after the last prompt token. `prompt` has at least one token.
    """
    start = cache.rewind_to(prompt)
    while True:
        logits = model.forward(prompt[start : start + chunk], cache)
        start += chunk
        if start >= len(prompt):
            return logits
        yield


@dataclass(frozen=True, slots=True)
class Choice:
    """Which tokens may be decoded."""

    forbidden: Sequence[int] = ()
    """Never chosen: a prompt's own control tokens, which a model that has also learnt to write prompts would put where
    the prefix looks finished."""

    forbidden_first: Sequence[int] = ()
    """Not chosen as the first token."""

    vocabulary: int | None = None
    """Ids from this one on are padding of the weights' rows, which no tokenizer knows."""


ANY = Choice()


def greedy(
    model: CausalModel, cache: KeyValueCache, logits: Tensor, choice: Choice = ANY
) -> Generator[Token, None, None]:
    """Decode without end from `logits`, the most probable token of `choice` each time; the caller stops pulling.

    The forward pass for a token runs only when the next one is asked for, so the last token costs none.
    """
    banned = [*choice.forbidden, *choice.forbidden_first]
    while True:
        logits = logits[: choice.vocabulary]
        if banned:
            logits = logits.index_fill(0, torch.tensor(banned, device=logits.device), -torch.inf)
        logprobs = torch.log_softmax(logits, dim=-1)
        best = int(logprobs.argmax())
        yield Token(best, float(logprobs[best]))
        banned = list(choice.forbidden)
        logits = model.forward([best], cache)
