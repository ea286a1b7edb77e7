"""The straight line from snapshot to suggestion, with a scripted engine."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from inference.checkpoints.spec import ModelSpec
from inference.engines.base import EngineLoader
from lsp_server.completer import Completer
from lsp_server.context.source import Source
from lsp_server.model_host import ModelHost
from lsp_server.related_files import RelatedFiles
from lsp_server.settings import Layer, ModelSettings, merge
from tests.marked import snapshot_at
from tests.scripted_engine import ScriptedEngine


async def completer_with(engine: ScriptedEngine, **settings: Any) -> Completer:
    host = ModelHost(engine.loader)
    host.use(ModelSettings())
    await ready(host)
    return Completer(host, merge(Layer("test", settings))[0])


async def ready(host: ModelHost) -> None:
    while host.status.phase == "loading":
        await asyncio.sleep(0.001)


async def suggest(completer: Completer, marked: str, *, invoked: bool = False, **snapshot: Any) -> str | None:
    now = snapshot_at(marked, **snapshot)
    suggestion = await completer.suggest(now, invoked=invoked)
    if suggestion:
        completer.shown(now, suggestion)  # as the server does when it sends it
    return suggestion.text if suggestion else None


def edited(completer: Completer, marked: str, **snapshot: Any) -> None:
    now = snapshot_at(marked, **snapshot)
    completer.edited(now.uri, now.language, lambda: now)


async def test_the_model_sees_the_text_around_the_cursor() -> None:
    engine = ScriptedEngine("value")
    assert await suggest(await completer_with(engine), "x = ‸\ny\n") == "value"
    request = engine.requests[0]
    assert (request.prefix, request.suffix, request.max_lines) == ("x = ", "\ny\n", 1)


async def test_the_files_line_ends_come_back() -> None:
    completer = await completer_with(ScriptedEngine("\n    return 1"))
    assert await suggest(completer, "def f():‸\r\n") == "\r\n    return 1"


async def test_typing_along_needs_no_model() -> None:
    engine = ScriptedEngine("value")
    completer = await completer_with(engine)
    await suggest(completer, "x = ‸")
    assert await suggest(completer, "x = v‸") == "alue"
    assert await suggest(completer, "x = val‸") == "ue"
    assert len(engine.requests) == 1


async def test_no_window_answers_from_the_cache_of_a_model_that_another_window_replaced() -> None:
    engine = ScriptedEngine("value")
    host = ModelHost(engine.loader)
    first, second = (Completer(host, merge()[0]) for _ in range(2))
    host.use(ModelSettings())
    await ready(host)
    await suggest(first, "x = ‸")
    host.use(ModelSettings(name="other"))
    await ready(host)
    engine.text = "different"
    assert await asyncio.gather(suggest(first, "x = ‸"), suggest(second, "x = ‸")) == ["different", "different"]


async def test_an_answer_of_a_model_that_was_replaced_meanwhile_is_not_kept() -> None:
    engine = ScriptedEngine("value", step_s=0.02)
    completer = await completer_with(engine)
    task = asyncio.ensure_future(suggest(completer, "x = ‸", invoked=True))
    while not engine.requests:
        await asyncio.sleep(0.001)
    completer._host.use(ModelSettings(name="other"))
    await task
    await ready(completer._host)
    engine.text, engine.step_s = "different", 0.0
    assert await suggest(completer, "x = ‸") == "different"


async def test_the_newest_request_wins_and_all_return() -> None:
    engine = ScriptedEngine("value", step_s=0.01)
    completer = await completer_with(engine)
    asked = [asyncio.ensure_future(suggest(completer, f"x{number} = ‸")) for number in range(20)]
    answers = await asyncio.gather(*asked)
    assert answers == [None] * 19 + ["value"]
    assert len(engine.requests) == 1


async def test_a_request_for_another_document_leaves_the_running_one_alone() -> None:
    engine = ScriptedEngine("value", step_s=0.02)
    completer = await completer_with(engine)
    first = asyncio.ensure_future(suggest(completer, "x = ‸", uri="file:///a", invoked=True))
    while not engine.requests:
        await asyncio.sleep(0.001)
    assert await suggest(completer, "y = ‸", uri="file:///b") == "value"
    assert await first == "value"


async def test_an_explicit_request_does_not_wait() -> None:
    completer = await completer_with(ScriptedEngine("value"), completion={"debounce_ms": 5000})
    assert await asyncio.wait_for(suggest(completer, "x = ‸", invoked=True), 2) == "value"


async def test_an_explicit_request_insists_where_an_automatic_one_found_nothing() -> None:
    engine = ScriptedEngine("")
    completer = await completer_with(engine)
    assert await suggest(completer, "x‸") is None
    engine.text = "value"
    assert await suggest(completer, "x‸") is None, "remembered"
    assert await suggest(completer, "x‸", invoked=True) == "value"
    assert [request.insist for request in engine.requests] == [False, True]


async def test_automatic_requests_are_silent_in_front_of_code_and_explicit_ones_are_not() -> None:
    completer = await completer_with(ScriptedEngine("value"))
    assert await suggest(completer, "x = ‸ + 1") is None
    assert await suggest(completer, "x = ‸ + 1", invoked=True) == "value"


@pytest.mark.parametrize(
    ("settings", "snapshot"),
    [
        ({"enabled": False}, {}),
        ({"files": {"disabled_languages": ["python"]}}, {}),
        ({}, {"uri": "file:///project/.env"}),
        ({"files": {"exclude": ["*.txt"]}}, {"uri": "file:///a.txt"}),
    ],
)
async def test_what_is_switched_off_or_secret_never_reaches_the_model(
    settings: dict[str, Any], snapshot: dict[str, str]
) -> None:
    engine = ScriptedEngine("value")
    completer = await completer_with(engine, **settings)
    assert await suggest(completer, "x = ‸", invoked=True, **snapshot) is None
    assert not engine.requests


async def test_cancelling_stops_the_computation() -> None:
    engine = ScriptedEngine("x" * 1000, step_s=0.002)
    completer = await completer_with(engine)
    task = asyncio.ensure_future(suggest(completer, "x = ‸", invoked=True))
    while not engine.requests:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    engine.text = "free again"
    assert await asyncio.wait_for(suggest(completer, "y = ‸", invoked=True), 1) == "free again"


async def test_a_failing_model_is_no_suggestion() -> None:
    engine = ScriptedEngine("value", fails="complete")
    completer = await completer_with(engine)
    assert await suggest(completer, "x = ‸") is None
    engine.fails = ""
    assert await suggest(completer, "x = ‸") == "value"


async def test_closing_a_document_ends_its_request() -> None:
    engine = ScriptedEngine("x" * 1000, step_s=0.002)
    completer = await completer_with(engine)
    task = asyncio.ensure_future(suggest(completer, "x = ‸", invoked=True))
    while not engine.requests:
        await asyncio.sleep(0.001)
    completer.forget("file:///a.py")
    assert await asyncio.wait_for(task, 1) is None


async def test_two_windows_share_one_model() -> None:
    loaded: list[ModelSpec] = []
    engine = ScriptedEngine("value")

    def loader(spec: ModelSpec) -> EngineLoader:
        loaded.append(spec)
        return engine.loader(spec)

    host = ModelHost(loader)
    for _ in range(3):
        host.use(ModelSettings())
        await ready(host)
    windows = [Completer(host, merge()[0]) for _ in range(2)]
    assert await asyncio.gather(*(suggest(window, "x = ‸") for window in windows)) == ["value", "value"]
    assert loaded == [ModelSpec()]


async def test_calls_for_the_same_place_share_one_computation() -> None:
    engine = ScriptedEngine("value", step_s=0.01)
    completer = await completer_with(engine)
    assert await asyncio.gather(*(suggest(completer, "x = ‸") for _ in range(5))) == ["value"] * 5
    assert len(engine.requests) == 1


async def test_a_shared_computation_stops_only_with_its_last_caller() -> None:
    engine = ScriptedEngine("value", step_s=0.03)
    completer = await completer_with(engine)
    calls = [asyncio.ensure_future(suggest(completer, "x = ‸", invoked=True)) for _ in range(2)]
    while not engine.requests:
        await asyncio.sleep(0.001)
    calls[0].cancel()
    assert await calls[1] == "value"


async def until(condition: Any) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it never came")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is typed along is kept for as long as a busy machine may take to ask for it."""
    monkeypatch.setattr("lsp_server.computations._FOLLOWED_GRACE_S", 10.0)


