"""In how many threads a pass is computed: the fastest number, found out beside what a person waits for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from inference import interruption, threads
from inference.checkpoints.spec import Precision
from inference.interruption import Interrupted
from inference.kv_cache import KeyValueCache
from inference.models import int8
from inference.models.base import LONGEST_STEP
from inference.pace import PacedModel
from inference.self_check import measure_pace
from inference.threads import ThreadChoice
from tests.model.lean_models import lean_model
from tests.model.test_decoding import engine
from tests.model.test_lean import bigcode, llama

Machine = Callable[[int, int], float]
"""Seconds of a pass, by tokens and threads."""


def quiet(tokens: int, count: int) -> float:
    """Sharing is worth it from some tokens on."""
    return 0.001 * count + 0.0002 * tokens / count


def busy(tokens: int, count: int) -> float:
    """All wait for the thread that isn't being run."""
    return quiet(tokens, 1) * (1 if count == 1 else 8)


def run(choice: ThreadChoice, machine: Machine, passes: int, sizes: Sequence[int] = (1, 4, 16, 64, 200)) -> float:
    """How many times as long passes take as if the best number had always been known."""
    took = least = 0.0
    for number in range(passes):
        tokens = sizes[number % len(sizes)]
        count = choice.next(tokens)
        choice.record(tokens, count, machine(tokens, count))
        took += machine(tokens, count)
        least += min(machine(tokens, one) for one in choice.counts)
    return took / least


def test_each_size_gets_the_number_that_is_fastest_for_it() -> None:
    choice = ThreadChoice(8)
    run(choice, quiet, 3000)
    for tokens in (1, 4, 16, 64, 200):
        usual = choice.usual(tokens)
        assert quiet(tokens, usual) <= 1.06 * min(quiet(tokens, count) for count in choice.counts), tokens
    assert choice.usual(1) == 1
    assert choice.usual(200) > 2


@pytest.mark.parametrize("most", [1, 2, 6, 8])
def test_trials_take_next_to_no_time(most: int) -> None:
    choice = ThreadChoice(most)
    run(choice, quiet, 2000)
    assert run(choice, quiet, 20_000) < 1.06  # up to 1.05 are given away, for fewer threads


def test_it_follows_the_load_of_the_machine() -> None:
    choice = ThreadChoice(2)
    run(choice, quiet, 500)
    assert choice.usual(200) == 2
    run(choice, busy, 500)
    assert {choice.usual(tokens) for tokens in (1, 16, 64, 200)} == {1}
    run(choice, quiet, 3000)
    assert choice.usual(200) == 2


@pytest.mark.parametrize("slower", [1, 20])
def test_what_was_measured_beside_other_programs_is_forgotten(slower: float) -> None:
    choice = ThreadChoice(2)
    for count in (2, 1):
        choice.record(64, count, slower * busy(64, count))
    run(choice, lambda tokens, count: slower * busy(tokens, count), 100, sizes=[64])
    assert choice.usual(64) == 1
    run(choice, lambda tokens, count: slower * quiet(tokens, count), 3000, sizes=[64])
    assert slower * quiet(64, 2) > threads.LONGEST_TRIED_S or slower == 1
    assert choice.usual(64) == 2


def test_passes_of_not_quite_one_size_are_compared_by_their_tokens() -> None:
    choice = ThreadChoice(2)
    for tokens, count in ((300, 2), (130, 1)) * 50:
        choice.record(tokens, count, quiet(tokens, count))
    assert quiet(130, 1) < quiet(300, 2)
    assert choice.usual(200) == 2


def test_passes_that_are_given_up_say_nothing() -> None:
    choice = ThreadChoice(4)
    for number in range(200):
        count = choice.next(256)
        if count != 4 or number > 100:
            choice.record(256, count, quiet(256, count))
    assert choice.usual(256) == 4


def test_what_takes_long_is_never_tried() -> None:
    choice = ThreadChoice(2)
    for _ in range(1000):
        count = choice.next(256)
        assert count == 2
        choice.record(256, count, 0.3)


class Spy:
    """A model that notes in how many threads it is asked."""

    def __init__(self, fails: type[Exception] | None = None) -> None:
        self.context_length, self.device, self.precision, self.is_interruptible = 64, "cpu", "fp32", True
        self.seen: list[int] = []
        self._fails = fails

    def new_cache(self, capacity: int) -> KeyValueCache:
        raise NotImplementedError

    def forward(self, tokens: Sequence[int], cache: KeyValueCache, last: int = 1) -> Tensor:
        del cache, last
        self.seen.append(torch.get_num_threads())
        if self._fails:
            raise self._fails
        return torch.zeros(1, len(tokens))


