"""How a model is scored: on one class per example, or on label sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from lthcore.datasets.base import Dataset, Split
from lthcore.text import metrics
from lthcore.training.engines import loop

# The columns of the history a score fills, and the test metrics of a run, by their names here.
Score = dict[str, float]


@dataclass(frozen=True)
class Report:
    """What is kept of a run's weights at the early stop.

    Args:
        test: metric → value on the test set.
        counts: for label sets, see `lthcore.training.run.Run`.
    """

    test: Score
    counts: np.ndarray | None = None


@dataclass(frozen=True)
class Evaluator:
    """Scores the model's current weights.

    Args:
        validate: scores the validation set.
        test: scores the test set.
        report: scores both for good; what is chosen on the validation set is applied to the test set.
    """

    validate: Callable[[], Score]
    test: Callable[[], Score]
    report: Callable[[], Report]


def evaluator(model: keras.Model, loss: keras.Loss, data: Dataset) -> Evaluator:
    """The evaluator that fits the data's labels."""
    if data.multilabel:
        return _label_sets(model, loss, data)
    validate, test = (_one_class(model, loss, split) for split in (data.validation, data.test))
    return Evaluator(validate, test, lambda: Report(test()))


def _one_class(model: keras.Model, loss: keras.Loss, split: Split) -> Callable[[], Score]:
    evaluate = loop.compile_evaluation(model, loss, split)

    def score() -> Score:
        value, accuracy = evaluate()
        return {"loss": float(value), "accuracy": float(accuracy)}

    return score


def _label_sets(model: keras.Model, loss: keras.Loss, data: Dataset) -> Evaluator:
    """Micro-F1 and exact match at threshold 0.5; the report adds a threshold chosen on the validation set."""
    validation, test = loop.compile_outputs(model, loss, (data.validation, data.test))

    def score(outputs: Callable[[], tuple[float, np.ndarray]], truth: np.ndarray) -> Score:
        value, probabilities = outputs()
        if not np.isfinite(value):
            return {"loss": value, "accuracy": np.nan, "micro_f1": np.nan}
        return {"loss": value, **_scored(truth, probabilities, 0.5)[0]}

    def report() -> Report:
        threshold = metrics.best_threshold(data.validation.y, validation()[1])
        value, probabilities = test()
        half, half_counts = _scored(data.test.y, probabilities, 0.5)
        tuned, tuned_counts = _scored(data.test.y, probabilities, threshold)
        found = {"loss": value, **half, "threshold": threshold}
        found |= {f"tuned_{name}": number for name, number in tuned.items()}
        if data.test.y.any(axis=1).all():  # where every document has a first label
            found["first_label"] = metrics.first_label_accuracy(data.test.y, probabilities, threshold)
        return Report(found, np.stack([half_counts, tuned_counts]).astype(np.int32))

    return Evaluator(lambda: score(validation, data.validation.y), lambda: score(test, data.test.y), report)


def _scored(truth: np.ndarray, probabilities: np.ndarray, threshold: float) -> tuple[Score, np.ndarray]:
    predicted = metrics.predict(probabilities, threshold)
    counts = metrics.counts(truth, predicted)
    return {"accuracy": metrics.exact_match(truth, predicted), "micro_f1": metrics.micro_f1(counts)}, counts
