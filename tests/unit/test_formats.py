"""The invariants of the format table, and the five systems' prompts as their cards write them."""

from __future__ import annotations

import pytest

from inference.checkpoints.catalog import CATALOG, find, nearest
from inference.formats import FORMATS, LEFT_TO_RIGHT, InfillFormat, Slot, detect

BY_NAME = {row.name: row for row in FORMATS}


def written(row: InfillFormat, order: str) -> str:
    return "".join({Slot.PREFIX: "P", Slot.SUFFIX: "S"}.get(part, part) for part in row.templates[order])  # type: ignore[arg-type, index]


@pytest.mark.parametrize(
    ("name", "order", "prompt"),
    [
        ("santacoder", "psm", "<fim-prefix>P<fim-suffix>S<fim-middle>"),
        ("santacoder", "spm", "<fim-prefix><fim-suffix>S<fim-middle>P"),
        ("starcoder", "psm", "<fim_prefix>P<fim_suffix>S<fim_middle>"),
        ("starcoder", "spm", "<fim_prefix><fim_suffix>S<fim_middle>P"),
        ("codegen25", "psm", "P<mask_1>S<|endoftext|><sep><mask_1>"),
    ],
)
def test_prompts_as_the_cards_write_them(name: str, order: str, prompt: str) -> None:
    assert written(BY_NAME[name], order) == prompt


@pytest.mark.parametrize("row", [*FORMATS, LEFT_TO_RIGHT], ids=lambda row: row.name)
def test_every_template_has_the_prefix_once_and_the_suffix_at_most_once(row: InfillFormat) -> None:
    for template in row.templates.values():
        assert template.count(Slot.PREFIX) == 1
        assert template.count(Slot.SUFFIX) == (0 if row is LEFT_TO_RIGHT else 1)


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
def test_every_format_stops_and_says_where_it_comes_from(row: InfillFormat) -> None:
    assert row.stop_tokens
    assert row.source


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(FORMATS)
    assert len({row.name for row in CATALOG}) == len(CATALOG)


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
def test_a_format_is_told_from_its_tokens(row: InfillFormat) -> None:
    vocabulary = {name: number for number, name in enumerate(row.control_tokens)}
    assert detect(vocabulary.get) is row


def test_a_vocabulary_with_only_some_of_the_tokens_is_left_to_right() -> None:
    assert detect({"<fim_prefix>": 1, "<|endoftext|>": 0}.get) is LEFT_TO_RIGHT


@pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.name)
def test_the_catalogue_names_known_formats(row: object) -> None:
    assert getattr(row, "format") in BY_NAME  # noqa: B009


def test_catalogue_names_are_found_and_guessed() -> None:
    found = find("SantaCoder")
    assert found is not None
    assert found.name == "santacoder"
    assert nearest("embeded") == "embedded"
    assert find("nothing") is None
