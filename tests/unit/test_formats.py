"""The invariants of the format table, and the five systems' prompts as their cards write them."""

from __future__ import annotations

import pytest

from inference import licences
from inference.checkpoints.catalog import CATALOG, CatalogRow, by_repository, find, nearest
from inference.formats import FORMATS, LEFT_TO_RIGHT, InfillFormat, Slot, detect, incomplete, lacking, out_of_order

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
        ("qwen", "psm", "<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>"),
        ("granite4", "psm", "<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>"),
        ("codegemma", "psm", "<bos><|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>"),
        ("deepseek", "psm", "<｜begin▁of▁sentence｜><｜fim▁begin｜>P<｜fim▁hole｜>S<｜fim▁end｜>"),  # noqa: RUF001
        ("codellama", "psm", "<s>▁<PRE>P▁<SUF>S▁<MID>"),
        ("codellama", "spm", "<s>▁<PRE>▁<SUF>S▁<MID>P"),
        ("codestral", "spm", "<s>[SUFFIX]S[PREFIX]P"),
        ("seed-coder", "spm", "<[fim-suffix]>S<[fim-prefix]>P<[fim-middle]>"),
        ("mellum", "spm", "<fim_suffix>S<fim_prefix>P<fim_middle>"),
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
    names = [*row.ascending_ids, *sorted(row.control_tokens - {*row.ascending_ids})]
    vocabulary = {name: number for number, name in enumerate(names)}
    found = detect(vocabulary.get)
    assert found is row or not row.is_recognisable
    assert incomplete(vocabulary.get, found) is None
    assert out_of_order(vocabulary.get, row) == []


def test_a_vocabulary_with_only_some_of_the_tokens_is_left_to_right() -> None:
    assert detect({"<fim_prefix>": 1, "<|endoftext|>": 0}.get) is LEFT_TO_RIGHT


@pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.name)
def test_the_catalogue_names_known_formats_and_licences(row: CatalogRow) -> None:
    assert row.format in {*BY_NAME, LEFT_TO_RIGHT.name}
    assert row.licence == "other" or licences.find(row.licence), row.licence


def test_catalogue_names_are_found_and_guessed() -> None:
    found = find("SantaCoder")
    assert found is not None
    assert found.name == "santacoder"
    assert nearest("embeded") == "embedded"
    assert find("nothing") is None


def vocabulary_of(name: str) -> dict[str, int]:
    row = BY_NAME[name]
    names = [*row.ascending_ids, *sorted(row.control_tokens - {*row.ascending_ids})]
    return {token: number for number, token in enumerate(names)}


def test_codegen_is_told_from_starcoder_whose_tokens_it_has_too() -> None:
    both = vocabulary_of("starcoder")
    both.update({token: 100 + number for token, number in vocabulary_of("codegen25").items()})
    assert detect(both.get) is BY_NAME["codegen25"]
    del both["<mask_1>"]
    assert incomplete(both.get, detect(both.get)) == ("codegen25", ["<mask_1>"])


@pytest.mark.parametrize("row", [row for row in FORMATS if row.is_recognisable], ids=lambda row: row.name)
def test_any_required_token_that_is_missing_is_named(row: InfillFormat) -> None:
    for token in row.required_tokens - {"<s>", "<bos>", "<|endoftext|>"}:
        vocabulary = {**vocabulary_of(row.name), token + "?": 999}
        del vocabulary[token]
        found = incomplete(vocabulary.get, detect(vocabulary.get))
        assert found is not None
        assert token in found[1] or found[0] != row.name
        assert token in lacking(row.name, vocabulary.get)


@pytest.mark.parametrize("row", [row for row in FORMATS if row.ascending_ids], ids=lambda row: row.name)
def test_two_tokens_that_have_changed_places_are_named(row: InfillFormat) -> None:
    vocabulary = vocabulary_of(row.name)
    first, second = row.ascending_ids[:2]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    assert out_of_order(vocabulary.get, row)[:2] == [second, first]


def test_an_ordinary_vocabulary_is_no_incomplete_format() -> None:
    for names in ({"<|endoftext|>"}, {"<s>", "</s>"}, {"<sep>"}, {"<bos>", "<eos>"}, set[str]()):
        vocabulary = {name: number for number, name in enumerate(names)}
        assert detect(vocabulary.get) is LEFT_TO_RIGHT
        assert incomplete(vocabulary.get, LEFT_TO_RIGHT) is None


def test_repositories_are_found_in_full_by_their_last_part_and_by_file() -> None:
    for name in ("bigcode/starcoderbase-1b", "starcoderbase-1b"):
        row = by_repository(name)
        assert row is not None
        assert row.name == "starcoderbase-1b"
    branch = by_repository("bigcode/santacoder", revision="no-fim")
    assert branch is not None
    assert branch.format == "left-to-right"
    file = by_repository("prashrex/Santacoder-gguf", "santacoder.gguf")
    assert file is not None
    assert file.name == "santacoder-q4_k"
    assert by_repository("") is None
    assert by_repository("nobody/nothing") is None
