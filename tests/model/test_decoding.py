"""Our loop gives the same tokens as `model.generate()`, the reference, with transformers' class and with our own."""

from __future__ import annotations

import math
import random
from itertools import islice
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from inference.decoding import greedy, prefill
from inference.engines import writing
from inference.engines.base import Steps
from inference.engines.local import MAX_INSTRUCTION_TOKENS, MAX_PROMPT_TOKENS, LocalEngine
from inference.formats import FORMATS
from inference.kv_cache import KeyValueCache, common_prefix_length
from inference.models.base import CausalModel
from inference.models.transformers_model import TransformersModel
from inference.picking import Choice, Picker
from inference.request import Completion, Instruction, Request
from inference.tokenizer import TextTokenizer
from tests.model import checkpoints
from tests.model.lean_models import lean_model

STARCODER = next(row for row in FORMATS if row.name == "starcoder")
BACKEND = checkpoints.tokenizer()
VOCABULARY = BACKEND.get_vocab_size()
REFERENCE = checkpoints.model(VOCABULARY)
REFERENCE_MODEL = TransformersModel(REFERENCE)
MODEL = lean_model(REFERENCE)
MODELS = pytest.mark.parametrize("model", [REFERENCE_MODEL, MODEL], ids=["transformers", "lean"])
PROMPTS = st.lists(st.integers(5, VOCABULARY - 1), min_size=1, max_size=60)


def generated(prompt: list[int], count: int) -> list[int]:
    """The reference: `generate()`, greedy, nothing reused, not stopped by any token."""
    ids = torch.tensor([prompt])
    output = cast(Any, REFERENCE).generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=count,
        eos_token_id=None,
        pad_token_id=0,
    )
    return output[0, len(prompt) :].tolist()


def decoded(
    model: CausalModel, prompt: list[int], count: int, chunk: int = 128, cache: KeyValueCache | None = None
) -> list[int]:
    cache = cache or model.new_cache(256)
    logits = finished(prefill(model, cache, prompt, chunk))
    return [token.id for token in islice(greedy(model, cache, logits), count)]


def finished(computing: Any) -> Any:
    while True:
        try:
            next(computing)
        except StopIteration as done:
            return done.value


@MODELS
@settings(max_examples=40, deadline=None)
@given(prompt=PROMPTS, chunk=st.integers(1, 70))
def test_chunked_prefill_and_greedy_equal_generate(model: CausalModel, prompt: list[int], chunk: int) -> None:
    assert decoded(model, prompt, 12, chunk) == generated(prompt, 12)


@pytest.mark.parametrize("multi_query", [True, False], ids=["multi-query", "multi-head"])
def test_both_attention_types_equal_generate(multi_query: bool) -> None:
    model = checkpoints.model(VOCABULARY, multi_query=multi_query)
    prompt = list(range(20, 60))
    ids = torch.tensor([prompt])
    reference = cast(Any, model).generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=20, eos_token_id=None
    )
    for wrapped in (TransformersModel(model), lean_model(model)):
        assert decoded(wrapped, prompt, 20) == reference[0, len(prompt) :].tolist()


@MODELS
@settings(max_examples=300, deadline=None)
@given(edits=st.lists(st.tuples(st.integers(0, 40), st.lists(st.integers(5, 40), max_size=6)), min_size=1, max_size=8))
def test_reuse_equals_no_reuse_over_random_edits(model: CausalModel, edits: list[tuple[int, list[int]]]) -> None:
    cache = model.new_cache(256)
    prompt = list(range(30, 60))
    for position, replacement in edits:
        prompt = prompt[:position] + replacement + prompt[position + len(replacement) // 2 :] or [7]
        assert decoded(model, prompt, 5, 8, cache) == decoded(model, prompt, 5)
        assert cache.tokens[: len(prompt)] == prompt


def test_typing_computes_only_the_typed_token() -> None:
    seen: list[int] = []

    class Counting(TransformersModel):
        def forward(self, tokens: Any, cache: KeyValueCache, last: int = 1) -> Tensor:
            seen.append(len(tokens))
            return super().forward(tokens, cache, last)

    model = Counting(REFERENCE)
    cache = model.new_cache(256)
    prompt = list(range(30, 80))
    finished(prefill(model, cache, prompt))
    seen.clear()
    finished(prefill(model, cache, [*prompt, 9]))
    finished(prefill(model, cache, prompt))  # backspace: rolled back, last token again for its logits
    assert seen == [1, 1]


def test_a_forward_that_fails_between_layers_leaves_a_usable_cache() -> None:
    cache = REFERENCE_MODEL.new_cache(256)
    decoded(REFERENCE_MODEL, [10, 11, 12], 3, cache=cache)

    def fail(*arguments: object) -> None:
        raise RuntimeError("in the second layer, after the first has appended")

    hook = REFERENCE.transformer.h[1].register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError):
        REFERENCE_MODEL.forward([13], cache)
    hook.remove()
    assert decoded(REFERENCE_MODEL, [10, 11, 12], 5, cache=cache) == generated([10, 11, 12], 5)


