"""Answers to instructions in the inference thread: a step at a time, behind completions, each future settled once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from itertools import pairwise
from typing import Any

import pytest

from inference.request import CancelToken, Completion, Instruction, Step
from inference.worker import Worker
from tests.scripted_engine import ScriptedEngine
from tests.unit.test_worker import REQUEST, load, text

ASKED = Instruction("explain")


def ready(engine: ScriptedEngine) -> Worker:
    worker = Worker()
    load(worker, engine)
    return worker


def asked(
    worker: Worker, on_step: Any = lambda step: None, token: CancelToken | None = None
) -> Future[Completion | None]:
    return worker.answer(ASKED, token or CancelToken(), on_step)


def test_an_answer_is_streamed_and_then_given() -> None:
    steps: list[Step] = []
    worker = ready(ScriptedEngine(answer_text="It adds."))
    assert text(asked(worker, steps.append)) == "It adds."
    assert [step.text for step in steps if step.phase == "decode"][-1] == "It adds."


def test_a_completion_never_waits_for_more_than_a_step_of_an_answer() -> None:
    worker = ready(ScriptedEngine(answer_text="x" * 300, step_s=0.01))
    begun = threading.Event()
    answer = asked(worker, lambda step: begun.set())
    assert begun.wait(5)
    started = time.monotonic()
    assert text(worker.submit(REQUEST, CancelToken())) == "value"
    assert time.monotonic() - started < 1.5
    assert not answer.done(), "it goes on afterwards"
    assert text(answer) == "x" * 300


def test_answers_take_turns() -> None:
    worker = ready(ScriptedEngine(answer_text="y" * 20, step_s=0.002))
    order: list[int] = []
    futures = [asked(worker, lambda step, number=number: order.append(number)) for number in range(2)]
    assert [text(future) for future in futures] == ["y" * 20] * 2
    both = order[order.index(1 - order[0]) :]
    turns = sum(earlier != later for earlier, later in pairwise(both))
    assert turns >= 15, order


def test_cancelling_stops_an_answer_at_its_next_step() -> None:
    engine = ScriptedEngine(answer_text="x" * 1000, step_s=0.005)
    worker = ready(engine)
    token, begun = CancelToken(), threading.Event()
    answer = asked(worker, lambda step: begun.set(), token)
    assert begun.wait(5)
    token.cancel()
    assert text(answer) is None
    assert text(worker.submit(REQUEST, CancelToken())) == "value"


def test_without_a_model_there_is_no_answer() -> None:
    assert text(asked(Worker())) is None


def test_loading_another_model_settles_all_answers() -> None:
    worker = ready(ScriptedEngine(answer_text="x" * 1000, step_s=0.005))
    begun = threading.Event()
    futures = [asked(worker, lambda step: begun.set()) for _ in range(3)]
    assert begun.wait(5)
    load(worker, ScriptedEngine(answer_text="new"))
    assert [text(future) for future in futures] == [None] * 3
    assert text(asked(worker)) == "new"


def test_a_crash_fails_one_answer_only() -> None:
    engine = ScriptedEngine(fails="complete")
    worker = ready(engine)
    with pytest.raises(RuntimeError):
        asked(worker).result(5)
    engine.fails = ""
    assert text(asked(worker)) == "It works."


def test_a_listener_that_fails_fails_its_answer_only() -> None:
    worker = ready(ScriptedEngine())

    def fail(step: Step) -> None:
        raise ValueError("listener")

    with pytest.raises(ValueError, match="listener"):
        asked(worker, fail).result(5)
    assert text(asked(worker)) == "It works."


def test_an_engine_that_fails_at_once_or_at_its_end_leaves_the_thread_alive() -> None:
    class Rude(ScriptedEngine):
        def answer(self, instruction: Instruction) -> Any:
            raise ValueError("at once")

    worker = ready(Rude())
    with pytest.raises(ValueError, match="at once"):
        asked(worker).result(5)
    assert text(worker.submit(REQUEST, CancelToken())) == "value"
