"""Does a loaded model infill as its format says, and how fast? For `fimd doctor`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

from inference.engines.local import LocalEngine
from inference.kv_cache import KeyValueCache
from inference.request import Completion, Request

_INFILL = Request("def add(first, second):\n    return ", "\n\n\nprint(add(1, 2))\n", max_tokens=16)
_PREFILL_TOKENS = 256
_DECODE_TOKENS = 16
_RUNS = 3


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """Findings; rates are medians of three runs, in tokens per second."""

    format: str
    order: str
    device: str
    context_tokens: int
    control_tokens: tuple[str, ...]
    text_is_plain: bool
    infill_prompt: str
    infill_text: str
    prompt_tokens: int
    """Size of the prompt that the prefill rate was measured with."""

    prefill_tokens_per_s: float
    decode_tokens_per_s: float

    @property
    def ok(self) -> bool:
        """Whether the model can be served. An empty infill is a weak answer, not a broken model."""
        return self.text_is_plain


def check(engine: LocalEngine) -> SelfCheck:
    """Run the canned infill and time prefill and decode; takes seconds on a model of a billion parameters."""
    controls = tuple(sorted(engine.format.control_tokens))
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
        context_tokens=engine.model.context_length,
        control_tokens=controls,
        text_is_plain=ids.isdisjoint(engine.tokenizer.encode(buffer)),
        infill_prompt=f"{_INFILL.prefix.splitlines()[-1]}‸",
        infill_text=completion.text,
        prompt_tokens=prompt_tokens,
        prefill_tokens_per_s=prompt_tokens / median(prefill_s),
        decode_tokens_per_s=_DECODE_TOKENS / median(decode_s),
    )


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
    cache = KeyValueCache()
    started = time.perf_counter()
    int(engine.model.forward(prompt, cache).argmax())
    prefilled = time.perf_counter()
    for token in prompt[:_DECODE_TOKENS]:
        int(engine.model.forward([token], cache).argmax())
    return prefilled - started, time.perf_counter() - prefilled
