"""`Mask`: a subnetwork, as an immutable mapping of NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from lthcore.pruning.weights import NamedArrays, Weights


class Mask(NamedArrays):
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


def _same_shapes(mask: Mask, other: Mapping[str, np.ndarray]) -> None:
    for name, array in mask.items():
        if name not in other:
            raise ValueError(f"the mask names {name!r}, which is not among {', '.join(other)}")
        if array.shape != other[name].shape:
            raise ValueError(f"{name!r} has shape {array.shape} in the mask but {other[name].shape} in the other value")
