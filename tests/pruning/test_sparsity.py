"""Schedules of density: the cubic one by hand, and what holds for all of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lthcore.pruning.sparsity import CubicSchedule

# Step → density of a schedule from 0.9 to 0.1 at steps 100, 150 … 300: 0.1 + 0.8·(1 − k/4)³.
BY_HAND = {0: 0.9, 100: 0.9, 150: 0.4375, 200: 0.2, 250: 0.1125, 300: 0.1, 999: 0.1}


@pytest.mark.parametrize(("step", "density"), BY_HAND.items())
def test_the_cubic_schedule_by_hand(step, density):
    schedule = CubicSchedule(final=0.1, initial=0.9, begin=100, end=300, every=50)
    assert schedule.density(step) == pytest.approx(density)
    assert list(schedule.steps) == [100, 150, 200, 250, 300]


@given(
    final=st.floats(0.01, 1.0),
    begin=st.integers(0, 500),
    every=st.integers(1, 100),
    removals=st.integers(1, 30),
    rest=st.integers(0, 99),
)
def test_density_falls_from_the_initial_to_the_final_one(final, begin, every, removals, rest):
    schedule = CubicSchedule(final=final, begin=begin, end=begin + removals * every + min(rest, every - 1), every=every)
    densities = [schedule.density(step) for step in schedule.steps]
    assert densities[0] == 1.0
    assert densities[-1] == pytest.approx(final)
    assert densities == sorted(densities, reverse=True)
    assert all(step <= schedule.end for step in schedule.steps)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"final": 0.0}, "densities must be 0 < final <= initial <= 1"),
        ({"initial": 0.05}, "densities must be 0 < final <= initial <= 1"),
        ({"end": 99}, "no room for a second removal"),
        ({"every": 0}, "every must be a whole number >= 1"),
        ({"begin": -1}, "begin must be a whole number >= 0"),
    ],
)
def test_impossible_schedules_are_refused(changes, told):
    with pytest.raises(ValueError, match=told):
        CubicSchedule(**{"final": 0.1, "end": 200, **changes})
