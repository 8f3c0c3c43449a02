"""Keras optimizers by name, as long as they treat each weight by itself."""

from __future__ import annotations

import keras

from lthcore.training.config import TrainConfig

# Their step for one weight depends on other weights, pruned ones included: projecting the pruned weights to zero
# after the update would then not equal training the subnetwork alone.
_COUPLED = (keras.optimizers.Adafactor, keras.optimizers.Lamb, keras.optimizers.Muon)


def build(config: TrainConfig) -> keras.Optimizer:
    """The optimizer that a configuration names.

    Raises:
        ValueError: for an unknown name, unknown options, or an optimizer whose step is not element-wise.
    """
    rate: object = config.learning_rate
    if config.decay_every:
        rate = keras.optimizers.schedules.ExponentialDecay(rate, config.decay_every, config.decay, staircase=True)
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
    """Refuse an optimizer whose step is not element-wise.

    Raises:
        ValueError: naming what couples the weights.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        raise ValueError("LossScaleOptimizer is for mixed precision; models here are float32, so use the one inside it")
    name = type(optimizer).__name__
    coupled = [option for option in ("clipnorm", "global_clipnorm") if getattr(optimizer, option, None) is not None]
    if isinstance(optimizer, _COUPLED) or coupled:
        raise ValueError(
            f"{name}{f' with {coupled[0]}' if coupled else ''} does not treat each weight by itself, so a pruned "
            f"weight would still influence the others. Use an element-wise optimizer (Adam, SGD, RMSprop, …) "
            f"without clipnorm or global_clipnorm; clipvalue is fine"
        )


def averages(optimizer: keras.Optimizer) -> list[keras.Variable]:
    """The moving averages a Keras optimizer keeps of its variables if made with ``use_ema``, in their order."""
    return list(optimizer._model_variables_moving_average) if optimizer.use_ema else []
