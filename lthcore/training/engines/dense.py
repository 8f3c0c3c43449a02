"""The dense engine: the compiled loop, in which pruned weights are multiplied like all others and held at zero."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter

import keras
import numpy as np
import tensorflow as tf

from lthcore.datasets.base import Dataset
from lthcore.models import variables
from lthcore.pruning.mask import Mask
from lthcore.pruning.ticket import Ticket
from lthcore.pruning.weights import Weights
from lthcore.training import evaluation
from lthcore.training.engines.loop import compile_segment
from lthcore.training.engines.optimizer_state import OptimizerState
from lthcore.training.evaluation import Report, Score


class DenseEngine:
    """Trains any Keras model by one compiled program, whose inputs are the masks and the order of the examples.

    Args:
        model: a built model; its variables are the engine's to write on.
        optimizer: an element-wise Keras optimizer; its settings are taken over, its state is not.
        loss: the loss of the model's outputs.
        data: what to train and to score on.
        prunable: names of the weights that masks speak of.
        window: steps that one call of the program trains at most.
        xla: whether XLA compiles the model's forward and backward pass; it always compiles the optimizer's update.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.Optimizer,
        loss: keras.Loss,
        data: Dataset,
        prunable: tuple[str, ...],
        *,
        window: int,
        batch_size: int,
        xla: bool,
    ) -> None:
        self._model, self.prunable = model, prunable
        self._shape, self._xla = (window, batch_size), xla
        self._state = OptimizerState(optimizer, model.trainable_variables)
        self._segment = compile_segment(model, self._state.optimizer, loss, data.train, prunable, xla=xla)
        self._score = evaluation.evaluator(model, loss, data)
        self.owner: object = None
        self._compiled: set[str] = set()
        self._masks: dict[str, tf.Tensor] = {}
        self._mask = Mask({})  # until a run begins
        self._trained = False  # an average of no steps is no network
        on_gpu = bool(tf.config.list_physical_devices("GPU"))
        self.machine: Mapping[str, object] = {
            "engine": "dense",
            "compiler": "xla" if xla else "graph",
            "device": "gpu" if on_gpu else "cpu",
            "threads": _threads(),
        }

    def prepare(self, *, evaluate: bool) -> float:
        """Compile the programs by running them once on whatever the variables hold; return the seconds it took.

        What that leaves behind is overwritten when a run begins. XLA compiles for a number of steps; a plain graph
        needs one only.
        """
        begin = perf_counter()
        if "segment" not in self._compiled:
            masks = {name: tf.ones(variable.shape) for name, variable in self._kernels().items()}
            steps = self._shape[0] if self._xla else 1
            self._segment(tf.zeros(self._shape, tf.int32), tf.constant(steps), masks)
        if evaluate and "evaluation" not in self._compiled:
            self._score.validate()
            self._score.test()
        done = {"segment", *(["evaluation"] if evaluate else [])}
        took = 0.0 if done <= self._compiled else perf_counter() - begin
        self._compiled |= done
        return took

    def begin(self, ticket: Ticket, noise: np.random.Generator) -> None:
        """Set weights, masks, optimizer state and random generators to those a run of the ticket begins with."""
        variables.write(self._model, ticket.weights)
        variables.reseed(self._model, noise)
        self._state.begin(ticket.at_step)
        self._set(ticket.mask)
        self._trained = False

    def advance(self, batches: np.ndarray) -> float:
        """Train one step per row of example numbers, int32 (steps, batch); return the mean loss."""
        steps, most, losses = len(batches), self._shape[0], []
        for start in range(0, steps, most):
            part = batches[start : start + most]
            window = np.zeros(self._shape, np.int32)  # the one shape that is compiled
            window[: len(part)] = part
            losses.append(float(self._segment(tf.constant(window), tf.constant(len(part)), self._masks)))
        self._trained = True
        sizes = [min(most, steps - start) for start in range(0, steps, most)]
        return float(np.average(losses, weights=sizes)) if len(losses) > 1 else losses[0]

    def weights(self) -> Weights:
        """The network's weights."""
        with self._averaged():
            return variables.read(self._model)

    def measure(self, *, test: bool) -> Score:
        """The network's scores on the validation set, and on the test set if asked for."""
        with self._averaged():
            return self._score.both(test=test)

    def report(self, weights: Weights) -> Report:
        """What is kept of some weights of the network: their scores on the test set."""
        variables.write(self._model, weights)
        return self._score.report()

    def test(self, weights: Weights) -> Score:
        """The scores of some weights of the network on the test set."""
        variables.write(self._model, weights)
        return self._score.test()

    def swap(self, mask: Mask, grown: Mapping[str, np.ndarray]) -> None:
        """Train on under another mask; weights that it adds begin at the values of `grown`, or at zero."""
        places = {id(variable): place for place, variable in enumerate(self._model.trainable_variables)}
        for name, variable in self._kernels().items():
            old, new = self._mask[name], mask[name]
            values = np.where(old & new, variable.numpy(), np.where(new, grown.get(name, 0.0), 0.0))
            variable.assign(values.astype(np.float32))
            # Only what was kept all along has a history.
            self._state.forget(places[id(variable)], ~(old & new))
        self._set(mask)

    def momentum(self) -> dict[str, np.ndarray]:
        """The running mean of the gradients of all prunable weights."""
        places = {id(variable): place for place, variable in enumerate(self._model.trainable_variables)}
        return {name: self._state.momentum(places[id(variable)]) for name, variable in self._kernels().items()}

    @contextmanager
    def borrowed(self) -> Iterator[None]:
        """Give the model's variables to somebody who writes on them, and then take the network of the run back."""
        held = [(variable, variable.numpy()) for variable in self._model.variables]
        try:
            yield
        finally:
            for variable, value in held:
                variable.assign(value)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Give the model the moving averages of its weights, where the optimizer keeps any, and then take them back.

        Such a network *is* its average: that is scored, kept and pruned by. Training itself goes on from the weights.
        """
        averages = self._state.averages if self._trained else []
        raw = [variable.numpy() for variable in self._model.trainable_variables] if averages else []
        for variable, average in zip(self._model.trainable_variables, averages, strict=False):
            variable.assign(average)
        try:
            yield
        finally:
            for variable, value in zip(self._model.trainable_variables, raw, strict=False):
                variable.assign(value)

    def _kernels(self) -> dict[str, keras.Variable]:
        known = variables.variables(self._model)
        return {name: known[name] for name in self.prunable}

    def _set(self, mask: Mask) -> None:
        self._mask = mask
        self._masks = {name: tf.constant(mask[name], tf.float32) for name in self.prunable}


def _threads() -> int | str:
    """How many threads share one operation: what was asked for in code, or in the environment, or all there are."""
    asked = tf.config.threading.get_intra_op_parallelism_threads()
    return asked or int(os.environ.get("TF_NUM_INTRAOP_THREADS", 0)) or "all"
