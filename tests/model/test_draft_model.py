"""A small model that guesses ahead for a large one: the same text in fewer passes, and little time lost in vain."""

from __future__ import annotations

import random
import time
from types import SimpleNamespace
from typing import Any

import pytest

from inference import draft_model
from inference.checkpoints import load
from inference.checkpoints.load import load_engine
from inference.checkpoints.spec import ModelSpec
from inference.draft_model import DraftModel
from inference.drafting import BY_MODEL
from inference.engines.base import Steps
from inference.engines.local import LocalEngine
from inference.request import Completion, Request
from inference.tokenizer import TextTokenizer
from tests.model import checkpoints
from tests.model.lean_models import lean_model
from tests.model.test_decoding import BACKEND, STARCODER, VOCABULARY, complete, finished

PACE = {1: 0.06, 16: 0.07, 48: 0.12, 128: 0.25}
"""That of a billion parameters on two cores."""

CODE = """class Stack:
    def __init__(self, items):
        self.items = items
        self.size = len(items)

    def push(self, item):
        self.items.append(item)
        self.size += 1
"""
PLACES = ["        self.ite", "    def push(self, it", "        self.size =", "len(", "append(item", "__init__(self"]


class Small:
    """An engine whose guesses are written down, or what another engine says."""

    def __init__(self, text: str = "", engine: LocalEngine | None = None, takes_s: float = 0.0) -> None:
        self.text, self.engine, self.takes_s, self.asked = text, engine, takes_s, 0

    def complete(self, request: Request) -> Steps:
        self.asked += 1
        time.sleep(self.takes_s)
        if self.engine:
            return (yield from self.engine.complete(request))
        return Completion(self.text, "small", 0, 0, 0, 0.0)
        yield  # pyright: ignore[reportUnreachable]  # makes it a generator

    def prepare(self, request: Request) -> Steps:
        return (yield from self.engine.prepare(request)) if self.engine else Completion("", "small", 0, 0, 0, 0.0)


def paced(engine: LocalEngine) -> LocalEngine:
    engine.model.pace.record = lambda tokens, seconds: None  # type: ignore[method-assign]
    engine.model.pace._seconds = dict(PACE)
    engine.model.pace._sizes = sorted(engine.model.pace._seconds)
    engine.model.pace._load = 1.0
    return engine


def guided(engine: LocalEngine, small: Any) -> LocalEngine:
    engine.draft_model = DraftModel(small, engine.tokenizer)
    return paced(engine)


@pytest.fixture(scope="module")
def embedded() -> LocalEngine:
    return load_engine(ModelSpec())


@pytest.fixture
def guesses_take_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a slow machine ask for as many guesses as a quick one."""
    monkeypatch.setattr(draft_model, "time", SimpleNamespace(perf_counter=lambda: 0.0))


@pytest.mark.usefixtures("guesses_take_no_time")
def test_guesses_that_are_right_save_passes_and_change_nothing(embedded: LocalEngine) -> None:
    alone, both = paced(load_engine(ModelSpec())), guided(load_engine(ModelSpec()), Small(engine=embedded))
    passes = [0, 0]
    for place in PLACES:
        before, after = CODE.split(place, 1)
        request = Request(before + place, "\n" + after.split("\n", 1)[1], max_tokens=24, max_lines=4, memory="never")
        written = [complete(engine, request) for engine in (alone, both)]
        assert written[0].text == written[1].text
        passes = [total + one.passes for total, one in zip(passes, written, strict=True)]
    assert passes[1] < 0.75 * passes[0], passes


def tiny() -> LocalEngine:
    model = lean_model(checkpoints.model(VOCABULARY))
    return LocalEngine("tiny", model, TextTokenizer(BACKEND, STARCODER.control_tokens), STARCODER)


@pytest.mark.parametrize("guess", ["return self.x", "", "é\n", "<fim_middle>", "a" * 300])
def test_guesses_that_are_wrong_change_nothing(guess: str) -> None:
    rng = random.Random(2)
    small = Small(guess)
    large = guided(tiny(), small)
    for _ in range(6):
        cut = rng.randrange(100, 400)
        request = Request(checkpoints.TEXT[:cut], checkpoints.TEXT[cut : cut + 100], max_tokens=16, max_lines=9)
        assert complete(large, request).text == complete(tiny(), request).text
    assert small.asked


@pytest.mark.parametrize("guess", ["zzzz qqqq", ""])
def test_guesses_that_are_wrong_are_soon_asked_for_no_more_and_later_again(guess: str) -> None:
    small = Small(guess, takes_s=0.01)
    large = guided(tiny(), small)

    def asked(requests: int) -> float:
        before, passes = small.asked, 0
        for number in range(requests):
            prefix = checkpoints.TEXT[: 100 + number]
            passes += complete(large, Request(prefix, "\n", max_tokens=16, max_lines=9, insist=True)).passes
        return (small.asked - before) / max(1, passes)

    first = asked(2)
    asked(20)
    later = asked(40)
    assert first > 0.3
    assert 0 < later < 0.15


def test_guesses_that_take_too_long_are_not_asked_for_again_soon() -> None:
    small = Small("x")
    large = guided(tiny(), small)
    assert large.draft_model
    large.draft_model._seconds = 5.0
    large._draft_length._accepted[BY_MODEL] = 0.9
    assert complete(large, Request("x = ", "\n", max_tokens=8, max_lines=9, insist=True)).text
    assert small.asked == 0


@pytest.mark.parametrize("method", ["complete", "prepare"])
def test_a_small_model_that_fails_is_done_without(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(request: Request) -> Steps:
        raise RuntimeError("scripted")
        yield  # pyright: ignore[reportUnreachable]  # makes it a generator

    small = Small("x = 1")
    monkeypatch.setattr(small, method, fail)
    large = guided(tiny(), small)
    request = Request("x = ", "\n", max_tokens=8, max_lines=9, insist=True)
    for _ in range(2):
        finished(large.prepare(request))
        assert complete(large, request).text == complete(tiny(), request).text


@pytest.mark.usefixtures("guesses_take_no_time")
def test_after_a_rest_a_guess_costs_what_it_writes(embedded: LocalEngine) -> None:
    large = guided(tiny(), Small(engine=embedded))
    before = CODE * 8  # nowhere near where the prompt's left edge would move
    finished(large.prepare(Request(before, CODE * 12, max_tokens=64)))
    computed = embedded.forwarded_tokens
    written = complete(large, Request(before + "x", CODE * 12, max_tokens=6, max_lines=9, insist=True))
    assert written.drafted_tokens
    assert embedded.forwarded_tokens - computed < 60


def test_large_models_get_the_embedded_one_unless_the_settings_forbid_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_engine(ModelSpec()).draft_model is None
    monkeypatch.setattr(load, "_WORTH_DRAFTING", 1_000_000)
    loaded: list[str] = []
    original = load._draft_model

    def noted(engine: LocalEngine) -> DraftModel | None:
        loaded.append(engine.name)
        return original(engine)

    monkeypatch.setattr(load, "_draft_model", noted)
    engine = load_engine(ModelSpec())
    assert engine.draft_model
    assert any("guesses ahead" in notice for notice in engine.notices)
    assert loaded == ["embedded"], "and not one for the small one too"
    assert load_engine(ModelSpec(drafts="never")).draft_model is None
    assert loaded == ["embedded"]
