"""Functions of lanes: the exponential, and the activations with their derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from lthcore.kernels.codes import RELU, SIGMOID, TANH
from lthcore.kernels.compiled import kernel
from lthcore.kernels.lanes import (
    Lanes,
    add,
    divide,
    larger,
    load,
    multiply,
    multiply_add,
    positive,
    rectified,
    smaller,
    spread,
    store,
    subtract,
    times_power_of_two,
)


def exp(x: Any) -> Any:
    """eˣ of lanes, as a kernel sees it: to the last bit or two, and NaN of NaN."""
    raise NotImplementedError("for kernels only")


@overload(exp, inline="never")
def _exp(x):
    """eˣ = 2ⁿ eʳ with whole n and |r| ≤ log(2)/2, eʳ by its Taylor series."""
    if not isinstance(x, Lanes):
        return None
    kind: Any = np.float32 if x.element == types.float32 else np.float64
    lowest, highest = (kind(-87.0), kind(88.0)) if kind is np.float32 else (kind(-708.0), kind(709.0))
    # Added and taken away again, it rounds to whole numbers.
    rounding = kind(1.5 * 2**23 if kind is np.float32 else 1.5 * 2**52)
    per_two = kind(1 / np.log(2))
    # log(2) in two parts, the first with zeros at its end, so that its product with n is exact.
    first = kind(0.693359375) if kind is np.float32 else kind(6.93147180369123816490e-01)
    second = kind(np.log(2) - np.float64(first)) if kind is np.float32 else kind(1.90821492927058770002e-10)
    terms = 8 if kind is np.float32 else 14
    coefficients = tuple(kind(1 / np.prod(np.arange(1.0, k + 1))) for k in reversed(range(terms)))

    def compute(x):
        bounded = smaller(larger(x, spread(lowest)), spread(highest))
        n = subtract(multiply_add(bounded, spread(per_two), spread(rounding)), spread(rounding))
        r = multiply_add(n, spread(-first), bounded)
        r = multiply_add(n, spread(-second), r)
        series = spread(coefficients[0])
        for coefficient in coefficients[1:]:
            series = multiply_add(series, r, spread(coefficient))
        return times_power_of_two(series, n)

    return compute


def one(x: Any) -> Any:
    """One in the precision of an array, or of lanes, as a kernel sees it."""
    raise NotImplementedError("for kernels only")


@overload(one)
def _one(x):
    element = x.element if isinstance(x, Lanes) else x.dtype
    value: Any = np.float32(1) if element == types.float32 else np.float64(1)
    return lambda x: value


@kernel
def activate(a, start, stop, activation):
    """Apply an activation to numbers of an array, from a place to another, multiples of sixteen apart."""
    unit = spread(one(a))
    two = add(unit, unit)
    nothing = subtract(unit, unit)
    if activation == RELU:
        for place in range(start, stop, 16):
            store(a, place, rectified(load(a, place)))
    elif activation == TANH:
        for place in range(start, stop, 16):
            raised = exp(multiply(two, load(a, place)))
            store(a, place, subtract(unit, divide(two, add(raised, unit))))
    elif activation == SIGMOID:
        for place in range(start, stop, 16):
            raised = exp(subtract(nothing, load(a, place)))
            store(a, place, divide(unit, add(unit, raised)))


@kernel
def derive(a, d, start, stop, activation):
    """Turn derivatives by what an activation gave, `a`, into derivatives by what it was given, in place."""
    unit = spread(one(a))
    if activation == RELU:
        for place in range(start, stop, 16):
            store(d, place, multiply(load(d, place), positive(load(a, place))))
    elif activation == TANH:
        for place in range(start, stop, 16):
            given = load(a, place)
            slope = subtract(unit, multiply(given, given))
            store(d, place, multiply(load(d, place), slope))
    elif activation == SIGMOID:
        for place in range(start, stop, 16):
            given = load(a, place)
            slope = multiply(given, subtract(unit, given))
            store(d, place, multiply(load(d, place), slope))
