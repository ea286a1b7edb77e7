"""Idle work: done when nothing else waits, thrown aside by whoever really asks, each future settled once."""

from __future__ import annotations

import time
from concurrent.futures import Future, wait

import pytest

from inference.request import CancelToken, Completion, Request
from inference.worker import Worker
from tests.scripted_engine import ScriptedEngine
from tests.unit.test_worker import REQUEST, load, text

NEXT = Request("next", "")


def ready(engine: ScriptedEngine) -> Worker:
    worker = Worker()
    load(worker, engine)
    return worker


def idle(worker: Worker, session: str = "a", *, completes: bool = True) -> Future[Completion | None]:
    return worker.submit_idle(NEXT, CancelToken(), session, completes=completes)


def begun(engine: ScriptedEngine) -> None:
    deadline = time.monotonic() + 5
    while not engine.prepared and time.monotonic() < deadline:
        time.sleep(0.001)


def test_it_prepares_and_then_completes() -> None:
    engine = ScriptedEngine("foreseen")
    worker = ready(engine)
    assert text(idle(worker)) == "foreseen"
    assert (engine.prepared, engine.requests) == ([NEXT], [NEXT])
    assert text(idle(worker, completes=False)) == ""
    assert engine.requests == [NEXT], "only prepared"


def test_a_real_request_throws_it_aside_at_once() -> None:
    engine = ScriptedEngine("value", prefill_steps=1000, step_s=0.005)
    worker = ready(engine)
    foreseen = idle(worker, "another window")
    begun(engine)
    engine.prefill_steps = 1
    started = time.monotonic()
    assert text(worker.submit(REQUEST, CancelToken())) == "value"
    assert time.monotonic() - started < 1
    assert text(foreseen) is None


def test_the_newest_of_a_session_replaces_the_older() -> None:
    engine = ScriptedEngine("value", prefill_steps=300, step_s=0.005)
    worker = ready(engine)
    older = idle(worker)
    begun(engine)
    engine.prefill_steps = 1
    newer = idle(worker)
    assert text(newer) == "value"
    assert text(older) is None


def test_windows_each_have_their_own() -> None:
    worker = ready(ScriptedEngine("value", step_s=0.001))
    futures = [idle(worker, session) for session in ("a", "b", "c")]
    assert [text(future) for future in futures] == ["value"] * 3


def test_a_cancelled_one_stops() -> None:
    engine = ScriptedEngine("value", prefill_steps=10_000, step_s=0.002)
    worker = ready(engine)
    token = CancelToken()
    future = worker.submit_idle(NEXT, token, "a", completes=True)
    begun(engine)
    token.cancel()
    assert text(future) is None


@pytest.mark.parametrize("fails", ["complete"])
def test_a_failure_is_nobodys_business(fails: str) -> None:
    engine = ScriptedEngine("value", fails=fails)
    worker = ready(engine)
    assert text(idle(worker)) is None
    engine.fails = ""
    assert text(worker.submit(REQUEST, CancelToken())) == "value"


def test_without_a_model_and_when_one_is_replaced_it_yields_none() -> None:
    worker = Worker()
    assert text(idle(worker)) is None
    engine = ScriptedEngine("value", prefill_steps=10_000, step_s=0.002)
    load(worker, engine)
    futures = [idle(worker, session) for session in ("a", "b")]
    begun(engine)
    worker.load(ScriptedEngine("other").loader())
    assert not wait(futures, timeout=5).not_done
    assert [text(future) for future in futures] == [None, None]
