"""What the product's answers are compared with: transformers' own `generate`, fed with prompts put together by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from inference.engines.local import LocalEngine
from inference.models.base import CausalModel
from inference.request import Completion, Request

PREFIX = "def add(first, second):\n    value = "
SUFFIX = "\n    return value\n\n\nprint(add(1, 2))\n"
TOKENS = 12
REQUEST = Request(PREFIX, SUFFIX, insist=True, max_tokens=TOKENS, plain=True)


def assembled(backend: Tokenizer, *parts: str) -> list[int]:
    """Ids of a prompt: a part that is the name of an added token is that token, any other is text."""
    ids: list[int] = []
    special = {token.content: index for index, token in backend.get_added_tokens_decoder().items()}
    for part in parts:
        ids += [special[part]] if part in special else backend.encode(part, add_special_tokens=False).ids
    return ids


def generated(
    model: Any, prompt: Sequence[int], banned: Sequence[int], first: Sequence[int] = (), count: int = TOKENS
) -> list[int]:
    """Greedy `generate()` of `count` tokens, never `banned` ones and not beginning with `first` ones."""
    ids = torch.tensor([list(prompt)])
    output = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=count,
        suppress_tokens=list(banned) or None,
        begin_suppress_tokens=list(first) or None,
        eos_token_id=None,
        pad_token_id=0,
    )
    return output[0, len(prompt) :].tolist()


def completed(engine: LocalEngine, request: Request = REQUEST) -> tuple[list[int], list[int], Completion]:
    """Prompt ids, ids that the engine decoded to text, and its completion."""
    steps = engine.complete(request)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return engine.prompt_ids(request), last_written(engine), done.value


def last_written(engine: LocalEngine) -> list[int]:
    """Ids that the engine decoded to text last."""
    written = list(map(ord, engine._writer.texts[-1]))
    return written[:-1] if written[-1] in engine._stop_ids else written


def check_equal(engine: LocalEngine, model: Any, prompt: Sequence[int]) -> None:
    """The engine builds `prompt` for `REQUEST` and then writes what `generate()` writes, token by token."""
    built, written, completion = completed(engine)
    assert built == list(prompt)
    stops = engine._stop_ids
    rows = logits_after(engine.model, built).shape[0]
    padding = range(engine.tokenizer.highest_id + 1, rows)
    expected = generated(model, prompt, [*engine._forbidden, *padding], stops)
    ended = next((number for number, token in enumerate(expected) if token in stops), len(expected))
    assert len(written) >= 3, "too short to tell anything"
    assert written == expected[: min(ended, len(written))]
    assert completion.generated_tokens in {len(written), len(written) + 1}
    assert not any(name in completion.text for name in engine.format.control_tokens)


def logits_after(model: CausalModel, ids: Sequence[int]) -> Tensor:
    """The logits [vocabulary] after `ids`, computed at once and from nothing."""
    return model.forward(ids, model.new_cache(len(ids)))[-1]
