"""What a forward pass is taken to cost: by size, and by how busy the machine is."""

from __future__ import annotations

import pytest

from inference.pace import Pace

CURVE = {1: 0.06, 16: 0.07, 64: 0.13}


def known() -> Pace:
    pace = Pace()
    for tokens, seconds in CURVE.items():
        pace.record(tokens, seconds)
    return pace


def test_between_measured_sizes_it_is_interpolated_and_beyond_them_proportional() -> None:
    pace = known()
    assert [pace.seconds(tokens) for tokens in CURVE] == pytest.approx(list(CURVE.values()))
    assert pace.seconds(40) == pytest.approx(0.1)
    assert pace.seconds(640) == pytest.approx(1.3)
    assert pace.seconds(0) == Pace().seconds(5) == 0.0


def test_a_busy_machine_is_slower_at_every_size_and_quick_again_afterwards() -> None:
    pace = known()
    for _ in range(30):
        pace.record(16, 2 * CURVE[16])
    assert pace.seconds(64) > 1.7 * CURVE[64]
    assert pace.largest_within(0.13, 8, 256) == 8
    for _ in range(30):
        pace.record(16, CURVE[16])
    assert pace.seconds(64) == pytest.approx(CURVE[64], rel=0.1)
    assert pace.largest_within(0.14, 8, 256) == 64


def test_the_form_of_the_curve_is_learnt_too() -> None:
    pace = known()
    for _ in range(200):
        pace.record(1, CURVE[1])
        pace.record(64, 0.3)
    assert pace.seconds(64) == pytest.approx(0.3, rel=0.15)
    assert pace.seconds(1) == pytest.approx(CURVE[1], rel=0.15)


@pytest.mark.parametrize("seconds", [0.0, 100.0])
def test_one_absurd_measurement_changes_little(seconds: float) -> None:
    pace = known()
    pace.record(1, seconds)
    assert pace.seconds(1) == pytest.approx(CURVE[1], rel=0.5)
    assert pace.seconds(64) == pytest.approx(CURVE[64], rel=0.5)
