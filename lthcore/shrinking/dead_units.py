"""Which units of a network always have the same value, and which are read at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from lthcore.pruning.weights import Weights
from lthcore.shrinking import graph

# The value of each channel of a tensor, NaN where it is not always the same; and whether each channel stays.
Values = np.ndarray
Kept = np.ndarray
Arrays = dict[str, np.ndarray]


def fold(calls: Sequence[graph.Call], weights: Weights, known: Mapping[int, Values] | None = None) -> Weights:
    """Put what constant units contribute into the biases of the layers that read them.

    A unit is constant if every weight into it is zero or reads a constant. It is then read with weight zero, unless the
    reader has no bias, or is a convolution over the edge of its input, where zeros stand in place of the constant.

    Args:
        calls: the calls of a model.
        weights: its weights.
        known: id of a symbolic tensor → the values of its channels that are constant, NaN for the others.

    Returns:
        Weights of the same network: its outputs are equal up to rounding.

    Example:
        >>> dense = keras.layers.Dense
        >>> model = keras.Sequential([keras.Input((1,)), dense(2, "relu", name="hidden"), dense(1, name="output")])
        >>> theta = {"hidden/kernel": [[7, 0]], "hidden/bias": [0, 3], "output/kernel": [[1], [5]], "output/bias": [2]}
        >>> folded = fold(graph.calls(model), Weights(theta))  # the second unit is always 3
        >>> folded["output/kernel"].tolist(), folded["output/bias"].tolist()
        ([[1.0], [0.0]], [17.0])

    Book: chapter *Early tickets*.
    """
    arrays = {name: array.copy() for name, array in weights.items()}
    values = dict(known or {})
    for call in calls:
        incoming = [values[id(tensor)] for tensor in call.inputs]
        outgoing = _VALUES[call.role](call, incoming, arrays) if call.role in _VALUES else None
        for tensor in call.outputs:
            values.setdefault(id(tensor), np.full(graph.channels(tensor), np.nan) if outgoing is None else outgoing)
    return Weights(arrays)


def _slices(kernel: np.ndarray) -> np.ndarray:
    """A view of a kernel as (positions, channels, units)."""
    return kernel.reshape(-1, *kernel.shape[-2:])


def _of_kernel(call: graph.Call, incoming: list[Values], arrays: Arrays) -> Values:
    bias = arrays[call.names["bias"]] if "bias" in call.names else None
    slices, value = _slices(arrays[call.names["kernel"]]), incoming[0]
    inside = getattr(call.layer, "padding", "valid") == "valid"
    known = ~np.isnan(value) if inside else value == 0
    constant = ~(slices[:, ~known] != 0).any(axis=(0, 1))
    sums = np.einsum("pio,i->o", slices[:, known], value[known])
    if bias is not None:
        sums += bias
        bias[:], slices[:, known] = sums, 0
    if not graph.elementwise(call.layer):
        return np.full_like(sums, np.nan)
    return _activated(call.layer.activation, np.where(constant, sums, np.nan))


def _activated(function: Callable, value: Values) -> Values:
    """The value after an activation, evaluated by Keras itself."""
    known, result = np.isfinite(value), np.full_like(value, np.nan)
    if known.any():
        tensor = keras.ops.convert_to_tensor(value[known].astype(np.float32))
        result[known] = keras.ops.convert_to_numpy(function(tensor))
    return np.where(np.isfinite(result), result, np.nan)


def _of_norm(call: graph.Call, incoming: list[Values], arrays: Arrays) -> Values:
    parts = {kind: arrays[name].astype(np.float64) for kind, name in call.names.items()}
    mean, variance = parts["moving_mean"], parts["moving_variance"]
    scale, shift = parts.get("gamma", 1.0), parts.get("beta", 0.0)
    return (incoming[0] - mean) / np.sqrt(variance + call.layer.epsilon) * scale + shift


_VALUES: dict[str, Callable[[graph.Call, list[Values], Arrays], Values]] = {
    "kernel": _of_kernel,
    "norm": _of_norm,
    "activation": lambda call, incoming, arrays: _activated(call.layer.call, incoming[0]),
    "carry": lambda call, incoming, arrays: incoming[0],  # the maximum and the mean of a constant are the constant
    "flatten": lambda call, incoming, arrays: np.tile(incoming[0], graph.channels(call.outputs[0]) // call.sizes[0]),
    "join": lambda call, incoming, arrays: np.concatenate(incoming),
    "merge": lambda call, incoming, arrays: np.sum(incoming, axis=0),
}


def live(
    calls: Sequence[graph.Call], outputs: Sequence[keras.KerasTensor], weights: Weights
) -> tuple[dict[str, np.ndarray], Weights]:
    """Which units lead anywhere: those read, over weights that are not zero, by an output or a unit that does.

    Args:
        calls: the calls of a model.
        outputs: the symbolic outputs of the model.
        weights: its weights.

    Returns:
        Layer name → sorted numbers of the units that must stay, at least one in each layer; and the weights of the same
        network, in which units that stay for that reason alone read nothing.

    Example:
        >>> dense = keras.layers.Dense
        >>> model = keras.Sequential([keras.Input((1,)), dense(3, "relu", name="hidden"), dense(1, name="output")])
        >>> theta = {"hidden/kernel": np.ones((1, 3)), "hidden/bias": np.ones(3), "output/bias": [2]}
        >>> kept, _ = live(graph.calls(model), model.outputs, Weights({**theta, "output/kernel": [[1], [0], [5]]}))
        >>> kept["hidden"].tolist()
        [0, 2]

    Book: chapter *Early tickets*.
    """
    arrays = {name: array.copy() for name, array in weights.items()}
    kept = {id(tensor): np.zeros(graph.channels(tensor), np.bool_) for call in calls for tensor in call.outputs}
    for tensor in outputs:
        kept[id(tensor)][:] = True
    kernels = {call.name: call for call in calls if call.role == "kernel"}
    _spread(calls, arrays, kept)
    while empty := [call for call in kernels.values() if not kept[id(call.outputs[0])].any()]:
        for call in empty:
            kept[id(call.outputs[0])][0] = True
            arrays[call.names["kernel"]][..., 0] = 0
        _spread(calls, arrays, kept)
    return {name: np.flatnonzero(kept[id(call.outputs[0])]) for name, call in kernels.items()}, Weights(arrays)


def _spread(calls: Sequence[graph.Call], arrays: Arrays, kept: Mapping[int, Kept]) -> None:
    """Mark what must stay because of what is marked already, until nothing is added."""
    marked = -1
    while (now := sum(int(marks.sum()) for marks in kept.values())) != marked:
        marked = now
        for call in reversed(calls):
            outgoing, *others = (kept[id(tensor)] for tensor in call.outputs)
            _KEPT[call.role](call, [kept[id(tensor)] for tensor in call.inputs], outgoing, arrays)
            for other in others:
                other[:] = True


def _unite(*marks: Kept) -> None:
    for mark in marks:
        mark |= np.any(marks, axis=0)


def _keep_kernel(call: graph.Call, incoming: list[Kept], outgoing: Kept, arrays: Arrays) -> None:
    if not graph.elementwise(call.layer):
        outgoing[:] = True
    incoming[0] |= (_slices(arrays[call.names["kernel"]])[:, :, outgoing] != 0).any(axis=(0, 2))


def _keep_join(call: graph.Call, incoming: list[Kept], outgoing: Kept, arrays: Arrays) -> None:
    for part, marks in zip(np.split(outgoing, np.cumsum(call.sizes)[:-1]), incoming, strict=True):
        _unite(part, marks)


def _keep_other(call: graph.Call, incoming: list[Kept], outgoing: Kept, arrays: Arrays) -> None:
    for marks in (*incoming, outgoing):
        marks[:] = True


# What stays on one side of a layer must stay on the other, as `lthcore.shrinking.surgery` removes it on both.
_KEPT: dict[str, Callable[[graph.Call, list[Kept], Kept, Arrays], None]] = {
    "kernel": _keep_kernel,
    **dict.fromkeys(("norm", "activation", "carry", "merge"), lambda call, ins, out, arrays: _unite(out, *ins)),
    "flatten": lambda call, ins, out, arrays: _unite(*out.reshape(-1, call.sizes[0]), *ins),
    "join": _keep_join,
    "other": _keep_other,
}
