"""Metrics of label sets: literal tables, scikit-learn as the judge, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from lthcore.text import metrics

LIGHT = settings(deadline=None, derandomize=True, max_examples=80)
nan, inf = float("nan"), float("inf")

# Three documents, three categories; the last category is never given.
TRUTH = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0]])

# What is predicted, the counts per category, F1 per category, micro-F1, exact match.
PREDICTIONS = {
    "everything right": (TRUTH, [[2, 0, 0], [2, 0, 0], [0, 0, 0]], [1, 1, 0], 1.0, 1.0),
    "nothing predicted": (TRUTH * 0, [[0, 0, 2], [0, 0, 2], [0, 0, 0]], [0, 0, 0], 0.0, 0.0),
    "everything predicted": (TRUTH * 0 + 1, [[2, 1, 0], [2, 1, 0], [0, 3, 0]], [0.8, 0.8, 0], 8 / 13, 0.0),
    "everything wrong": (1 - TRUTH, [[0, 1, 2], [0, 1, 2], [0, 3, 0]], [0, 0, 0], 0.0, 0.0),
    "one missed": ([[1, 0, 0], [1, 0, 0], [0, 1, 0]], [[2, 0, 0], [1, 0, 1], [0, 0, 0]], [1, 2 / 3, 0], 6 / 7, 2 / 3),
    "one too many": ([[1, 0, 1], [1, 1, 0], [0, 1, 0]], [[2, 0, 0], [2, 0, 0], [0, 1, 0]], [1, 1, 0], 8 / 9, 2 / 3),
}


@pytest.mark.parametrize(("predicted", "table", "f1", "micro", "exact"), PREDICTIONS.values(), ids=PREDICTIONS)
def test_literal_predictions(predicted, table, f1, micro, exact):
    found = metrics.counts(TRUTH, np.array(predicted))
    assert found.dtype == np.int64
    assert found.tolist() == table
    assert metrics.f1(found) == pytest.approx(f1)
    assert metrics.micro_f1(found) == pytest.approx(micro)
    assert metrics.macro_f1(found) == pytest.approx(np.mean(f1))
    assert metrics.exact_match(TRUTH, np.array(predicted)) == pytest.approx(exact)


# Counts per category, and the macro average by the three conventions for empty categories.
CONVENTIONS = [
    ([[1, 0, 0], [1, 0, 0]], 1.0, 1.0, 1.0),
    ([[1, 0, 0], [0, 0, 0]], 0.5, 1.0, 1.0),
    ([[0, 1, 0], [0, 0, 0]], 0.0, 0.5, 0.0),  # predicted in vain is wrong, not empty
    ([[0, 0, 1], [0, 0, 0]], 0.0, 0.5, 0.0),  # and so is missed
    ([[1, 1, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0]], 0.125, 0.875, 0.5),
]


@pytest.mark.parametrize(("table", "zero", "one", "skipped"), CONVENTIONS)
def test_the_convention_for_empty_categories(table, zero, one, skipped):
    table = np.array(table)
    assert metrics.macro_f1(table) == metrics.macro_f1(table, empty=0.0) == zero
    assert metrics.macro_f1(table, empty=1.0) == one
    assert metrics.macro_f1(table, empty="skip") == skipped


def test_with_nothing_given_and_nothing_predicted_the_micro_averages_are_zero():
    nothing = np.zeros((4, 3), np.int64)
    assert metrics.micro_f1(nothing) == metrics.micro_precision(nothing) == metrics.micro_recall(nothing) == 0.0


def test_a_document_without_labels_is_matched_by_predicting_none():
    assert metrics.exact_match(np.zeros((2, 3)), np.array([[0, 0, 0], [0, 1, 0]])) == 0.5


shapes = st.tuples(st.integers(1, 12), st.integers(2, 6))


@st.composite
def pairs(draw):
    """Truth and prediction of one shape, sparse enough that some categories are empty."""
    shape, often = draw(shapes), draw(st.sampled_from([0.1, 0.4, 0.9]))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    return rng.random(shape) < often, rng.random(shape) < often


@LIGHT
@given(pair=pairs())
def test_scikit_learn_agrees(pair):
    truth, predicted = pair
    table = metrics.counts(truth, predicted)
    for empty in (0.0, 1.0):
        expected = f1_score(truth, predicted, average="macro", zero_division=empty)
        assert metrics.macro_f1(table, empty=empty) == pytest.approx(expected)
        each = f1_score(truth, predicted, average=None, zero_division=empty)
        assert metrics.f1(table, empty) == pytest.approx(each)
    if truth.any() or predicted.any():
        expected = f1_score(truth, predicted, average="macro", zero_division=nan)
        assert metrics.macro_f1(table, empty="skip") == pytest.approx(expected)
    for ours, theirs in (
        (metrics.micro_f1, f1_score),
        (metrics.micro_precision, precision_score),
        (metrics.micro_recall, recall_score),
    ):
        assert ours(table) == pytest.approx(theirs(truth, predicted, average="micro", zero_division=0))
    assert metrics.exact_match(truth, predicted) == pytest.approx(accuracy_score(truth, predicted))


@LIGHT
@given(pair=pairs(), cut=st.integers(0, 12))
def test_counts_of_parts_add_up_and_account_for_every_label(pair, cut):
    truth, predicted = pair
    table = metrics.counts(truth, predicted)
    assert table[:, [0, 2]].sum(axis=1).tolist() == truth.sum(axis=0).tolist()
    assert table[:, [0, 1]].sum(axis=1).tolist() == predicted.sum(axis=0).tolist()
    if 0 < cut < len(truth):
        parts = metrics.counts(truth[:cut], predicted[:cut]) + metrics.counts(truth[cut:], predicted[cut:])
        assert (parts == table).all()


@LIGHT
@given(pair=pairs())
def test_to_exchange_truth_and_prediction_exchanges_precision_and_recall(pair):
    table, exchanged = metrics.counts(*pair), metrics.counts(*pair[::-1])
    assert metrics.micro_precision(table) == metrics.micro_recall(exchanged)
    assert metrics.micro_f1(table) == metrics.micro_f1(exchanged)


# Labels of one document, its scores, and whether the answer is its first label: at threshold 0.5, by the highest score.
FIRST = [
    ([1, 0, 0], [0.9, 0.1, 0.1], True, True),
    ([1, 0, 1], [0.6, 0.1, 0.9], True, False),  # both predicted: the first counts, though the other scores higher
    ([0, 0, 1], [0.6, 0.1, 0.9], False, True),  # one too many, in front of it
    ([0, 1, 0], [0.1, 0.3, 0.2], True, True),  # none predicted: the highest-scored counts
    ([0, 1, 1], [0.1, 0.2, 0.3], False, False),
    ([0, 1, 1], [0.1, 0.5, 0.7], True, False),  # the threshold itself suffices
    ([1, 1, 0], [0.3, 0.3, 0.3], True, True),  # of equals the first
    ([0, 1, 0], [-inf, inf, 0.4], True, True),  # decision values may be infinite
]


@pytest.mark.parametrize(("truth", "scores", "at_half", "highest"), FIRST)
def test_first_label_accuracy(truth, scores, at_half, highest):
    truth, scores = np.array([truth]), np.array([scores])
    assert metrics.first_label_accuracy(truth, scores, 0.5) == at_half
    assert metrics.first_label_accuracy(truth, scores, None) == highest


def test_first_label_accuracy_is_a_share_of_the_documents():
    truth, scores = (np.array([case[part] for case in FIRST]) for part in (0, 1))
    assert metrics.first_label_accuracy(truth, scores, 0.5) == 6 / 8
    assert metrics.first_labels(truth).tolist() == [0, 0, 2, 1, 1, 1, 0, 1]


# Truth, scores, and the best of the thresholds 0.05 … 0.95.
BEST = {
    "any does, so the middle one": ([[1, 0]], [[1.0, 0.0]], 0.5),
    "the highest that still reaches the label": ([[1, 0]], [[0.3, 0.01]], 0.3),
    "the lowest above what must not be predicted": ([[1, 0]], [[0.9, 0.7]], 0.71),
    "nothing to find, so the middle one": ([[0, 0]], [[0.2, 0.3]], 0.5),
    "better one too many than one missed": ([[1, 0, 1]], [[0.2, 0.3, 0.8]], 0.2),
    "better one missed than many too many": ([[1, 0, 0, 0, 0, 1]], [[0.2, 0.3, 0.3, 0.3, 0.3, 0.8]], 0.5),
}


@pytest.mark.parametrize(("truth", "scores", "expected"), BEST.values(), ids=BEST)
def test_best_threshold(truth, scores, expected):
    assert metrics.best_threshold(np.array(truth), np.array(scores)) == expected


def test_of_equally_good_thresholds_the_nearest_to_one_half_and_then_the_lower_is_taken():
    truth, scores = np.array([[1, 0]]), np.array([[1.0, 0.0]])
    assert metrics.best_threshold(truth, scores, (0.9, 0.45, 0.2)) == 0.45
    assert metrics.best_threshold(truth, scores, (0.7, 0.3)) == metrics.best_threshold(truth, scores, (0.3, 0.7)) == 0.3


def test_the_thresholds_are_hundredths():
    assert len(metrics.THRESHOLDS) == 91
    assert (metrics.THRESHOLDS[0], metrics.THRESHOLDS[45], metrics.THRESHOLDS[-1]) == (0.05, 0.5, 0.95)


# Hundredths, so that many scores lie exactly on a threshold.
hundredths = arrays(np.float64, (5, 3), elements=st.integers(0, 100).map(lambda value: value / 100))


@LIGHT
@given(truth=arrays(np.bool_, (5, 3)), scores=hundredths, single=st.booleans())
def test_no_threshold_of_the_grid_is_better_than_the_best(truth, scores, single):
    scores = scores.astype(np.float32) if single else scores
    values = {
        threshold: metrics.micro_f1(metrics.counts(truth, metrics.predict(scores, threshold)))
        for threshold in metrics.THRESHOLDS
    }
    best = metrics.best_threshold(truth, scores)
    assert values[best] == max(values.values())
    assert all(values[t] < values[best] for t in values if abs(t - 0.5) < abs(best - 0.5) - 1e-9)


def test_a_single_precision_score_below_the_threshold_does_not_reach_it():
    score = np.array([[0.29]], np.float32)
    assert float(score[0, 0]) < 0.29
    assert not metrics.predict(score, 0.29).any()


GOOD = np.array([[1, 0], [0, 1]])
SCORES = np.array([[0.9, 0.2], [0.3, 0.6]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.counts(GOOD, GOOD[:1]), r"truth has shape \(2, 2\), predictions or scores \(1, 2\)"),
        (lambda: metrics.counts(GOOD, GOOD[0]), r"predicted has shape \(2,\), not \(documents, categories\)"),
        (
            lambda: metrics.counts(GOOD, SCORES),
            "predicted holds values other than 0 and 1: make labels .*`predict`",
        ),
        (lambda: metrics.counts(GOOD * 2, GOOD), "truth holds values other than 0 and 1"),
        (lambda: metrics.counts(GOOD * nan, GOOD), "truth holds values other than 0 and 1"),
        (lambda: metrics.exact_match(GOOD[:0], GOOD[:0]), r"has shape \(0, 2\), not .* with at least one of each"),
        (lambda: metrics.exact_match(GOOD, GOOD[:, :1]), "make them the same"),
        (lambda: metrics.micro_f1(GOOD), r"counts have shape \(categories, 3\), got \(2, 2\): make them with `counts`"),
        (lambda: metrics.macro_f1(np.ones((2, 3)), empty=0.5), 'empty categories count 0.0, 1.0 or "skip", got 0.5'),
        (lambda: metrics.macro_f1(np.zeros((2, 3)), empty="skip"), "nothing to average: pass empty=0.0 or 1.0"),
        (lambda: metrics.predict(SCORES * nan, 0.5), "scores contain NaN: .* has diverged"),
        (lambda: metrics.best_threshold(GOOD, SCORES * nan), "scores contain NaN"),
        (lambda: metrics.best_threshold(GOOD, SCORES[:1]), "make them the same"),
        (lambda: metrics.best_threshold(GOOD, SCORES * 9 - 4), r"scores from -2.2 to 4.1 are no probabilities"),
        (lambda: metrics.best_threshold(GOOD, SCORES, ()), "no threshold to choose from"),
        (lambda: metrics.first_label_accuracy(GOOD, SCORES * nan, 0.5), "scores contain NaN"),
        (lambda: metrics.first_label_accuracy(GOOD, SCORES.T[:1], None), "make them the same"),
        (
            lambda: metrics.first_label_accuracy(GOOD * [1, 0], SCORES, 0.5),
            "1 documents have no label.*: leave them",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
