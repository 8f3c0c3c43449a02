"""Learning-rate schedules by name: how the rate of a training changes from step to step, in an open registry.

A schedule counts the steps of the whole training: a ticket rewound to step k goes on with it at k. Warm-up multiplies
any of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from lthcore.registry import Registry


class Settings(Protocol):
    """What a schedule may ask of a configuration; `lthcore.training.config.TrainConfig` is one."""

    @property
    def steps(self) -> int:
        """Training steps of a network."""

    @property
    def learning_rate(self) -> float:
        """The rate to start from."""

    @property
    def decay(self) -> float:
        """What the rate is multiplied with at each decay."""

    @property
    def decay_every(self) -> int:
        """Steps between two decays; 0 for none."""

    @property
    def schedule_steps(self) -> int:
        """The length of training that the schedule is laid out for; 0 for `steps`."""


# What an optimizer takes: a number, or a Keras LearningRateSchedule.
Rate = Any
Schedule = Callable[[Settings], Rate]

SCHEDULES: Registry[Schedule] = Registry("learning-rate schedule", "lthcore.training.schedules.register(function)")


class UnknownSchedule(str):
    """The name of a schedule that a record tells, where no module has registered it: to be shown, not to train by."""

    __slots__ = ()


def register(schedule: Schedule, *, name: str | None = None) -> Schedule:
    """Give a schedule a name that a configuration can store.

    Args:
        schedule: configuration → the rate, a number or a Keras ``LearningRateSchedule``.
        name: its name; that of the function if not given.

    Returns:
        The schedule, so that this is a decorator as well.

    Raises:
        ValueError: if the name is taken or no word.

    Example:
        >>> @register
        ... def half(config):
        ...     return config.learning_rate / 2
        >>> "half" in SCHEDULES
        True
        >>> SCHEDULES.remove("half")
    """
    return SCHEDULES.register(name or schedule.__name__, schedule)


def named(name: str) -> str:
    """The name, if a schedule is registered under it.

    Raises:
        ValueError: if none is; a name from a record, an `UnknownSchedule`, may be kept all the same.
    """
    if not isinstance(name, UnknownSchedule):
        SCHEDULES[name]
    return name


@register
def step(config: Settings) -> Rate:
    """The rate times `decay` every `decay_every` steps; constant where that is 0."""
    import keras

    if not config.decay_every:
        return config.learning_rate
    return keras.optimizers.schedules.ExponentialDecay(
        config.learning_rate, config.decay_every, config.decay, staircase=True
    )


@register
def cosine(config: Settings) -> Rate:
    """Half a cosine, from the rate at step 0 to zero at the end.

    Source: {cite}`LH17`, without the restarts.
    """
    import keras

    return keras.optimizers.schedules.CosineDecay(config.learning_rate, config.schedule_steps or config.steps)


SCHEDULES.seal()
