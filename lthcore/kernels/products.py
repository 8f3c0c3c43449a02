"""Products of a sparse matrix with a minibatch, forwards and backwards: what each survivor costs.

Numbers of 64 examples lie side by side: those of unit u at ``a[64 u]`` to ``a[64 u + 63]``. The survivors of a layer
are grouped by the unit that they lead to, so that the four times sixteen sums of a unit stay in registers, and the
groups once more by where they come from, so that the numbers they read stay in the fastest memory. A group is a
`segment`: survivors ``first[s]`` to ``first[s + 1]`` lead to unit ``unit[s]``; survivor p comes from ``source[p]``.
Their numbers are unsigned where arrays are read with them: a signed one might count from the end, which costs a look.
"""

from __future__ import annotations

import numpy as np

from lthcore.kernels.compiled import kernel
from lthcore.kernels.lanes import add, load, multiply, multiply_add, spread, store, total


@kernel
def forward(theta, source, first, unit, start, stop, a, inputs, outputs):
    """Add what the survivors of segments `start` to `stop` carry from the units at `inputs` to those at `outputs`."""
    for s in range(start, stop):
        o = outputs + 64 * np.int64(unit[s])
        sum0, sum1, sum2, sum3 = load(a, o), load(a, o + 16), load(a, o + 32), load(a, o + 48)
        for number in range(first[s], first[s + 1]):
            p = np.uint64(number)
            c = inputs + 64 * np.int64(source[p])
            w = spread(theta[p])
            sum0 = multiply_add(w, load(a, c), sum0)
            sum1 = multiply_add(w, load(a, c + 16), sum1)
            sum2 = multiply_add(w, load(a, c + 32), sum2)
            sum3 = multiply_add(w, load(a, c + 48), sum3)
        store(a, o, sum0)
        store(a, o + 16, sum1)
        store(a, o + 32, sum2)
        store(a, o + 48, sum3)


@kernel
def backward(theta, gradient, source, first, unit, start, stop, a, d, inputs, outputs, further):
    """Add the derivatives by the survivors to `gradient` and, where it goes further back, those by the inputs to `d`.

    Derivatives by the outputs are read from `d`, each survivor's inputs once for both.
    """
    for s in range(start, stop):
        o = outputs + 64 * np.int64(unit[s])
        d0, d1, d2, d3 = load(d, o), load(d, o + 16), load(d, o + 32), load(d, o + 48)
        if further:
            for number in range(first[s], first[s + 1]):
                p = np.uint64(number)
                c = inputs + 64 * np.int64(source[p])
                w = spread(theta[p])
                product = multiply(d0, load(a, c))
                product = multiply_add(d1, load(a, c + 16), product)
                product = multiply_add(d2, load(a, c + 32), product)
                product = multiply_add(d3, load(a, c + 48), product)
                gradient[p] += total(product)
                store(d, c, multiply_add(w, d0, load(d, c)))
                store(d, c + 16, multiply_add(w, d1, load(d, c + 16)))
                store(d, c + 32, multiply_add(w, d2, load(d, c + 32)))
                store(d, c + 48, multiply_add(w, d3, load(d, c + 48)))
        else:
            for number in range(first[s], first[s + 1]):
                p = np.uint64(number)
                c = inputs + 64 * np.int64(source[p])
                product = multiply(d0, load(a, c))
                product = multiply_add(d1, load(a, c + 16), product)
                product = multiply_add(d2, load(a, c + 32), product)
                product = multiply_add(d3, load(a, c + 48), product)
                gradient[p] += total(product)


@kernel
def spread_biases(theta, place, count, a, outputs):
    """Begin the sums of `count` units with their biases; with zero where there are none, for place -1."""
    for u in range(count):
        bias = theta[place + u] if place >= 0 else theta.dtype.type(0)
        lanes = spread(bias)
        for o in range(outputs + 64 * u, outputs + 64 * (u + 1), 16):
            store(a, o, lanes)


@kernel
def sum_biases(gradient, place, count, d, outputs):
    """Add the derivatives by the biases of `count` units to `gradient`."""
    for u in range(count):
        o = outputs + 64 * u
        both = add(load(d, o), load(d, o + 16))
        gradient[place + u] += total(add(both, add(load(d, o + 32), load(d, o + 48))))
