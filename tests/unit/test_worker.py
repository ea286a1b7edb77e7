"""The inference thread: one answer a request, newest first, cancel stops computing. No weights, no torch."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from inference.request import CancelToken, Completion, Request
from inference.worker import Status, Worker
from tests.scripted_engine import ScriptedEngine

REQUEST = Request("x = ", "")


@pytest.fixture
def worker() -> Worker:
    return Worker()


def load(worker: Worker, engine: ScriptedEngine) -> Status:
    """Load and wait for the outcome."""
    settled = threading.Event()
    unsubscribe = worker.subscribe(lambda status: settled.set() if status.phase != "loading" else None)
    worker.load(engine.loader())
    assert settled.wait(10)
    unsubscribe()
    return worker.status


def text(future: Future[Completion | None]) -> str | None:
    completion = future.result(10)
    return completion.text if completion else None


def test_a_request_is_answered(worker: Worker) -> None:
    assert load(worker, ScriptedEngine("42")).phase == "ready"
    assert text(worker.submit(REQUEST, CancelToken())) == "42"


def test_without_a_model_the_answer_is_none_at_once(worker: Worker) -> None:
    assert text(worker.submit(REQUEST, CancelToken())) is None
    worker.load(ScriptedEngine(load_s=0.5).loader())
    assert worker.submit(REQUEST, CancelToken()).done()


@pytest.mark.parametrize(
    ("failure", "message"), [("load", "damaged: download it again"), ("load-crash", "ZeroDivisionError")]
)
def test_a_model_that_fails_to_load_is_one_sentence_and_the_thread_lives(
    worker: Worker, failure: str, message: str
) -> None:
    status = load(worker, ScriptedEngine(fails=failure))
    assert status.phase == "failed"
    assert message in status.message
    assert "\n" not in status.message
    assert text(worker.submit(REQUEST, CancelToken())) is None
    assert load(worker, ScriptedEngine("again")).phase == "ready"
    assert text(worker.submit(REQUEST, CancelToken())) == "again"


@pytest.mark.parametrize(("prefill_steps", "characters"), [(1000, 1), (1, 1000)], ids=["in prefill", "in decode"])
def test_cancel_stops_computing(worker: Worker, tmp_path: Path, prefill_steps: int, characters: int) -> None:
    journal = tmp_path / "journal"
    load(worker, ScriptedEngine("x" * characters, prefill_steps, step_s=0.005, journal=str(journal)))
    token = CancelToken()
    future = worker.submit(REQUEST, token)
    time.sleep(0.05)
    token.cancel()
    assert text(future) is None
    entry = json.loads(journal.read_text())
    assert entry["outcome"] == "abandoned"
    assert entry["steps"] < 1000


def test_a_cancelled_request_that_waits_is_never_computed(worker: Worker) -> None:
    engine = ScriptedEngine("slow", step_s=0.05)
    load(worker, engine)
    running = worker.submit(REQUEST, CancelToken(), "a")
    token = CancelToken()
    waiting = worker.submit(REQUEST, token, "b")
    token.cancel()
    assert (text(running), text(waiting)) == ("slow", None)
    assert len(engine.requests) == 1


def test_a_future_that_the_caller_cancelled_is_never_computed(worker: Worker) -> None:
    engine = ScriptedEngine("slow", step_s=0.05)
    load(worker, engine)
    running = worker.submit(REQUEST, CancelToken(), "a")
    waiting = worker.submit(REQUEST, CancelToken(), "b")
    assert waiting.cancel()
    assert text(running) == "slow"
    assert text(worker.submit(REQUEST, CancelToken(), "b")) == "slow"
    assert len(engine.requests) == 2


def test_the_newest_request_of_a_session_replaces_its_waiting_one(worker: Worker) -> None:
    engine = ScriptedEngine("done", step_s=0.02)
    load(worker, engine)
    running = worker.submit(Request("0", ""), CancelToken(), "a")
    while not engine.requests:
        time.sleep(0.001)
    waiting = [worker.submit(Request(str(number), ""), CancelToken(), "a") for number in range(1, 5)]
    assert [text(future) for future in (running, *waiting)] == ["done", None, None, None, "done"]
    assert [request.prefix for request in engine.requests] == ["0", "4"]


def test_sessions_take_turns(worker: Worker) -> None:
    engine = ScriptedEngine("done", step_s=0.02)
    load(worker, engine)
    first = worker.submit(Request("a1", ""), CancelToken(), "a")
    while not engine.requests:
        time.sleep(0.001)
    others = [worker.submit(Request(name, ""), CancelToken(), name[0]) for name in ("b1", "c1", "a2", "b2")]
    assert [text(future) for future in (first, *others)] == ["done", None, "done", "done", "done"]
    assert [request.prefix for request in engine.requests] == ["a1", "b2", "c1", "a2"]


def test_a_crash_fails_one_request_only(worker: Worker) -> None:
    engine = ScriptedEngine("fine", fails="complete")
    load(worker, engine)
    with pytest.raises(RuntimeError, match="scripted"):
        worker.submit(REQUEST, CancelToken()).result(10)
    engine.fails = ""
    assert text(worker.submit(REQUEST, CancelToken())) == "fine"


def test_replacing_the_model_while_it_loads_ends_with_the_newer_one(worker: Worker) -> None:
    seen: list[Status] = []
    worker.subscribe(seen.append)
    worker.load(ScriptedEngine("old", load_s=0.1).loader())
    time.sleep(0.02)
    worker.load(ScriptedEngine("new").loader())
    while worker.status.phase != "ready":
        time.sleep(0.005)
    assert text(worker.submit(REQUEST, CancelToken())) == "new"
    assert [status.phase for status in seen].count("ready") == 1


def test_waiting_requests_are_answered_when_another_model_is_loaded(worker: Worker) -> None:
    engine = ScriptedEngine("x" * 100, step_s=0.005)
    load(worker, engine)
    running = worker.submit(REQUEST, CancelToken(), "a")
    while not engine.requests:
        time.sleep(0.001)
    waiting = worker.submit(REQUEST, CancelToken(), "b")
    worker.load(ScriptedEngine(load_s=5).loader())
    assert waiting.result(1) is None
    assert text(running) is not None


class Panic(BaseException):
    """As tokenizers raises for a fault in its Rust code: no Exception."""


def test_a_panic_kills_neither_the_thread_nor_leaves_a_request_unanswered(worker: Worker) -> None:
    def panics(report: object) -> ScriptedEngine:
        raise Panic("scripted")

    worker.load(panics)
    while worker.status.phase == "loading":
        time.sleep(0.005)
    assert worker.status.phase == "failed"
    engine = ScriptedEngine("fine")
    load(worker, engine)
    engine.complete = lambda request: (_ for _ in ()).throw(Panic("scripted"))  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="scripted"):
        worker.submit(REQUEST, CancelToken()).result(10)
    assert load(worker, ScriptedEngine("again")).phase == "ready"


def test_a_listener_that_fails_harms_nobody(worker: Worker) -> None:
    def fail(status: Status) -> None:
        raise ValueError("scripted")

    worker.subscribe(fail)
    assert load(worker, ScriptedEngine("42")).phase == "ready"
    assert text(worker.submit(REQUEST, CancelToken())) == "42"
