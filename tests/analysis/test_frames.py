"""Tidy frames and the statistics over trials."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from records import RECORD
from scipy import stats

from lthcore.analysis import frames
from lthcore.experiments.records import Record
from lthcore.experiments.store import Store
from lthcore.files import paths
from lthcore.text import metrics
from lthcore.training.run import History


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
        "experiment label dataset model optimizer method criterion schedule scope budgets averaged control draw "
        "trial round density steps rewind_step prune_step early_stop_step test_accuracy final_accuracy seconds"
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


def of_label_sets() -> Record:
    """Kept 4 of 16 weights beside an embedding of 48; four categories, the last neither given nor predicted."""
    half = [(8, 1, 1), (4, 0, 2), (0, 0, 2), (0, 0, 0)]
    tuned = [(8, 2, 1), (5, 0, 1), (1, 1, 1), (0, 0, 0)]
    test = {"loss": 0.1, "accuracy": 0.6, "micro_f1": 24 / 30, "threshold": 0.37}
    test |= {"tuned_accuracy": 0.7, "tuned_micro_f1": 28 / 34, "first_label": 0.9}
    columns = RECORD.history.columns | {
        "validation_micro_f1": np.array([0.7, 0.75], np.float32),
        "test_micro_f1": np.array([np.nan, 0.8], np.float32),
    }
    return replace(
        RECORD,
        history=History(columns, "validation_micro_f1"),
        test=test,
        counts=np.array([half, tuned], np.int32),
        embedding=48,
    )


def test_label_sets_fill_the_columns_of_f1():
    record = of_label_sets()
    table = frames.frame([record])
    assert tuple(table.columns) == frames.COLUMNS
    row = table.iloc[0]
    assert row["micro_f1"] == pytest.approx(metrics.micro_f1(record.counts[0])) == pytest.approx(24 / 30)
    assert row["tuned_micro_f1"] == pytest.approx(metrics.micro_f1(record.counts[1])) == pytest.approx(28 / 34)
    assert row["tuned_macro_f1"] == pytest.approx((16 / 19 + 10 / 11 + 2 / 4 + 0) / 4)
    assert (row["threshold"], row["tuned_accuracy"], row["first_label"]) == (0.37, 0.7, 0.9)
    assert (row["test_accuracy"], row["early_stop_step"]) == (0.6, 100)
    assert row["validation_micro_f1"] == pytest.approx(0.75)
    assert (row["density"], row["density_with_embedding"]) == (4 / 16, (4 + 48) / (16 + 48))


def test_a_first_label_that_there_is_not_is_missing_in_the_frame():
    record = of_label_sets()
    test = {name: value for name, value in record.test.items() if name != "first_label"}
    table = frames.frame([record, replace(record, test=test)])
    assert table["first_label"].isna().tolist() == [False, True]
    assert table["tuned_micro_f1"].notna().all()


def test_where_examples_have_one_class_there_is_no_f1_and_no_embedding(published):
    mnist = published[published["dataset"] == "mnist"]
    assert len(mnist) > 100
    assert (mnist["density_with_embedding"] == mnist["density"]).all()
    scores = ["micro_f1", "tuned_micro_f1", "tuned_macro_f1", "tuned_accuracy", "validation_micro_f1"]
    assert mnist[[*scores, "threshold", "first_label"]].isna().all().all()


def test_networks_of_both_kinds_share_one_frame():
    table = frames.frame([RECORD, of_label_sets()])
    assert table["micro_f1"].isna().tolist() == [True, False]
    assert table["micro_f1"].dtype == table["threshold"].dtype == np.float64
    assert table["density_with_embedding"].tolist() == [4 / 16, 52 / 64]


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


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ({10: 0.90, 20: 0.97, 40: 0.98}, 20),
        ({10: 0.98, 20: 0.97, 40: 0.90}, None),  # even the last lies below
        ({10: 0.98, 20: 0.90, 40: 0.98}, 40),  # one that happens to be good does not count
        ({10: 0.98, 20: 0.99, 40: 0.98}, 10),
    ],
)
def test_the_earliest_within_is_the_one_from_which_on_all_are(means, expected):
    parts = [toy({(1, t, 0): mean for t in range(3)}).assign(step=step) for step, mean in means.items()]
    reference = toy({(1, t, 0): 0.98 for t in range(3)})
    assert frames.earliest_within(pd.concat(parts), "step", "value", reference, 0.02) == expected


def test_every_network_has_a_label_and_every_experiment_one_of_its_own(published):
    labels = published.groupby("experiment")["label"].unique()
    assert (labels.str.len() == 1).all()
    assert labels.str[0].is_unique
    table = frames.overview(published)
    assert table.columns[0] == "label"
    assert table["label"].tolist() == labels.str[0].tolist()
