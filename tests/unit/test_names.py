"""An identifier becomes one that exists: in the open files, in the language, in what the file imports."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsp_server.names import beginning_as_typed
from lsp_server.standard_library import offered_to


def names(prefix: str, suffix: str = "", *others: str, language: str = "python") -> tuple[str, ...]:
    return beginning_as_typed(prefix, suffix, others, language)


def test_names_of_the_text_before_and_behind_the_most_frequent_first() -> None:
    assert names("value_two = 1\nvalue_one = value_two\nval", "\nvalue_three()") == (
        "value_two",
        "value_one",
        "value_three",
    )


def test_names_of_other_files_count_and_the_typed_one_only_if_it_is_written_elsewhere() -> None:
    assert names("x = wid", "", "width = 3") == ("width",)
    assert names("wid = 2\nx = wid", "", "width = 3") == ("wid", "width")


@settings(max_examples=50, deadline=None)
@given(text=st.text("abv_ \n#.", max_size=80), word=st.text("abv", min_size=2, max_size=5))
def test_names_found_while_a_word_is_typed_are_those_found_at_once(text: str, word: str) -> None:
    names("zz")  # forgets what was found
    at_once = names(f"{text} {word}", text)
    names("zz")
    typed = [names(f"{text} {word[:end]}", text) for end in range(2, len(word) + 1)]
    assert typed[-1] == at_once


def test_a_name_is_found_though_too_many_others_begin_like_it() -> None:
    text = "self.x = 1\n" * 2100 + "serve_everything()\n"
    assert names(f"{text}se")[0] == "self"
    assert names(f"{text}ser") == ("serve_everything",)


def test_words_of_prose_are_no_names() -> None:
    assert names('"""Releasing things."""\n# Releases, too\nx.Rele', language="python") == ()


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("x = isins", "isinstance"),
        ("x = name.startsw", "startswith"),
        ("import base64\n\nx = base64.urlsafe_b64", "urlsafe_b64encode"),
        ("from contextlib import suppr", "suppress"),
        ("import dataclas", "dataclasses"),
    ],
)
def test_pythons_own_names_need_not_be_written(prefix: str, expected: str) -> None:
    assert expected in names(prefix)
    assert expected not in names(prefix, language="javascript")


def test_keywords_do_not_stand_behind_a_dot_nor_methods_alone() -> None:
    assert "not" not in names("x.no")
    assert "startswith" not in names("x = startsw")


@pytest.mark.parametrize(
    ("language", "prefix", "suffix", "expected"),
    [
        ("javascript", "function render(req) {\n  re", "\n}\n", ("render", "req", "return")),
        ("go", "for i := ra", "\nrandom()\n", ("random", "range")),
        ("javascript", "x.re", "\nrest\n", ("rest",)),
        ("javascript", "function find(req) {\n  ret", "\n}\n", ()),
        ("klingon", "render(req)\nre", "", ("render", "req")),
    ],
)
def test_other_languages_have_keywords_beside_names(
    language: str, prefix: str, suffix: str, expected: tuple[str, ...]
) -> None:
    assert beginning_as_typed(prefix, suffix, [], language) == expected


def test_what_is_not_imported_is_not_offered() -> None:
    assert "urlsafe_b64encode" not in offered_to("import json\n\nx = 1\n")
    assert "dataclasses" not in offered_to("x = data")
    assert offered_to("import no_such_module, os.nothing\n") == ()


@pytest.mark.parametrize("prefix", ["", "x = ", "x = 1", "(", "x = 'ü ", "\n", "value = 1\nv"])
def test_where_no_identifier_is_typed_or_a_letter_only_there_are_none(prefix: str) -> None:
    assert names(prefix) == ()


@settings(max_examples=150, deadline=None)
@given(prefix=st.text(max_size=60), suffix=st.text(max_size=60), language=st.sampled_from(["python", "go", ""]))
def test_all_begin_with_what_is_typed(prefix: str, suffix: str, language: str) -> None:
    found = names(prefix, suffix, suffix, language=language)
    assert len(set(found)) == len(found)
    for name in found:
        assert any(prefix.endswith(name[:length]) for length in range(1, len(name) + 1))
