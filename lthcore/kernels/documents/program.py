"""The program of a document network: many training steps in one call, and the scores of many documents in one call.

A few documents are taken together, so that the vectors of their words stay in fast memory. Each distinct word is
multiplied once by what survives of sixteen filters; the products lie side by side, so that the responses to a window
are the sum of a few vectors; and as only the window that wins has a gradient, the way back is a few short rows.
"""

from __future__ import annotations

import numpy as np

from lthcore.kernels import heads, subnormals, updates
from lthcore.kernels.codes import FEATURES_AT, FILTER_BIAS_AT, FILTERS, GROUP, OUTPUTS, OUTPUTS_AT, RELU, WIDTH
from lthcore.kernels.compiled import kernel
from lthcore.kernels.documents.words import find, forget
from lthcore.kernels.functions import derive, one
from lthcore.kernels.lanes import add, larger, load, rectified, spread, store, subtract, transpose, where_less
from lthcore.kernels.products import forward, spread_biases, sum_biases
from lthcore.kernels.stacks.program import gather, penalties, project, run_backward, run_forward, write


@kernel
def lay_out(table, width, rows, found, columns):
    """Lay vectors out in blocks of 64 words, one number of all of them side by side."""
    for begin in range(0, found, 64):
        gather(table, width, rows[begin:], min(64, found - begin), columns[begin * width :])


@kernel
def multiply(structure, theta, group, words, width, found, columns, products):
    """Multiply words by sixteen filters at all offsets of their windows.

    Args:
        structure, theta: the survivors.
        group, words: which filters; words in their windows.
        width, found: numbers in a vector; how many words there are.
        columns: their vectors, and after them room for the products of 64 words.
        products: where they go: for each four offsets, 64 numbers for each word.
    """
    source, first, product = structure.source, structure.first, structure.product
    start, stop = structure.groups[group, 0], structure.groups[group, 1]
    filled = (found + 63) // 64 * 64
    outputs, panel = width * filled, 64 * filled
    starts = np.empty(16, np.int64)
    for begin in range(0, found, 64):
        spread_biases(theta, -1, 16 * words, columns, outputs)
        forward(theta, source, first, product, start, stop, columns, begin * width, outputs)
        for offset in range(words):
            for f in range(16):
                starts[f] = outputs + 64 * (16 * offset + f)
            place = _place(offset, panel) + 64 * begin
            for v in range(0, 64, 16):
                transpose(columns, starts, v, products, place + 64 * v)


@kernel
def _place(offset, panel):
    """Where the products at an offset begin: four offsets share the 64 numbers of a word."""
    return offset // 4 * panel + 16 * (offset % 4)


