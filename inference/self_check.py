"""Whether a loaded model infills as its format says, and how fast.

`self_test` runs at each load and takes one short forward pass; `check`, for `fimd doctor`, also measures.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from inference.decoding import prefill
from inference.engines.local import MAX_PROMPT_TOKENS, LocalEngine
from inference.errors import ModelInvalidError
from inference.kv_cache import KeyValueCache
from inference.request import Completion, Request
from inference.threads import ALL, LONGEST_TRIED_S, in_threads

_INFILL = Request("def add(first, second):\n    return ", "\n\n\nprint(add(1, 2))\n", max_tokens=16)
_MIDDLE = "first + second"
"""What any code model writes there; it must then want to end."""

_UNLIKELY_SHARE = 0.05
"""A model in its own format puts its end token first, or nearly so; in a wrong one, anywhere in the vocabulary.

Our embedded model, the weakest there is, has it among the first 1.5 %.
"""

_SAMPLE = "if x:\n\treturn {'é': 0x1F}  # → 😀\r\n\n        end(\"\\\\n\") !=  3.25e-7\n"
"""Tabs, runs of spaces, both line ends, escapes, and characters of one to four bytes."""

_PREFILL_TOKENS = 256
_DECODE_TOKENS = 16
_RUNS = 3
_RUNS_TO_WARM, _RUNS_TO_WARM_GPU = 1, 7
"""The first passes over new weights are slow; on a GPU, passes become graphs after a few."""

_PACED, _RUNS_PACED = (1, 4, 16, 64), 2
_GAP_S = 0.0005
"""As between the passes of a completion: threads fall asleep, and may wake up where another one is running."""

_LONGEST_PACED_S = 1.0
_CLEARLY = 1.15
"""Where half the threads take so many times as long, they do so for larger passes too."""


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """Findings; rates are medians of three runs, in tokens per second."""

    format: str
    order: str
    device: str
    precision: str
    context_tokens: int
    control_tokens: tuple[str, ...]
    text_is_plain: bool
    text_is_kept: bool
    """Whether a code sample comes back from the tokenizer as it was."""

    infill_prompt: str
    infill_text: str
    end_rank: int | None
    """Place of the end token among all tokens, from 1, where the canned infill is complete; None without one."""

    vocabulary_size: int
    prompt_tokens: int
    """Size of the prompt that the prefill rate was measured with."""

    prefill_tokens_per_s: float
    decode_tokens_per_s: float

    @property
    def ok(self) -> bool:
        """Whether the model can be served. A weak answer is no broken model."""
        return self.text_is_plain and self.text_is_kept


def self_test(engine: LocalEngine) -> tuple[str, ...]:
    """Try the model and its tokenizer once; returns what a person should know, one sentence each.

    Raises:
        ModelInvalidError: the weights compute NaN or infinity, or the tokenizer changes text.
    """
    model = engine.model.model  # not the one that learns its pace: a first pass is slow
    logits = model.forward([engine.tokenizer.highest_id], model.new_cache(1))[-1]
    if not bool(torch.isfinite(logits).all()):
        raise ModelInvalidError(f"{engine.name} computes NaN or infinity: its weights are damaged, download them again")
    if not _text_is_kept(engine):
        returned = engine.tokenizer.decode(engine.tokenizer.encode(_SAMPLE))
        raise ModelInvalidError(
            f"the tokenizer of {engine.name} changes code ({_SAMPLE!r} comes back as {returned!r}): "
            "get its tokenizer files again or choose another model"
        )
    rank = _end_rank(engine)
    if rank is not None and rank > _UNLIKELY_SHARE * engine.tokenizer.vocabulary_size:
        note = (
            f"{engine.name} does not end a finished answer as the {engine.format.name} format says (its end token is "
            f"only its choice number {rank:,}): expect poor suggestions, and check model.format"
        )
        return (note,)
    return ()


def check(engine: LocalEngine) -> SelfCheck:
    """Run the canned infill and time prefill and decode; takes seconds on a model of a billion parameters."""
    names = sorted(engine.format.control_tokens)
    controls = tuple(name for name in names if engine.tokenizer.token_id(name) is not None)
    ids = {engine.tokenizer.token_id(name) for name in controls}
    buffer = " ".join(controls)
    completion = _run(engine, _INFILL)
    prompt_tokens = min(_PREFILL_TOKENS, engine.model.context_length - _DECODE_TOKENS - 1)
    prompt = [7 * position % engine.tokenizer.vocabulary_size for position in range(prompt_tokens)]
    prefill_s, decode_s = zip(*(_time(engine, prompt) for _ in range(_RUNS)), strict=True)
    return SelfCheck(
        format=engine.format.name,
        order=engine.format.order,
        device=engine.model.device,
        precision=engine.model.precision,
        context_tokens=engine.model.context_length,
        control_tokens=controls,
        text_is_plain=ids.isdisjoint(engine.tokenizer.encode(buffer)),
        text_is_kept=_text_is_kept(engine),
        infill_prompt=f"{_INFILL.prefix.splitlines()[-1]}‸",
        infill_text=completion.text,
        end_rank=_end_rank(engine),
        vocabulary_size=engine.tokenizer.vocabulary_size,
        prompt_tokens=prompt_tokens,
        prefill_tokens_per_s=prompt_tokens / median(prefill_s),
        decode_tokens_per_s=_DECODE_TOKENS / median(decode_s),
    )


def measure_pace(engine: LocalEngine) -> None:
    """Run a few passes, so that the engine knows from the first request on in how many threads, and what they cost.

    Of each size and number of threads the fastest run counts.
    """
    model = engine.model
    cache = model.new_cache(MAX_PROMPT_TOKENS)
    counts = [*reversed(model.threads.counts)] if model.threads else [ALL]
    for tokens in _PACED:
        if model.pace.seconds(tokens) > _LONGEST_PACED_S:
            return
        ids = [engine.tokenizer.highest_id] * tokens
        seconds: dict[int, float] = {}
        for _ in range(_RUNS_TO_WARM if model.threads else _RUNS_TO_WARM_GPU):
            if _timed(engine, ids, cache, ALL) > LONGEST_TRIED_S:
                counts = counts[:1]
        for at, count in enumerate(counts):
            seconds[count] = min(_timed(engine, ids, cache, count) for _ in range(_RUNS_PACED))
            if model.threads:
                model.threads.record(tokens, count, seconds[count])
            if at and seconds[count] > _CLEARLY * seconds[counts[at - 1]]:
                counts = counts[:at]
                break
        model.pace.record(tokens, min(seconds.values()))


def _timed(engine: LocalEngine, ids: list[int], cache: KeyValueCache, count: int) -> float:
    """Seconds of one pass in so many threads; reading a result is what waits for a GPU."""
    time.sleep(_GAP_S)
    started = time.perf_counter()
    with in_threads(count):
        int(engine.model.model.forward(ids, cache).argmax())
    cache.drop(len(ids))
    return time.perf_counter() - started


def _text_is_kept(engine: LocalEngine) -> bool:
    return engine.tokenizer.decode(engine.tokenizer.encode(_SAMPLE)) == _SAMPLE


def _end_rank(engine: LocalEngine) -> int | None:
    """See `SelfCheck.end_rank`."""
    if not engine.format.stop_tokens:
        return None
    end = engine.tokenizer.token_id(engine.format.stop_tokens[0])
    logits = _logits_after(engine, [*engine.prompt_ids(_INFILL), *engine.tokenizer.encode(_MIDDLE)])
    return None if end is None else int((logits > logits[end]).sum()) + 1


def _logits_after(engine: LocalEngine, ids: list[int]) -> Tensor:
    ids = ids[-engine.model.context_length :]
    model = engine.model.model
    computing = prefill(model, model.new_cache(len(ids)), ids)
    while True:
        try:
            next(computing)
        except StopIteration as done:
            return done.value


def _run(engine: LocalEngine, request: Request) -> Completion:
    steps = engine.complete(request)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value


def _time(engine: LocalEngine, prompt: list[int]) -> tuple[float, float]:
    """Seconds for the whole prompt at once, and for the decode steps after it.

    Reading a result is what waits for a GPU.
    """
    cache = engine.model.new_cache(len(prompt) + _DECODE_TOKENS)
    started = time.perf_counter()
    int(engine.model.forward(prompt, cache).argmax())
    prefilled = time.perf_counter()
    for token in prompt[:_DECODE_TOKENS]:
        int(engine.model.forward([token], cache).argmax())
    return prefilled - started, time.perf_counter() - prefilled
