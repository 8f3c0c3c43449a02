"""Anatomy: histograms count every survivor once, and movements are told apart by the mask."""

from __future__ import annotations

import numpy as np
import pytest

from lthcore.analysis.measurements.survivors import BINS, initial_values, movements, still
from lthcore.pruning.mask import Mask
from lthcore.pruning.weights import Weights

RNG = np.random.default_rng(5)
THETA_0 = Weights({"a/kernel": RNG.standard_normal((20, 10)), "b/kernel": 0.1 * RNG.standard_normal((10, 4))})
THETA_T = Weights({name: 1.5 * array for name, array in THETA_0.items()})
DENSE = Mask.dense(THETA_0, tuple(THETA_0))
LARGE = Mask({name: np.abs(array) > np.median(np.abs(array)) for name, array in THETA_0.items()})


def test_every_survivor_is_counted_once():
    found = initial_values(THETA_0, [DENSE, LARGE])
    for name in THETA_0:
        assert found[f"initial/{name}"].shape == (2, BINS)
        assert found[f"initial/{name}"].sum(axis=1).tolist() == [DENSE[name].sum(), LARGE[name].sum()]
        assert found[f"edges/{name}"][-1] == pytest.approx(4 * THETA_0[name].std(), rel=1e-5)


def test_a_mask_of_large_weights_leaves_a_gap_in_the_middle():
    counts = initial_values(THETA_0, [LARGE])["initial/a/kernel"][0]
    assert counts[BINS // 2 - 2 : BINS // 2 + 2].sum() == 0
    assert counts.sum() > 0


def test_movements_of_kept_and_pruned_weights():
    found = movements(THETA_0, THETA_T, [DENSE, LARGE])
    kept, pruned = found["mean_moved/a/kernel"][1]
    moved = np.abs(THETA_T["a/kernel"] - THETA_0["a/kernel"])
    assert kept == pytest.approx(moved[LARGE["a/kernel"]].mean(), rel=1e-6)
    assert pruned == pytest.approx(moved[~LARGE["a/kernel"]].mean(), rel=1e-6)
    assert np.isnan(found["mean_moved/a/kernel"][0, 1]), "nothing is pruned from a dense network"
    assert found["moved/a/kernel"].sum(axis=1).tolist() == [200, 100]


def test_weights_that_stay_where_they_were_are_counted_on_constant_inputs_only():
    varying = np.array([True] * 17 + [False] * 3)
    after = THETA_0["a/kernel"].copy()
    after[:17] += 1
    assert still(THETA_0, Weights({**THETA_0, "a/kernel": after}), varying) == (30, 30)
    after[19, 0] += 1
    assert still(THETA_0, Weights({**THETA_0, "a/kernel": after}), varying) == (29, 30)
