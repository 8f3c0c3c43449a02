"""What a network ends in: the loss of a block of 64 examples, and its derivatives by the logits.

Logits of class k stand at ``a[outputs + 64 k]`` and after; only the first `used` of 64 examples count. Where a network
ends in a softmax or in sigmoids, the loss is taken from what these are given, as Keras does in a compiled training.
"""

from __future__ import annotations

import numpy as np

from lthcore.kernels.compiled import kernel
from lthcore.kernels.functions import exp, one
from lthcore.kernels.lanes import add, divide, larger, load, multiply, spread, store, subtract


@kernel
def classes(a, d, outputs, count, y, examples, used, share, work):
    """The summed cross-entropy of one class per example; `d` becomes the derivatives of the mean.

    Args:
        a, d: numbers of the units, and derivatives by them.
        outputs, count: where the logits begin, and how many there are.
        y: class of each example of the data.
        examples, used: which examples these are; how many of them count.
        share: what one example counts in the mean.
        work: room for three times 64 numbers.
    """
    weight = a.dtype.type(share)
    for b in range(64):
        work[b] = weight if b < used else a.dtype.type(0)
    for v in range(0, 64, 16):
        largest = load(a, outputs + v)
        for k in range(1, count):
            largest = larger(largest, load(a, outputs + 64 * k + v))
        summed = subtract(largest, largest)
        for k in range(count):
            raised = exp(subtract(load(a, outputs + 64 * k + v), largest))
            store(d, outputs + 64 * k + v, raised)
            summed = add(summed, raised)
        store(work, 64 + v, largest)
        store(work, 128 + v, summed)
        factor = divide(load(work, v), summed)
        for k in range(count):
            store(d, outputs + 64 * k + v, multiply(load(d, outputs + 64 * k + v), factor))
    loss = 0.0
    for b in range(used):
        place = outputs + 64 * y[examples[b]] + b
        loss += np.log(np.float64(work[128 + b])) + np.float64(work[64 + b]) - np.float64(a[place])
        d[place] -= weight
    return loss


@kernel
def labels(a, d, outputs, count, y, examples, used, share):
    """The summed cross-entropy of label sets, each label's probability by itself; see `classes`.

    Args:
        y: 0 or 1 for each label of each example, one example after the other.
        share: what one label of one example counts in the mean.
    """
    weight = a.dtype.type(share)
    unit = spread(one(a))
    nothing = subtract(unit, unit)
    loss = 0.0
    for k in range(count):
        for v in range(0, 64, 16):
            place = outputs + 64 * k + v
            store(d, place, divide(unit, add(unit, exp(subtract(nothing, load(a, place))))))
        for b in range(64):
            place = outputs + 64 * k + b
            if b >= used:
                d[place] = a.dtype.type(0)
                continue
            z, true = np.float64(a[place]), y[np.int64(examples[b]) * count + k]
            loss += np.log1p(np.exp(-abs(z))) - z * true + (0.0 if z < 0 else z)
            d[place] = (d[place] - a.dtype.type(true)) * weight
    return loss


@kernel
def right(a, outputs, count, y, begin, used):
    """How many of the examples from number `begin` on have their largest logit, the first of them, at their class."""
    hits = 0
    for b in range(used):
        best = 0
        for k in range(1, count):
            if a[outputs + 64 * k + b] > a[outputs + 64 * best + b]:
                best = k
        hits += best == y[begin + b]
    return hits
