"""Masks along one training: what they are compared with, and when the stopping rule fires."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthcore.analysis.measurements.settling import chance_overlap, early_bird, settled, snapshot_steps, trajectory
from lthcore.files.array_files import unpacked
from lthcore.pruning.mask import Mask
from lthcore.pruning.prune import ladder
from lthcore.pruning.weights import Weights

LIGHT = settings(deadline=None, derandomize=True, max_examples=60)
HALF = {"w": 0.5}


def keeps(*places: int, size: int = 20) -> Mask:
    """A mask of one layer that keeps these places."""
    return Mask({"w": np.isin(np.arange(size), places)})


def ranked(*values: float) -> Weights:
    return Weights({"w": values})


# total, every, grain → the steps looked at
STEPS = [
    (100, 100, 100, (0, 100)),
    (1_000, 900, 100, (0, 100, 200, 300, 500, 700, 900, 1000)),
    (2_500, 900, 100, (0, 100, 200, 300, 500, 700, 900, 1000, 1500, 1800, 2000, 2500)),
    (916, 900, 100, (0, 100, 200, 300, 500, 700, 900, 916)),
    (120, 20, 20, (0, 20, 40, 60, 80, 100, 120)),
    (120, 60, 20, (0, 20, 40, 60, 100, 120)),
    (50, 60, 20, (0, 20, 40, 50)),
]


@pytest.mark.parametrize(("total", "every", "grain", "expected"), STEPS)
def test_the_steps_looked_at(total, every, grain, expected):
    assert snapshot_steps(total, every, grain=grain) == expected


def test_a_training_of_the_paper_is_looked_at_about_seventy_times():
    steps = snapshot_steps(50_000, 900)
    assert 60 <= len(steps) <= 75
    assert {900, 1_500, 7_000, 15_000, 30_000, 49_500, 50_000} <= set(steps)


@LIGHT
@given(st.integers(1, 5_000), st.integers(1, 12), st.integers(1, 200))
def test_steps_increase_from_zero_to_the_end_and_miss_no_epoch(total, epochs, grain):
    every = epochs * grain
    steps = snapshot_steps(total, every, grain=grain)
    assert (steps[0], steps[-1]) == (0, total)
    assert all(earlier < later for earlier, later in pairwise(steps))
    assert set(range(0, total + 1, every)) <= set(steps)
    assert all(step % grain == 0 for step in steps[:-1])


IMPOSSIBLE = [((0, 100), "total"), ((1e3, 100), "total"), ((100, 0), "every"), ((100, 150), "a multiple of grain")]


@pytest.mark.parametrize(("arguments", "words"), IMPOSSIBLE)
def test_impossible_steps_are_refused(arguments, words):
    with pytest.raises(ValueError, match=f"{words}.* must be|must be {words}"):
        snapshot_steps(*arguments)


# Weights at steps 0, 10, 20 and one round at rate 0.5: what is kept, and what follows from it.
MOVES = {0: ranked(4, -3, 2, 1), 10: ranked(4, 1, -3, 2), 20: ranked(0, 1, 3, -4)}  # keeps 01, 02, 23
LITERAL = {
    "distance/final": [[1.0, 0.5, 0.0]],
    "overlap/final": [[0.0, 1 / 3, 1.0]],
    "distance/previous": [[np.nan, 0.5, 0.5]],
    "overlap/previous": [[np.nan, 1 / 3, 1 / 3]],
    "overlap/layer": [[[0.0], [1 / 3], [1.0]]],
    "overlap/chance": [1 / 3],
    "density": [0.5],
    "density/layer": [[0.5]],
    "steps": [0, 10, 20],
    "rounds": [1],
    "early_bird/distance": [-1],
    "early_bird/overlap": [-1],
}


def test_a_trajectory_as_a_literal_table():
    found = trajectory(MOVES, HALF, [1], every=10)
    assert set(found) == {*LITERAL, "layers"}
    assert all(not array.dtype.hasobject for array in found.values())
    for name, expected in LITERAL.items():
        np.testing.assert_allclose(found[name], expected, err_msg=name)
    assert unpacked(found["layers"]) == ("w",)


def walk(steps: int, every: int, rng: np.random.Generator, stride: float = 0.5) -> dict[int, Weights]:
    """Two layers that wander."""
    theta = {"a/kernel": rng.standard_normal((6, 5)), "b/kernel": rng.standard_normal((5, 2)), "b/bias": np.zeros(2)}
    found = {}
    for step in range(0, steps + 1, every):
        found[step] = Weights(theta)
        theta = {name: array + stride * rng.standard_normal(array.shape) for name, array in theta.items()}
    return found


RATES = {"a/kernel": 0.3, "b/kernel": 0.15}
KEYS = ("distance/final", "overlap/final", "distance/previous", "overlap/previous")


def test_every_value_is_what_the_masks_themselves_say():
    snapshots, rounds = walk(40, 10, np.random.default_rng(3)), [1, 3, 4]
    found = trajectory(snapshots, RATES, rounds, every=10)
    ladders = [
        ladder(Mask.dense(theta, tuple(RATES)), {name: np.abs(theta[name]) for name in RATES}, RATES, 4)
        for theta in snapshots.values()
    ]
    for row, round in enumerate(rounds):
        masks = [masks[round] for masks in ladders]
        assert found["density"][row] == masks[0].density
        assert found["density/layer"][row].tolist() == list(masks[0].densities.values())
        for place, mask in enumerate(masks):
            expected = [mask.distance(masks[-1]), mask.overlap(masks[-1])]
            expected += [mask.distance(masks[place - 1]), mask.overlap(masks[place - 1])] if place else [np.nan] * 2
            np.testing.assert_allclose([found[key][row, place] for key in KEYS], expected)
            for layer, name in enumerate(RATES):
                alone = Mask({name: mask[name]}).overlap(Mask({name: masks[-1][name]}))
                assert found["overlap/layer"][row, place, layer] == pytest.approx(alone)


@LIGHT
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 2.0))
def test_overlaps_and_distances_stay_within_bounds_and_end_at_the_mask_itself(seed, stride):
    found = trajectory(walk(30, 10, np.random.default_rng(seed), stride), RATES, [1, 2, 6], every=10)
    for key in KEYS:
        inside = found[key][:, 1:] if "previous" in key else found[key]
        assert ((inside >= 0) & (inside <= 1)).all()
        assert np.isnan(found[key][:, 0]).all() == ("previous" in key)
    assert (found["overlap/final"][:, -1] == 1).all()
    assert (found["distance/final"][:, -1] == 0).all()
    assert (np.diff(found["density"]) < 0).all(), "later rounds keep less"
    farthest = 2 * np.minimum(found["density"], 1 - found["density"])
    assert (found["distance/final"] <= farthest[:, None] + 1e-12).all(), "at low density no two masks are far apart"


@LIGHT
@given(st.integers(0, 2**32 - 1), st.integers(2, 9))
def test_identical_snapshots_have_distance_zero_and_overlap_one(seed, count):
    (theta,) = walk(0, 10, np.random.default_rng(seed)).values()
    found = trajectory({10 * place: theta for place in range(count)}, RATES, [1, 4], every=10)
    assert (found["distance/final"] == 0).all()
    assert (found["overlap/final"] == 1).all()
    assert (found["overlap/layer"] == 1).all()
    assert (found["distance/previous"][:, 1:] == 0).all()
    stop = 50 if count > 5 else -1
    assert found["early_bird/distance"].tolist() == found["early_bird/overlap"].tolist() == [stop, stop]


def test_disjoint_masks_of_a_tenth_are_a_fifth_apart_and_do_not_overlap():
    first, last = np.zeros(100), np.zeros(100)
    first[:10], last[-10:] = 1, 1
    found = trajectory({0: Weights({"w": first}), 10: Weights({"w": last})}, {"w": 0.9}, [1], every=10)
    assert found["density"].tolist() == [0.1]
    assert found["distance/final"][0].tolist() == [0.2, 0.0]
    assert found["overlap/final"][0].tolist() == [0.0, 1.0]


def test_the_rule_looks_at_epochs_only():
    """What moves between two epochs and comes back is not seen; the comparison with the step before sees it."""
    still, elsewhere = ranked(4, 3, 2, 1), ranked(1, 2, 3, 4)
    snapshots = {step: still if step % 20 == 0 else elsewhere for step in range(0, 130, 10)}
    found = trajectory(snapshots, HALF, [1], every=20)
    assert found["early_bird/distance"].tolist() == [100]
    assert (found["distance/previous"][:, 1:] == 1).all()


def test_at_low_density_the_rule_by_distance_fires_where_masks_share_nothing():
    rng = np.random.default_rng(0)
    snapshots = {10 * epoch: Weights({"w": rng.permutation(400)}) for epoch in range(9)}
    found = trajectory(snapshots, {"w": 0.6}, [1, 4], every=10)
    assert found["density"].tolist() == [0.4, 10 / 400]
    assert found["early_bird/distance"].tolist() == [-1, 50]
    assert found["early_bird/overlap"].tolist() == [-1, -1]
    np.testing.assert_allclose(found["overlap/final"][:, :-1].mean(axis=1), found["overlap/chance"], atol=0.03)


# Masks of 20 places that keep 2, with the places kept; window, threshold, measure → index of the stop.
A, B, C = (0, 1), (0, 2), (3, 4)  # A–B: distance 0.1, overlap 1/3; A–C and B–C: distance 0.2, overlap 0
RULE = [
    ([A] * 6, 5, 0.1, "distance", 5),
    ([A] * 5, 5, 0.1, "distance", None),  # the first five have not five before them
    ([C, *[A] * 6], 5, 0.1, "distance", 6),
    ([A, A, C, *[A] * 6], 5, 0.1, "distance", 8),
    ([A, B, A, B, A, B], 5, 0.1, "distance", 5),  # as much as the threshold is allowed
    ([A, B, A, B, A, B], 5, 0.09, "distance", None),
    ([A, B, A, B, A, B, B, B, B, B, B], 5, 0.1, "overlap", 10),
    ([A, B, B], 1, 0.1, "overlap", 2),
    ([A, B, B], 1, 2 / 3, "overlap", 1),
    ([A, C, A, C], 1, 0.2, "distance", 1),  # two masks that share nothing
    ([A, C, A, C], 1, 0.99, "overlap", None),
    ([A, A], 1, 0.0, "overlap", 1),
    ([range(19), range(1, 20)], 1, 0.1, "overlap", 1),  # 18 of 20: rounding must not make a tenth more than a tenth
    ([], 5, 0.1, "distance", None),
]


@pytest.mark.parametrize(("kept", "window", "threshold", "measure", "expected"), RULE)
def test_the_rule_stops_exactly_when_it_should(kept, window, threshold, measure, expected):
    masks = [keeps(*places) for places in kept]
    assert early_bird(masks, window=window, threshold=threshold, measure=measure) == expected


def test_masks_are_taken_no_further_than_needed():
    masks = iter([keeps(0)] * 4)
    assert early_bird(masks, window=2) == 2
    assert len(list(masks)) == 1


@LIGHT
@given(st.lists(st.sets(st.integers(0, 7), min_size=3, max_size=3), max_size=12), st.integers(1, 4))
def test_the_rule_is_its_definition(kept, window):
    masks = [keeps(*places, size=8) for places in kept]
    for measure, far in (("distance", Mask.distance), ("overlap", lambda one, two: 1 - one.overlap(two))):
        before = {index: masks[index - window : index] for index in range(window, len(masks))}
        stops = (at for at, others in before.items() if all(far(masks[at], other) <= 0.51 for other in others))
        assert early_bird(masks, window=window, threshold=0.51, measure=measure) == next(stops, None)


@pytest.mark.parametrize("options", [{"measure": "hamming"}, {"window": 0}, {"threshold": 10}])
def test_an_impossible_rule_is_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        early_bird([keeps(0)], **options)


# Overlaps at steps 0, 10, 20, 30 → the step from which on they hold nine tenths.
SETTLED = [
    ([0.1, 0.5, 0.9, 1.0], 20),
    ([0.95, 0.5, 0.9, 1.0], 20),
    ([0.9, 0.9, 0.9, 0.9], 0),
    ([1.0, 1.0, 1.0, 0.8], -1),
    ([0.0, 0.89, 0.0, 1.0], 30),
    ([np.nan, 1.0, 1.0, 1.0], 10),
]


def test_what_is_settled_stays_layer_by_layer():
    table, expected = np.array([row for row, _ in SETTLED]), [step for _, step in SETTLED]
    assert settled(table, np.array([0, 10, 20, 30])).tolist() == expected
    per_layer = np.stack([table, table[::-1]])  # (rounds, layers, steps)
    found = settled(per_layer.swapaxes(1, 2), np.array([0, 10, 20, 30]), axis=1)
    assert found.tolist() == [expected, expected[::-1]]
    assert settled(table, np.array([0, 10, 20, 30]), level=0.8).tolist() == [20, 20, 0, 0, 30, 10]
    with pytest.raises(ValueError, match="4 steps along axis -1, but there are 2"):
        settled(table, np.arange(2))


def test_a_trajectory_tells_which_layer_settles_first():
    still, *moving = np.random.default_rng(1).standard_normal((5, 50))
    snapshots = {10 * place: Weights({"a": still, "b": other}) for place, other in enumerate(moving)}
    found = trajectory(snapshots, {"a": 0.5, "b": 0.5}, [1, 2], every=10)
    assert settled(found["overlap/layer"], found["steps"], axis=1).tolist() == [[0, 30], [0, 30]]
    assert settled(found["overlap/final"], found["steps"]).tolist() == [30, 30]


@pytest.mark.parametrize("kept", [(5, 20), (40, 3), (30, 10)])
def test_the_overlap_of_chance_is_that_of_shuffled_masks(kept):
    rng, sizes = np.random.default_rng(7), (80, 40)
    mask = Mask({str(n): np.arange(size) < k for n, (k, size) in enumerate(zip(kept, sizes, strict=True))})
    drawn = [mask.overlap(mask.shuffled(rng)) for _ in range(2_000)]
    expected = chance_overlap(np.array(list(mask.densities.values())), np.array(sizes))
    assert np.mean(drawn) == pytest.approx(expected, abs=0.006)


START, SHORT = ranked(1, 2), {0: ranked(1, 2), 10: ranked(2, 1)}
BAD = {
    "one snapshot": ({0: START}, HALF, [1], 10, "at least two steps"),
    "unsorted": ({0: START, 20: START, 10: START}, HALF, [1], 10, "must increase, got 0, 20, 10"),
    "a missing epoch": ({0: START, 30: START}, HALF, [1], 10, "no weights of step 10, 20"),
    "no start": ({10: START, 20: START}, HALF, [1], 10, "no weights of step 0;"),
    "NaN": (SHORT | {10: ranked(1, np.nan)}, HALF, [1], 10, "'w' is not finite at step 10"),
    "infinite": (SHORT | {0: ranked(np.inf, 2)}, HALF, [1], 10, "'w' is not finite at step 0"),
    "another shape": (SHORT | {10: ranked(1, 2, 3)}, HALF, [1], 10, r"shape \(3,\) at step 10"),
    "another name": (SHORT, {"v": 0.5}, [1], 10, "rate for 'v', but no weights"),
    "no rates": (SHORT, {}, [1], 10, "nothing is prunable"),
    "an impossible rate": (SHORT, {"w": 1.5}, [1], 10, "pruning rate must lie"),
    "round 0": (SHORT, HALF, [0, 1], 10, "rounds must be"),
    "unsorted rounds": (SHORT, HALF, [2, 1], 10, "rounds must be"),
    "no spacing": (SHORT, HALF, [1], 0, "every must be"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_compared_is_refused(what):
    snapshots, rates, rounds, every, words = BAD[what]
    with pytest.raises(ValueError, match=words):
        trajectory(snapshots, rates, rounds, every=every)
