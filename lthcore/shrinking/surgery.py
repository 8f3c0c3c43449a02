"""Units and filters physically removed: from a model and its weights a smaller model and its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from lthcore.models import variables
from lthcore.pruning.weights import Weights
from lthcore.shrinking import graph

# Which channels of a tensor stay, as sorted indices; None where all do.
Channels = np.ndarray | None

_KNOWN = ", ".join(kind.__name__ for kind in graph.ROLES)


def keep_units(model: keras.Model, weights: Weights, kept: Mapping[str, np.ndarray]) -> tuple[keras.Model, Weights]:
    """Remove units and filters: the same network without them, and what is left of its weights.

    Every layer that reads a removed unit loses the weights it read it with. The outputs stay the same if those were
    zero; otherwise it is the network in which they are set to zero.

    Args:
        model: a functional or Sequential model.
        weights: its weights.
        kept: layer name → which of its output units or filters stay: whole numbers, each once, in rising order. Layers
            not named keep all.

    Returns:
        A functional model of the same name, layer names, input shape and configuration, fresh weights included, in
        which the named layers are smaller; and its weights, which it also holds. The original stays as it is.

    Raises:
        ValueError: for weights that do not fit the model, an unknown layer, one without units, indices that are none or
            not in range, a cut through the model's outputs, or one that reaches a layer of a kind not known here.

    Example:
        >>> dense = keras.layers.Dense
        >>> model = keras.Sequential([keras.Input((4,)), dense(3, name="hidden"), dense(2, name="output")])
        >>> smaller, theta = keep_units(model, variables.read(model), {"hidden": np.array([0, 2])})
        >>> theta
        Weights(hidden/kernel 4×2, hidden/bias 2, output/kernel 2×2, output/bias 2)

    Book: chapter *Early tickets*.
    """
    _check_weights(model, weights)
    calls = graph.calls(model)
    checked = {name: _indices(calls, name, indices) for name, indices in kept.items()}
    chosen = {name: indices for name, indices in checked.items() if indices is not None}
    reads = _reads(model, calls, chosen)
    smaller = keras.models.clone_model(
        graph.functional(model), clone_function=lambda layer: _resized(layer, chosen.get(layer.name))
    )
    theta = Weights({**weights, **_sliced(calls, weights, chosen, reads)})
    variables.write(smaller, theta)
    return smaller, theta


def _check_weights(model: keras.Model, weights: Weights) -> None:
    needed = {name: tuple(variable.shape) for name, variable in variables.variables(model).items()}
    given = {name: array.shape for name, array in weights.items()}
    if wrong := sorted(name for name in {*needed, *given} if needed.get(name) != given.get(name)):
        name = wrong[0]
        raise ValueError(
            f"the weights do not fit model {model.name!r}: {name!r} has shape {given.get(name)} here and "
            f"{needed.get(name)} in the model"
        )


def _indices(calls: Sequence[graph.Call], name: str, indices: np.ndarray) -> Channels:
    """The units of a layer that stay, checked; None where all do."""
    cuttable = {call.name: call for call in calls if graph.has_units(call.layer)}
    if name not in cuttable:
        wrong = f"layer {name!r} has no units to remove" if name in {c.name for c in calls} else f"no layer {name!r}"
        raise ValueError(f"{wrong}; layers with units or filters are {', '.join(cuttable) or 'not in this model'}")
    call = cuttable[name]
    indices, units = np.asarray(indices), graph.channels(call.outputs[0])
    if indices.ndim != 1 or indices.dtype.kind not in "iu" or not indices.size:
        raise ValueError(
            f"kept[{name!r}] must be a row of at least one whole number, got shape {indices.shape} of {indices.dtype}; "
            f"of a bool array take np.flatnonzero"
        )
    if indices[0] < 0 or indices[-1] >= units or np.any(indices[1:] <= indices[:-1]):
        raise ValueError(f"kept[{name!r}] must rise within 0 … {units - 1}, got {indices.tolist()}")
    if len(indices) == units:
        return None
    if call.reason or not graph.elementwise(call.layer):
        raise ValueError(f"units of {name!r} cannot be removed: {call.reason or 'its activation mixes them'}")
    return indices


def _reads(model: keras.Model, calls: Sequence[graph.Call], chosen: Mapping[str, np.ndarray]) -> dict[str, Channels]:
    """Which channels of its first input each layer still reads."""
    alive: dict[int, Channels] = {}
    reads: dict[str, Channels] = {}
    for call in calls:
        incoming = [alive[id(tensor)] for tensor in call.inputs]
        outgoing = chosen.get(call.name) if call.role == "kernel" else _RULES[call.role](call, incoming)
        reads[call.name] = incoming[0] if incoming else None
        alive |= {id(tensor): outgoing for tensor in call.outputs}
    for tensor in model.outputs:
        if alive[id(tensor)] is not None:
            raise ValueError(
                f"this would cut the outputs of model {model.name!r}, which all stay: take the layer that gives them "
                f"out of kept, which names {', '.join(chosen)}"
            )
    return reads


def _other(call: graph.Call, incoming: list[Channels]) -> Channels:
    for indices, size in zip(incoming, call.sizes, strict=True):
        if indices is not None:
            why = f" ({call.reason})" if call.reason else ""
            raise ValueError(
                f"layer {call.name!r}, a {type(call.layer).__name__}, would receive {len(indices)} of {size} channels, "
                f"and how to cut it is not known{why}; known are {_KNOWN}"
            )
    return None


def _flatten(call: graph.Call, incoming: list[Channels]) -> Channels:
    if incoming[0] is None:
        return None
    size = call.sizes[0]
    positions = graph.channels(call.outputs[0]) // size
    return (np.arange(positions)[:, np.newaxis] * size + incoming[0]).reshape(-1)


def _join(call: graph.Call, incoming: list[Channels]) -> Channels:
    if all(indices is None for indices in incoming):
        return None
    offsets = np.cumsum([0, *call.sizes[:-1]])
    parts = zip(incoming, call.sizes, offsets, strict=True)
    return np.concatenate([(np.arange(size) if kept is None else kept) + offset for kept, size, offset in parts])


def _merge(call: graph.Call, incoming: list[Channels]) -> Channels:
    whole = np.arange(call.sizes[0])
    first, *others = (whole if indices is None else indices for indices in incoming)
    if not all(np.array_equal(first, other) for other in others):
        raise ValueError(f"layer {call.name!r} adds its inputs, so all of them must keep the same channels")
    return incoming[0]


_RULES: dict[str, Callable[[graph.Call, list[Channels]], Channels]] = {
    "activation": lambda call, incoming: incoming[0],
    "carry": lambda call, incoming: incoming[0],
    "norm": lambda call, incoming: incoming[0],
    "flatten": _flatten,
    "join": _join,
    "merge": _merge,
    "other": _other,
}


def _resized(layer: keras.Operation, indices: Channels) -> keras.Operation:
    """A new layer of the same kind with as many units or filters as stay."""
    if indices is None:
        return graph.clone(layer)
    return graph.clone(layer, **{"units" if hasattr(layer, "units") else "filters": len(indices)})


def _sliced(
    calls: Sequence[graph.Call],
    weights: Weights,
    chosen: Mapping[str, np.ndarray],
    reads: Mapping[str, Channels],
) -> dict[str, np.ndarray]:
    """What is left of the weights of all layers that lose some."""
    smaller: dict[str, np.ndarray] = {}
    for call in calls:
        read, kept = reads[call.name], chosen.get(call.name)
        if call.role not in ("kernel", "norm") or (read is None and kept is None):
            continue
        for kind, name in call.names.items():
            if kind == "kernel" and read is not None:
                smaller[name] = weights[name].take(read, axis=-2)
            last = kept if call.role == "kernel" else read
            if last is not None:
                smaller[name] = smaller.get(name, weights[name]).take(last, axis=-1)
    return smaller