@pytest.mark.usefixtures("patient")
async def test_a_running_computation_is_kept_while_its_text_is_being_typed() -> None:
    engine = ScriptedEngine("value + 1", step_s=0.02)
    completer = await completer_with(engine)
    first = asyncio.ensure_future(suggest(completer, "x = ‸"))
    await until(lambda: (running := completer.computations.running("file:///a.py")) and len(running.written) >= 3)
    edited(completer, "x = v‸")
    first.cancel()  # as editors do
    await asyncio.sleep(0.05)
    assert await suggest(completer, "x = va‸") == "lue + 1"
    assert len(engine.requests) == 1
    assert completer.statistics.kept == 1


async def test_brackets_that_the_editor_closes_are_not_shown_to_the_model() -> None:
    engine = ScriptedEngine("value")
    await suggest(await completer_with(engine), "f([‸])\ny\n")
    request = engine.requests[0]
    assert (request.prefix, request.closers, request.suffix) == ("f([", "])", "\ny\n")


async def test_a_suggestion_is_typed_along_over_brackets_that_the_editor_closes() -> None:
    engine = ScriptedEngine("(a, b[0])")
    completer = await completer_with(engine)
    assert await suggest(completer, "f‸\n") == "(a, b[0])"
    assert await suggest(completer, "f(‸)\n") == "a, b[0]"
    assert await suggest(completer, "f(a, b[‸])\n") == "0"
    assert len(engine.requests) == 1


