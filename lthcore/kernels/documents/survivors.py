"""`Survivors`: what is left of a document network's filters and matrices, in the order in which kernels read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lthcore.kernels.documents.network import DocumentNetwork
from lthcore.kernels.stacks import survivors as stacks
from lthcore.pruning.mask import Mask

TOGETHER = 16  # filters whose responses lie side by side


class Structure(NamedTuple):
    """Where the survivors of a document network are, as kernels read it.

    Sixteen filters are a *group*. A group has sixteen products with a word for each offset at which the word may stand
    in a window.

    Args:
        windows: int64 (K, 5), its columns named in `lthcore.kernels.codes`: words in a window, filters, where their
            responses begin among the units of the dense layers, their first group, where their biases begin.
        groups: int64 (M, 2), the segments of each sixteen filters.
        source: int32, the number of a vector, or the unit, that each parameter multiplies; unused for biases.
        first: int64 (S + 1), the parameters of each segment.
        product: int32 (S,), what each segment is part of: sixteen times the offset of the word, plus the filter.
        stack: the same of the dense layers.
    """

    windows: np.ndarray
    groups: np.ndarray
    source: np.ndarray
    first: np.ndarray
    product: np.ndarray
    stack: stacks.Structure


@dataclass(frozen=True, eq=False)
class Survivors:
    """The survivors and biases of a document network under a mask: one array, first those of the dense layers.

    Args:
        network: its description.
        mask: of all filters and matrices.
        structure: where they are.
        size: number of parameters.
        units: units of the dense layers that have a place of their own.
        places: where the survivors of each array are.
    """

    network: DocumentNetwork
    mask: Mask
    structure: Structure
    size: int
    units: int
    places: stacks.Places

    def pack(self, arrays: Mapping[str, np.ndarray], dtype: type = np.float32) -> np.ndarray:
        """The parameters among some weights, or among anything of their shapes; zero for what is missing."""
        return stacks.pack(arrays, self.places, self.size, dtype)

    def unpack(self, packed: np.ndarray) -> dict[str, np.ndarray]:
        """Name → array of the weights' shape; zero where pruned."""
        return stacks.unpack(packed, self.places, self.network.shapes)


def survivors(network: DocumentNetwork, mask: Mask) -> Survivors:
    """Find the survivors of a document network.

    Args:
        network: its description.
        mask: of all its filters and matrices, and no others.

    Raises:
        ValueError: if the mask is of other names or shapes.
    """
    shapes = {name: network.shapes[name] for name in network.kernels}
    if shapes != {name: array.shape for name, array in mask.items()}:
        raise ValueError(f"{mask!r} is no mask of the filters and matrices {shapes}")
    dense = stacks.survivors(network.stack, Mask({name: mask[name] for name in network.stack.kernels}))
    places = dict(dense.places)
    windows: list[tuple[int, ...]] = []
    groups: list[tuple[int, int]] = []
    sources, firsts, products = [dense.structure.source], [], []
    size, segments, features = dense.size, 0, 0
    for layer in network.windows:
        begin, flats, first_group = size, [], len(groups)
        for first_filter in range(0, layer.filters, TOGETHER):
            kept = mask[layer.kernel][:, :, first_filter : first_filter + TOGETHER].transpose(1, 0, 2)
            # Shorter segments would read nearer memory, and cost more to begin than that saves.
            flat, first, product = stacks.segments_of(kept.reshape(network.dimension, -1), network.dimension)
            number, offset, filter = np.unravel_index(flat, kept.shape)
            flats.append((offset * network.dimension + number) * layer.filters + first_filter + filter)
            sources.append(number)
            firsts.append(first[:-1] + size)
            products.append(product // kept.shape[2] * TOGETHER + product % kept.shape[2])
            groups.append((segments, segments + len(product)))
            segments, size = segments + len(product), size + len(flat)
        # One more segment of no filter ends the layer, so that each segment ends where the next begins.
        firsts.append(np.array([size]))
        products.append(np.array([0]))
        windows.append((layer.width, layer.filters, 64 * features, first_group, size))
        places[layer.kernel] = (slice(begin, size), np.concatenate(flats))
        places[layer.bias] = (slice(size, size + layer.filters), np.arange(layer.filters))
        sources.append(np.zeros(layer.filters, np.int64))
        segments, size, features = segments + 1, size + layer.filters, features + layer.filters
    structure = Structure(
        windows=np.array(windows, np.int64),
        groups=np.array(groups, np.int64),
        source=np.concatenate(sources).astype(np.int32),
        first=np.concatenate(firsts).astype(np.int64),
        product=np.concatenate(products).astype(np.int32),
        stack=dense.structure,
    )
    return Survivors(network, mask, structure, size, dense.units, places)
