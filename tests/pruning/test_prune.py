"""Pruning: exact counts, stable order, and never an empty layer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthcore.pruning.mask import Mask
from lthcore.pruning.prune import SCOPES, keep, ladder, prune, removals

LIGHT = settings(deadline=None, derandomize=True, max_examples=80)
nan, inf = float("nan"), float("inf")

# One layer, all alive: scores, rate, expected mask.
LAYER = [
    ([0.1, 0.2, 0.3, 0.4], 0.0, [1, 1, 1, 1]),
    ([0.1, 0.2, 0.3, 0.4], 0.25, [0, 1, 1, 1]),
    ([0.1, 0.2, 0.3, 0.4], 0.5, [0, 0, 1, 1]),
    ([0.4, 0.3, 0.2, 0.1], 0.5, [1, 1, 0, 0]),
    ([0.1, 0.2, 0.3, 0.4], 0.99, [0, 0, 0, 1]),  # the last one never goes
    ([0.1, 0.2, 0.3, 0.4, 0.5], 0.1, [1, 1, 1, 1, 1]),  # half a weight is none
    ([0.1, 0.2, 0.3, 0.4, 0.5], 0.5, [0, 0, 1, 1, 1]),  # two and a half are two: the even neighbour
    ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], 0.5, [0, 0, 0, 0, 1, 1, 1]),  # three and a half are four
    ([5.0, 5.0, 5.0, 5.0], 0.5, [0, 0, 1, 1]),  # of equals, the lower flat index goes first
    ([5.0, 1.0, 5.0, 1.0, 5.0], 0.6, [0, 0, 1, 0, 1]),
    ([-3.0, 2.0, -1.0, 0.0], 0.5, [0, 1, 0, 1]),  # a score is not a magnitude
    ([inf, 0.0, -inf, 1.0], 0.5, [1, 0, 0, 1]),
    ([1e-30, 2e-30, 3e-30, 4e-30], 0.25, [0, 1, 1, 1]),
    ([7.0], 0.9, [1]),
]

# Two layers: alive, scores, rates, expected survivors by scope.
TWO_LAYERS = {
    "each layer pays for itself, or the weaker layer for both": (
        {"a": [1, 1, 1, 1], "b": [1, 1, 1, 1]},
        {"a": [1, 2, 3, 4], "b": [5, 6, 7, 8]},
        {"a": 0.5, "b": 0.5},
        {"layerwise": {"a": [0, 0, 1, 1], "b": [0, 0, 1, 1]}, "global": {"a": [0, 0, 0, 1], "b": [0, 1, 1, 1]}},
    ),
    "different rates make one budget": (
        {"a": [1, 1, 1, 1], "b": [1, 1, 1, 1]},
        {"a": [1, 2, 3, 4], "b": [0, 0, 9, 9]},
        {"a": 0.5, "b": 0.25},
        {"layerwise": {"a": [0, 0, 1, 1], "b": [0, 1, 1, 1]}, "global": {"a": [0, 1, 1, 1], "b": [0, 0, 1, 1]}},
    ),
    "a layer of rate 0 is protected, however low it scores": (
        {"a": [1, 1, 1, 1], "b": [1, 1, 1, 1]},
        {"a": [1, 2, 3, 4], "b": [0, 0, 9, 9]},
        {"a": 0.75, "b": 0.0},
        {key: {"a": [0, 0, 0, 1], "b": [1, 1, 1, 1]} for key in SCOPES},
    ),
    "the pruned stay pruned, however high they score": (
        {"a": [0, 1, 1, 0], "b": [1, 1, 0, 0]},
        {"a": [9, 1, 2, 9], "b": [3, 4, 9, 9]},
        {"a": 0.5, "b": 0.5},
        {"layerwise": {"a": [0, 0, 1, 0], "b": [0, 1, 0, 0]}, "global": {"a": [0, 0, 1, 0], "b": [0, 1, 0, 0]}},
    ),
    "equals in different layers: the earlier layer goes first, but its last one stays": (
        {"a": [1, 1, 1], "b": [1, 1, 1]},
        {"a": [5, 5, 5], "b": [5, 5, 5]},
        {"a": 0.34, "b": 0.67},
        {"layerwise": {"a": [0, 1, 1], "b": [0, 0, 1]}, "global": {"a": [0, 0, 1], "b": [0, 1, 1]}},
    ),
    "an empty layer stays empty and costs nothing": (
        {"a": [0, 0], "b": [1, 1]},
        {"a": [1, 1], "b": [1, 2]},
        {"a": 0.5, "b": 0.5},
        {"layerwise": {"a": [0, 0], "b": [0, 1]}, "global": {"a": [0, 0], "b": [0, 1]}},
    ),
}


@pytest.mark.parametrize(("scores", "rate", "expected"), LAYER)
def test_one_layer(scores, rate, expected):
    mask = Mask({"w": np.ones(len(scores))})
    for scope in SCOPES:
        assert prune(mask, {"w": np.array(scores)}, {"w": rate}, scope=scope) == Mask({"w": expected})


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(("alive", "scores", "rates", "expected"), TWO_LAYERS.values(), ids=TWO_LAYERS)
def test_two_layers(alive, scores, rates, expected, scope):
    scores = {name: np.array(values) for name, values in scores.items()}
    assert prune(Mask(alive), scores, rates, scope=scope) == Mask(expected[scope])


def test_layers_are_pruned_apart_unless_told_otherwise():
    mask, scores = Mask({"a": [1, 1], "b": [1, 1]}), {"a": np.array([1, 2]), "b": np.array([3, 4])}
    assert prune(mask, scores, {"a": 0.5, "b": 0.5}) == Mask({"a": [0, 1], "b": [0, 1]})


def test_a_matrix_is_ordered_by_flat_index():
    pruned = prune(Mask({"w": np.ones((2, 3))}), {"w": np.zeros((2, 3))}, {"w": 0.67})
    assert pruned["w"].tolist() == [[False, False, False], [False, True, True]]


@pytest.mark.parametrize(
    ("survivors", "rate", "gone"),
    [
        (100, 0.2, 20),
        (1_000, 0.1, 100),
        (10, 0.25, 2),
        (10, 0.35, 4),
        (3, 0.2, 1),
        (2, 0.2, 0),
        (1, 0.9, 0),
        (0, 0.5, 0),
    ],
)
def test_removals_are_rounded_and_spare_the_last_one(survivors, rate, gone):
    assert removals(survivors, rate) == gone


# Few different scores, so that most of them are equal to another.
cell = st.tuples(st.booleans(), st.integers(0, 4))
layers = st.lists(st.lists(cell, min_size=1, max_size=25), min_size=1, max_size=4)
rate = st.floats(0, 0.97)
scope = st.sampled_from(SCOPES)


@st.composite
def problems(draw):
    """A mask, scores full of ties, and a rate for each layer."""
    drawn = {f"layer {number}": cells for number, cells in enumerate(draw(layers))}
    mask = Mask({name: [alive for alive, _ in cells] for name, cells in drawn.items()})
    scores = {name: np.array([score for _, score in cells], np.float32) for name, cells in drawn.items()}
    return mask, scores, {name: draw(rate) for name in drawn}


def counts(mask: Mask) -> dict[str, int]:
    return {name: int(array.sum()) for name, array in mask.items()}


def by_hand(mask: Mask, scores, budget: int) -> Mask:
    """What is left after `budget` removals, one weight at a time, as one would do it with paper and pencil."""
    left = {name: array.copy() for name, array in mask.items()}
    order = {name: place for place, name in enumerate(mask)}
    for _ in range(budget):
        open_to_removal = [
            (scores[name][index], order[name], index, name)
            for name, array in left.items()
            for index in np.flatnonzero(array)
            if array.sum() > 1
        ]
        _, _, index, name = min(open_to_removal)
        left[name][index] = False
    return Mask(left)


@LIGHT
@given(problem=problems(), scope=scope)
def test_pruning_equals_removing_the_weakest_one_by_one(problem, scope):
    mask, scores, rates = problem
    budgets = {name: removals(kept, rates[name]) for name, kept in counts(mask).items()}
    pruned = prune(mask, scores, rates, scope=scope)
    if scope == "global":
        assert pruned == by_hand(mask, scores, sum(budgets.values()))
    else:
        for name, budget in budgets.items():
            assert Mask({name: pruned[name]}) == by_hand(Mask({name: mask[name]}), scores, budget)


@LIGHT
@given(problem=problems())
def test_exactly_n_minus_round_of_rate_n_survive_in_each_layer(problem):
    mask, scores, rates = problem
    after = counts(prune(mask, scores, rates))
    for name, n in counts(mask).items():
        assert after[name] == (max(n - round(rates[name] * n), 1) if n else 0)


@LIGHT
@given(problem=problems())
def test_globally_as_many_survive_as_the_layers_would_keep_together(problem):
    mask, scores, rates = problem
    assert prune(mask, scores, rates, scope="global").kept == prune(mask, scores, rates).kept


@LIGHT
@given(problem=problems(), rounds=st.integers(0, 8), scope=scope)
def test_masks_are_nested_and_no_layer_is_ever_emptied(problem, rounds, scope):
    mask, scores, rates = problem
    masks = ladder(mask, scores, rates, rounds, scope=scope)
    assert len(masks) == rounds + 1
    for before, after in itertools.pairwise(masks):
        assert after.within(before), "pruned stays pruned"
    alive = [name for name, kept in counts(mask).items() if kept]
    assert all(counts(masks[-1])[name] >= 1 for name in alive)


@LIGHT
@given(problem=problems(), rounds=st.integers(1, 6), scope=scope)
def test_a_ladder_is_pruning_again_and_again(problem, rounds, scope):
    mask, scores, rates = problem
    for rung in ladder(mask, scores, rates, rounds, scope=scope):
        assert rung == mask
        mask = prune(mask, scores, rates, scope=scope)


@LIGHT
@given(problem=problems(), rounds=st.integers(1, 6))
def test_small_bites_and_one_bite_leave_the_same_survivors(problem, rounds):
    mask, scores, rates = problem
    last = ladder(mask, scores, rates, rounds)[-1]
    for name in mask:
        gone = counts(mask)[name] - counts(last)[name]
        assert Mask({name: last[name]}) == by_hand(Mask({name: mask[name]}), scores, gone)


@LIGHT
@given(size=st.integers(1, 400), rate=rate, rounds=st.integers(0, 20), seed=st.integers(0, 99))
def test_density_after_n_rounds_is_the_power_of_what_a_round_keeps(size, rate, rounds, seed):
    scores = {"w": np.random.default_rng(seed).random(size)}
    last = ladder(Mask({"w": np.ones(size)}), scores, {"w": rate}, rounds)[-1]
    # Rounding errs by half a weight a round, and the last weight stays.
    assert abs(last.kept - size * (1 - rate) ** rounds) <= 0.5 * rounds + 1


@LIGHT
@given(problem=problems(), scope=scope, where=st.integers(0, 10**6))
def test_the_score_of_a_pruned_weight_does_not_matter(problem, scope, where):
    mask, scores, rates = problem
    changed = {name: np.where(array, scores[name], [nan, inf, -1.0, 99.0][where % 4]) for name, array in mask.items()}
    assert prune(mask, changed, rates, scope=scope) == prune(mask, scores, rates, scope=scope)


ALL = Mask({"a": [1, 1], "b": [1, 1]})
GOOD = {"a": np.array([1.0, 2.0]), "b": np.array([3.0, 4.0])}


@pytest.mark.parametrize(
    ("scores", "rates", "scope", "message"),
    [
        ({"a": GOOD["a"]}, 0.5, "layerwise", "no scores for 'b'; there are scores for a"),
        (GOOD | {"b": np.ones((2, 1))}, 0.5, "layerwise", r"scores of 'b' have shape \(2, 1\), the mask has \(2,\)"),
        (GOOD | {"b": np.array([1.0, nan])}, 0.5, "layerwise", "scores of 'b' contain NaN: .* has diverged"),
        (GOOD | {"b": np.array([1.0, nan])}, 0.0, "global", "scores of 'b' contain NaN: .* has diverged"),
        (GOOD, 1.0, "layerwise", r"a pruning rate must lie in \[0, 1\), got 1.0"),
        (GOOD, -0.2, "global", r"a pruning rate must lie in \[0, 1\), got -0.2"),
        (GOOD, nan, "layerwise", r"a pruning rate must lie in \[0, 1\), got nan"),
        (GOOD, 20, "layerwise", "0.2 removes a fifth of the survivors"),
        (GOOD, 0.5, "everywhere", "unknown scope 'everywhere'; known are layerwise, global"),
    ],
)
def test_what_cannot_be_pruned_by_is_refused(scores, rates, scope, message):
    with pytest.raises(ValueError, match=message):
        prune(ALL, scores, dict.fromkeys(ALL, rates), scope=scope)


@pytest.mark.parametrize("counts", [{"a": 0, "b": 1}, {"a": 4, "b": 3}, {"a": -1, "b": 2}])
def test_sums_that_cannot_be_kept_are_refused(counts):
    mask, scores = Mask({"a": np.ones(3), "b": np.ones(3)}), {"a": np.arange(3), "b": np.arange(3)}
    with pytest.raises(ValueError, match=r"weights cannot be kept: there are 6 survivors, and each of the 2"):
        keep(mask, scores, counts, scope="global")


def test_protected_names_keep_all_and_must_exist():
    mask, scores = Mask({"a": np.ones(3), "b": np.ones(3)}), {"a": np.arange(3), "b": np.arange(3)}
    assert keep(mask, scores, {"a": 1}, scope="global", protect=["b"]).densities == {"a": 1 / 3, "b": 1.0}
    with pytest.raises(ValueError, match="unknown protected name 'c'; known are a, b"):
        keep(mask, scores, {"a": 1, "b": 1}, protect=["c"])
