"""How a model is scored: on one class per example, or on label sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lthcore.datasets.base import Dataset, Split
from lthcore.text import metrics

# Examples scored at once: large enough to keep the processor busy, small enough for a convolution's activations.
EVALUATION_BATCH = 1_000
# Documents scored at once: each is hundreds of word vectors.
DOCUMENT_BATCH = 200

_CUT = 1e-7
_LARGE = 2**24  # bytes

# () → (mean loss, accuracy).
Evaluation = Callable[[], tuple[Any, Any]]
# () → (mean loss, probabilities).
Outputs = Callable[[], tuple[float, np.ndarray]]

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

    def both(self, *, test: bool) -> Score:
        """The columns of the history: scores on the validation set, and on the test set if asked for.

        A network that has diverged on the one is not scored on the other.
        """
        scores = {f"validation_{name}": value for name, value in self.validate().items()}
        if test and np.isfinite(scores["validation_loss"]):
            scores |= {f"test_{name}": value for name, value in self.test().items()}
        return scores


def tensor(array: np.ndarray) -> tf.Tensor:
    """An array as a tensor that is in memory once: of a large one `tf.constant` would keep two copies."""
    if array.nbytes < _LARGE:
        return tf.constant(array)
    rows = max(len(array) * _LARGE // array.nbytes, 1)
    held = tf.Variable(tf.zeros(array.shape, array.dtype))
    for begin in range(0, len(array), rows):
        held[begin : begin + rows].assign(array[begin : begin + rows])
    return held.read_value()


def evaluator(model: keras.Model, loss: keras.Loss, data: Dataset) -> Evaluator:
    """The evaluator of a model's current weights that fits the data's labels."""
    splits = (data.validation, data.test)
    if data.multilabel:
        return evaluator_of(data, *compile_outputs(model, loss, splits))
    return evaluator_of(data, *(compile_evaluation(model, loss, split) for split in splits))


def evaluator_of(data: Dataset, validation: Callable[[], tuple], test: Callable[[], tuple]) -> Evaluator:
    """The evaluator of whatever gives outputs.

    Args:
        data: what is scored on.
        validation, test: for one class per example an `Evaluation`, for label sets `Outputs`, of the two sets.
    """
    if data.multilabel:
        return _label_sets(validation, test, data)
    return Evaluator(_one_class(validation), _one_class(test), lambda: Report(_one_class(test)()))


def _one_class(evaluate: Evaluation) -> Callable[[], Score]:
    def score() -> Score:
        value, accuracy = evaluate()
        return {"loss": float(value), "accuracy": float(accuracy)}

    return score


def _label_sets(validation: Outputs, test: Outputs, data: Dataset) -> Evaluator:
    """Micro-F1 and exact match at threshold 0.5; the report adds a threshold chosen on the validation set."""

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


def label_loss(logits: np.ndarray, truth: np.ndarray, *, probabilities: bool) -> tuple[float, np.ndarray]:
    """The mean cross-entropy of label sets, and the probabilities of all labels.

    Args:
        logits: (N, C).
        truth: labels, 0 or 1, (N, C).
        probabilities: whether the network ends in sigmoids, whose logarithm Keras takes of 10⁻⁷ at least.
    """
    wide = logits.astype(np.float64)
    costs = np.logaddexp(0.0, wide) - wide * truth
    if probabilities:
        costs = np.clip(costs, -np.log1p(-_CUT), -np.log(_CUT))
    return float(costs.mean()), (1 / (1 + np.exp(-wide))).astype(np.float32)


def _scored(truth: np.ndarray, probabilities: np.ndarray, threshold: float) -> tuple[Score, np.ndarray]:
    predicted = metrics.predict(probabilities, threshold)
    counts = metrics.counts(truth, predicted)
    return {"accuracy": metrics.exact_match(truth, predicted), "micro_f1": metrics.micro_f1(counts)}, counts


def compile_evaluation(model: keras.Model, loss: keras.Loss, data: Split) -> Evaluation:
    """Compile ``evaluate() -> (mean loss, accuracy)`` over all of `data` at the model's current weights.

    A plain graph, not XLA: one large matrix product after another is what TensorFlow's own kernels do best.
    """
    x, y = tensor(data.x), tf.constant(data.y)
    size = min(EVALUATION_BATCH, len(data))
    whole = len(data) // size

    def score(x: tf.Tensor, y: tf.Tensor, count: int) -> tuple[tf.Tensor, tf.Tensor]:
        logits = model(x, training=False)
        right = tf.equal(tf.argmax(logits, axis=-1, output_type=y.dtype), y)
        return loss(y, logits) * count, tf.reduce_sum(tf.cast(right, tf.float32))

    @tf.function(autograph=False)
    def evaluate() -> tuple[tf.Tensor, tf.Tensor]:
        def add(i: tf.Tensor, losses: tf.Tensor, right: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            batch_losses, batch_right = score(x[i * size : (i + 1) * size], y[i * size : (i + 1) * size], size)
            return i + 1, losses + batch_losses, right + batch_right

        start = (tf.constant(0), tf.constant(0.0), tf.constant(0.0))
        _, losses, right = tf.while_loop(lambda i, *_: i < whole, add, start)
        if rest := len(data) % size:
            batch_losses, batch_right = score(x[-rest:], y[-rest:], rest)
            losses, right = losses + batch_losses, right + batch_right
        return losses / len(data), right / len(data)

    return evaluate


def compile_outputs(model: keras.Model, loss: keras.Loss, splits: Sequence[Split]) -> list[Outputs]:
    """Compile ``outputs() -> (mean loss, probabilities (N, C))`` over all of each split at the model's current weights.

    For models of label sets, whose metrics do not add up over minibatches. One program serves all splits.
    """
    examples = tf.TensorSpec((None, *splits[0].x.shape[1:]), tf.as_dtype(splits[0].x.dtype))

    @tf.function(autograph=False, input_signature=[examples, tf.TensorSpec((), tf.int32)])
    def logits(x: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
        return model(x[start : start + DOCUMENT_BATCH], training=False)

    def outputs_of(data: Split) -> Outputs:
        x, y = tensor(data.x), tf.constant(data.y)

        def outputs() -> tuple[float, np.ndarray]:
            parts = [logits(x, tf.constant(start)) for start in range(0, len(data), DOCUMENT_BATCH)]
            found = tf.concat(parts, 0)
            return float(loss(y, found)), (tf.sigmoid(found) if loss.from_logits else found).numpy()

        return outputs

    return [outputs_of(data) for data in splits]
