"""How long is waited for the next key: never where it could not save anything."""

from __future__ import annotations

from itertools import accumulate

import pytest

from lsp_server.debounce import Debounce


def learnt(interval_s: float, latency_s: float) -> Debounce:
    debounce = Debounce()
    for now in accumulate([interval_s] * 40):
        debounce.typed(now)
    for _ in range(20):
        debounce.answered(latency_s)
    return debounce


def test_a_quick_model_is_asked_at_once() -> None:
    assert learnt(interval_s=0.2, latency_s=0.03).delay_s("    value") == 0
    assert Debounce().delay_s("    value") == 0, "nothing is known yet"


def test_a_slow_model_waits_for_half_the_time_between_keys_inside_a_word() -> None:
    assert learnt(interval_s=0.2, latency_s=1.0).delay_s("    value") == pytest.approx(0.1, abs=0.01)
    assert learnt(interval_s=0.9, latency_s=5.0).delay_s("value") == pytest.approx(0.15)


@pytest.mark.parametrize("line", ["", "    ", "path.", "call(", "x =", "x = "])
def test_where_words_begin_nothing_is_waited_for(line: str) -> None:
    assert learnt(interval_s=0.2, latency_s=1.0).delay_s(line) == 0


def test_a_rest_is_no_rhythm() -> None:
    debounce = learnt(interval_s=0.2, latency_s=1.0)
    debounce.typed(1000.0)
    debounce.typed(1060.0)
    assert debounce.delay_s("value") == pytest.approx(0.1, abs=0.01)