async def test_a_suggestion_in_a_bracket_is_typed_along_over_another_one() -> None:
    engine = ScriptedEngine("a, b[0]")
    completer = await completer_with(engine)
    assert await suggest(completer, "f(‸)\n") == "a, b[0]"
    assert await suggest(completer, "f(a, b[‸])\n") == "0"
    assert len(engine.requests) == 1


async def test_what_is_written_already_is_not_waited_for_in_a_new_bracket() -> None:
    engine = ScriptedEngine("f(a)\n" + 500 * "x", step_s=0.01)
    completer = await completer_with(engine)
    first = asyncio.ensure_future(suggest(completer, "    ‸\n", invoked=True))
    await until(lambda: (running := completer.computations.running("file:///a.py")) and "\n" in running.written)
    assert await asyncio.wait_for(suggest(completer, "    f(‸)\n"), 1) == "a"
    assert len(engine.requests) == 1
    await first


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(("logprob", "shown"), [(-9.0, None), (-0.1, "a")])
async def test_what_nobody_asked_for_is_judged_in_a_new_bracket_too(logprob: float, shown: str | None) -> None:
    engine = ScriptedEngine("f(a)\n" + 50 * "x", step_s=0.01, logprob=logprob)
    completer = await completer_with(engine)
    first = asyncio.ensure_future(suggest(completer, "    ‸\n"))
    await until(lambda: (running := completer.computations.running("file:///a.py")) and "\n" in running.written)
    assert await suggest(completer, "    f(‸)\n") == shown
    await first


async def test_an_explicit_request_shows_the_model_what_stands_closed() -> None:
    engine = ScriptedEngine("value")
    await suggest(await completer_with(engine), "f(‸)\n", invoked=True)
    assert (engine.requests[0].closers, engine.requests[0].suffix) == (")", ")\n")


async def test_brackets_of_a_suggestion_itself_are_not_trimmed() -> None:
    completer = await completer_with(ScriptedEngine("a(b(c(1)))"))
    assert await suggest(completer, "f(g(h(‸)))\n") == "a(b(c(1)))"


@pytest.mark.usefixtures("patient")
async def test_a_running_computation_is_kept_over_brackets_that_the_editor_closes() -> None:
    engine = ScriptedEngine("(value)", step_s=0.03)
    completer = await completer_with(engine)
    first = asyncio.ensure_future(suggest(completer, "f‸", invoked=True))
    while engine.steps < 4:
        await asyncio.sleep(0.001)
    edited(completer, "f(‸)")
    first.cancel()
    await asyncio.sleep(0.05)
    assert await suggest(completer, "f(‸)") == "value"
    assert len(engine.requests) == 1
    assert completer.statistics.kept == 1


