"""Categories under pruning: pooled counts, classes by frequency, and who dies when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from records import RECORD

from lthcore.analysis import topics

# Two trials of three rounds; categories a, b, c with 400, 40 and 4 training documents: (true, false, missed).
COUNTS = {
    (0, 0): [(8, 1, 1), (4, 0, 2), (1, 0, 1)],
    (1, 0): [(6, 1, 3), (5, 1, 1), (0, 0, 2)],
    (0, 1): [(8, 0, 1), (0, 0, 6), (0, 1, 2)],
    (1, 1): [(7, 1, 2), (1, 0, 5), (0, 0, 2)],
    (0, 2): [(7, 0, 2), (0, 0, 6), (0, 0, 2)],
    (1, 2): [(7, 1, 2), (0, 0, 6), (0, 0, 2)],
}
KEPT = {0: (10, 10), 1: (5, 10), 2: (2, 10)}


def records():
    return [
        replace(RECORD, trial=trial, round=round, kept={"w": KEPT[round]}, counts=np.array([rows, rows], np.int32))
        for (trial, round), rows in COUNTS.items()
    ]


@pytest.fixture
def frame():
    return topics.by_category(records(), ("a", "b", "c"), (400, 40, 4))


@pytest.mark.parametrize(
    ("size", "label"), [(2_877, "300 or more"), (300, "300 or more"), (299, "100 to 299"), (9, "fewer than 10")]
)
def test_categories_are_classed_by_their_training_documents(size, label):
    assert topics.class_of(size) == label


def test_a_row_per_network_and_category(frame):
    assert len(frame) == 6 * 3
    row = frame[(frame["trial"] == 1) & (frame["round"] == 0) & (frame["category"] == "b")].iloc[0]
    assert (row["true"], row["false"], row["missed"], row["size"], row["class"]) == (5, 1, 1, 40, "30 to 99")


def test_f1_within_a_class_is_that_of_its_summed_counts(frame):
    table = topics.by_class(frame)
    dense = table[(table["trial"] == 0) & (table["round"] == 0)].set_index("class")["micro_f1"]
    assert dense["300 or more"] == pytest.approx(16 / 18)
    assert dense["30 to 99"] == pytest.approx(8 / 10)


def test_a_category_dies_in_the_first_round_from_which_on_no_trial_finds_it(frame):
    found = topics.deaths(topics.over_trials(frame)).set_index("category")
    assert found["died"].to_dict() == {"a": 0.0, "b": 0.2, "c": 0.5}
    assert found.loc["c", "dense"] == pytest.approx(2 / 5)


def test_one_the_dense_network_never_found_died_before(frame):
    unknown = frame.assign(true=frame["true"].where(frame["category"] != "c", 0))
    found = topics.deaths(topics.over_trials(unknown)).set_index("category")
    assert found.loc["c", "died"] == 1.0
    assert topics.skew(found.reset_index())["n"] == 2


def test_one_that_only_a_pruned_network_finds_says_nothing_of_skew(frame):
    late = frame.copy()
    late.loc[(late["category"] == "b") & (late["round"] == 0), "true"] = 0
    found = topics.deaths(topics.over_trials(late)).set_index("category")
    assert (found.loc["b", "dense"], found.loc["b", "died"]) == (0.0, 0.2)
    assert topics.skew(found.reset_index())["n"] == 2


def test_skew_is_negative_where_the_frequent_live_longer(frame):
    found = topics.skew(topics.deaths(topics.over_trials(frame)))
    assert (found["correlation"], found["n"]) == (pytest.approx(-1.0), 3)


def test_records_without_these_categories_are_refused():
    with pytest.raises(ValueError, match="has no counts of these 4 categories"):
        topics.by_category(records(), tuple("abcd"), (1, 2, 3, 4))
    with pytest.raises(ValueError, match="has no counts"):
        topics.by_category([RECORD], ("a",), (1,))
