"""`Mask`: a subnetwork, as an immutable mapping of NumPy arrays."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path

import numpy as np

from lthcore.files import array_files
from lthcore.pruning.weights import NamedArrays, Weights

# What a file of a mask calls itself; another layout will have another number.
FORMAT = "lthcore mask 1"


class Mask(NamedArrays):
    """Which weights a subnetwork keeps: name → bool array, True = kept; prunable names only.

    Instead of bools the numbers 0 and 1 will do; anything else is refused, because a score is no mask.

    Raises:
        ValueError: naming the array whose values are neither bool nor 0 and 1.

    Example:
        >>> mask = Mask({"output/kernel": [[True, False], [False, False]]})
        >>> mask
        Mask(density 0.25; output/kernel 2×2)
    """

    dtype = np.dtype(np.bool_)

    def __repr__(self) -> str:
        return f"Mask(density {self.density:.4g}; {self._shapes()})" if self.prunable else "Mask()"

    @classmethod
    def _array(cls, name: str, values: object) -> np.ndarray:
        given = np.asarray(values)
        numeric = given.dtype.kind in "iuf"
        if given.dtype != np.bool_ and not (numeric and np.isin(given, (0, 1)).all()):
            wrong = given[~np.isin(given, (0, 1))] if numeric else [given.dtype]
            raise ValueError(
                f"{name!r} must hold True and False, or 1 and 0, to say what is kept; it holds {wrong[0]}. Scores "
                f"become a mask by lthcore.prune, or by a comparison: scores > threshold"
            )
        return given

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

    def save(self, path: Path | str) -> None:
        """Write the mask to a file, one bit a weight and a checksum, all of it or nothing.

        Args:
            path: where to; missing folders are made, an older file is replaced. ``.npz`` is what it is.

        Raises:
            OSError: if the disk refuses; nothing is left behind.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     Mask({"w": [True, False]}).save(f"{folder}/mask.npz")
            ...     Mask.load(f"{folder}/mask.npz")
            Mask(density 0.5; w 2)
        """
        about = {"format": FORMAT, "shapes": {name: array.shape for name, array in self.items()}}
        bits = np.concatenate([array.reshape(-1) for array in self.values()] or [np.zeros(0, np.bool_)])
        arrays = {"about": np.frombuffer(json.dumps(about).encode(), np.uint8), "bits": np.packbits(bits)}
        array_files.write(Path(path), arrays)

    @classmethod
    def load(cls, path: Path | str) -> Mask:
        """Read what `save` wrote.

        Raises:
            OSError: if there is no such file, or it cannot be read.
            ValueError: if the file is damaged or no mask; the message names it.
        """
        try:
            arrays = array_files.read(Path(path))
            with array_files.decoding():
                about = json.loads(arrays["about"].tobytes())
                if about["format"] != FORMAT:
                    raise ValueError(f"its format is {about['format']!r}, not {FORMAT!r}")
                return cls(_unpacked(arrays["bits"], about["shapes"]))
        except array_files.DamagedFileError as error:
            raise ValueError(f"{path} cannot be read as a mask: {error}. Only what Mask.save wrote can be") from error

    def _count(self, other: Mask, combine: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> int:
        _same_shapes(self, other)
        return sum(int(combine(array, other[name]).sum()) for name, array in self.items())


def _unpacked(bits: np.ndarray, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """The arrays of a mask whose bits lie one array after the other."""
    ends = np.cumsum([prod(shape) for shape in shapes.values()], dtype=np.int64)
    count = int(ends[-1]) if len(ends) else 0
    if len(bits) != -(-count // 8):  # NumPy would make up those that are missing
        raise ValueError(f"it holds {len(bits)} bytes of bits, where its shapes ask for {-(-count // 8)}")
    parts = np.split(np.unpackbits(bits, count=count).view(np.bool_), ends[:-1])
    return {name: part.reshape(shapes[name]) for name, part in zip(shapes, parts, strict=False)}


def _same_shapes(mask: Mask, other: Mapping[str, np.ndarray]) -> None:
    for name, array in mask.items():
        if name not in other:
            raise ValueError(f"the mask names {name!r}, which is not among {', '.join(other)}")
        if array.shape != other[name].shape:
            raise ValueError(f"{name!r} has shape {array.shape} in the mask but {other[name].shape} in the other value")
