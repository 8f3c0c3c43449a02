"""`Weights` and `Mask`: points of weight space and subnetworks, as immutable mappings of NumPy arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping

import numpy as np


class _Arrays(Mapping[str, np.ndarray]):
    """Ordered, immutable mapping from variable name to a read-only array of one dtype."""

    dtype: np.dtype

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._arrays = {name: _frozen(array, self.dtype) for name, array in arrays.items()}

    def __getitem__(self, name: str) -> np.ndarray:
        try:
            return self._arrays[name]
        except KeyError:
            raise KeyError(f"no array named {name!r}; there are {', '.join(self._arrays)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        return list(self) == list(other) and all(np.array_equal(self[name], other[name]) for name in self)

    __hash__ = None  # compared by value, so not usable as a key

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {'×'.join(map(str, array.shape))}" for name, array in self.items())
        return f"{type(self).__name__}({shapes})"

    def digest(self) -> str:
        """SHA-256 over names, shapes and bytes: equal exactly if two values are bit-identical."""
        sha = hashlib.sha256()
        for name, array in self.items():
            sha.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
            sha.update(array.tobytes())
        return sha.hexdigest()


class Weights(_Arrays):
    """One point θ in weight space: name → float32 array.

    Holds every floating variable of a model: kernels, biases and, where a model has them, the running
    statistics of BatchNorm. Values are copied on the way in and read-only from then on.

    Example:
        >>> theta = Weights({"output/kernel": np.ones((2, 3))})
        >>> theta["output/kernel"][0, 0] = 5.0
        Traceback (most recent call last):
        ...
        ValueError: assignment destination is read-only
    """

    dtype = np.dtype(np.float32)

    def finite(self) -> bool:
        """Whether no value is NaN or infinite."""
        return all(bool(np.isfinite(array).all()) for array in self.values())


class Mask(_Arrays):
    """Which weights a subnetwork keeps: name → bool array, True = kept; prunable names only.

    Example:
        >>> mask = Mask({"output/kernel": [[True, False], [False, False]]})
        >>> mask.density
        0.25
    """

    dtype = np.dtype(np.bool_)

    @classmethod
    def dense(cls, weights: Weights, prunable: tuple[str, ...]) -> Mask:
        """The mask that keeps every weight of the prunable names."""
        return cls({name: np.ones(weights[name].shape, np.bool_) for name in prunable})

    @property
    def prunable(self) -> int:
        """Number of weights the mask speaks of."""
        return sum(array.size for array in self.values())

    @property
    def kept(self) -> int:
        """Number of weights kept."""
        return sum(int(array.sum()) for array in self.values())

    @property
    def density(self) -> float:
        """Kept / prunable, the P_m of {cite}`FC18`."""
        return self.kept / self.prunable

    @property
    def densities(self) -> dict[str, float]:
        """Density of each layer, by name."""
        return {name: float(array.mean()) for name, array in self.items()}

    def apply(self, weights: Weights) -> Weights:
        """The weights with every pruned one set to zero; names outside the mask stay as they are.

        It multiplies, as the compiled loop does: a pruned NaN stays visible instead of vanishing.
        """
        _same_shapes(self, weights)
        masked = {name: weights[name] * array for name, array in self.items()}
        return Weights({**weights, **masked})

    def shuffled(self, rng: np.random.Generator) -> Mask:
        """The mask with its kept positions redistributed at random inside each layer.

        The layer densities stay exact: only *where* the survivors sit is forgotten.
        """
        return Mask({name: rng.permutation(array.reshape(-1)).reshape(array.shape) for name, array in self.items()})

    def within(self, other: Mask) -> bool:
        """Whether everything this mask keeps, `other` keeps too (masks of later rounds are nested)."""
        _same_shapes(self, other)
        return all(not np.any(array & ~other[name]) for name, array in self.items())

    def distance(self, other: Mask) -> float:
        """Normalised Hamming distance: the share of prunable positions where the masks disagree, in [0, 1]."""
        return self._count(other, np.logical_xor) / self.prunable

    def overlap(self, other: Mask) -> float:
        """Jaccard index: kept by both / kept by either, in [0, 1]; two empty masks overlap fully.

        Unlike the distance it stays telling at low density, where even disjoint masks disagree rarely.
        """
        union = self._count(other, np.logical_or)
        return self._count(other, np.logical_and) / union if union else 1.0

    def _count(self, other: Mask, combine: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> int:
        _same_shapes(self, other)
        return sum(int(combine(array, other[name]).sum()) for name, array in self.items())


def _frozen(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    copy = np.array(array, dtype=dtype, order="C", copy=True)
    copy.flags.writeable = False
    return copy


def _same_shapes(mask: Mask, other: Mapping[str, np.ndarray]) -> None:
    for name, array in mask.items():
        if name not in other:
            raise ValueError(f"the mask names {name!r}, which is not among {', '.join(other)}")
        if array.shape != other[name].shape:
            raise ValueError(f"{name!r} has shape {array.shape} in the mask but {other[name].shape} in the other value")
