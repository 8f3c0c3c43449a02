"""`Survivors`: a ticket's weights without the pruned ones, in the order in which kernels read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lthcore.kernels.codes import ACTIVATIONS
from lthcore.kernels.stacks.layers import DenseLayer, DenseStack
from lthcore.pruning.mask import Mask

# Inputs whose numbers of 64 examples, 28 KB of them, fit into the fastest memory of a processor; and how many survivors
# a segment should have on the mean, so that beginning it does not cost more than that saves.
NEARBY, WORTHWHILE = 112, 16

# Name → where its survivors are in the order of kernels, and where in the array itself.
Places = Mapping[str, tuple[slice, np.ndarray]]


class Structure(NamedTuple):
    """Where the survivors of a stack are, as kernels read it.

    Args:
        layers: int64 (L, 9), its columns named in `lthcore.kernels.codes`; places are numbers of elements of arrays
            with 64 for each unit. Inputs of a layer stand at INPUTS_AT; where some are dropped, they are copied there
            from SOURCE. Its segments are FIRST to LAST, its biases begin at BIAS_AT of the parameters, -1 for none.
        rates: float64 (L, 4), dropout, penalties and the largest norm of a column.
        source: int32, the unit each parameter comes from; unused for biases.
        first: int64 (S + 1), the parameters of each segment; the end of a layer's last one is `stop`.
        stop: int64 (L,), where the survivors of each layer end among the parameters.
        unit: int32 (S,), the unit each segment leads to.
        read: int64, the inputs of the network that some survivor reads.
    """

    layers: np.ndarray
    rates: np.ndarray
    source: np.ndarray
    first: np.ndarray
    stop: np.ndarray
    unit: np.ndarray
    read: np.ndarray


@dataclass(frozen=True, eq=False)
class Survivors:
    """The survivors and biases of a stack under a mask: parameters in one array, layer after layer.

    Args:
        stack: the layers.
        mask: of all their matrices.
        structure: where they are.
        size: number of parameters.
        units: units that have a place of their own in the arrays of numbers, inputs included.
        places: where the survivors of each array are.
    """

    stack: DenseStack
    mask: Mask
    structure: Structure
    size: int
    units: int
    places: Places

    def pack(self, arrays: Mapping[str, np.ndarray], dtype: type = np.float32) -> np.ndarray:
        """The parameters among some weights, or among anything of their shapes; zero for what is missing."""
        return pack(arrays, self.places, self.size, dtype)

    def unpack(self, packed: np.ndarray) -> dict[str, np.ndarray]:
        """Name → array of the weights' shape; zero where pruned."""
        return unpack(packed, self.places, self.stack.shapes)


def pack(arrays: Mapping[str, np.ndarray], places: Places, size: int, dtype: type) -> np.ndarray:
    """Survivors of some arrays in the order of kernels; zero for what is missing."""
    packed: np.ndarray = np.zeros(size, dtype)
    for name, (where, flat) in places.items():
        if name in arrays:
            packed[where] = np.asarray(arrays[name]).reshape(-1)[flat]
    return packed


def unpack(packed: np.ndarray, places: Places, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """The arrays that survivors belong to; zero elsewhere."""
    arrays = {}
    for name, (where, flat) in places.items():
        arrays[name] = np.zeros(shapes[name], packed.dtype)
        arrays[name].reshape(-1)[flat] = packed[where]
    return arrays


def survivors(stack: DenseStack, mask: Mask) -> Survivors:
    """Find the survivors of a stack.

    Args:
        stack: the layers.
        mask: of all their matrices, and no others.

    Raises:
        ValueError: if the mask is of other names or shapes.
    """
    shapes = {name: stack.shapes[name] for name in stack.kernels}
    if shapes != {name: array.shape for name, array in mask.items()}:
        raise ValueError(f"{mask!r} is no mask of the matrices {shapes}")
    table, places, parts = [], {}, []
    sources, ends, units = [], [0], stack.layers[0].inputs
    source_at, size, segments = 0, 0, 0
    for number, layer in enumerate(stack.layers):
        flat, first, unit = segments_of(mask[layer.kernel])
        inputs_at = source_at
        if layer.dropout:
            inputs_at, units = units, units + layer.inputs
        outputs_at, units = units, units + layer.outputs
        places[layer.kernel] = (slice(size, size + len(flat)), flat)
        bias_at = size + len(flat) if layer.bias else -1
        if layer.bias:
            places[layer.bias] = (slice(bias_at, bias_at + layer.outputs), np.arange(layer.outputs))
        # One more segment of no unit ends the layer, so that each segment ends where the next begins.
        table.append(_row(layer, source_at, inputs_at, outputs_at, segments, segments + len(unit), bias_at))
        parts.append((first + size, np.append(unit, 0)))
        sources += [flat // layer.outputs, np.zeros(layer.outputs if layer.bias else 0, np.int64)]
        segments += len(unit) + 1
        ends.append(size + len(flat))
        size += len(flat) + (layer.outputs if layer.bias else 0)
        source_at = outputs_at
        if number == 0:
            read = np.unique(flat // layer.outputs)
    structure = Structure(
        layers=np.array(table, np.int64),
        rates=np.array(
            [(layer.dropout, layer.l2, layer.bias_l2, layer.max_norm) for layer in stack.layers], np.float64
        ),
        source=np.concatenate(sources).astype(np.int32),
        first=np.concatenate([first for first, _ in parts]).astype(np.int64),
        stop=np.array(ends[1:], np.int64),
        unit=np.concatenate([unit for _, unit in parts]).astype(np.int32),
        read=read.astype(np.int64),
    )
    return Survivors(stack, mask, structure, size, units, places)


def _row(layer: DenseLayer, source: int, inputs: int, outputs: int, first: int, last: int, bias: int) -> list[int]:
    """A row of the table of layers."""
    activation = ACTIVATIONS.index(layer.activation)
    return [64 * source, 64 * inputs, layer.inputs, 64 * outputs, layer.outputs, first, last, bias, activation]


def segments_of(mask: np.ndarray, nearby: int = NEARBY) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions of a matrix' survivors in the order of kernels, where each segment begins and ends, and its unit."""
    outputs = mask.shape[1]
    flat = np.flatnonzero(mask)  # int64, as places in large matrices need
    inputs, units = np.divmod(flat, outputs)
    together = max(nearby, WORTHWHILE * mask.size // max(len(flat), 1))
    segment = (inputs // together) * outputs + units
    order = np.argsort(segment, kind="stable")
    flat, segment = flat[order], segment[order]
    begins = np.flatnonzero(np.diff(segment, prepend=-1))
    return flat, np.append(begins, len(flat)), segment[begins] % outputs