@pytest.mark.parametrize("fails", [None, Interrupted])
def test_a_pass_has_its_threads_and_what_comes_after_it_all(fails: type[Exception] | None) -> None:
    spy = Spy(fails)
    model = PacedModel(spy)
    model.threads = ThreadChoice(3)
    for tokens, count in ((1, 1), (1, 2), (1, 3), (256, 1), (256, 2), (256, 3)):
        model.threads.record(tokens, count, quiet(tokens, count))
    for tokens in (1, 256):
        if fails:
            with pytest.raises(fails):
                model.forward([7] * tokens, None)  # type: ignore[arg-type]
        else:
            model.forward([7] * tokens, None)  # type: ignore[arg-type]
        assert torch.get_num_threads() == threads.ALL
    assert spy.seen == [1, 3]
    assert (model.pace.seconds(1) > 0) is (fails is None), "what was given up says nothing"


def test_at_load_all_numbers_are_tried() -> None:
    one = engine()
    one.model.threads = ThreadChoice(2)
    measure_pace(one)
    assert set(one.model.threads._sizes[1].seconds) == {1, 2}
    assert 2 in one.model.threads._sizes[64].seconds


@pytest.mark.skipif(not int8.is_available(), reason="this processor has no int8 kernels that count right")
@pytest.mark.parametrize(
    "reference",
    [bigcode(n_embd=512, n_head=8, n_inner=2048), llama(hidden_size=512, intermediate_size=1376)],
    ids=["gpt_bigcode", "llama"],
)
def test_in_int8_their_number_changes_no_bit(reference: PreTrainedModel) -> None:
    model = lean_model(reference, "int8")
    ids = [7 * number % 90 + 5 for number in range(40)]
    found: list[list[Tensor]] = []
    for count in (1, 2, 4):
        cache = model.new_cache(64)
        torch.set_num_threads(count)
        try:
            rows = [model.forward(ids[:30], cache), model.forward(ids[30:31], cache), model.forward(ids[31:], cache, 9)]
        finally:
            torch.set_num_threads(threads.ALL)
        found.append(rows)
    for others in found[1:]:
        assert all(torch.equal(one, other) for one, other in zip(found[0], others, strict=True))


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("tokens", [1, LONGEST_STEP, LONGEST_STEP + 1])
def test_short_passes_share_their_matrices_only(
    monkeypatch: pytest.MonkeyPatch, tokens: int, precision: Precision
) -> None:
    if precision == "int8" and not int8.is_available():
        pytest.skip("this processor has no int8 kernels that count right")
    model = lean_model(bigcode(), precision)
    seen: dict[str, set[int]] = {"product": set(), "layer_norm": set(), "scaled_dot_product_attention": set()}

    def note(where: object, name: str, kind: str) -> None:
        usual = getattr(where, name)

        def noted(*given: object, **named: object) -> Tensor:
            seen[kind].add(torch.get_num_threads())
            return usual(*given, **named)

        monkeypatch.setattr(where, name, noted)

    note(*((int8._kernel(), "product") if precision == "int8" else (functional, "linear")), "product")
    for name in ("layer_norm", "scaled_dot_product_attention"):
        note(functional, name, name)
    with threads.in_threads(3):
        model.forward([7] * tokens, model.new_cache(64))
        assert torch.get_num_threads() == 3
    others = {1} if tokens <= LONGEST_STEP else {3}
    assert seen == {"product": {3}, "layer_norm": others, "scaled_dot_product_attention": others}


def test_long_attention_in_floats_is_shared() -> None:
    model = lean_model(bigcode())
    assert model._is_short(LONGEST_STEP, 2**24 // 32 // LONGEST_STEP)
    assert not model._is_short(LONGEST_STEP, 2**24 // 32)


def test_a_pass_given_up_midway_leaves_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    model = lean_model(bigcode())
    answers = iter([False, True])
    monkeypatch.setattr(interruption, "asked", lambda: lambda: next(answers))
    with threads.in_threads(3):
        with pytest.raises(Interrupted):
            model.forward([7], model.new_cache(8))
        assert torch.get_num_threads() == 3
    assert threads.shared(torch.get_num_threads) == threads.ALL
