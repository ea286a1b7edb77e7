"""A cancel in the middle of a forward pass: given up at once, and nothing that comes later notices."""

from __future__ import annotations

import pytest
import torch

from inference.draft_model import DraftModel
from inference.engines.local import LocalEngine
from inference.interruption import Interrupted, asked, interruptible
from inference.jobs import CompletionJob
from inference.request import CancelToken, Request
from inference.tokenizer import TextTokenizer
from tests.model import checkpoints
from tests.model.lean_models import lean_model
from tests.model.test_drafting import BACKEND, STARCODER, VOCABULARY, complete

REQUEST = Request("def one(two):\n    return " + "two + " * 40, "\n\nthree = 4\n", max_tokens=6)
LATER = Request(REQUEST.prefix + "tw", REQUEST.suffix, max_tokens=6)


def engine() -> LocalEngine:
    model = lean_model(checkpoints.model(VOCABULARY, positions=600))
    return LocalEngine("tiny", model, TextTokenizer(BACKEND, STARCODER.control_tokens), STARCODER)


class CancelledAt(CancelToken):
    """Cancels itself when it is asked for the nth time."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.left = number

    @property
    def cancelled(self) -> bool:
        self.left -= 1
        return self.left <= 0


@pytest.mark.parametrize("number", range(1, 17))
def test_after_a_cancel_at_any_layer_the_next_answer_is_that_of_a_fresh_process(number: int) -> None:
    one = engine()
    job = CompletionJob(CancelledAt(number), request=REQUEST)
    while job.advance(one):
        pass
    assert job.future.result() is None
    assert asked() is None
    later = complete(one, LATER)
    assert later.text == complete(engine(), LATER).text
    assert later.generated_tokens


def test_a_pass_is_given_up_between_layers_and_its_cache_kept() -> None:
    model = lean_model(checkpoints.model(VOCABULARY, positions=600))
    cache = model.new_cache(100)
    before = model.forward([5, 6, 7], cache)
    calls = iter([False, True])
    with interruptible(lambda: next(calls)), pytest.raises(Interrupted):
        model.forward([8, 9], cache)
    assert cache.tokens == [5, 6, 7]
    assert not list(calls), "asked before each layer"
    cache.drop(1)
    assert torch.allclose(model.forward([7], cache), before, atol=1e-5)


def test_a_cancel_while_the_small_model_reads_does_not_give_it_up() -> None:
    small = engine()
    drafts = DraftModel(small, small.tokenizer)
    with interruptible(lambda: True), pytest.raises(Interrupted):
        for _ in drafts.prepare(REQUEST):
            pass
    assert drafts._works
