"""Names judged with the code behind them: the best is found without reading all, and the cache is left as it was."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.checkpoints.load import load_engine
from inference.checkpoints.spec import ModelSpec
from inference.decoding import prefill
from inference.engines.local import LocalEngine
from inference.healing import Tail
from inference.local_memory import LocalMemory, Trust
from inference.picking import Choice, Picker
from inference.ranking import Name, judge, judged, names_for
from inference.request import Request
from tests.model.test_decoding import VOCABULARY, complete, finished
from tests.model.test_drafting import LEAN
from tests.model.test_healing import EMBEDDED, healer_of

PROMPT = [5, 9, 3, 7, 11, 2]


@pytest.fixture(scope="module")
def engine() -> LocalEngine:
    return load_engine(ModelSpec())


@settings(max_examples=60, deadline=None)
@given(
    tokens=st.lists(st.lists(st.integers(2, 40), min_size=1, max_size=5), min_size=1, max_size=10, unique_by=tuple),
    remembers=st.booleans(),
)
def test_the_best_candidate_is_the_one_that_judging_all_finds(tokens: list[list[int]], remembers: bool) -> None:
    names = [Name(str(at), tuple(ids), max(1, len(ids) - 1)) for at, ids in enumerate(tokens)]
    text = "".join(chr(one) for one in random.Random(1).choices(range(40), k=200)) + "".join(map(chr, PROMPT))
    memory = LocalMemory(text, Trust()) if remembers else None
    picker = Picker(Choice(forbidden=(1,), vocabulary=VOCABULARY), memory=memory)
    cache = LEAN.new_cache(64)
    found = finished(judged(LEAN, cache, PROMPT, names, picker))
    assert cache.tokens == PROMPT
    cache = LEAN.new_cache(64)
    first = picker.logprobs(finished(prefill(LEAN, cache, PROMPT))[None], ((),))[0]
    every = [judge(LEAN, cache, name, first, picker) for name in names]
    best, *others = sorted((one.logprob for one in every), reverse=True)
    assert found.best.logprob == pytest.approx(best, abs=1e-4)
    assert found.margin <= (best - others[0] if others else math.inf) + 1e-4
    assert found.margin >= -1e-4
    assert found.read <= len(names)


def test_candidates_begin_with_what_is_typed_and_end_with_the_same_code() -> None:
    tokenizer = healer_of(EMBEDDED)[2]
    request = Request("x = val", ".real + 1\nvalue", words=("value", "valid", "val", "other"))
    names = names_for(request, Tail(" val", ()), tokenizer)
    assert [name.rest for name in names] == ["ue", "id", ""]
    assert [tokenizer.decode(list(name.ids)) for name in names] == [" value.real", " valid.real", " val.real"]
    assert [tokenizer.decode(list(name.ids[: name.own])) for name in names] == [" value", " valid", " val"]


@pytest.mark.parametrize(
    ("prefix", "suffix", "tail"),
    [
        ("x = ", ".real", ""),  # nothing is typed
        ("x = val", "\nvalue", " val"),  # nothing follows
        ("x = val", ".real", ""),  # the prompt ends within a word
        ("x = value", ".real", " value"),  # it is whole
    ],
)
def test_there_are_no_candidates_where_nothing_tells_them_apart(prefix: str, suffix: str, tail: str) -> None:
    request = Request(prefix, suffix, words=("value",))
    assert names_for(request, Tail(tail, ()), healer_of(EMBEDDED)[2]) == []


@pytest.mark.parametrize(
    ("typed", "suffix", "rest"),
    [("tot", "(third) + 1\n", "al"), ("tot", " = 3\n", "al_count"), ("total", "(third) + 1\n", "")],
)
def test_the_code_behind_a_candidate_decides(engine: LocalEngine, typed: str, suffix: str, rest: str) -> None:
    prefix = "total_count = 1\nx = total(first)\ntotal_count = 2\ny = total(second)\n"
    request = Request(f"{prefix}{typed}", suffix, words=("total_count", "total"), word_only=True)
    completion = complete(engine, request)
    assert completion.text == rest
    assert completion.first_margin > 0
    assert completion.mean_logprob < 0


def test_a_candidate_leaves_nothing_in_the_cache_for_the_next_request(engine: LocalEngine) -> None:
    prefix = "def area(width, height):\n    return wid"
    request = Request(prefix, " * height\n", words=("width", "widen"), word_only=True)
    line = Request("def area(width, height):\n    return wid", "\n")
    fresh = complete(load_engine(ModelSpec()), line)
    assert complete(engine, request).text == "th"
    after = complete(engine, line)
    assert (after.text, after.mean_logprob) == (fresh.text, pytest.approx(fresh.mean_logprob, abs=1e-4))
    assert complete(engine, replace(request, words=())).text == "th", "and without names the model writes by itself"
