"""A pruned network → a smaller network with the same outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import keras
import numpy as np

from lthcore.models import variables
from lthcore.pruning.weights import Weights
from lthcore.shrinking import dead_units, graph
from lthcore.shrinking.export import check_finite, plain
from lthcore.shrinking.surgery import keep_units


@dataclass(frozen=True, kw_only=True, eq=False)
class Shrunk:
    """A network without the units and inputs that changed nothing.

    Args:
        model: a functional model of Keras' own layers, which takes examples of the original shape.
        weights: its weights, which it also holds.
        units: units or filters of each dense layer and convolution, by name.
        inputs: how many inputs the first layer reads; None where it is not a dense layer.
        parameters: numbers in `weights`.
    """

    model: keras.Model
    weights: Weights
    units: Mapping[str, int]
    inputs: int | None
    parameters: int


def shrink(model: keras.Model, weights: Weights, *, constant: tuple[np.ndarray, np.ndarray] | None = None) -> Shrunk:
    """The smaller network that a pruned one amounts to.

    Units and filters go if all weights that read them are zero. They go as well if all weights into them are zero: such
    a unit has the same value for every example, its activation of its bias, and what it contributes is put into the
    biases of its readers; where that is not exact, or a reader has no bias, it stays. One disappearance leads to the
    next, and each layer keeps at least one unit. Inputs of a first dense layer that it reads with zeros alone go, too.

    The outputs for inference are equal up to rounding. Training is another matter: what is gone no longer learns, and
    pruned weights that are still there do, unless a mask holds them.

    Args:
        model: a functional or Sequential model; units of a layer not known to `lthcore.shrinking.graph` all stay.
        weights: its weights, pruned ones zero; see `lthcore.pruning.mask.Mask.apply`.
        constant: which inputs differ between training examples, bool, and the values of one example, both of the shape
            of an example. Inputs that do not differ go as well, and their value is put into the first layer's bias:
            the outputs are then equal for examples that have these values there, and for no others.

    Raises:
        ValueError: for weights that are not finite or do not fit, a model that plain Keras cannot express, or a
            `constant` of another shape, with no input that differs, or for a model that starts in another layer.

    Example:
        >>> dense = keras.layers.Dense
        >>> model = keras.Sequential([keras.Input((3,)), dense(2, "relu", name="hidden"), dense(1, name="output")])
        >>> theta = {"hidden/bias": [4, 5], "output/kernel": [[1], [1]], "output/bias": [0]}
        >>> small = shrink(model, Weights({"hidden/kernel": [[2, 0], [0, 0], [0, 0]], **theta}))
        >>> dict(small.units), small.inputs, small.parameters, small.weights["output/bias"].tolist()
        ({'hidden': 1, 'output': 1}, 1, 4, [5.0])

    Book: chapter *Early tickets*.
    """
    check_finite(weights)
    model, theta = plain(model, weights)
    calls = graph.calls(model)
    # Forwards and then backwards is enough: what is folded frees units for the second pass, and what that removes was
    # read by nothing, so it makes no further unit constant.
    theta = dead_units.fold(calls, theta, _values(model, calls, constant))
    kept, theta = dead_units.live(calls, model.outputs, theta)
    smaller, theta = keep_units(model, theta, kept)
    smaller, theta, inputs = _without_inputs(smaller, theta)
    return Shrunk(
        model=smaller,
        weights=theta,
        units=MappingProxyType(_units(smaller)),
        inputs=inputs,
        parameters=sum(array.size for array in theta.values()),
    )


def _units(model: keras.Model) -> dict[str, int]:
    calls = graph.calls(model)
    return {call.name: graph.channels(call.outputs[0]) for call in calls if graph.has_units(call.layer)}


def _entry(model: keras.Model, calls: tuple[graph.Call, ...]) -> tuple[keras.KerasTensor, list[graph.Call]] | None:
    """The inputs as a row of numbers, and the dense layers that read it; None where anything else does."""
    if len(model.inputs) != 1:
        return None
    tensor = model.inputs[0]
    readers = _readers(calls, tensor)
    while [type(call.layer) for call in readers] in ([keras.layers.Flatten], [keras.layers.Dropout]):
        if readers[0].reason:
            return None
        tensor = readers[0].outputs[0]
        readers = _readers(calls, tensor)
    dense = all(call.role == "kernel" for call in readers) and bool(readers)
    if not dense or len(tensor.shape) != 2 or any(tensor is output for output in model.outputs):
        return None
    return tensor, readers


def _readers(calls: tuple[graph.Call, ...], tensor: keras.KerasTensor) -> list[graph.Call]:
    return [call for call in calls if any(tensor is read for read in call.inputs)]


def _values(
    model: keras.Model, calls: tuple[graph.Call, ...], constant: tuple[np.ndarray, np.ndarray] | None
) -> dict[int, np.ndarray]:
    """What is known of the inputs before anything is computed, checked."""
    if constant is None:
        return {}
    varying, values = (np.asarray(array) for array in constant)
    entry = _entry(model, calls)
    if entry is None:
        raise ValueError(
            f"model {model.name!r} does not start in a dense layer, so inputs that do not vary cannot be dropped: "
            f"pass constant=None"
        )
    shape = tuple(model.inputs[0].shape[1:])
    for name, array in (("varying", varying), ("values", values)):
        if array.shape != shape:
            raise ValueError(f"{name} has shape {array.shape}, an example of model {model.name!r} has {shape}")
    if varying.dtype != np.bool_:
        raise ValueError(f"varying must be bool, True where inputs differ, not {varying.dtype}")
    if not varying.any():
        raise ValueError("varying is False everywhere: of inputs that are all the same nothing can be told")
    if not np.isfinite(values[~varying]).all():
        raise ValueError("values contains NaN or infinite numbers where inputs do not vary")
    return {id(entry[0]): np.where(varying, np.nan, values.astype(np.float64)).reshape(-1)}


def _without_inputs(model: keras.Model, weights: Weights) -> tuple[keras.Model, Weights, int | None]:
    """The network without the inputs that its first dense layers read with zeros alone; one stays."""
    entry = _entry(model, graph.calls(model))
    if entry is None:
        return model, weights, None
    kernels = {call.names["kernel"]: weights[call.names["kernel"]] for call in entry[1]}
    read = np.any([(kernel != 0).any(axis=1) for kernel in kernels.values()], axis=0)
    if read.all():
        return model, weights, len(read)
    indices = np.flatnonzero(read) if read.any() else np.array([0])
    taking = _taking(indices.tolist(), [call.name for call in entry[1]])
    smaller = keras.models.clone_model(graph.functional(model), clone_function=graph.clone, call_function=taking)
    left = Weights({**weights, **{name: kernel[indices] for name, kernel in kernels.items()}})
    variables.write(smaller, left)
    return smaller, left, len(indices)


def _taking(indices: list[int], names: list[str]) -> Callable[..., object]:
    """Call layers as they are, and those of the given names on these inputs only."""
    taken: list[keras.KerasTensor] = []  # once for all of them

    def call(layer: keras.Operation, *args: object, **options: object) -> object:
        if layer.name not in names:
            return layer(*args, **options)
        if not taken:
            taken.append(keras.ops.take(args[0], indices, axis=-1))
        return layer(taken[0], *args[1:], **options)

    return call
