"""Pieces of other files on their way into a request."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lsp_server.completer import Completer
from lsp_server.context.source import Source
from lsp_server.model_host import ModelHost
from lsp_server.settings import Layer, ModelSettings, merge
from tests.marked import snapshot_at
from tests.scripted_engine import ScriptedEngine
from tests.unit.test_completer import ready, suggest, until
from tests.unit.test_context_choice import GEOMETRY

CALL = "from geometry import area_of_rectangle\n\nprint(area_of_rectangle(‸)\n"
DEFINITION = GEOMETRY.split("\n\n\n")[1]


async def completer_beside(engine: ScriptedEngine, *sources: Source, **settings: Any) -> Completer:
    host = ModelHost(engine.loader)
    host.use(ModelSettings())
    await ready(host)
    return Completer(host, merge(Layer("test", settings))[0], lambda uri: sources)


async def test_context_reaches_the_model_and_drafts_get_the_same_files() -> None:
    engine = ScriptedEngine("value")
    completer = await completer_beside(engine, Source("file:///w/geometry.py", GEOMETRY))
    completer.related.read("file:///a.py")
    await suggest(completer, CALL, uri="file:///w/main.py")
    [request] = engine.requests
    assert [(piece.path, piece.text) for piece in request.context] == [("w/geometry.py", DEFINITION)]
    assert request.path == "w/main.py"
    assert request.related == (GEOMETRY,)


@pytest.mark.parametrize(
    ("settings", "reads", "count"),
    [
        ({}, True, 1),
        ({}, False, 0),
        ({"use": "always"}, False, 1),
        ({"use": "never"}, True, 0),
        ({"max_pieces": 0}, True, 0),
        ({"max_characters": 0}, True, 0),
        ({"max_characters": 40}, True, 0),
    ],
)
async def test_context_by_the_settings_and_by_what_the_model_knows(
    settings: dict[str, Any], reads: bool, count: int
) -> None:
    engine = ScriptedEngine("value", reads_other_files=reads)
    completer = await completer_beside(engine, Source("file:///w/geometry.py", GEOMETRY), context=settings)
    completer.related.read("file:///a.py")
    await suggest(completer, CALL)
    assert len(engine.requests[0].context) == count
    assert engine.requests[0].related == (GEOMETRY,), "drafts are not in the prompt"


async def test_context_is_read_while_nothing_else_is_to_do() -> None:
    engine = ScriptedEngine("value")
    long = Source("file:///w/other.py", "value = compute(value)\n" * 12_000)
    completer = await completer_beside(engine, long, Source("file:///w/geometry.py", GEOMETRY))
    snapshot = snapshot_at(CALL)
    completer.edited(snapshot.uri, "python", lambda: snapshot)
    await until(lambda: len(completer.related._index.known()) == 2)
    await suggest(completer, CALL)
    assert engine.requests[0].context
    completer.forget_all()


async def test_a_session_that_ends_reads_no_more_context() -> None:
    completer = await completer_beside(ScriptedEngine(), Source("file:///w/other.py", "value = 1\n" * 20_000))
    snapshot = snapshot_at(CALL)
    completer.edited(snapshot.uri, "python", lambda: snapshot)
    completer.forget_all()
    await asyncio.sleep(0.05)
    assert completer.related._index.known() == []


async def test_context_of_a_closed_file_is_chosen_anew_when_it_is_opened_again() -> None:
    completer = await completer_beside(ScriptedEngine(), Source("file:///w/geometry.py", GEOMETRY))
    completer.related.read("file:///a.py")
    await suggest(completer, CALL)
    completer.forget("file:///a.py")
    await suggest(completer, CALL.replace("‸", "x‸"))
    assert completer.related._chooser.choices == 2


async def test_context_is_chosen_anew_when_typing_rests() -> None:
    engine = ScriptedEngine("value")
    sources = [Source("file:///w/filler.py", "value = 1\n")]
    completer = await completer_beside(engine, completion={"warm_up": "always"})
    completer.related._related = lambda uri: tuple(sources)
    await suggest(completer, CALL)
    assert engine.requests[0].context == ()
    sources.append(Source("file:///w/geometry.py", GEOMETRY))
    completer.related.read("file:///a.py")
    await suggest(completer, CALL.replace("‸", "w‸"))
    assert engine.requests[1].context == (), "not while typing"
    snapshot = snapshot_at(CALL.replace("‸", "w‸"))
    completer.edited(snapshot.uri, "python", lambda: snapshot)
    await until(lambda: engine.prepared)
    assert len(engine.prepared[0].context) == 1
