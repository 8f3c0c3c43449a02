"""How well label sets are predicted: F1 in its two averages, exact match, first-label accuracy, and the threshold.

A document has any number of labels, so F1 looks only at those given and those predicted: to predict nothing would be
right for nearly all pairs of document and category. The micro average counts every label once and is ruled by frequent
categories; the macro average counts every category once, however rare.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

# Candidates for the threshold on a probability, 0.05 … 0.95: divided, not added up, so that 0.29 is 0.29.
THRESHOLDS = tuple(hundredths / 100 for hundredths in range(5, 96))

Empty = float | Literal["skip"]


def binary(labels: np.ndarray, name: str) -> np.ndarray:
    """Labels as bool of shape (documents, categories), checked; `name` is what an error calls them.

    Raises:
        ValueError: for another shape, an empty array, or values other than 0 and 1.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or not labels.size:
        raise ValueError(f"{name} has shape {labels.shape}, not (documents, categories) with at least one of each")
    if labels.dtype != np.bool_ and not np.isin(labels, (0, 1)).all():
        raise ValueError(f"{name} holds values other than 0 and 1: make labels of scores with `predict`")
    return labels.astype(np.bool_)


def predict(scores: np.ndarray, threshold: float) -> np.ndarray:
    """The labels whose score reaches the threshold, bool, of the scores' shape.

    It compares as float64, like `best_threshold`: in float32 a score just below the threshold would equal it.
    """
    return _scores(scores) >= np.float64(threshold)


