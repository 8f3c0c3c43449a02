"""The state that an optimizer keeps of the weights, as something that can begin anew, or forget some of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf


class Continued(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that may begin at a later step: an optimizer counts its own steps from 0.

    Args:
        schedule: the schedule of the whole training.
    """

    def __init__(self, schedule: keras.optimizers.schedules.LearningRateSchedule) -> None:
        self.schedule = schedule
        self.start = tf.Variable(0, trainable=False, dtype=tf.int64)

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """The rate so many steps after the start."""
        return self.schedule(keras.ops.convert_to_tensor(step) + tf.cast(self.start, step.dtype))

    def get_config(self) -> dict:
        """The arguments it was made with."""
        return {"schedule": self.schedule}


class OptimizerState:
    """An optimizer for some variables, and the state it keeps of them, which can be that of a new one again.

    The optimizer it was made from is left alone: this one is a copy, with all its settings and none of its state.

    Args:
        optimizer: any element-wise Keras optimizer, used or not.
        variables: the trainable variables of a model, in its order.

    Raises:
        ValueError: if it keeps a variable that it did not make when it was built.
    """

    def __init__(self, optimizer: keras.Optimizer, variables: Sequence[keras.Variable]) -> None:
        self._variables = list(variables)
        self.optimizer = _unused(optimizer)
        self.schedule = None
        if isinstance(self.optimizer._learning_rate, keras.optimizers.schedules.LearningRateSchedule):
            self.optimizer.learning_rate = self.schedule = Continued(self.optimizer._learning_rate)
        self._slots: list[list[keras.Variable]] = [[] for _ in self._variables]
        values = [variable.numpy() for variable in self._variables]
        with self._noting_slots():
            # No state begins with this number by itself: a slot that holds it has copied its weights.
            for variable in self._variables:
                variable.assign(np.full(variable.shape, _MARK, np.float32))
            self.optimizer.build(self._variables)
        copies = [slot for slots in self._slots for slot in slots if slot.shape and np.all(slot.numpy() == _MARK)]
        averages = self.optimizer._model_variables_moving_average if self.optimizer.use_ema else []
        self.averages: list[keras.Variable] = list(averages)
        self._follows = {id(slot) for slot in [*copies, *self.averages]}
        self._copies = {id(slot) for slot in copies}
        self._blank = [variable.numpy() for variable in self.optimizer.variables]
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)

    @contextmanager
    def _noting_slots(self) -> Iterator[None]:
        """Note which state is kept of which variable while the optimizer makes it."""
        make = self.optimizer.add_variable_from_reference
        place = {id(variable): number for number, variable in enumerate(self._variables)}

        def noted(reference_variable: keras.Variable, *args: object, **options: object) -> keras.Variable:
            slot = make(reference_variable, *args, **options)
            self._slots[place[id(reference_variable)]].append(slot)
            return slot

        self.optimizer.add_variable_from_reference = noted
        try:
            yield
        finally:
            del self.optimizer.add_variable_from_reference

    def begin(self, step: int) -> None:
        """Forget everything; the schedule of the learning rate goes on from `step`. Variables stay as they are."""
        for variable, value in zip(self.optimizer.variables, self._blank, strict=True):
            variable.assign(value)
        for variable, slots in zip(self._variables, self._slots, strict=True):
            for slot in slots:
                if id(slot) in self._copies:
                    slot.assign(variable)
        if self.schedule:
            self.schedule.start.assign(step)

    def forget(self, place: int, where: np.ndarray) -> None:
        """Forget what is kept of some weights of one variable, as if they had never been trained.

        Args:
            place: number of the variable.
            where: bool array of its shape.
        """
        variable = self._variables[place]
        blank = dict(zip(map(id, self.optimizer.variables), self._blank, strict=True))
        for slot in self._slots[place]:
            if tuple(slot.shape) == tuple(variable.shape):
                start = variable.numpy() if id(slot) in self._follows else blank[id(slot)]
                slot.assign(np.where(where, start, slot.numpy()))

    def momentum(self, place: int) -> np.ndarray:
        """The running mean of the gradients of one variable, as the optimizer keeps it.

        Raises:
            ValueError: if it keeps none.
        """
        for slot in self._slots[place]:
            if slot.name.endswith("momentum") and id(slot) not in self._follows:
                return slot.numpy()
        raise ValueError(
            f"{type(self.optimizer).__name__} keeps no momentum; use Adam, or SGD or RMSprop with momentum"
        )


# A value that no initializer of an optimizer's state gives.
_MARK = np.float32(0.123456789)

# Arguments that every Keras optimizer hands to its base class.
_COMMON = (
    "weight_decay",
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "use_ema",
    "ema_momentum",
    "ema_overwrite_frequency",
    "loss_scale_factor",
    "gradient_accumulation_steps",
    "name",
)


def _unused(optimizer: keras.Optimizer) -> keras.Optimizer:
    """A copy with all settings, also those that no configuration holds, and without state.

    Keras copies an optimizer by its configuration, which knows neither ``exclude_from_weight_decay`` nor arguments
    that a class of the user's own forgot. So the base class begins anew, and the original's other attributes are
    taken over.
    """
    rate = optimizer._learning_rate
    rate = float(rate) if isinstance(rate, keras.Variable) else rate
    made = object.__new__(type(optimizer))
    keras.Optimizer.__init__(made, rate, **{name: getattr(optimizer, name) for name in _COMMON})
    for name, value in vars(optimizer).items():
        if name in vars(made) or _is_state(value):
            continue
        if isinstance(value, keras.Variable):
            raise ValueError(
                f"{type(optimizer).__name__} keeps a variable of its own, {name!r}, from before it was built: make it "
                f"in build(), so that each run begins with a new one"
            )
        made.__dict__[name] = value  # past Keras' bookkeeping of variables: there are none among these
    return made


def _is_state(value: object) -> bool:
    """Whether an attribute is a list of variables, which `build` makes."""
    return isinstance(value, (list, tuple)) and any(isinstance(entry, keras.Variable) for entry in value)
