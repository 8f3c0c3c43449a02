"""A Keras model under a mask → a predictor that reads its survivors alone."""

from __future__ import annotations

import keras

from lthcore.kernels.stacks import stack
from lthcore.kernels.stacks.layers import DenseStack
from lthcore.kernels.stacks.predictor import SparsePredictor
from lthcore.models import variables
from lthcore.pruning.mask import Mask
from lthcore.pruning.weights import Weights


def sparse(model: keras.Model, mask: Mask | None = None, *, weights: Weights | None = None) -> SparsePredictor:
    """Use a ticket at the price of its survivors.

    What it gives equals what the model gives once pruned weights are set to zero, up to rounding. It is a value of its
    own: the model is not changed, and later changes of the model change nothing.

    Args:
        model: a built stack of dense layers, with `Flatten` before, and activations and `Dropout` between them.
        mask: which weights survive, of all prunable names; those that are not zero, if none is given.
        weights: what the model is used with; the weights it has now, if none are given.

    Raises:
        lthcore.kernels.stacks.stack.UnsupportedError: for any other model; `lthcore.shrinking.shrink.shrink` takes it.
        ValueError: if names or shapes of the mask or the weights differ from the model's.
        ImportError: if kernels cannot be compiled here; the message says what to do.

    Example:
        >>> dense = keras.layers.Dense
        >>> ones = dense(2, kernel_initializer="ones", name="output")
        >>> model = keras.Sequential([keras.Input((3,)), ones])
        >>> predictor = sparse(model, Mask({"output/kernel": [[1, 0], [0, 1], [0, 0]]}))
        >>> predictor.predict([[3, 4, 5]])
        array([[3., 4.]], dtype=float32)
    """
    theta = variables.read(model) if weights is None else weights
    try:
        layers = stack.read(model)
    except stack.UnsupportedError as error:
        raise stack.UnsupportedError(
            f"sparse kernels compute stacks of dense layers, and model {model.name!r} is none: {error}. To use what is "
            f"left of any pruned model, make it smaller: lth.shrink(model, lth.apply(mask, model))"
        ) from error
    if mask is None:
        mask = Mask({name: theta[name] != 0 for name in layers.kernels if name in theta})
    _check(mask, layers, model.name)
    return SparsePredictor(layers, mask, theta, model.input_shape[1:])


def _check(mask: Mask, layers: DenseStack, model: str) -> None:
    """Refuse a mask of other names or shapes than the model's."""
    missing, unknown = sorted(set(layers.kernels) - set(mask)), sorted(set(mask) - set(layers.kernels))
    if missing or unknown:
        raise ValueError(
            f"the mask does not fit model {model!r}: missing {missing}, unknown {unknown}; a mask has all prunable "
            f"names, and is True everywhere in what shall stay whole"
        )
    for name in layers.kernels:
        if mask[name].shape != layers.shapes[name]:
            raise ValueError(
                f"{name!r} has shape {layers.shapes[name]} in model {model!r}, {mask[name].shape} in the mask"
            )
