"""Layer budgets: one number of survivors, shared out in three ways; masks that keep exactly so many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lthcore.pruning.budgets import counts, prune_untrained
from lthcore.pruning.mask import Mask
from lthcore.pruning.prune import ladder

LENET = Mask({"a": np.ones((784, 300)), "b": np.ones((300, 100)), "c": np.ones((100, 10))})
RATES = {"a": 0.2, "b": 0.2, "c": 0.1}


@pytest.mark.parametrize("budgets", ["schedule", "uniform", "erk"])
def test_all_budgets_keep_as_many_in_all(budgets):
    scheduled = [sum(kept.values()) for kept in counts(LENET, RATES, 25)]
    assert [sum(kept.values()) for kept in counts(LENET, RATES, 25, budgets)] == scheduled


@pytest.mark.parametrize(
    ("budgets", "expected"),
    [
        ("schedule", {"a": 4237, "b": 541, "c": 150}),  # a fifth goes eighteen times, a tenth of the output layer
        ("uniform", {"a": 4354, "b": 555, "c": 19}),  # 1.85 % each
        ("erk", {"a": 3351, "b": 1237, "c": 340}),  # in proportion to 1084, 400 and 110
    ],
)
def test_the_nineteenth_network_keeps(budgets, expected):
    found = counts(LENET, RATES, 18, budgets)[18]
    assert sum(found.values()) == sum(expected.values())
    assert found == pytest.approx(expected, abs=1)


def test_a_layer_that_would_overflow_is_full_and_leaves_the_rest_to_the_others():
    found = counts(LENET, RATES, 2, "erk")[2]
    assert found["c"] == 1_000
    assert found["b"] == 30_000
    assert found["a"] == sum(counts(LENET, RATES, 2)[2].values()) - 31_000


@given(
    sizes=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=4),
    rounds=st.integers(0, 40),
    rate=st.floats(0, 0.9),
    budgets=st.sampled_from(["schedule", "uniform", "erk"]),
)
def test_no_layer_is_overfull_or_empty(sizes, rounds, rate, budgets):
    mask = Mask({str(place): np.ones(shape) for place, shape in enumerate(sizes)})
    found = counts(mask, dict.fromkeys(mask, rate), rounds, budgets)
    for kept in found:
        assert all(1 <= kept[name] <= mask[name].size for name in mask)
    assert [sum(kept.values()) for kept in found] == [
        sum(kept.values()) for kept in counts(mask, dict.fromkeys(mask, rate), rounds)
    ]


def test_unknown_budgets_are_refused():
    with pytest.raises(ValueError, match="unknown budgets 'equal'; known are schedule, uniform, erk"):
        counts(LENET, RATES, 2, "equal")


def test_one_pass_with_the_schedule_is_the_ladder():
    scores = {name: np.random.default_rng(0).random(array.shape) for name, array in LENET.items()}
    wanted = counts(LENET, RATES, 12)
    masks = ladder(LENET, scores, RATES, 12)
    for round in (0, 1, 12):
        assert prune_untrained(LENET, lambda _: scores, wanted[round]) == masks[round]


@pytest.mark.parametrize("scope", ["layerwise", "global"])
def test_every_pass_scores_what_the_one_before_has_left_and_the_last_keeps_exactly_what_is_wanted(scope):
    seen = []

    def score(mask):
        seen.append(mask.kept)
        return {name: np.arange(array.size).reshape(array.shape) for name, array in mask.items()}

    wanted = counts(LENET, RATES, 18)[18]
    found = prune_untrained(LENET, score, wanted, passes=10, scope=scope)
    assert found.kept == sum(wanted.values())
    factors = np.array(seen[1:]) / np.array(seen[:-1])
    assert np.allclose(factors, (found.kept / LENET.kept) ** 0.1, rtol=0.02)
    if scope == "layerwise":
        assert {name: int(array.sum()) for name, array in found.items()} == dict(wanted)
