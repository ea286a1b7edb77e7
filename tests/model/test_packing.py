"""Matrices packed in threads: the same as one after the other, and nothing left over where one fails."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest
import torch

from inference.checkpoints.packing import Packing
from inference.errors import ModelInvalidError
from inference.models.int8 import Int8Matrix, is_available, quantise_rows


def test_what_fails_is_raised_and_what_waits_is_dropped() -> None:
    done: list[int] = []

    def fail() -> None:
        raise ModelInvalidError("scripted")

    def slow(number: int) -> None:
        time.sleep(0.02)
        done.append(number)

    def load() -> None:
        with Packing(2) as packing:
            packing.start(fail)
            for number in range(100):
                packing.start(lambda n=number: slow(n))
            packing.finish()

    with pytest.raises(ModelInvalidError, match="scripted"):
        load()
    assert len(done) < 20
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("packing")]


def test_a_failure_keeps_no_model_in_memory() -> None:
    class Model:
        pass

    def load() -> weakref.ref[Model]:
        model = Model()
        kept = weakref.ref(model)

        def fail() -> None:
            raise ModelInvalidError(str(model))

        try:
            with Packing(2) as packing:
                for _ in range(3):
                    packing.start(fail)
                packing.finish()
        except ModelInvalidError:
            pass
        return kept

    gc.disable()
    try:
        assert load()() is None
    finally:
        gc.enable()


@pytest.mark.skipif(not is_available(), reason="this processor has no int8 kernels")
def test_matrices_packed_in_threads_give_what_those_packed_in_turn_give() -> None:
    weights = [torch.randn(192, 128, generator=torch.Generator().manual_seed(seed)) for seed in range(12)]
    activations = torch.randn(3, 128)
    expected = [Int8Matrix().pack(*quantise_rows(weight))(activations) for weight in weights]
    matrices = [Int8Matrix() for _ in weights]
    with Packing(2) as packing:
        for matrix, weight in zip(matrices, weights, strict=True):
            packing.start(lambda one=matrix, rows=weight: [one.pack(*quantise_rows(rows))].clear())
        packing.finish()
    for matrix, product in zip(matrices, expected, strict=True):
        assert torch.equal(matrix(activations), product)
