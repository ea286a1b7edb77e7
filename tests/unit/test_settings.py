"""Layers, types, unknown keys: every mistake is one sentence and costs only itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lsp_server.settings import Layer, Settings, all_keys, merge, read_file


def merged(*layers: dict[str, Any]) -> tuple[Settings, list[str]]:
    return merge(*(Layer(f"layer {number}", values) for number, values in enumerate(layers)))


def test_defaults_without_any_layer() -> None:
    assert merged() == (Settings(), [])


def test_later_layers_lie_on_top_key_by_key() -> None:
    settings, problems = merged(
        {"completion": {"debounce_ms": 10, "max_tokens": 5}}, {"completion": {"max_tokens": 9}, "enabled": False}
    )
    assert not problems
    assert (settings.completion.debounce_ms, settings.completion.max_tokens, settings.enabled) == (10, 9, False)


@pytest.mark.parametrize(
    ("values", "suggestion"),
    [
        ({"completion": {"debouce_ms": 5}}, "completion.debounce_ms"),
        ({"debounce_ms": 5}, "completion.debounce_ms"),
        ({"enable": True}, "enabled"),
        ({"model": {"nam": "x"}}, "model.name"),
        ({"files": {"excluded": []}}, "files.exclude"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_valid_one(values: dict[str, Any], suggestion: str) -> None:
    settings, problems = merged(values)
    assert settings == Settings()
    assert len(problems) == 1
    assert problems[0].endswith(f"did you mean {suggestion!r}?")
    assert suggestion in all_keys()


@pytest.mark.parametrize(
    "values",
    [
        {"completion": {"max_tokens": "many"}},
        {"completion": {"max_tokens": 0}},
        {"completion": {"max_tokens": True}},
        {"completion": {"popup": "sometimes"}},
        {"completion": 3},
        {"completion": None},
        {"files": {"exclude": ["*.pem", 4]}},
        {"model": {"device": "tpu"}},
        {"enabled": "yes"},
    ],
)
def test_a_wrong_value_is_left_out_and_the_rest_applies(values: dict[str, Any]) -> None:
    settings, problems = merged({"model": {"name": "kept"}, "completion": {"debounce_ms": 7}}, values)
    assert len(problems) == 1
    assert problems[0].startswith("layer 1: ")
    assert (settings.model.name, settings.completion.debounce_ms) == ("kept", 7)


def test_a_wrong_value_falls_back_to_the_layer_below() -> None:
    settings, _ = merged({"completion": {"max_tokens": 5}}, {"completion": {"max_tokens": "x", "max_lines": 2}})
    assert (settings.completion.max_tokens, settings.completion.max_lines) == (5, 2)


def test_a_missing_file_matters_only_when_named(tmp_path: Path) -> None:
    assert read_file(tmp_path / "none.toml", required=False).problems == ()
    _, problems = merge(read_file(tmp_path / "none.toml", required=True))
    assert "does not exist" in problems[0]


@pytest.mark.parametrize("content", [b"enabled = ", b"\xff\xfe"])
def test_a_broken_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    layer = read_file(path, required=True)
    assert (layer.values, len(layer.problems)) == ({}, 1)
    assert str(path) in layer.problems[0]


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[model]\nname = 'santacoder'\n", encoding="utf-8")
    settings, problems = merge(read_file(path, required=True))
    assert (settings.model.name, problems) == ("santacoder", [])
