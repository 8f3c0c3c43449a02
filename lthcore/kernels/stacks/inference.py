"""What a stack gives for examples: 64 of them at a time, and sixteen for the few that are left."""

from __future__ import annotations

import numpy as np

from lthcore.kernels.codes import ACTIVATION, BIAS_AT, FIRST, INPUTS, INPUTS_AT, LAST, OUTPUTS, OUTPUTS_AT, SIGMOID
from lthcore.kernels.compiled import kernel
from lthcore.kernels.functions import activate, exp
from lthcore.kernels.lanes import add, divide, larger, load, multiply_add, spread, store, subtract
from lthcore.kernels.stacks.program import gather, run_forward

# What a network ends in; their order is that of `lthcore.kernels.stacks.layers.HEADS`.
SOFTMAX_HEAD, SIGMOID_HEAD = 1, 2
FEW = 16


@kernel
def predict(structure, x, theta, head, a, out):
    """What a network gives for rows of inputs, written to `out`.

    The same example gives the same numbers, to the last bit, whichever others stand beside it.

    Args:
        structure: where the survivors are; no layer drops any of its inputs.
        x: flat, the rows one after the other.
        theta: the parameters.
        head: what the network ends in, as a number.
        a: room for 64 numbers of each unit, and of sixteen more units.
        out: (N, C).
    """
    width, count = structure.layers[0, INPUTS], out.shape[0]
    examples, noise = np.arange(64), np.zeros((2, 64), np.uint32)
    begin = np.int64(0)  # a plain 0 would be a type of its own to the compiler
    while begin < count:
        used, numbers = min(64, count - begin), x[begin * width :]
        if used <= FEW:
            gather_few(numbers, width, used, a)
            run_few(structure, theta, a)
            finish(structure, head, a, FEW, out, begin, used)
        else:
            if (begin + 64) * width + 16 > x.size:  # rows are read by sixteen numbers: the array might end before
                numbers = np.zeros(used * width + 16, x.dtype)
                for place in range(used * width):  # assigning a slice takes seconds to compile
                    numbers[place] = x[begin * width + place]
            gather(numbers, width, examples, used, a)
            run_forward(structure, theta, a, a, noise, False)
            finish(structure, head, a, 64, out, begin, used)
        begin += used


@kernel
def gather_few(x, width, used, a):
    """Lay up to sixteen rows out so that the numbers of one column lie side by side; missing ones are zero."""
    a[: FEW * width] = 0
    for b in range(used):
        for u in range(width):
            a[FEW * u + b] = x[b * width + u]


@kernel
def run_few(structure, theta, a):
    """From the inputs to the logits, with sixteen numbers for each unit; in the same order as for 64."""
    for number in range(structure.layers.shape[0]):
        layer = structure.layers[number]
        inputs, outputs, count = layer[INPUTS_AT] // 64 * FEW, layer[OUTPUTS_AT] // 64 * FEW, layer[OUTPUTS]
        for u in range(count):
            bias = theta[layer[BIAS_AT] + u] if layer[BIAS_AT] >= 0 else theta.dtype.type(0)
            store(a, outputs + FEW * u, spread(bias))
        for s in range(layer[FIRST], layer[LAST]):
            o = outputs + FEW * np.int64(structure.unit[s])
            total = load(a, o)
            for survivor in range(structure.first[s], structure.first[s + 1]):
                p = np.uint64(survivor)
                total = multiply_add(spread(theta[p]), load(a, inputs + FEW * np.int64(structure.source[p])), total)
            store(a, o, total)
        activate(a, outputs, outputs + FEW * count, layer[ACTIVATION])


@kernel
def finish(structure, head, a, stride, out, begin, used):
    """Turn logits into what the network gives, and write it to rows of `out`.

    Pruned weights carry nothing, unless an input is NaN or infinite: zero times that is NaN, in the model too.
    """
    layer = structure.layers[-1]
    width, outputs, count = structure.layers[0, INPUTS], layer[OUTPUTS_AT] // 64 * stride, layer[OUTPUTS]
    for v in range(0, stride, 16):
        zero = spread(a.dtype.type(0))
        carried = zero
        for u in range(width):
            carried = multiply_add(zero, load(a, stride * u + v), carried)
        for o in range(outputs + v, outputs + v + stride * count, stride):
            store(a, o, add(load(a, o), carried))
        if head == SOFTMAX_HEAD:
            softmax(a, outputs + v, count, stride)
    if head == SIGMOID_HEAD:
        activate(a, outputs, outputs + stride * count, SIGMOID)
    for k in range(count):
        for b in range(used):
            out[begin + b, k] = a[outputs + stride * k + b]


@kernel
def softmax(a, first, count, stride):
    """The softmax of sixteen examples, in place; their logits are `stride` numbers apart."""
    largest = load(a, first)
    for k in range(1, count):
        largest = larger(largest, load(a, first + stride * k))
    summed = subtract(largest, largest)
    for k in range(count):
        raised = exp(subtract(load(a, first + stride * k), largest))
        store(a, first + stride * k, raised)
        summed = add(summed, raised)
    for k in range(count):
        store(a, first + stride * k, divide(load(a, first + stride * k), summed))