def counts(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Count, category by category, what F1 is made of. Counts of parts add up to the counts of the whole.

    Args:
        truth: bool or 0/1, shape (documents, categories).
        predicted: bool or 0/1 of the same shape.

    Returns:
        int64 array of shape (categories, 3): true positives, false positives, false negatives.

    Raises:
        ValueError: for different shapes, or values other than 0 and 1.

    Example:
        >>> counts(np.array([[1, 0], [1, 1]]), np.array([[1, 1], [0, 1]])).tolist()
        [[1, 0, 1], [1, 1, 0]]

    Book: chapter *Text*.
    """
    truth, predicted = _pair(truth, binary(predicted, "predicted"))
    columns = (truth & predicted, ~truth & predicted, truth & ~predicted)
    return np.stack([column.sum(axis=0, dtype=np.int64) for column in columns], axis=1)


def micro_precision(counts: np.ndarray) -> float:
    """Share of the predicted labels that are right; 0 if none is predicted."""
    true, false, _ = _table(counts).sum(axis=0)
    return float(_ratio(true, true + false))


def micro_recall(counts: np.ndarray) -> float:
    """Share of the given labels that are predicted; 0 if none is given."""
    true, _, missed = _table(counts).sum(axis=0)
    return float(_ratio(true, true + missed))


def micro_f1(counts: np.ndarray) -> float:
    """F1 of all labels together: 2·tp / (2·tp + fp + fn) of the summed counts; 0 if there is nothing to count.

    Example:
        >>> micro_f1(np.array([[8, 1, 1], [0, 1, 1]]))
        0.8

    Book: chapter *Text*.
    """
    return float(f1(_table(counts).sum(axis=0, keepdims=True))[0])


def f1(counts: np.ndarray, empty: float = 0.0) -> np.ndarray:
    """F1 of each category, float64 of shape (categories,); `empty` where nothing is given and nothing predicted."""
    true, false, missed = _table(counts).T
    return _ratio(2 * true, 2 * true + false + missed, empty)


def macro_f1(counts: np.ndarray, empty: Empty = 0.0) -> float:
    """Mean of the categories' F1.

    Args:
        counts: as `counts` returns them, shape (categories, 3).
        empty: what a category counts that is never given and never predicted. Its F1 is 0/0, and the convention moves
            the mean by the share of such categories: ``0.0`` as scikit-learn's ``zero_division=0``; ``1.0``, silence is
            a success; ``"skip"`` leaves the category out.

    Raises:
        ValueError: for another convention, or if all categories are left out.

    Example:
        >>> table = np.array([[1, 0, 0], [1, 1, 1], [0, 0, 0], [0, 0, 0]])
        >>> macro_f1(table), macro_f1(table, empty=1.0), macro_f1(table, empty="skip")
        (0.375, 0.875, 0.75)

    Book: chapter *Text*.
    """
    if empty not in (0.0, 1.0, "skip"):
        raise ValueError(f'empty categories count 0.0, 1.0 or "skip", got {empty!r}')
    values = f1(counts, np.nan if empty == "skip" else empty)
    if np.isnan(values).all():
        raise ValueError("no category is given or predicted, so there is nothing to average: pass empty=0.0 or 1.0")
    return float(np.nanmean(values))


def exact_match(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Share of the documents whose whole label set is predicted; a document without labels, by predicting none.

    Example:
        >>> exact_match(np.array([[1, 0], [1, 1]]), np.array([[1, 0], [0, 1]]))
        0.5
    """
    truth, predicted = _pair(truth, binary(predicted, "predicted"))
    return float((truth == predicted).all(axis=1).mean())


def first_labels(truth: np.ndarray) -> np.ndarray:
    """Number of each document's first label: the alphabetically first if the categories are in that order.

    Raises:
        ValueError: if a document has no label.
    """
    truth = binary(truth, "truth")
    without = int((~truth.any(axis=1)).sum())
    if without:
        raise ValueError(f"{without} documents have no label, so they have no first one: leave them out")
    return truth.argmax(axis=1)


def first_label_accuracy(truth: np.ndarray, scores: np.ndarray, threshold: float | None) -> float:
    """Accuracy if of each document only the first label is kept: the task of RMDL, which is not this book's.

    The program of {cite}`KHB18` gives every document one class, the alphabetically first of its labels. How often that
    class is found can be read off a classifier of label sets too.

    Args:
        truth: bool or 0/1, shape (documents, categories), categories in alphabetical order.
        scores: of the same shape, higher means more likely.
        threshold: a document's answer is the first category that reaches it; where none does, the one that scores
            highest. With None the highest-scored is the answer everywhere, as for a classifier of single classes.

    Returns:
        Share of the documents whose answer is their first label, in [0, 1].

    Raises:
        ValueError: for different shapes, NaN scores, or a document without labels.

    Example:
        >>> truth, scores = np.array([[1, 0, 1], [0, 1, 0]]), np.array([[0.6, 0.1, 0.9], [0.1, 0.4, 0.2]])
        >>> first_label_accuracy(truth, scores, 0.5), first_label_accuracy(truth, scores, None)
        (1.0, 0.5)

    Source: {cite}`KHB18`, the authors' program.
    Book: chapter *Text*.
    """
    truth, scores = _pair(truth, _scores(scores))
    answers = scores.argmax(axis=1)
    if threshold is not None:
        predicted = predict(scores, threshold)
        answers = np.where(predicted.any(axis=1), predicted.argmax(axis=1), answers)
    return float((answers == first_labels(truth)).mean())


def best_threshold(truth: np.ndarray, scores: np.ndarray, grid: Sequence[float] = THRESHOLDS) -> float:
    """The threshold of highest micro-F1; to be chosen on validation examples, never on those it is reported on.

    Args:
        truth: bool or 0/1, shape (documents, categories).
        scores: probabilities of the same shape.
        grid: the candidates.

    Returns:
        The best candidate; of equally good ones the nearest to 0.5, of equally near ones the lower.

    Raises:
        ValueError: for different shapes, scores that are no probabilities, or no candidate.

    Example:
        >>> best_threshold(np.array([[1, 0], [0, 1]]), np.array([[0.4, 0.1], [0.3, 0.6]]))
        0.4

    Book: chapter *Text*.
    """
    truth, scores = _pair(truth, _scores(scores))
    if scores.min() < 0 or scores.max() > 1:
        found = f"{scores.min():g} to {scores.max():g}"
        raise ValueError(f"scores from {found} are no probabilities: apply the sigmoid first")
    candidates = np.asarray(grid, np.float64)
    if not candidates.size:
        raise ValueError("no threshold to choose from: pass one candidate or more")
    # Sorted once, the scores tell for every candidate how many of them reach it.
    true = truth.sum() - np.searchsorted(np.sort(scores[truth]), candidates)
    predicted = scores.size - np.searchsorted(np.sort(scores, axis=None), candidates)
    values = _ratio(2 * true, predicted + truth.sum())
    ties = candidates[values == values.max()]
    return float(min(ties, key=lambda candidate: (round(abs(candidate - 0.5), 9), candidate)))


def _ratio(part: np.ndarray, whole: np.ndarray, empty: float = 0.0) -> np.ndarray:
    return np.where(whole > 0, part / np.maximum(whole, 1), empty)


def _table(counts: np.ndarray) -> np.ndarray:
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape[1] != 3:
        raise ValueError(f"counts have shape (categories, 3), got {counts.shape}: make them with `counts`")
    return counts


def _scores(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, np.float64)
    if np.isnan(scores).any():
        raise ValueError("scores contain NaN: the run they come from has diverged")
    return scores


def _pair(truth: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    truth = binary(truth, "truth")
    if truth.shape != other.shape:
        raise ValueError(f"truth has shape {truth.shape}, predictions or scores {other.shape}: make them the same")
    return truth, other
