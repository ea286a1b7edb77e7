"""Drafted decoding writes what greedy decoding writes, whatever is drafted; caches of several places keep theirs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import chain, islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedModel

from inference.cache_pool import CachePool
from inference.decoding import Drafting, Tally, drafted, greedy, prefill, prefill_except_last
from inference.drafting import CopyDrafter, DraftLength, as_string
from inference.engines.local import About, LocalEngine
from inference.models import int8
from inference.pace import Pace, PacedModel
from inference.picking import Choice, Picker
from inference.request import Request
from inference.tokenizer import TextTokenizer
from tests.model import checkpoints
from tests.model.lean_models import lean_model
from tests.model.test_decoding import BACKEND, REFERENCE_MODEL, STARCODER, VOCABULARY, complete, finished
from tests.model.test_lean import bigcode, llama

LEAN = lean_model(checkpoints.model(VOCABULARY))
MODELS = pytest.mark.parametrize("model", [LEAN, REFERENCE_MODEL], ids=["lean", "transformers"])
PROMPT = [20, 31, 42, 20, 31]
MOST = 30


class Always(DraftLength):
    """Drafts as much as it may, whatever was learnt."""

    def choose(self, match: int, most: int, pending: int = 1) -> int:
        return most


def by_greedy(model: object, prompt: Sequence[int], choice: Choice = Choice()) -> list[int]:  # noqa: B008  # frozen
    cache = model.new_cache(200)  # type: ignore[attr-defined]
    logits = finished(prefill(model, cache, prompt))  # type: ignore[arg-type]
    return [token.id for token in islice(greedy(model, cache, logits, Picker(choice)), MOST)]  # type: ignore[arg-type]


@MODELS
@pytest.mark.parametrize("right", [0.0, 0.5, 1.0])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), chunk=st.sampled_from([1, 2, 128]))
def test_drafted_equals_greedy_even_with_drafts_that_are_wrong_on_purpose(
    model: object, right: float, seed: int, chunk: int
) -> None:
    rng = random.Random(seed)
    choice = Choice(forbidden=[7, 9], forbidden_first=[rng.randrange(VOCABULARY)], vocabulary=VOCABULARY, most=MOST)
    expected = by_greedy(model, PROMPT, choice)

    def propose(written: Sequence[int], most: int) -> tuple[list[int], int]:
        after = expected[len(written) : len(written) + most]
        return [one if rng.random() < right else rng.randrange(VOCABULARY) for one in after], 5

    cache = model.new_cache(200)  # type: ignore[attr-defined]
    rest = finished(prefill_except_last(model, cache, PROMPT, chunk))  # type: ignore[arg-type]
    tally = Tally()
    drafting = Drafting(propose, Always(Pace()), tally)
    got: list[int] = []
    for token in chain.from_iterable(drafted(model, cache, rest, Picker(choice), drafting)):  # type: ignore[arg-type]
        got.append(token.id)
        assert cache.tokens[: len(PROMPT)] == PROMPT
        assert cache.tokens[len(PROMPT) :] == expected[: len(cache.tokens) - len(PROMPT)], "nothing that is not written"
    assert got == expected
    if right == 1.0:
        assert tally.passes <= MOST // 8
        assert tally.accepted == tally.drafted
    if right == 0.0:
        assert tally.accepted < MOST / 4


@given(st.lists(st.integers(5, 9), max_size=60), st.lists(st.integers(5, 9), max_size=30), st.integers(1, 10))
def test_a_copy_is_what_follows_the_longest_match(source: list[int], prefix: list[int], most: int) -> None:
    guesses, match = CopyDrafter([as_string(source)], as_string(prefix)).propose([], most)
    known = [source, prefix]
    for length in range(min(len(prefix), 24), 0, -1):
        tail = prefix[-length:]
        follows = [
            text[at + length :]
            for text in known
            for at in range(len(text) - length)
            if text[at : at + length] == tail and at + length < len(text)
        ]
        if follows:
            assert match >= length
            assert any(rest[: len(guesses)] == guesses for rest in follows)
            assert guesses
            return
    assert not guesses


def test_a_copy_never_runs_from_one_text_into_the_next() -> None:
    guesses, _ = CopyDrafter([as_string([1, 2, 3]), as_string([50, 51])], as_string([9, 2])).propose([], 8)
    assert guesses == [3]


def test_what_was_written_counts_as_text_too() -> None:
    drafter = CopyDrafter([], as_string([1, 2, 3, 4]))
    written = [8]
    assert drafter.propose(written, 4) == ([], 0)
    written += [2, 3]
    assert drafter.propose(written, 2)[0] == [4, 8]


def copied(texts: list[list[int]], prefix: list[int], written: list[int], most: int) -> tuple[list[int], int]:
    """What a copy is, by trying every length at every place, the last first."""
    known = [*chain.from_iterable([*text, -1] for text in texts), *prefix, *written]
    for length in range(min(24, len(known) - 1), 0, -1):
        tail = known[-length:]
        for at in range(len(known) - length - 1, -1, -1):
            if known[at : at + length] == tail and known[at + length] != -1:
                rest = known[at + length : at + length + most]
                return rest[: rest.index(-1)] if -1 in rest else rest, length
    return [], 0


@settings(max_examples=300, deadline=None)
@given(
    texts=st.lists(st.lists(st.integers(5, 8), max_size=40), max_size=3),
    prefix=st.lists(st.integers(5, 8), max_size=40),
    steps=st.lists(st.lists(st.integers(5, 8), min_size=1, max_size=4), max_size=10),
    most=st.integers(1, 30),
)
def test_copies_are_the_same_however_the_text_has_grown(
    texts: list[list[int]], prefix: list[int], steps: list[list[int]], most: int
) -> None:
    drafter = CopyDrafter(map(as_string, texts), as_string(prefix))
    written: list[int] = []
    for step in [[], *steps]:
        written += step
        assert drafter.propose(written, most) == copied(texts, prefix, written, most)
    assert drafter.propose([5, 6], most) == copied(texts, prefix, [5, 6], most), "asked for another text in between"


def test_the_length_of_drafts_follows_acceptance_and_cost() -> None:
    cheap, dear = Pace(), Pace()
    for tokens in (1, 2, 4, 8, 16):
        cheap.record(tokens, 0.05 + 0.001 * tokens)
        dear.record(tokens, 0.05 * tokens)
    length = DraftLength(cheap)
    for _ in range(30):
        length.learn(match=6, drafted=8, accepted=8)
        length.learn(match=1, drafted=8, accepted=0)
    assert length.choose(6, 16) >= 14
    assert length.choose(1, 16) <= 1
    costly = DraftLength(dear)
    for _ in range(30):
        costly.learn(match=6, drafted=8, accepted=4)
    assert costly.choose(6, 16) == 0, "each token costs a whole pass there"


def test_an_engine_writes_the_same_with_and_without_drafts() -> None:
    text = checkpoints.TEXT
    rng = random.Random(1)
    one = LocalEngine("tiny", LEAN, TextTokenizer(BACKEND, STARCODER.control_tokens), STARCODER)
    accepted = 0
    for _ in range(20):
        cut = rng.randrange(100, len(text) - 100)
        request = Request(text[:cut], text[cut:], max_tokens=24, max_lines=9, related=(text,), insist=True)
        plain = LocalEngine("tiny", LEAN, TextTokenizer(BACKEND, STARCODER.control_tokens), STARCODER)
        plain._draft_length.choose = lambda match, most, pending=1: 0  # type: ignore[method-assign]
        finished(one.prepare(request))
        with_drafts, without = complete(one, request), complete(plain, request)
        assert with_drafts.text == without.text
        assert without.passes >= without.generated_tokens - 1
        accepted += with_drafts.accepted_tokens
        repeated = complete(one, request)  # what it wrote before is drafted from
        assert repeated.text == without.text
        accepted += repeated.accepted_tokens
    assert accepted > 20


def test_two_places_keep_their_caches_and_a_third_takes_the_oldest() -> None:
    model = PacedModel(LEAN)
    places = [[start + step % 50 for step in range(80)] for start in (10, 70, 130)]
    pool = CachePool(model, 128, budget_bytes=2 * LEAN.new_cache(128).nbytes)
    for place in places[:2]:
        finished(prefill(model, pool.take(place, 8), place))
    assert [pool.reusable(place) for place in places] == [79, 79, 0]
    grown = [*places[0], 5, 6]
    cache = pool.take(grown, 8)
    finished(prefill(model, cache, grown))
    assert pool.reusable(places[1]) == 79
    finished(prefill(model, pool.take(places[2], 8), places[2]))
    assert [pool.reusable(place) for place in (grown, places[1], places[2])] == [81, 0, 79]


def test_a_request_that_needs_more_room_gets_it() -> None:
    pool = CachePool(PacedModel(LEAN), 64)
    small = pool.take(list(range(10, 40)), 8)
    assert small.capacity == 64
    large = pool.take(list(range(10, 150)), 30)
    assert large.capacity is not None
    assert large.capacity >= 170


def slow_engine(patience_s: float | None) -> LocalEngine:
    model = lean_model(checkpoints.model(VOCABULARY, positions=2048))
    tokenizer = TextTokenizer(BACKEND, STARCODER.control_tokens)
    one = LocalEngine("tiny", model, tokenizer, STARCODER, About(patience_s=patience_s))
    one.model.pace.record = lambda tokens, seconds: None  # type: ignore[method-assign]
    one.model.pace._seconds = {1: 0.06, 16: 0.07, 48: 0.12}
    one.model.pace._sizes = sorted(one.model.pace._seconds)
    return one


def test_a_cold_prompt_is_short_and_a_prepared_one_long() -> None:
    request = Request("x = 1\n" * 400, "y = 2\n" * 400, max_tokens=4)
    assert len(slow_engine(None).prompt_ids(request)) > 900
    one = slow_engine(0.35)
    cold = len(one.prompt_ids(request))
    assert cold <= 128
    finished(one.prepare(request))
    warm = complete(one, Request(request.prefix + "z", request.suffix, max_tokens=4))
    assert warm.prompt_tokens > 900
    assert warm.reused_tokens > 0.98 * warm.prompt_tokens


def test_prefill_steps_are_as_long_as_a_cancel_may_take() -> None:
    one = slow_engine(0.35)
    assert one._chunk() == 32
    assert one._awaited_chunk() > one._chunk(), "a completion is interrupted within its steps"
    one.model.pace._seconds = {1: 0.001, 64: 0.005, 256: 0.014}
    one.model.pace._sizes = sorted(one.model.pace._seconds)
    assert one._chunk() == 256


@pytest.mark.parametrize("most", [4, 64, 200, 1024])
def test_a_key_costs_its_own_tokens_whatever_may_be_written(most: int) -> None:
    model = lean_model(checkpoints.model(VOCABULARY, positions=1200))
    one = LocalEngine("tiny", model, TextTokenizer(BACKEND, STARCODER.control_tokens), STARCODER)
    prefix = "x = 1\n" * 300
    complete(one, Request(prefix, "", max_tokens=most, max_lines=1))
    for typed in ("v", "va", "val"):
        completion = complete(one, Request(prefix + typed, "", max_tokens=most, max_lines=1))
        assert completion.prompt_tokens - completion.reused_tokens <= 3, (typed, completion)
    assert len(one._pool._caches) == 1


def test_drafts_that_were_given_up_come_back_when_they_would_have_been_right() -> None:
    expected = by_greedy(LEAN, PROMPT, Choice(most=MOST))
    dear = Pace()
    for tokens in (1, 2, 4, 8, 16):
        dear.record(tokens, 0.05 + 0.005 * tokens)
    length = DraftLength(dear)
    for _ in range(60):
        length.learn(match=5, drafted=8, accepted=0)
    assert length.choose(5, 8) == 0
    cache = LEAN.new_cache(200)
    rest = finished(prefill_except_last(LEAN, cache, PROMPT))
    drafting = Drafting(lambda written, most: (expected[len(written) : len(written) + most], 5), length)
    assert [
        token.id for tokens in drafted(LEAN, cache, rest, Picker(Choice(most=MOST)), drafting) for token in tokens
    ] == expected
    assert drafting.tally.accepted > 0


@pytest.mark.skipif(not int8.is_available(), reason="this processor has no int8 kernels")
@pytest.mark.parametrize("chunk", [1, 5, 17])
@pytest.mark.parametrize(
    "reference",
    [
        bigcode(),
        llama(num_key_value_heads=2, intermediate_size=176),
        llama(num_key_value_heads=2, intermediate_size=192),
    ],
    ids=["bigcode", "llama", "llama of whole vectors"],
)
def test_int8_drafts_are_greedy_bit_by_bit(reference: PreTrainedModel, chunk: int) -> None:
    model, prompt, choice = (
        lean_model(reference, "int8"),
        [7 * place % 290 + 5 for place in range(23)],
        Choice(most=MOST),
    )
    threads = torch.get_num_threads()
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            plain, tried = model.new_cache(60), model.new_cache(60)
            expected = list(greedy(model, plain, finished(prefill(model, plain, prompt, chunk)), Picker(choice)))
            ids, rng = [token.id for token in expected], random.Random(chunk)

            def propose(
                written: Sequence[int], most: int, ids: list[int] = ids, rng: random.Random = rng
            ) -> tuple[list[int], int]:
                after = ids[len(written) : len(written) + most]
                return [one if rng.random() < 0.8 else rng.randrange(290) for one in after], 5

            drafting = Drafting(propose, Always(Pace()))
            rest = finished(prefill_except_last(model, tried, prompt, chunk))
            got = list(chain.from_iterable(drafted(model, tried, rest, Picker(choice), drafting)))
            assert [(token.id, token.likelihood) for token in got] == [(one.id, one.likelihood) for one in expected]
            assert drafting.tally.accepted > 5
    finally:
        torch.set_num_threads(threads)
