"""The program of a stack: many training steps in one call, and scores of many examples in one call."""

from __future__ import annotations

import numpy as np

from lthcore.kernels import heads, subnormals, updates
from lthcore.kernels.codes import (
    ACTIVATION,
    BIAS_AT,
    BIAS_L2,
    DROPOUT,
    FIRST,
    INPUTS,
    INPUTS_AT,
    L2,
    LAST,
    MAX_NORM,
    OUTPUTS,
    OUTPUTS_AT,
    SOURCE,
)
from lthcore.kernels.compiled import kernel
from lthcore.kernels.functions import activate, derive
from lthcore.kernels.lanes import load, multiply, prefetch, store, transpose, values
from lthcore.kernels.products import backward, forward, spread_biases, sum_biases

# What Keras adds to a norm, so that it never divides by zero.
_SMALL = 1e-7


@kernel
def gather(numbers, width, examples, used, columns):
    """Lay 64 rows out so that the numbers of one column lie side by side; the last row fills up what is missing."""
    starts = np.empty(16, np.int64)
    for begin in range(0, 64, 16):
        for b in range(16):
            starts[b] = np.int64(examples[min(begin + b, used - 1)]) * width
        for column in range(0, width, 16):
            transpose(numbers, starts, column, columns, 64 * column + begin)


@kernel
def ask_for(numbers, width, examples):
    """Ask for rows that will be read next."""
    line = 64 // numbers.itemsize
    for b in range(examples.size):
        begin = np.int64(examples[b]) * width
        for place in range(begin, begin + width, line):
            prefetch(numbers, place)


@kernel
def take(columns, begin, divisor, read, a):
    """Turn the columns that some survivor reads into inputs."""
    for j in range(read.size):
        for v in range(64 * read[j], 64 * (read[j] + 1), 16):
            store(a, v, values(columns, begin + v, divisor, a))


@kernel
def drop(layer, rate, a, kept, noise):
    """Copy the inputs of a layer, without those that are dropped and with the others as much larger.

    The random numbers are those of xoroshiro64*, one stream for each of 64 examples.
    """
    least = np.uint32(min(rate * 2.0**32, 2.0**32 - 1))
    larger = a.dtype.type(1 / (1 - rate)) if rate < 1 else a.dtype.type(0)
    nothing = a.dtype.type(0)
    for u in range(layer[INPUTS]):
        place = layer[INPUTS_AT] + 64 * u
        for b in range(64):
            s0, s1 = noise[0, b], noise[1, b]
            number = np.uint32(s0 * np.uint32(0x9E3779BB))
            s1 = np.uint32(s1 ^ s0)
            turned = np.uint32((s0 << np.uint32(26)) | (s0 >> np.uint32(6)))
            noise[0, b] = np.uint32(turned ^ s1 ^ np.uint32(s1 << np.uint32(9)))
            noise[1, b] = np.uint32((s1 << np.uint32(13)) | (s1 >> np.uint32(19)))
            kept[place + b] = larger if number >= least else nothing
        for v in range(0, 64, 16):
            store(a, place + v, multiply(load(a, layer[SOURCE] + 64 * u + v), load(kept, place + v)))


@kernel
def run_forward(structure, theta, a, kept, noise, training):
    """From the inputs to the logits."""
    for number in range(structure.layers.shape[0]):
        layer = structure.layers[number]
        rate = structure.rates[number, DROPOUT]
        inputs = layer[INPUTS_AT]
        if rate > 0 and training:
            drop(layer, rate, a, kept, noise)
        elif rate > 0:
            inputs = layer[SOURCE]
        outputs, count = layer[OUTPUTS_AT], layer[OUTPUTS]
        spread_biases(theta, layer[BIAS_AT], count, a, outputs)
        forward(theta, structure.source, structure.first, structure.unit, layer[FIRST], layer[LAST], a, inputs, outputs)
        activate(a, outputs, outputs + 64 * count, layer[ACTIVATION])


@kernel
def run_backward(structure, theta, gradient, a, d, kept, further):
    """From the derivatives by the logits to those by all parameters and, where it goes further back, by the inputs."""
    for number in range(structure.layers.shape[0] - 1, -1, -1):
        layer = structure.layers[number]
        inputs, outputs, count = layer[INPUTS_AT], layer[OUTPUTS_AT], layer[OUTPUTS]
        derive(a, d, outputs, outputs + 64 * count, layer[ACTIVATION])
        if layer[BIAS_AT] >= 0:
            sum_biases(gradient, layer[BIAS_AT], count, d, outputs)
        if number > 0 or further:
            d[inputs : inputs + 64 * layer[INPUTS]] = 0
        backward(
            theta,
            gradient,
            structure.source,
            structure.first,
            structure.unit,
            layer[FIRST],
            layer[LAST],
            a,
            d,
            inputs,
            outputs,
            number > 0 or further,
        )
        if (number > 0 or further) and inputs != layer[SOURCE]:
            for v in range(0, 64 * layer[INPUTS], 16):
                store(d, layer[SOURCE] + v, multiply(load(d, inputs + v), load(kept, inputs + v)))


@kernel
def penalties(structure, theta, gradient):
    """The L2 penalties; their derivatives are added to `gradient`."""
    penalty = 0.0
    for number in range(structure.layers.shape[0]):
        layer = structure.layers[number]
        begin, end = structure.first[layer[FIRST]], structure.stop[number]
        for weight, start, stop in (
            (structure.rates[number, L2], begin, end),
            (structure.rates[number, BIAS_L2], layer[BIAS_AT], layer[BIAS_AT] + layer[OUTPUTS]),
        ):
            if weight > 0 and start >= 0:
                twice = theta.dtype.type(2 * weight)
                for p in range(start, stop):
                    penalty += weight * np.float64(theta[p]) ** 2
                    gradient[p] += twice * theta[p]
    return penalty