def engine() -> LocalEngine:
    return LocalEngine("tiny", MODEL, TextTokenizer(BACKEND, STARCODER.control_tokens), STARCODER)


def complete(one: LocalEngine, request: Request) -> Completion:
    return finished(one.complete(request))


def test_abandoned_at_any_step_the_next_answer_is_that_of_a_fresh_engine() -> None:
    reused = engine()
    rng = random.Random(0)
    for _ in range(25):
        cut = rng.randrange(1, 400)
        abandoned: Steps = reused.complete(Request(checkpoints.TEXT[:cut], checkpoints.TEXT[cut : cut + 200]))
        for _ in islice(abandoned, rng.randrange(1, 20)):
            pass
        abandoned.close()
        request = Request(checkpoints.TEXT[: rng.randrange(1, 300)], "\nx\n", max_tokens=8)
        assert complete(reused, request).text == complete(engine(), request).text


def test_what_is_reused_is_counted() -> None:
    one = engine()
    first = complete(one, Request("import os\nvalue = ", "\n", max_tokens=4))
    again = complete(one, Request("import os\nvalue = ", "\n", max_tokens=4))
    assert (first.reused_tokens, again.reused_tokens) == (0, first.prompt_tokens - 1)
    assert first.text == again.text
    assert 0 < first.generated_tokens <= 4 + 1, "one more for what the prompt leaves to be healed"
    assert first.mean_logprob < 0


def test_a_prompt_never_exceeds_the_models_positions() -> None:
    one = engine()
    for max_tokens in (1, 64, 5000):
        request = Request("x = 1\n" * 500, "y = 2\n" * 500, max_tokens=max_tokens)
        ids = one.prompt_ids(request)
        assert len(ids) <= MODEL.context_length
        completion = complete(one, request)
        assert completion.prompt_tokens + completion.generated_tokens <= MODEL.context_length


def test_a_prompt_is_bounded_however_much_the_model_could_hold() -> None:
    model = TransformersModel(checkpoints.model(VOCABULARY, positions=8192))
    one = LocalEngine("tiny", model, TextTokenizer(BACKEND, STARCODER.control_tokens), STARCODER)
    ids = one.prompt_ids(Request("x = 1\n" * 5000, "y = 2\n" * 5000))
    assert 700 < len(ids) <= MAX_PROMPT_TOKENS
    assert len(one.instruction_ids(Instruction("Explain.", "x = 1\n" * 20000))[0]) <= MAX_INSTRUCTION_TOKENS


class Obsessed(TransformersModel):
    """Finds one token far more probable than any other."""

    favourite: int | None = None

    def forward(self, tokens: Any, cache: KeyValueCache, last: int = 1) -> Tensor:
        logits = super().forward(tokens, cache, last).clone()
        logits[:, self.favourite] = 1e9
        return logits


