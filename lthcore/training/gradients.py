"""Derivatives of an untrained network, for criteria that prune at initialisation."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from lthcore.datasets.base import Split
from lthcore.models import variables as keras_weights
from lthcore.pruning.criteria import Scores
from lthcore.pruning.weights import Weights


class LossProbe:
    """Asks a Keras model for gradients and Hessian products of its loss on chosen training examples.

    The model runs as when it is scored, without dropout, and penalties on weights are left out: what is asked is what
    the data say. The model's weights are overwritten, as every training overwrites them.

    Args:
        model: a built model.
        loss: its loss.
        data: the training examples.
        names: the prunable names, in the model's order.

    Source: {cite}`LAT19`, {cite}`WZG20` and {cite}`TKYG20`; see `lthcore.pruning.criteria`.
    Book: chapter *Early tickets*.
    """

    def __init__(self, model: keras.Model, loss: keras.Loss, data: Split, names: tuple[str, ...]) -> None:
        self.model, self.loss, self.data = model, loss, data
        known = keras_weights.variables(model)
        self._variables = {name: known[name] for name in names}

    @property
    def examples(self) -> int:
        """Number of training examples."""
        return len(self.data)

    def gradient(self, weights: Weights, batch: np.ndarray) -> Scores:
        """∂L/∂w of the mean loss over the training examples numbered in `batch`."""
        return self._derivatives(weights, lambda: self._loss(batch, 1.0))

    def hessian_gradient(self, weights: Weights, batch: np.ndarray, temperature: float) -> Scores:
        """H·g of that loss, the logits divided by `temperature`.

        Raises:
            ValueError: if the model ends in probabilities: there is nothing to divide.
        """
        self._check_logits("grasp")

        def product() -> tf.Tensor:
            # The derivative of gᵀ·g, one of the two held fixed, is H·g.
            with tf.GradientTape() as tape:
                value = self._loss(batch, temperature)
            found = [tf.convert_to_tensor(part) for part in tape.gradient(value, self._targets)]
            return tf.add_n([tf.reduce_sum(tf.stop_gradient(part) * part) for part in found])

        return self._derivatives(weights, product)

    def flow(self, weights: Weights) -> Scores:
        """∂R/∂|w| of R, the sum of the outputs at an input of ones, every weight taken by its size.

        Raises:
            ValueError: if the model ends in probabilities: the sum of a softmax is one, whatever the weights.
        """
        self._check_logits("synflow")
        sizes = Weights({name: np.abs(array) for name, array in weights.items()})
        ones = tf.ones((1, *self.model.input_shape[1:]))
        return self._derivatives(sizes, lambda: tf.reduce_sum(self.model(ones, training=False)))

    def _check_logits(self, criterion: str) -> None:
        if not self.loss.from_logits:
            raise ValueError(f"model {self.model.name!r} ends in probabilities; criterion {criterion!r} needs logits")

    @property
    def _targets(self) -> list[tf.Variable]:
        return [variable.value for variable in self._variables.values()]

    def _loss(self, batch: np.ndarray, temperature: float) -> tf.Tensor:
        outputs = self.model(tf.constant(self.data.x[batch]), training=False)
        return self.loss(tf.constant(self.data.y[batch]), outputs / temperature if temperature != 1.0 else outputs)

    def _derivatives(self, weights: Weights, value_of: Callable[[], tf.Tensor]) -> Scores:
        keras_weights.write(self.model, weights)
        with tf.GradientTape() as tape:
            value = value_of()
        if not np.isfinite(float(value)):
            raise ValueError(f"the network cannot be probed: it comes out as {float(value)}")
        found = tape.gradient(value, self._targets)
        return {name: tf.convert_to_tensor(part).numpy() for name, part in zip(self._variables, found, strict=True)}
