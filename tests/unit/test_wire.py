"""Repairs of what real clients send."""

from __future__ import annotations

from typing import Any

import pytest

from lsp_server.wire import normalise, shows_ghost_text


@pytest.mark.parametrize(
    ("context", "kind"),
    [
        ({"triggerKind": 1}, 1),
        ({"triggerKind": 2}, 2),
        ({"triggerKind": 0}, 1),
        ({"triggerKind": 7}, 2),
        ({"triggerKind": None}, 2),
        ({"triggerKind": "2"}, 2),
        ({}, 2),
        (None, 2),
        ("automatic", 2),
    ],
)
def test_the_trigger_kind_becomes_valid(context: object, kind: int) -> None:
    message: dict[str, Any] = {"method": "textDocument/inlineCompletion", "params": {"context": context}}
    normalise(message)
    assert message["params"]["context"]["triggerKind"] == kind


def test_a_missing_context_is_made() -> None:
    message: dict[str, Any] = {"method": "textDocument/inlineCompletion", "params": {}}
    normalise(message)
    assert message["params"]["context"] == {"triggerKind": 2}


@pytest.mark.parametrize(
    ("offered", "first"),
    [
        (["utf-16", "utf-32", "utf-8"], "utf-8"),
        (["utf-16", "utf-32"], "utf-32"),
        (["utf-16"], "utf-16"),
        (["utf-7", "utf-16"], "utf-16"),
    ],
)
def test_our_preferred_encoding_comes_first(offered: list[str], first: str) -> None:
    message: dict[str, Any] = {
        "method": "initialize",
        "params": {"capabilities": {"general": {"positionEncodings": offered}}},
    }
    normalise(message)
    assert message["params"]["capabilities"]["general"]["positionEncodings"][0] == first


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [("utf-16", ["utf-16"]), ("utf-7", ["utf-8", "utf-16"]), (None, ["utf-8", "utf-16"]), ({}, ["utf-8", "utf-16"])],
)
def test_a_client_may_ask_for_an_encoding_that_it_offers(wanted: object, taken: list[str]) -> None:
    general = {"positionEncodings": ["utf-16", "utf-8"]}
    experimental = {"fimd": {"positionEncoding": wanted}}
    message: dict[str, Any] = {
        "method": "initialize",
        "params": {"capabilities": {"general": general, "experimental": experimental}},
    }
    normalise(message)
    assert general["positionEncodings"] == taken


@pytest.mark.parametrize("params", [None, [], "x", {}, {"capabilities": None}, {"capabilities": {"general": 3}}])
def test_odd_parameters_are_left_to_the_decoder(params: object) -> None:
    normalise({"method": "initialize", "params": params})


@pytest.mark.parametrize(
    ("capabilities", "ghost"),
    [
        ({"textDocument": {"inlineCompletion": {"dynamicRegistration": True}}}, True),
        ({"textDocument": {"inlineCompletion": None}}, True),
        ({"textDocument": {"completion": {}}}, False),
        ({"textDocument": None}, False),
        ({}, False),
    ],
)
def test_ghost_text_is_read_from_the_raw_capabilities(capabilities: object, ghost: bool) -> None:
    assert shows_ghost_text({"capabilities": capabilities}) is ghost
