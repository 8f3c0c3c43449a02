"""Examples as the kernels read them: rows of bytes where that loses nothing, and blocks of 64 for scoring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

# Divisors tried for inputs that are bytes divided by a number: of images, and of what scikit-learn offers.
_DIVISORS = (1.0, 255.0, 256.0, 16.0)
_MULTIPLE = 16  # numbers that are read at once
_LINE = 64  # bytes
_AT_ONCE = 1_000  # examples that are looked at together, so that no second copy of the data is in memory


def room(count: int, dtype: DTypeLike) -> np.ndarray:
    """A flat array of zeros that begins where a line of the processor's memory does, so that no vector lies on two."""
    size = np.dtype(dtype).itemsize
    raw = np.zeros(count * size + _LINE, np.uint8)
    start = -raw.ctypes.data % _LINE
    return raw[start : start + count * size].view(dtype)


@dataclass(frozen=True, eq=False)
class Rows:
    """Examples as rows.

    Args:
        numbers: uint8 or float32, flat; each row is padded to `width`, a multiple of sixteen.
        width: numbers in a row.
        divisor: what bytes are divided by, in float32, to give the inputs.
        count: number of examples.
    """

    numbers: np.ndarray
    width: int
    divisor: np.float32
    count: int


@dataclass(frozen=True, eq=False)
class Blocks:
    """The same in blocks of 64 examples, the numbers of one input side by side; the last block is filled up.

    Args:
        numbers: as in `Rows`, flat: block, input, example.
        width, divisor, count: as in `Rows`.
    """

    numbers: np.ndarray
    width: int
    divisor: np.float32
    count: int


def rows(x: np.ndarray, divisor: float | None = None) -> Rows:
    """Lay examples out as rows.

    Args:
        x: float32 (N, …).
        divisor: the one to use, where another part of the data has been laid out already; 0 for floats.

    Example:
        >>> rows(np.float32([[0, 1], [0.2, 0.4]])).numbers.dtype, rows(np.float32([[0.1234]])).numbers.dtype
        (dtype('uint8'), dtype('float32'))
    """
    flat = np.ascontiguousarray(x, np.float32).reshape(len(x), -1)
    divisor = common_divisor(flat) if divisor is None else divisor
    width = -(-flat.shape[1] // _MULTIPLE) * _MULTIPLE
    padded = room(len(x) * width, np.uint8 if divisor else np.float32).reshape(len(x), width)
    for begin in range(0, len(x), _AT_ONCE):
        part = flat[begin : begin + _AT_ONCE]
        padded[begin : begin + len(part), : flat.shape[1]] = np.rint(part * np.float32(divisor)) if divisor else part
    return Rows(padded.reshape(-1), width, np.float32(divisor or 1), len(x))


def common_divisor(*parts: np.ndarray) -> float:
    """What bytes must be divided by, in float32, to give exactly these numbers; 0 if nothing known does.

    Example:
        >>> common_divisor(np.float32([0, 0.5, 1]), np.float32([0.25]))
        16.0
    """
    return next((divisor for divisor in _DIVISORS if all(_is_bytes(part, divisor) for part in parts)), 0.0)


def _is_bytes(x: np.ndarray, divisor: float) -> bool:
    """Whether numbers are bytes divided by a number, to the last bit; minus zero is taken for zero."""
    for begin in range(0, len(x), _AT_ONCE):
        part = x[begin : begin + _AT_ONCE]
        with np.errstate(invalid="ignore", over="ignore"):
            whole = np.rint(part * np.float32(divisor))
            exact = whole / np.float32(divisor) == part
        if not (exact.all() and (whole >= 0).all() and (whole <= 255).all()):
            return False
    return True


def blocks(x: np.ndarray, divisor: float | None = None) -> Blocks:
    """Lay examples out in blocks; see `rows`."""
    given = rows(x, divisor)
    whole = -(-given.count // 64)
    filled = np.zeros((whole * 64, given.width), given.numbers.dtype)
    filled[: given.count] = given.numbers.reshape(given.count, given.width)
    numbers = np.ascontiguousarray(filled.reshape(whole, 64, given.width).transpose(0, 2, 1)).reshape(-1)
    return Blocks(numbers, given.width, given.divisor, given.count)
