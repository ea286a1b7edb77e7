"""Passes of fixed shape, which a GPU replays as graphs, give the logits of passes of their own shape."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import PreTrainedModel

from inference.models.static_steps import Pass, StaticSteps
from tests.model.lean_models import lean_model
from tests.model.test_lean import EVERY_SHAPE, IDS, bigcode


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert "_local_scalar_dense" not in str(func), "a GPU would have to wait for the number"
        output = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, output))
        return output

    def replay(self) -> None:
        for func, args, kwargs, output in self.calls:
            for old, new in zip(tree_leaves(output), tree_leaves(func(*args, **kwargs)), strict=True):
                if isinstance(old, torch.Tensor) and old.untyped_storage()._cdata != new.untyped_storage()._cdata:
                    old.copy_(new)


def recorded(work: Pass) -> Pass:
    """As a CUDA graph does it: the same operators on the same tensors, whatever Python's variables say since."""
    with _Recorder() as recorder:
        output = work()

    def replay() -> torch.Tensor:
        recorder.replay()
        return output

    return replay


@EVERY_SHAPE
@pytest.mark.parametrize("capture", [lambda work: work, recorded], ids=["eager", "recorded"])
def test_passes_of_fixed_shape_equal_those_of_their_own(reference: PreTrainedModel, capture: Any) -> None:
    plain, static = lean_model(reference), lean_model(reference)
    static.static_steps = StaticSteps(capture, plain=0)
    caches = plain.new_cache(60), static.new_cache(60)
    at = 0
    for count in (20, 1, 1, 3, 17, 1, 6, 2, 9, 1):
        part, at = [*IDS, *IDS, *IDS][at : at + count], at + count
        one, other = plain.forward(part, caches[0], last=count), static.forward(part, caches[1], last=count)
        assert torch.allclose(one, other, atol=1e-4, rtol=1e-4), count
        for one_of_both in caches:
            one_of_both.drop(count // 2)  # a draft that was half right
        at -= count // 2
    while at < 60:  # up to where a rounded size has no room any more
        part, at = [7] * min(3, 60 - at), at + min(3, 60 - at)
        one, other = (model.forward(part, cache) for model, cache in zip((plain, static), caches, strict=True))
        assert torch.allclose(one, other, atol=1e-4, rtol=1e-4), at
    assert caches[1].static_steps
    assert sorted(caches[1].static_steps.steps) == [1, 4, 8, 17]


def test_a_pass_of_fixed_shape_that_fails_is_done_without() -> None:
    def fail(work: object) -> Pass:
        raise RuntimeError("no graphs here")

    plain, static = (lean_model(bigcode()) for _ in range(2))
    static.static_steps = StaticSteps(fail, plain=0)
    one, other = (model.forward(IDS[:5], model.new_cache(30)) for model in (plain, static))
    assert torch.equal(one, other)


def test_a_graph_that_computes_something_else_is_not_used() -> None:
    def wrong(work: Pass) -> Pass:
        return lambda: work() + 1

    plain, static = (lean_model(bigcode()) for _ in range(2))
    static.static_steps = StaticSteps(wrong, plain=0)
    one, other = (model.forward(IDS[:5], model.new_cache(30)) for model in (plain, static))
    assert torch.equal(one, other)


def test_a_graph_is_made_only_where_passes_repeat() -> None:
    captured: list[int] = []

    def capture(work: Pass) -> Pass:
        captured.append(1)
        return work

    static = lean_model(bigcode())
    static.static_steps = StaticSteps(capture, plain=3)
    cache = static.new_cache(30)
    counts: list[int] = []
    for token in IDS[:6]:
        static.forward([token], cache)
        counts.append(len(captured))
    assert counts == [0, 0, 0, 1, 1, 1]
