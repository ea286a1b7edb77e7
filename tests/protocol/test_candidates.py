"""Whoever asks is offered several candidates by the real daemon's model; nobody else is."""

from __future__ import annotations

import pytest

from lsp_server.commands.session import ready_completer
from lsp_server.completer import Completer
from lsp_server.documents import Snapshot
from lsp_server.settings import CompletionSettings, Settings

TEXT = "def size_of(path):\n    return os.path.‸\n\n\ndef name_of(path):\n    return os.path.basename(path)\n"


def snapshot(marked: str) -> Snapshot:
    before, after = marked.split("‸")
    return Snapshot("file:///candidates.py", "python", 1, before + after, len(before))


@pytest.fixture
async def completer() -> Completer:
    ready, status = await ready_completer(Settings(completion=CompletionSettings(debounce_ms=0, warm_up="never")))
    assert ready is not None, status.message
    return ready


async def test_an_explicit_request_gives_up_to_three_different_candidates(completer: Completer) -> None:
    place = snapshot(TEXT)
    first = await completer.suggest(place, invoked=True)
    assert first is not None
    others = await completer.alternatives(place, first)
    assert 1 <= len(others) <= 2
    assert len({first.text, *others}) == 1 + len(others)
    assert len({text[:1] for text in (first.text, *others)}) > 1, "they differ early"


async def test_candidates_are_found_for_a_suggestion_from_the_cache_too(completer: Completer) -> None:
    place = snapshot(TEXT)
    await completer.suggest(place, invoked=True)
    again = await completer.suggest(place, invoked=True)
    assert again is not None
    assert again.completion is None, "from the cache"
    others = await completer.alternatives(place, again)
    assert others
    assert again.text not in others
