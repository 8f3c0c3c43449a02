"""Tidy frames and the statistics over trials."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lthcore import frames, paths
from lthcore.store import Store


@pytest.fixture(scope="module")
def published() -> pd.DataFrame:
    return frames.frame(Store(paths.results()).records())


def toy(values: dict[tuple[int, int, int], float], control: str = "rewind") -> pd.DataFrame:
    """(round, trial, draw) → value."""
    rows = [
        {"method": "imp", "control": control, "round": r, "trial": t, "draw": d, "density": 0.8**r, "value": value}
        for (r, t, d), value in values.items()
    ]
    return pd.DataFrame(rows)


def test_a_row_per_network_with_the_promised_columns(published):
    promised = (
        "experiment dataset model optimizer method control draw trial round density steps rewind_step prune_step "
        "early_stop_step test_accuracy final_accuracy seconds"
    )
    assert set(promised.split()) <= set(published.columns)
    assert not published.duplicated(["experiment", "trial", "round", "draw"]).any()


def test_shares_are_fractions_and_steps_are_steps(published):
    for column in ("density", "validation_accuracy", "test_accuracy", "final_accuracy"):
        assert published[column].between(0, 1).all(), column
    assert (published["early_stop_step"] <= published["steps"] + published["rewind_step"]).all()


def test_only_searches_have_a_dense_round(published):
    dense = published[published["round"] == 0]
    assert {("imp", "rewind")} <= set(zip(dense["method"], dense["control"], strict=True))
    assert set(dense["control"]) <= {"rewind", "continue"}
    assert not set(dense["method"]) & {"oneshot", "large_init"}
    assert (dense["density"] == 1).all()


def test_untrained_scores_come_from_step_zero(published):
    assert (published.loc[published["method"] == "large_init", "prune_step"] == 0).all()
    imp = published[published["method"] == "imp"]
    assert (imp["prune_step"] == imp["steps"]).all()


def test_a_ratio_is_told_as_mean_of_ratios_and_as_ratio_of_means():
    left = toy({(1, t, 0): value for t, value in enumerate((1.0, 4.0, 3.0))})
    right = toy({(1, t, 0): value for t, value in enumerate((2.0, 2.0, 2.0))})
    found = frames.ratio(left, right, "value")
    assert (found["mean"], found["of_means"], found["n"]) == pytest.approx((8 / 6, 8 / 6, 3))
    reference = stats.ttest_1samp([0.5, 2.0, 1.5], 0).confidence_interval(0.95)
    assert (found["low"], found["high"]) == pytest.approx((reference.low, reference.high))
    skewed = frames.ratio(right, left, "value")
    assert skewed["mean"] == pytest.approx((2 + 0.5 + 2 / 3) / 3)
    assert skewed["of_means"] == pytest.approx(6 / 8)


def test_the_sparsest_round_within_a_margin():
    means = toy({(r, 0, 0): value for r, value in enumerate((0.98, 0.981, 0.979, 0.975, 0.97))})
    assert frames.sparsest_within(means, "value", 0.98, 0.002) == 2
    assert frames.sparsest_within(means, "value", 0.98, 0.02) == 4
    assert frames.sparsest_within(means, "value", 0.98, 0.0) == 1
    assert frames.sparsest_within(means, "value", 0.99, 0.001) is None


def test_the_first_step_at_a_level_is_the_last_step_where_it_is_never_reached():
    curves = pd.DataFrame({"round": 0, "trial": [0] * 3 + [1] * 3, "step": [0, 10, 20] * 2, "x": [0, 5, 9, 0, 1, 2]})
    assert frames.first_reaching(curves, "x", 5)["step"].tolist() == [10, 20]


def test_summary_averages_draws_inside_their_trial_first():
    table = frames.summary(toy({(1, 0, 0): 1.0, (1, 0, 1): 3.0, (1, 1, 0): 4.0}), "value")
    assert table.loc[0, ["mean", "min", "max", "n"]].tolist() == [3.0, 2.0, 4.0, 2]


def test_every_line_starts_at_the_dense_network():
    results = pd.concat([toy({(0, 0, 0): 1.0, (1, 0, 0): 2.0}), toy({(1, 0, 0): 3.0}, control="reinit")])
    assert frames.select(results, "imp", "reinit")["value"].tolist() == [1.0, 3.0]


def test_a_paired_difference_has_the_interval_of_students_t():
    left = toy({(1, t, 0): value for t, value in enumerate((0.98, 0.97, 0.99))})
    right = toy({(1, t, 0): value for t, value in enumerate((0.97, 0.97, 0.96))})
    gap = frames.difference(left, right, "value")
    reference = stats.ttest_rel([0.98, 0.97, 0.99], [0.97, 0.97, 0.96]).confidence_interval(0.95)
    assert (gap["low"], gap["high"]) == pytest.approx((reference.low, reference.high))
    assert gap["n"] == 3


def test_only_common_trials_are_paired_and_none_is_an_error():
    left, right = toy({(1, 0, 0): 1.0, (1, 1, 0): 5.0}), toy({(1, 1, 0): 3.0})
    gap = frames.difference(left, right, "value")
    assert (gap["mean"], gap["n"]) == (2.0, 1)
    assert np.isnan(gap["low"])
    with pytest.raises(ValueError, match="no trial in common"):
        frames.difference(left, toy({(1, 7, 0): 3.0}), "value")


def test_the_nearest_round_is_nearest_in_ratio():
    results = toy({(r, 0, 0): 0.0 for r in range(10)})
    assert frames.nearest_round(results, 0.8**4) == 4
    assert frames.nearest_round(results, 1e-9) == 9
