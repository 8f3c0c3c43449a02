"""`Weights`: a point of weight space, as an immutable mapping of NumPy arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike


class NamedArrays(Mapping[str, np.ndarray]):
    """Ordered, immutable mapping from variable name to a read-only array of one dtype."""

    dtype: np.dtype

    def __init__(self, arrays: Mapping[str, ArrayLike]) -> None:
        self._arrays = {name: _frozen(self._array(name, array), self.dtype) for name, array in arrays.items()}

    @classmethod
    def _array(cls, name: str, values: object) -> object:
        """The values of one name, where a kind refuses some."""
        return values

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

    __hash__ = None  # type: ignore[assignment]  # compared by value, so not usable as a key

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._shapes()})"

    def _shapes(self) -> str:
        return ", ".join(f"{name} {'×'.join(map(str, array.shape))}" for name, array in self.items())

    def digest(self) -> str:
        """SHA-256 over names, shapes and bytes: equal exactly if two values are bit-identical."""
        sha = hashlib.sha256()
        for name, array in self.items():
            sha.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
            sha.update(array.tobytes())
        return sha.hexdigest()


class Weights(NamedArrays):
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


def _frozen(array: object, dtype: np.dtype) -> np.ndarray:
    copy = np.array(array, dtype=dtype, order="C", copy=True)
    copy.flags.writeable = False
    return copy