@kernel
def project(structure, theta):
    """Cut columns back to their largest norm, as Keras does: by a factor that is a little less than one elsewhere."""
    for number in range(structure.layers.shape[0]):
        layer = structure.layers[number]
        most = structure.rates[number, MAX_NORM]
        if most == np.inf:
            continue
        factors = np.zeros(layer[OUTPUTS], theta.dtype)
        for s in range(layer[FIRST], layer[LAST]):
            for p in range(structure.first[s], structure.first[s + 1]):
                factors[structure.unit[s]] += theta[p] * theta[p]
        for k in range(layer[OUTPUTS]):
            norm = np.sqrt(factors[k])
            factors[k] = min(norm, theta.dtype.type(most)) / (theta.dtype.type(_SMALL) + norm)
        for s in range(layer[FIRST], layer[LAST]):
            for p in range(structure.first[s], structure.first[s + 1]):
                theta[p] *= factors[structure.unit[s]]


@kernel
def train(structure, rows, y, orders, classes, rule, rates, begun, theta, gradient, slots, room, columns, noise):
    """Train one step per row of example numbers.

    Args:
        structure: where the survivors are.
        rows: (numbers, width, divisor) of the examples.
        y: their classes, or their labels one after the other.
        orders: int32 (steps, batch).
        classes: whether each example is of one class, or has a set of labels.
        rule: (number, three coefficients, decoupled weight decay) of the update.
        rates: float64 (steps,), learning rates.
        begun: updates before these.
        theta, gradient, slots: parameters, room for derivatives by them, what the optimizer keeps.
        room: rows of 64 numbers for each unit: activations, derivatives by them, what was kept of dropped inputs, and
            three for the loss.
        columns: room for the inputs of 64 examples.
        noise: uint32 (2, 64), streams of dropout.

    Returns:
        The sum of the losses over the steps.
    """
    numbers, width, divisor = rows
    a, d, kept, work = room
    layer = structure.layers[-1]
    outputs, count = layer[OUTPUTS_AT], layer[OUTPUTS]
    steps, batch = orders.shape
    summed = 0.0
    arithmetic = subnormals.flush()
    for i in range(steps):
        gradient[:] = 0
        loss = 0.0
        for begin in range(0, batch, 64):
            used = min(64, batch - begin)
            examples = orders[i, begin : begin + used]
            gather(numbers, width, examples, used, columns)
            if begin + 64 < batch:
                ask_for(numbers, width, orders[i, begin + 64 : begin + 128])
            elif i + 1 < steps:
                ask_for(numbers, width, orders[i + 1, :64])
            take(columns, 0, divisor, structure.read, a)
            run_forward(structure, theta, a, kept, noise, True)
            if classes:
                loss += heads.classes(a, d, outputs, count, y, examples, used, 1 / batch, work)
            else:
                loss += heads.labels(a, d, outputs, count, y, examples, used, 1 / (batch * count))
            run_backward(structure, theta, gradient, a, d, kept, False)
        summed += loss / (batch if classes else batch * count) + penalties(structure, theta, gradient)
        updates.update(rule[0], rule[1], rule[2], rates[i], begun + i + 1, theta, gradient, slots)
        project(structure, theta)
    subnormals.restore(arithmetic)
    return summed


@kernel
def score(structure, blocks, y, theta, room, noise):
    """Summed cross-entropy of examples of one class each, and how many are right."""
    numbers, width, divisor, examples = blocks
    a, d, kept, work = room
    layer = structure.layers[-1]
    outputs, count = layer[OUTPUTS_AT], layer[OUTPUTS]
    loss, hits = 0.0, 0
    which = np.arange(64)
    arithmetic = subnormals.flush()
    for begin in range(0, examples, 64):
        used = min(64, examples - begin)
        take(numbers, begin * width, divisor, structure.read, a)
        run_forward(structure, theta, a, kept, noise, False)
        loss += heads.classes(a, d, outputs, count, y[begin:], which, used, 1.0, work)
        hits += heads.right(a, outputs, count, y, begin, used)
    subnormals.restore(arithmetic)
    return loss, hits


@kernel
def logits(structure, blocks, theta, room, noise, out):
    """The logits of examples in blocks, written to `out` (N, C)."""
    numbers, width, divisor, examples = blocks
    a, _, kept, _ = room
    arithmetic = subnormals.flush()
    for begin in range(0, examples, 64):
        take(numbers, begin * width, divisor, structure.read, a)
        run_forward(structure, theta, a, kept, noise, False)
        write(structure, a, begin, min(64, examples - begin), out)
    subnormals.restore(arithmetic)


@kernel
def logits_of_rows(structure, rows, examples, theta, room, columns, noise, out):
    """The logits of examples in rows, written to `out` (N, C)."""
    numbers, width, divisor = rows
    a, _, kept, _ = room
    which = np.arange(examples)
    arithmetic = subnormals.flush()
    for begin in range(0, examples, 64):
        used = min(64, examples - begin)
        gather(numbers, width, which[begin : begin + used], used, columns)
        take(columns, 0, divisor, structure.read, a)
        run_forward(structure, theta, a, kept, noise, False)
        write(structure, a, begin, used, out)
    subnormals.restore(arithmetic)


@kernel
def write(structure, a, begin, used, out):
    """Write the logits of a block."""
    layer = structure.layers[-1]
    for k in range(layer[OUTPUTS]):
        for b in range(used):
            out[begin + b, k] = a[layer[OUTPUTS_AT] + 64 * k + b]