async def test_text_that_takes_another_way_stops_the_computation_before_anybody_asks() -> None:
    engine = ScriptedEngine("x" * 1000, step_s=0.002)
    completer = await completer_with(engine, completion={"warm_up": "never"})
    first = asyncio.ensure_future(suggest(completer, "x = ‸", invoked=True))
    await until(lambda: engine.requests)
    edited(completer, "x = 1‸")
    assert await asyncio.wait_for(first, 1) is None


async def test_what_was_typed_beyond_the_answer_is_asked_anew() -> None:
    engine = ScriptedEngine("value", step_s=0.02)
    completer = await completer_with(engine)
    first = asyncio.ensure_future(suggest(completer, "x = ‸"))
    await until(lambda: (running := completer.computations.running("file:///a.py")) and running.written == "valu")
    second = asyncio.ensure_future(suggest(completer, "x = val‸"))
    assert await second == "ue"
    engine.text = " + 1"
    assert await suggest(completer, "x = value‸") == " + 1"
    assert await first == "value"


async def test_what_follows_an_accepted_suggestion_is_there_before_it_is_asked_for() -> None:
    engine = ScriptedEngine("value")
    completer = await completer_with(engine, completion={"warm_up": "always"})
    assert await suggest(completer, "x = ‸") == "value"
    engine.text = " + 1"
    await until(lambda: completer.foresight.stored)
    asked = len(engine.requests)
    assert await suggest(completer, "x = value‸") == " + 1"
    assert len(engine.requests) == asked
    assert completer.statistics.from_cache == 1


async def test_a_rest_prepares_the_place_and_a_closed_document_does_not() -> None:
    engine = ScriptedEngine("value")
    completer = await completer_with(engine, completion={"warm_up": "always"})
    edited(completer, "x = ‸")
    await until(lambda: engine.prepared)
    assert engine.prepared[0].prefix == "x = "
    assert not engine.requests
    edited(completer, "y = ‸")
    completer.forget("file:///a.py")
    await asyncio.sleep(0.5)
    assert len(engine.prepared) == 1


@pytest.mark.parametrize(("mode", "battery", "works"), [("auto", True, 0), ("auto", False, 1), ("never", False, 0)])
async def test_idle_work_is_off_on_battery_unless_asked_for(
    monkeypatch: pytest.MonkeyPatch, mode: str, battery: bool, works: int
) -> None:
    monkeypatch.setattr("lsp_server.machine.on_battery", lambda: battery)
    engine = ScriptedEngine("value")
    completer = await completer_with(engine, completion={"warm_up": mode})
    edited(completer, "x = ‸")
    if works:
        await until(lambda: engine.prepared)
    await asyncio.sleep(0.6)
    assert len(engine.prepared) == works


async def test_idle_work_spares_files_that_are_not_served() -> None:
    engine = ScriptedEngine("value")
    completer = await completer_with(engine, completion={"warm_up": "always"})
    edited(completer, "x = ‸", uri="file:///project/.env")
    await asyncio.sleep(0.6)
    assert not engine.prepared


async def test_related_texts_reach_the_model() -> None:
    engine = ScriptedEngine("value")
    completer = await completer_with(engine)
    completer.related = RelatedFiles(lambda uri: (Source("file:///b.py", "other file"),))
    await suggest(completer, "x = ‸")
    assert engine.requests[0].related == ("other file",)