@kernel
def pool(structure, theta, width, found, length, used, room):
    """The largest response of each filter over the windows of some documents, with bias and ReLU, and where it is.

    Args:
        structure, theta, width, found: as in `multiply`.
        length: words of a document.
        used: number of documents.
        room: see `lthcore.kernels.documents.words.room_for`.
    """
    desk, units, columns, products, winners, work = room
    _, _, places, _, lengths = desk
    a = units[0]
    unit = spread(one(theta))
    nothing = subtract(unit, unit)
    starts, offsets = np.empty(16, np.int64), np.empty(length, np.int64)
    panel = (found + 63) // 64 * 64 * 64
    turned, row = 16 * 64, 0
    for k in range(structure.windows.shape[0]):
        layer = structure.windows[k]
        words = layer[WIDTH]
        for group in range(0, layer[FILTERS], 16):
            multiply(structure, theta, layer[GROUP] + group // 16, words, width, found, columns, products)
            for offset in range(words):
                offsets[offset] = _place(offset, panel)
            for b in range(used):
                # Of the windows that see nothing but padding, one may win.
                windows = min(length - words + 1, lengths[b] + 1)
                best = respond(products, places, offsets, words, b * length)
                winner = nothing
                now = nothing
                for place in range(b * length + 1, b * length + windows):
                    response = respond(products, places, offsets, words, place)
                    now = add(now, unit)
                    winner = where_less(best, response, now, winner)
                    best = larger(best, response)
                store(work, 16 * b, best)
                store(winners, row + 16 * b, winner)
            for b in range(used, 64):
                store(work, 16 * b, nothing)
            for v in range(0, 64, 16):
                for b in range(16):
                    starts[b] = 16 * (v + b)
                transpose(work, starts, 0, work, turned + v)
            for f in range(min(16, layer[FILTERS] - group)):
                bias = spread(theta[layer[FILTER_BIAS_AT] + group + f])
                feature = layer[FEATURES_AT] + 64 * (group + f)
                for v in range(0, 64, 16):
                    store(a, feature + v, rectified(add(load(work, turned + 64 * f + v), bias)))
            row += 16 * 64


@kernel
def respond(products, places, offsets, width, place):
    """The responses of sixteen filters to one window."""
    response = load(products, offsets[np.uint64(0)] + places[np.uint64(place)])
    for offset in range(1, width):
        response = add(response, load(products, offsets[np.uint64(offset)] + places[np.uint64(place + offset)]))
    return response


@kernel
def derive_windows(structure, theta, gradient, table_gradient, width, length, used, room, trained):
    """From the derivatives by the responses to those by the filters and, if they are trained, by the word vectors.

    Args:
        structure, theta, width, length, used, room: as in `pool`.
        gradient, table_gradient: what the derivatives are added to.
        trained: whether vectors are.
    """
    desk, units, columns, _, winners, _ = room
    _, rows, places, vectors, _ = desk
    a, d = units[0], units[1]
    at, upstream, counts = np.empty(16 * 64, np.int64), np.empty(16 * 64, theta.dtype), np.empty(16, np.int64)
    row = 0
    for k in range(structure.windows.shape[0]):
        layer = structure.windows[k]
        features = layer[FEATURES_AT]
        derive(a, d, features, features + 64 * layer[FILTERS], RELU)
        sum_biases(gradient, layer[FILTER_BIAS_AT], layer[FILTERS], d, features)
        for group in range(0, layer[FILTERS], 16):
            for f in range(min(16, layer[FILTERS] - group)):
                n = 64 * f
                # Dropout and the ReLU leave many responses without a gradient.
                for b in range(used):
                    value = d[features + 64 * (group + f) + b]
                    if value != 0:
                        upstream[n] = value
                        at[n] = b * length + np.int64(winners[row + 16 * b + f])
                        n += 1
                counts[f] = n - 64 * f
            segments = structure.groups[layer[GROUP] + group // 16]
            for s in range(segments[0], segments[1]):
                offset, filter = np.int64(structure.product[s]) // 16, np.int64(structure.product[s]) % 16
                start, stop = structure.first[s], structure.first[s + 1]
                for n in range(64 * filter, 64 * filter + counts[filter]):
                    place = at[n] + offset
                    _by_filters(start, stop, structure.source, gradient, upstream[n], columns, vectors[place])
                    if trained:
                        table_row = width * rows[places[place] // 64]
                        _by_vectors(start, stop, structure.source, theta, upstream[n], table_gradient, table_row)
            row += 16 * 64


@kernel
def _by_filters(start, stop, source, gradient, upstream, columns, vector):
    """Add what one window of a document says about a part of a filter."""
    for number in range(start, stop):
        p = np.uint64(number)
        gradient[p] += upstream * columns[np.uint64(vector + 64 * np.int64(source[p]))]


@kernel
def _by_vectors(start, stop, source, theta, upstream, table_gradient, row):
    """Add what a part of a filter says about one word of a document's window."""
    for number in range(start, stop):
        p = np.uint64(number)
        table_gradient[np.uint64(row + source[p])] += upstream * theta[p]


@kernel
def learn(structure, documents, y, which, classes, theta, gradient, words, room, noise, trained):
    """Add the derivatives of a minibatch's mean loss; return the sum of its losses."""
    table, table_gradient, width = words
    desk, units = room[0], room[1]
    a, d, kept, work = units
    layer = structure.stack.layers[-1]
    outputs, count = layer[OUTPUTS_AT], layer[OUTPUTS]
    length, batch = documents.shape[1], which.size
    loss, begin = 0.0, 0
    while begin < batch:
        used, found = find(documents, which, begin, table.size // width - 1, width, desk)
        lay_out(table, width, desk[1], found, room[2])
        pool(structure, theta, width, found, length, used, room)
        run_forward(structure.stack, theta, a, kept, noise, True)
        examples = which[begin : begin + used]
        if classes:
            loss += heads.classes(a, d, outputs, count, y, examples, used, 1 / batch, work)
        else:
            loss += heads.labels(a, d, outputs, count, y, examples, used, 1 / (batch * count))
        run_backward(structure.stack, theta, gradient, a, d, kept, True)
        derive_windows(structure, theta, gradient, table_gradient, width, length, used, room, trained)
        forget(found, desk)
        begin += used
    return loss


@kernel
def train(structure, documents, y, orders, classes, rule, rates, begun, parameters, words, room, noise, trained):
    """Train one step per row of document numbers.

    Args:
        structure: where the survivors are.
        documents: word numbers, int32 (N, L), padded with 0 on the right.
        y: their classes, or their labels one after the other.
        orders: int32 (steps, batch).
        classes: whether each document is of one class, or has a set of labels.
        rule: (number, three coefficients, decoupled weight decay, share kept by moving averages) of the update.
        rates: float64 (steps,), learning rates.
        begun: updates before these.
        parameters: (parameters, room for derivatives by them, what the optimizer keeps and, if any, moving averages).
        words: the same of the table of word vectors, flat; and the numbers in a row, the last of which is of zeros.
        room: see `lthcore.kernels.documents.words.room_for`.
        noise: uint32 (2, 64), streams of dropout.
        trained: whether word vectors are.

    Returns:
        The sum of the losses over the steps.
    """
    theta, gradient, slots = parameters
    table, table_gradient, table_slots, width = words
    steps, batch = orders.shape
    share = batch if classes else batch * structure.stack.layers[-1][OUTPUTS]
    summed = 0.0
    arithmetic = subnormals.flush()
    for i in range(steps):
        gradient[:] = 0
        vectors = (table, table_gradient, width)
        loss = learn(structure, documents, y, orders[i], classes, theta, gradient, vectors, room, noise, trained)
        summed += loss / share + penalties(structure.stack, theta, gradient)
        _update(rule, rates[i], begun + i + 1, theta, gradient, slots)
        project(structure.stack, theta)
        if trained:
            table_gradient[table.size - width :] = 0  # the padding never learns
            _update(rule, rates[i], begun + i + 1, table, table_gradient, table_slots)
            table_gradient[:] = 0
    subnormals.restore(arithmetic)
    return summed


@kernel
def _update(rule, rate, number, theta, gradient, slots):
    """One update, and the moving averages after it, which Keras takes before it cuts back columns."""
    updates.update(rule[0], rule[1], rule[2], rate, number, theta, gradient, slots)
    if slots.shape[0] > 2:
        updates.follow(rule[3], number, theta, slots[2])


@kernel
def read(structure, documents, begin, theta, table, width, room, noise):
    """The logits of as many documents as may be taken together, from number `begin` on; return how many these are."""
    desk, units = room[0], room[1]
    which = np.arange(begin, min(begin + 64, documents.shape[0]))
    used, found = find(documents, which, 0, table.size // width - 1, width, desk)
    lay_out(table, width, desk[1], found, room[2])
    pool(structure, theta, width, found, documents.shape[1], used, room)
    run_forward(structure.stack, theta, units[0], units[2], noise, False)
    forget(found, desk)
    return used


@kernel
def score(structure, documents, y, theta, table, width, room, noise):
    """Summed cross-entropy of documents of one class each, and how many are right."""
    a, d, _, work = room[1]
    layer = structure.stack.layers[-1]
    outputs, count = layer[OUTPUTS_AT], layer[OUTPUTS]
    loss, hits, begin = 0.0, 0, 0
    which = np.arange(64)
    arithmetic = subnormals.flush()
    while begin < documents.shape[0]:
        used = read(structure, documents, begin, theta, table, width, room, noise)
        loss += heads.classes(a, d, outputs, count, y[begin:], which, used, 1.0, work)
        hits += heads.right(a, outputs, count, y, begin, used)
        begin += used
    subnormals.restore(arithmetic)
    return loss, hits


@kernel
def logits(structure, documents, theta, table, width, room, noise, out):
    """The logits of documents, written to `out` (N, C)."""
    begin = 0
    arithmetic = subnormals.flush()
    while begin < documents.shape[0]:
        used = read(structure, documents, begin, theta, table, width, room, noise)
        write(structure.stack, room[1][0], begin, used, out)
        begin += used
    subnormals.restore(arithmetic)
