"""`Rule`: a Keras optimizer as numbers for the kernels, if it is one that they know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lthcore.kernels import codes
from lthcore.kernels.stacks.stack import UnsupportedError

# Learning rates of a schedule that are computed at once.
_AHEAD = 5_000


@dataclass(frozen=True, eq=False)
class Rule:
    """How survivors are updated.

    Args:
        number: the rule, as kernels know it.
        coefficients: its three coefficients; see `lthcore.kernels.codes.COEFFICIENTS`.
        decay: decoupled weight decay.
        rates: (first, last) → learning rates of the steps from the first to before the last, float64.
        momentum: which slot holds the running mean of the gradients; None if none does.
        average: share that moving averages of the weights keep at each step; None where none are taken.
        name: of the optimizer, for messages.
    """

    number: int
    coefficients: tuple[float, float, float]
    decay: float
    rates: Callable[[int, int], np.ndarray]
    momentum: int | None
    average: float | None
    name: str


def read(optimizer: keras.Optimizer) -> Rule:
    """Describe an optimizer.

    Raises:
        UnsupportedError: for an optimizer that the kernels do not know, or an option of one; the message says which.

    Example:
        >>> read(keras.optimizers.Adam(1e-3)).coefficients
        (0.9, 0.999, 1e-07)
    """
    kind, settings = type(optimizer), optimizer.get_config()
    refused = {
        "clipvalue": None,
        "clipnorm": None,
        "global_clipnorm": None,
        "ema_overwrite_frequency": None,
        "loss_scale_factor": None,
        "gradient_accumulation_steps": None,
        "amsgrad": False,
        "centered": False,
    }
    if other := [name for name, usual in refused.items() if settings.get(name, usual) != usual]:
        raise UnsupportedError(f"the optimizer has {other[0]}={settings[other[0]]!r}")
    if getattr(optimizer, "_exclude_from_weight_decay_pattern", None) or getattr(
        optimizer, "_exclude_from_weight_decay", None
    ):
        raise UnsupportedError("the optimizer excludes variables from its weight decay")
    rules = {
        keras.optimizers.SGD: codes.SGD,
        keras.optimizers.Adam: codes.ADAM,
        keras.optimizers.AdamW: codes.ADAM,
        keras.optimizers.RMSprop: codes.RMSPROP,
    }
    if kind not in rules:
        raise UnsupportedError(f"the kernels do not know the optimizer {kind.__name__}")
    number = rules[kind]
    first, second, third = (*(float(settings[name]) for name in codes.COEFFICIENTS[number]), 0.0)[:3]
    moving = number == codes.ADAM or settings["momentum"] > 0
    return Rule(
        number=number,
        coefficients=(first, second, third),
        decay=float(settings.get("weight_decay") or 0.0),
        rates=_rates(optimizer._learning_rate),
        momentum=(1 if number == codes.RMSPROP else 0) if moving else None,
        average=float(settings["ema_momentum"]) if settings.get("use_ema") else None,
        name=kind.__name__,
    )


def _rates(rate: Any) -> Callable[[int, int], np.ndarray]:
    """The learning rates of a number or a schedule, as Keras computes them: in float32."""
    if not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        value = float(np.float32(rate.numpy() if isinstance(rate, keras.Variable) else rate))
        return lambda first, last: np.full(last - first, value)

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((None,), tf.int64)])
    def scheduled(steps: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(lambda step: tf.cast(rate(step), tf.float32), steps, fn_output_signature=tf.float32)

    computed = np.zeros(0, np.float64)

    def rates(first: int, last: int) -> np.ndarray:
        nonlocal computed
        if last > len(computed):
            more = np.arange(len(computed), last + _AHEAD)
            computed = np.append(computed, scheduled(tf.constant(more)).numpy().astype(np.float64))
        return computed[first:last]

    return rates