async def test_a_request_that_is_no_longer_the_newest_does_not_start_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its computation found too little, and meanwhile a newer request has come: that one is answered."""
    engine = ScriptedEngine("abcd", step_s=0.02)
    completer = await completer_with(engine)
    monkeypatch.setattr("lsp_server.completer.trim", lambda text, cursor, **how: text.removesuffix("bcd"))
    first = asyncio.ensure_future(suggest(completer, "x = ‸"))
    await until(lambda: (running := completer.computations.running("file:///a.py")) and running.written == "ab")
    second = asyncio.ensure_future(suggest(completer, "x = a‸"))
    await asyncio.sleep(0)
    completer.computations.enter("file:///a.py")  # the newer one
    assert await first == "a"
    assert await second is None
    assert len(engine.requests) == 1


async def test_a_popups_choice_is_computed_once_while_its_word_is_typed() -> None:
    engine = ScriptedEngine("(item)", step_s=0.02)
    completer = await completer_with(engine)
    calls: list[asyncio.Task[str | None]] = []
    for typed in ("a", "ap", "app"):
        edited(completer, f"foo.{typed}‸")
        calls.append(asyncio.ensure_future(suggest(completer, "foo.append‸")))
        await asyncio.sleep(0.02)
    assert await asyncio.gather(*calls) == ["(item)"] * 3
    assert len(engine.requests) == 1


async def test_what_was_foreseen_is_not_foreseen_again_at_each_key() -> None:
    engine = ScriptedEngine("value")
    completer = await completer_with(engine, completion={"warm_up": "always"})
    for typed in ("", "v", "va", "val"):
        assert await suggest(completer, f"x = {typed}‸")
        await asyncio.sleep(0.3)
    assert completer.foresight.stored == 1


async def test_an_automatic_suggestion_in_front_of_code_completes_the_identifier_and_no_more() -> None:
    engine = ScriptedEngine("lue, sep=''")
    completer = await completer_with(engine)
    assert await suggest(completer, 'print(va‸, end="")') == "lue"
    assert engine.requests[0].max_lines == 1
    assert engine.requests[0].max_tokens < completer.settings.completion.max_tokens
    assert await suggest(completer, 'print(val‸, end="")') == "ue", "typed along, without the model"
    assert len(engine.requests) == 1
    assert await suggest(completer, 'print(va‸, end="")', invoked=True) == "lue, sep=''", "whoever asks gets all"


async def test_what_completes_no_identifier_in_front_of_code_is_not_shown() -> None:
    assert await suggest(await completer_with(ScriptedEngine("(x)")), "print(va‸, end=1)") is None


async def test_nothing_automatic_in_the_middle_of_an_identifier() -> None:
    engine = ScriptedEngine("tiona")
    completer = await completer_with(engine)
    assert await suggest(completer, "na‸me = 1") is None
    assert not engine.requests
    assert await suggest(completer, "na‸me = 1", invoked=True) == "tiona"


async def test_an_explicit_request_in_an_identifier_does_not_repeat_its_rest() -> None:
    completer = await completer_with(ScriptedEngine("me"))
    assert await suggest(completer, "na‸me = 1", invoked=True) is None


@pytest.mark.parametrize(
    ("settings", "marked", "text"),
    [
        ({}, "# why ‸\n", "value"),
        ({}, "x = '‸'\n", "value"),
        ({"in_comments": False}, "# why ‸\n", None),
        ({"in_comments": False}, "x = '‸'\n", "value"),
        ({"in_strings": False}, "x = '‸'\n", None),
        ({"in_strings": False}, "# why ‸\n", "value"),
        ({"in_strings": False, "in_comments": False}, "x = ‸\n", "value"),
    ],
)
async def test_comments_and_strings_by_setting(settings: dict[str, bool], marked: str, text: str | None) -> None:
    completer = await completer_with(ScriptedEngine("value"), completion=settings)
    assert await suggest(completer, marked) == text
    assert await suggest(completer, marked, invoked=True) == "value", "whoever asks is answered"


async def test_lines_are_limited_by_what_is_at_the_cursor() -> None:
    engine = ScriptedEngine("value")
    completer = await completer_with(engine)
    for marked in ("def f():‸\n", "f(\n    ‸\n)\n", "def f():\n    ‸\n"):
        await suggest(completer, marked)
    assert [request.max_lines for request in engine.requests] == [6, 1, 6]


async def test_the_model_is_told_where_a_line_has_its_indentation() -> None:
    engine = ScriptedEngine("value")
    completer = await completer_with(engine)
    for marked in ("def f():\n    ‸\n", "def f():\n    a = 1\n    ‸\n", "def f():\n    a = ‸\n"):
        await suggest(completer, marked)
    assert [request.at_indentation for request in engine.requests] == [False, True, False]
