"""Holes are where a person's cursor would be, scores are what they say, and thresholds tell right from wrong."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.request import Completion
from lsp_server import likelihood
from lsp_server.cursor import Cursor
from lsp_server.evaluation import scores
from lsp_server.evaluation.code_mask import masked
from lsp_server.evaluation.fitting import fitted
from lsp_server.evaluation.holes import TRIGGERS, Hole, cut
from lsp_server.evaluation.scores import Filled
from lsp_server.evaluation.sources import Source, held_out, is_held_out, split_of
from lsp_server.evaluation.sources import given as given_sources
from lsp_server.likelihood import FEATURES, Evidence, Threshold

CODE = '''"""A module (of sorts)."""
import os, sys


HOME = os.path.expanduser("~")


def area(width, height=2):
    """Say (nothing, really) more."""
    # a comment = no, code
    if width == height and "a = b" != width:
        return width * compute(height, other=3)
    values = [one for one in range(width)]
    total = sum(values, height)
    return total
'''
PYTHON = Source("mine", Path("/area.py"), "python", CODE)
GO = Source(
    "mine",
    Path("/area.go"),
    "go",
    'func area(w int) int {\n\t// total := none (at all)\n\ttotal := sum(w, "x, y")\n\treturn total\n}\n',
)


def holes(kind: str, source: Source = PYTHON, count: int = 200) -> list[Hole]:
    return cut([source], {kind: count}, seed=1)  # type: ignore[dict-item]


def shown(hole: Hole) -> str:
    line = hole.prefix.rsplit("\n", 1)[-1]
    return f"{line}‸{hole.suffix.split(chr(10), 1)[0]}|{hole.truth}"


def test_a_mask_keeps_all_places_and_hides_strings_and_comments() -> None:
    mask = masked(CODE, "python")
    assert len(mask) == len(CODE)
    assert [place for place, one in enumerate(mask) if one == "\n"] == [p for p, one in enumerate(CODE) if one == "\n"]
    assert "sorts" not in mask
    assert "comment" not in mask
    assert "compute(height, other=3)" in mask
    assert "total := none" not in masked(GO.text, "go")


def test_line_holes_stand_behind_their_trigger_and_end_with_the_line() -> None:
    found = {}
    for hole in holes("line"):
        assert "\n" not in hole.truth
        found.setdefault(hole.trigger, []).append(shown(hole))
    assert set(found) == set(TRIGGERS)
    assert "def area(‸|width, height=2):" in found["("]
    assert "def area(‸)|width, height=2" in found["(…)"], "the closing bracket stands there, and nothing else yet"
    assert "    values = ‸|[one for one in range(width)]" in found["="]
    assert "        return ‸|width * compute(height, other=3)" in found["return"]
    assert "    total = sum(values, ‸|height)" in found[","]
    assert "    ‸|return total" in found["newline"]
    everything = " ".join(one for group in found.values() for one in group)
    assert "really" not in everything, "no holes in strings"
    assert "no, code" not in everything, "nor in comments"


def test_word_holes_stand_in_a_word() -> None:
    for hole in [*holes("word-end"), *holes("word-inline")]:
        assert hole.prefix[-1].isidentifier()
        assert hole.truth[0].isidentifier() or hole.truth[0].isdigit()
    inline = {shown(hole) for hole in holes("word-inline")}
    assert any("(height, other=3)|" in one for one in inline)
    assert all(hole.suffix.split("\n")[0].strip(")]}:,;") for hole in holes("word-inline"))
    assert all(hole.suffix.startswith("\n") for hole in holes("word-end"))


def test_blocks_are_the_rest_of_a_body() -> None:
    found = {hole.truth for hole in holes("block")}
    assert "total = sum(values, height)\n    return total" in found
    assert all("\n" in truth for truth in found)
    assert not holes("block", GO), "only where a parser is at hand"
    for hole in holes("block"):
        assert hole.prefix + hole.truth + hole.suffix == CODE


def test_a_new_file_begins_with_a_piece_of_the_real_one_and_ends_at_the_cursor() -> None:
    found = holes("new-file")
    beginnings = {hole.prefix.split("\n")[0] for hole in found if "\n" in hole.prefix}
    assert beginnings == {'"""A module (of sorts)."""', 'HOME = os.path.expanduser("~")', "def area(width, height=2):"}
    assert {hole.suffix for hole in found} == {"\n", ")\n", "]\n"}, "nothing but what the editor has closed"
    for hole in found:
        assert hole.prefix + hole.truth in CODE
        assert len(hole.prefix.split("\n")) <= 12
        assert hole.source == replace(PYTHON, text=hole.source.text)


def test_no_new_file_ends_within_a_string() -> None:
    long = 'def f(a, b):\n    """' + "text (of, it) = more\n" * 30 + '"""\n    return call(1)\n'
    assert not holes("new-file", replace(PYTHON, text=long))


def test_other_languages_have_holes_too() -> None:
    assert any("sum(‸|" in shown(hole) for hole in holes("line", GO))
    assert not any("none" in hole.truth for hole in holes("line", GO))


def test_the_same_seed_cuts_the_same_holes_and_no_place_twice() -> None:
    places = [(hole.kind, hole.trigger, len(hole.prefix)) for hole in holes("line")]
    assert places == [(hole.kind, hole.trigger, len(hole.prefix)) for hole in holes("line")]
    assert len(set(places)) == len(places)


def test_given_files_are_read_by_language_and_odd_ones_left_out(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(CODE * 3)
    (tmp_path / "windows.js").write_bytes(b"let a = f(1);\r\n" * 60)
    (tmp_path / "tiny.py").write_text("x = 1\n")
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe" * 600)
    (tmp_path / "wide.py").write_text("x = " + "1" * 2000)
    (tmp_path / "old-mac.py").write_bytes(b"x = 1\r" * 200)
    (tmp_path / "notes.txt").write_text(CODE * 3)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text(CODE * 3)
    found = given_sources([tmp_path])
    assert {(one.path.name, one.language) for one in found} == {("good.py", "python"), ("windows.js", "javascript")}
    assert "\r" not in "".join(one.text for one in found)


def test_packages_for_figures_and_for_fitting_are_held_out_and_apart() -> None:
    evaluation, fitting = held_out("evaluation"), held_out("fitting")
    packages = {one.package for one in evaluation}, {one.package for one in fitting}
    assert all(packages)
    assert not packages[0] & packages[1]
    assert all(is_held_out(package) for package in packages[0] | packages[1])
    assert {"sympy", "huggingface_hub"} <= packages[0] | packages[1]
    assert all(split_of(package) == "fitting" for package in packages[1])


def filled(text: str, truth: str, prefix: str = "x = ", suffix: str = "\n") -> Filled:
    return Filled(Hole("line", "=", PYTHON, prefix, truth, suffix), text, 1.0)


@pytest.mark.parametrize(
    ("text", "truth", "em1", "em", "saved", "junk", "similarity"),
    [
        ("foo(1)", "foo(1)", True, True, 5, False, 1.0),
        ("foo(1)  ", "foo(1)", True, True, 5, False, 0.75),
        ("foo(1)\nbar", "foo(1)", True, False, 5, False, 0.6),
        ("a\nb", "a\nb", True, True, 2, False, 1.0),
        ("a\nc", "a\nb", True, False, 0, False, 2 / 3),
        ("fob", "foo", False, False, 0, False, 2 / 3),
        ("bar", "foo", False, False, 0, True, 0.0),
        ("", "foo", False, False, 0, True, 0.0),
    ],
)
def test_scores_of_one_hole(
    text: str, truth: str, em1: bool, em: bool, saved: int, junk: bool, similarity: float
) -> None:
    one = filled(text, truth)
    assert (one.em1, one.em, one.saved_characters, one.is_junk) == (em1, em, saved, junk)
    assert one.edit_similarity == pytest.approx(similarity)


def test_a_file_parses_with_what_is_shown_or_does_not() -> None:
    assert filled("foo(1)", "bar").parses is True
    assert filled("foo(1", "bar").parses is False
    assert filled("foo(1", "bar(").parses is None, "the file itself is broken"


@settings(max_examples=60, deadline=None)
@given(outcomes=st.lists(st.booleans(), max_size=80))
def test_a_share_lies_in_its_interval(outcomes: list[bool]) -> None:
    figure = scores.share(outcomes)
    assert 0 <= figure.low <= figure.value <= figure.high <= 1
    assert figure.count == len(outcomes)


def test_intervals_are_wilsons_and_the_bootstraps() -> None:
    figure = scores.share([True] * 20 + [False] * 80)
    assert (round(figure.low, 3), round(figure.high, 3)) == (0.133, 0.289)
    ratio = scores.ratio([(1, 2), (0, 2)] * 50)
    assert ratio.value == 0.25
    assert 0.15 < ratio.low < 0.25 < ratio.high < 0.35


def evidence(logprob: float) -> Evidence:
    completion = Completion("text", "m", 1, 0, 3, logprob, first_margin=math.inf)
    return Evidence.of(completion, "text", Cursor("x = ", "\n", "\n"))


def test_fitting_finds_what_tells_right_from_wrong() -> None:
    rng = random.Random(1)
    some = []
    for _ in range(600):
        logprob = -3 * rng.random()
        is_right = rng.random() < math.exp(2 * logprob)
        hole = filled("foo" if is_right else "bar", "foo").hole
        some.append(Filled(hole, "foo" if is_right else "bar", 1.0, evidence=evidence(logprob)))
    rule = fitted(some, precision=0.6)
    assert rule is not None
    allowed = [one for one in some if one.evidence and rule.allows(one.evidence)]
    assert 60 < len(allowed) < 400
    assert sum(one.em1 for one in allowed) >= 0.6 * len(allowed)
    assert rule.probability(evidence(-0.05)) > rule.probability(evidence(-1.0)) > rule.probability(evidence(-2.9))


def test_too_few_holes_fit_nothing() -> None:
    assert fitted([filled("foo", "foo")] * 10) is None


def test_thresholds_of_this_machine_come_first_and_broken_ones_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "thresholds.json"
    monkeypatch.setattr(likelihood, "user_file", lambda: file)
    unknown = likelihood.threshold_of.__wrapped__("nobody/knows")
    assert unknown.allows(evidence(-0.1))
    assert not unknown.allows(evidence(-5))
    file.write_text('{"mine": {"weights": {"constant": 1}, "least": 0.5}}')
    assert likelihood.threshold_of.__wrapped__("mine") == unknown, "weights are missing"
    weights = ", ".join(f'"{name}": 1.5' for name in FEATURES)
    file.write_text(f'{{"mine": {{"weights": {{{weights}}}, "least": 0.25}}}}')
    assert likelihood.threshold_of.__wrapped__("mine") == Threshold((1.5,) * len(FEATURES), 0.25)
    file.write_text("not json")
    assert likelihood.threshold_of.__wrapped__("mine") == unknown