@pytest.mark.parametrize("special", [True, False], ids=["special", "added"])
def test_control_tokens_of_the_prompt_are_never_written(special: bool) -> None:
    names = checkpoints.STARCODER_TOKENS
    backend = checkpoints.tokenizer(names) if special else checkpoints.tokenizer((), names)
    model = Obsessed(checkpoints.model(backend.get_vocab_size()))
    model.favourite = backend.token_to_id("<fim_middle>")
    one = LocalEngine("tiny", model, TextTokenizer(backend, STARCODER.control_tokens), STARCODER)
    completion = complete(one, Request("x = ", "", max_tokens=8))
    assert "fim" not in completion.text
    assert completion.generated_tokens > 1


def test_whoever_insists_gets_more_than_an_end_token() -> None:
    model = Obsessed(REFERENCE)
    model.favourite = BACKEND.token_to_id("<|endoftext|>")
    one = LocalEngine("tiny", model, TextTokenizer(BACKEND, STARCODER.control_tokens), STARCODER)
    assert complete(one, Request("x", "", insist=False)).text == ""
    insisted = complete(one, Request("x", "", insist=True))
    assert insisted.text
    assert insisted.generated_tokens == 2, "one token, then the end"


def test_other_special_tokens_end_the_text_and_never_show() -> None:
    model = Obsessed(REFERENCE)
    model.favourite = BACKEND.token_to_id("<fim_pad>")
    one = LocalEngine("tiny", model, TextTokenizer(BACKEND, STARCODER.control_tokens), STARCODER)
    completion = complete(one, Request("x", ""))
    assert (completion.text, completion.generated_tokens) == ("", 1)


@given(st.lists(st.integers(0, 3)), st.lists(st.integers(0, 3)), st.integers(0, 300))
def test_common_prefix(left: list[int], right: list[int], shared: int) -> None:
    left, right = [*range(shared), *left], [*range(shared), *right]
    length = common_prefix_length(left, right)
    assert left[:length] == right[:length]
    assert length == min(len(left), len(right)) or left[length] != right[length]


@pytest.mark.parametrize("guesses", [(), (3, 5)])
def test_likelihoods_are_those_of_what_was_allowed(guesses: tuple[int, ...]) -> None:
    rows = torch.randn(1 + len(guesses), 40, generator=torch.Generator().manual_seed(3))
    for row, guess in zip(rows, (*guesses, 9), strict=True):
        row[guess] = 9.0
    rows[:, 7] = 20.0
    tokens = Picker(Choice(forbidden=[7, 8], vocabulary=30)).pick(rows, [1], guesses)
    allowed = rows[:, :30].double().clone()
    allowed[:, [7, 8]] = -torch.inf
    expected = allowed.log_softmax(-1)
    assert [token.id for token in tokens] == [*guesses, 9]
    for token, row in zip(tokens, expected, strict=True):
        best, second = row.topk(2).values.tolist()
        assert token.logprob == pytest.approx(best, abs=1e-5)
        assert token.margin == pytest.approx(best - second, abs=1e-5)
        assert token.likelihood == token.likelihood


def test_where_nothing_is_allowed_the_likelihood_is_none() -> None:
    (token,) = Picker(Choice(forbidden=range(5))).pick(torch.zeros(1, 5), [1])
    assert math.isnan(token.logprob)
    assert token.margin == math.inf


@pytest.mark.parametrize("model", [MODEL, lean_model(REFERENCE, "int8"), REFERENCE_MODEL])
def test_logits_are_not_written_again(model: CausalModel) -> None:
    cache = model.new_cache(20)
    first = model.forward([5, 6, 7], cache, last=2)
    kept = first.clone()
    for _ in range(3):
        model.forward([8], cache)
    assert torch.equal(first, kept)


def test_a_completions_likelihood_does_not_depend_on_how_often_it_is_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request(prefix="def f(a):\n    return", suffix="\n", max_tokens=24)
    tokenizer = TextTokenizer(BACKEND, STARCODER.control_tokens)
    usual = complete(LocalEngine("usual", MODEL, tokenizer, STARCODER), request)
    monkeypatch.setattr(writing, "_LOGITS_KEPT", 0)
    often = complete(LocalEngine("often", MODEL, tokenizer, STARCODER), request)
    assert usual.generated_tokens > 3
    assert often.text == usual.text
    assert often.mean_logprob == pytest.approx(usual.mean_logprob)
