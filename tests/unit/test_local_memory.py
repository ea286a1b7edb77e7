"""The local memory against its definition, counted out one context at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.drafting import GAP, as_string
from inference.local_memory import LocalMemory, Trust

SIZE = 12
TOKENS = st.lists(st.integers(0, SIZE - 1), max_size=60)
UNIFORM = np.full(SIZE, 1 / SIZE, dtype=np.float32)


def counted_out(
    files: Sequence[Sequence[int]], written: Sequence[int], model: Sequence[float], trust: Trust
) -> list[float]:
    """Witten-Bell, straight from the definition: the last of `files` ends at the cursor."""
    context = [*files[-1], *written][-8:]
    chances = list(model)
    for order in range(1, len(context) + 1):
        wanted = context[len(context) - order :]
        counts: Counter[int] = Counter()
        for file in files:
            for at in range(order, len(file)):
                if list(file[at - order : at]) == wanted:
                    counts[file[at]] += 1
        total = sum(counts.values())
        if not total:
            break
        weight = total / (total + trust.doubt * max(1, trust.sure_order / order) ** 2 * len(counts))
        chances = [(1 - weight) * chance + weight * counts[token] / total for token, chance in enumerate(chances)]
    return chances


@pytest.mark.parametrize("sure_order", [1, 4])
@settings(max_examples=200, deadline=None)
@given(
    files=st.lists(TOKENS, min_size=1, max_size=3),
    written=st.lists(st.integers(0, SIZE - 1), max_size=10),
    doubt=st.sampled_from([0.5, 1.0, 4.0]),
)
def test_it_is_what_the_definition_says(
    files: list[list[int]], written: list[int], doubt: float, sure_order: int
) -> None:
    trust = Trust(doubt, sure_order)
    memory = LocalMemory(GAP.join(map(as_string, files)), trust)
    blended = memory.blend(UNIFORM, written, [])
    assert np.allclose(blended, counted_out(files, written, UNIFORM.tolist(), trust), atol=1e-5)


@settings(max_examples=100, deadline=None)
@given(tokens=TOKENS, asked=st.lists(st.lists(st.integers(0, 3), max_size=3), max_size=12), seed=st.integers(0, 99))
def test_what_was_asked_before_changes_nothing(tokens: list[int], asked: list[list[int]], seed: int) -> None:
    memory = LocalMemory(as_string(tokens), Trust())
    rng = np.random.default_rng(seed)
    for written in [*asked, *asked]:
        model = rng.dirichlet(np.ones(SIZE)).astype(np.float32)
        alone = LocalMemory(as_string(tokens), Trust()).blend(model, written, [0])
        assert np.array_equal(memory.blend(model, written, [0]), alone)


def test_one_is_kept_for_the_same_texts_only() -> None:
    memory = LocalMemory("abc", Trust(), "de")
    assert memory.is_of("abc", Trust(), "de")
    assert not memory.is_of("abcd", Trust(), "de")
    assert not memory.is_of("abc", Trust(2.0), "de")
    assert not memory.is_of("abc", Trust(), "d")


@settings(max_examples=100, deadline=None)
@given(tokens=TOKENS, written=st.lists(st.integers(0, SIZE - 1), max_size=4), seed=st.integers(0, 99))
def test_chances_add_up_and_those_of_an_end_are_the_models(tokens: list[int], written: list[int], seed: int) -> None:
    model = np.random.default_rng(seed).dirichlet(np.ones(SIZE)).astype(np.float32)
    blended = LocalMemory(as_string(tokens), Trust()).blend(model, written, [0, 3])
    assert blended.sum() == pytest.approx(1, abs=1e-4)
    assert (blended[[0, 3]] == model[[0, 3]]).all()


def test_a_long_match_outweighs_a_sure_model_and_no_match_changes_nothing() -> None:
    sure = np.full(SIZE, 0.01, dtype=np.float32)
    sure[5] = 1 - 0.11
    text = as_string([1, 2, 3, 4, 9, 1, 2, 3, 4, 9, 0, 1, 2, 3, 4])
    assert LocalMemory(text, Trust()).blend(sure, [], []).argmax() == 9
    assert (LocalMemory(text, Trust()).blend(sure, [11], []) == sure).all()
    assert LocalMemory(text, Trust(doubt=1e6)).blend(sure, [], []).argmax() == 5


def test_files_do_not_run_into_each_other() -> None:
    memory = LocalMemory(as_string([7, 8]) + GAP + as_string([5, 6, 8]), Trust())
    assert (memory.blend(UNIFORM, [], []) == UNIFORM).all(), "nothing follows 8 but the end of a file"


def test_other_files_count_where_the_own_one_says_nothing() -> None:
    model = np.full(12, 1 / 12, dtype=np.float32)
    others = GAP.join([as_string([1, 2, 3, 4, 5, 6, 9])] * 20 + [as_string([6, 10])])
    own = as_string([1, 2, 3, 4, 5, 6, 8, 0, 1, 2, 3, 4, 5, 6])
    assert LocalMemory(own, Trust(), others).blend(model, [], []).argmax() == 8, "however many say otherwise"
    assert LocalMemory(own[7:], Trust(), others).blend(model, [], []).argmax() == 9
    np.testing.assert_array_equal(
        LocalMemory(own, Trust(), "").blend(model, [], []), LocalMemory(own, Trust()).blend(model, [], [])
    )
