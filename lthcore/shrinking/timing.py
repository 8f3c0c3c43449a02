"""How long networks take to score examples, measured side by side."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import keras
import numpy as np
import tensorflow as tf

BATCH = 1_000
REPEATS = 15


def outputs(model: keras.Model, x: np.ndarray, *, batch: int = BATCH) -> np.ndarray:
    """Outputs of a model for all examples, (N, C), as when it is scored."""
    forward = _compiled(model)
    return np.concatenate([forward(part).numpy() for part in _batches(x, batch)])


def seconds(models: Sequence[keras.Model], x: np.ndarray, *, batch: int = BATCH, repeats: int = REPEATS) -> np.ndarray:
    """Median time that each model takes to score all examples, compiled, minibatch after minibatch.

    The models take turns, so that whatever else the machine does hits all of them alike: ratios are steadier than the
    seconds themselves.

    Args:
        models: they take the same examples.
        x: examples, (N, …).
        batch: examples scored at once.
        repeats: how often each has its turn.

    Returns:
        Seconds, float64 (models,).

    Book: chapter *Early tickets*.
    """
    forwards, parts = [_compiled(model) for model in models], _batches(x, batch)
    for forward in forwards:  # compiling is not scoring
        for part in {part.shape: part for part in parts}.values():
            forward(part)
    times = np.empty((repeats, len(forwards)))
    for turn in range(repeats):
        for place, forward in enumerate(forwards):
            begin = perf_counter()
            for part in parts:
                forward(part).numpy()
            times[turn, place] = perf_counter() - begin
    return np.median(times, axis=0)


def _compiled(model: keras.Model) -> tf.types.experimental.PolymorphicFunction:
    return tf.function(lambda part: model(part, training=False), autograph=False)


def _batches(x: np.ndarray, batch: int) -> list[tf.Tensor]:
    return [tf.constant(x[start : start + batch]) for start in range(0, len(x), batch)]
