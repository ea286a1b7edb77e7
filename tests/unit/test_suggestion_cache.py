"""Exact hits, typed-through hits, and what must be a miss."""

from __future__ import annotations

import pytest

from lsp_server.suggestion_cache import SuggestionCache
from tests.marked import cursor_at

LONG = "x = 1\n" * 400


def find(stored: str, text: str, asked: str) -> str | None:
    cache = SuggestionCache()
    cache.store("file:///a", cursor_at(stored), text)
    return cache.find("file:///a", cursor_at(asked))


@pytest.mark.parametrize("above", ["", LONG])
@pytest.mark.parametrize("below", ["", "\nend\n", LONG])
@pytest.mark.parametrize(
    ("asked", "rest"),
    [
        ("ret‸", "urn value"),
        ("retu‸", "rn value"),
        ("return va‸", "lue"),
        ("return value‸", None),
        ("re‸", None),
        ("retx‸", None),
    ],
)
def test_the_rest_of_a_suggestion_after_typing(above: str, below: str, asked: str, rest: str | None) -> None:
    assert find(f"{above}ret‸{below}", "urn value", f"{above}{asked}{below}") == rest


def test_several_lines_are_typed_through() -> None:
    assert find("def f():‸", "\n    return 1", "def f():\n    ‸") == "return 1"


def test_nothing_to_suggest_is_remembered_for_the_very_place() -> None:
    assert find("x‸", "", "x‸") == ""
    assert find("x‸", "", "xy‸") is None


def test_text_above_may_move_the_place_but_not_change_the_context() -> None:
    assert find(f"{LONG}ret‸", "urn", f"# new line\n{LONG}retu‸") == "rn"
    assert find("a = 1\nret‸", "urn", "b = 1\nret‸") is None


@pytest.mark.parametrize("after", ["‸ x", "‸\nend", "‸y"])
def test_another_suffix_is_a_miss(after: str) -> None:
    assert find("ret‸\n", "urn", f"ret{after}") is None


def test_other_documents_do_not_share() -> None:
    cache = SuggestionCache()
    cache.store("file:///a", cursor_at("ret‸"), "urn")
    assert cache.find("file:///b", cursor_at("ret‸")) is None


def test_the_newest_fitting_suggestion_wins() -> None:
    cache = SuggestionCache()
    cache.store("file:///a", cursor_at("r‸"), "eturn 1")
    cache.store("file:///a", cursor_at("re‸"), "turn 2")
    assert cache.find("file:///a", cursor_at("ret‸")) == "urn 2"


def test_capacity_drops_the_oldest() -> None:
    cache = SuggestionCache(capacity=2)
    for name in "abc":
        cache.store("file:///a", cursor_at(f"{name}‸"), "x")
    assert [cache.find("file:///a", cursor_at(f"{name}‸")) for name in "abc"] == [None, "x", "x"]


def test_clear_forgets_everything() -> None:
    cache = SuggestionCache()
    cache.store("file:///a", cursor_at("ret‸"), "urn")
    cache.clear()
    assert cache.find("file:///a", cursor_at("ret‸")) is None
