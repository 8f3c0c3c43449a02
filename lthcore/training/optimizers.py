"""Keras optimizers, by name, as long as they treat each weight by itself."""

from __future__ import annotations

import keras
import tensorflow as tf

from lthcore.training import schedules
from lthcore.training.config import TrainConfig

# Their step for one weight depends on other weights, pruned ones included: projecting the pruned weights to zero
# after the update would then not equal training the subnetwork alone.
_COUPLED = (keras.optimizers.Adafactor, keras.optimizers.Lamb, keras.optimizers.Muon)


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that first grows in equal parts to what it would be anyway.

    Args:
        rate: a number, or the schedule that is warmed up.
        steps: at step t the rate is multiplied by (t + 1) / steps, until that is one.

    Example:
        >>> warm = WarmUp(0.4, 4)
        >>> [round(float(warm(step)), 3) for step in (0, 1, 3, 9)]
        [0.1, 0.2, 0.4, 0.4]
    """

    def __init__(self, rate: schedules.Rate, steps: int) -> None:
        self.rate, self.steps = rate, steps

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """The rate at a step."""
        rate = self.rate(step) if callable(self.rate) else self.rate
        return rate * keras.ops.minimum((keras.ops.cast(step, "float32") + 1.0) / self.steps, 1.0)

    def get_config(self) -> dict:
        """The arguments it was made with."""
        return {"rate": self.rate, "steps": self.steps}


def build(config: TrainConfig) -> keras.Optimizer:
    """The optimizer that a configuration names.

    Raises:
        ValueError: for an unknown name, unknown options, or an optimizer whose step is not element-wise.
    """
    rate = schedules.SCHEDULES[config.schedule](config)
    if config.warmup:
        rate = WarmUp(rate, config.warmup)
    settings = {"learning_rate": rate, **dict(config.optimizer_options)}
    try:
        optimizer = keras.optimizers.get({"class_name": config.optimizer, "config": settings})
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"no Keras optimizer {config.optimizer!r} with the options {settings}: {error}. "
            f"Use a name such as 'adam', 'sgd' or 'rmsprop' and the arguments of its class"
        ) from error
    check(optimizer)
    return optimizer


def check(optimizer: keras.Optimizer) -> None:
    """Refuse what is no optimizer, or one whose step is not element-wise or whose rate cannot be compiled.

    Raises:
        ValueError: saying what is wrong and what to use instead.
    """
    if not isinstance(optimizer, keras.Optimizer):
        raise ValueError(
            f"an optimizer is a Keras optimizer such as keras.optimizers.Adam(1e-3), got {optimizer!r}; one is named "
            f"by TrainConfig(optimizer='adam')"
        )
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        raise ValueError("LossScaleOptimizer is for mixed precision; models here are float32, so use the one inside it")
    name = type(optimizer).__name__
    rate = optimizer._learning_rate
    if callable(rate) and not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        raise ValueError(
            f"the learning rate of {name} is a plain function, which would be called once, when the loop is compiled: "
            f"use a number or a keras.optimizers.schedules.LearningRateSchedule"
        )
    coupled = [option for option in ("clipnorm", "global_clipnorm") if getattr(optimizer, option, None) is not None]
    if isinstance(optimizer, _COUPLED) or coupled:
        raise ValueError(
            f"{name}{f' with {coupled[0]}' if coupled else ''} does not treat each weight by itself, so a pruned "
            f"weight would still influence the others. Use an element-wise optimizer (Adam, SGD, RMSprop, …) "
            f"without clipnorm or global_clipnorm; clipvalue is fine"
        )
