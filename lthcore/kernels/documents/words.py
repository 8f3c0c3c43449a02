"""The distinct words of a few documents, and the room that the kernels of a document network work in."""

from __future__ import annotations

import numpy as np

from lthcore.kernels.compiled import kernel
from lthcore.kernels.documents.survivors import TOGETHER, Survivors
from lthcore.kernels.examples import room

# Documents are taken together as long as they have no more distinct words than this, whose vectors, 300 KB of them, fit
# into the second-fastest memory of a processor, with their products. Of more, words in common would be multiplied once
# instead of several times, but each product would wait for the memory.
NEARBY = 256


def room_for(found: Survivors, width: int, length: int, dtype: type) -> tuple:
    """Everything that a document network's kernels write on.

    Args:
        found: the survivors.
        width: numbers in a row of the table, a multiple of sixteen.
        length: words of a document.
        dtype: precision.

    Returns:
        The desk: where each word of the vocabulary stands among the distinct ones, -1 if it does not; the rows of the
        distinct words; for each word of each of 64 documents where its products and where its vector begin; lengths of
        the documents. Room for the units of the dense layers. Room for the vectors of the distinct words and, after
        them, the products of sixteen filters with 64 of them; for all products of sixteen filters; for winning windows;
        and for the responses of sixteen filters.
    """
    words = -(-(max(NEARBY, length) + 1) // 64) * 64
    stamp = np.full(found.network.words, -1, np.int64)
    places, vectors = (np.zeros(64 * length, np.int64) for _ in range(2))
    desk = (stamp, np.zeros(words + length, np.int64), places, vectors, np.zeros(64, np.int64))
    units = (*(room(64 * found.units, dtype) for _ in range(3)), room(192, dtype))
    groups = sum(-(-layer.filters // TOGETHER) for layer in found.network.windows)
    widest = max(layer.width for layer in found.network.windows)
    sizes = (
        words * width + 64 * TOGETHER * widest,
        -(-widest // 4) * 64 * words,
        groups * 64 * TOGETHER,
        2 * 64 * TOGETHER,
    )
    return (desk, units, *(room(size, dtype) for size in sizes))


@kernel
def find(documents, which, begin, padding, width, desk):
    """Take as many documents as may be taken together, and find their distinct words; the padding is the first.

    Args:
        documents: word numbers, int32 (N, L), padded with 0 on the right.
        which: numbers of the documents of a minibatch.
        begin: the first of them that is taken.
        padding: the row of the table that is a vector of zeros.
        width: numbers in a row of the table.
        desk: see `room_for`.

    Returns:
        How many documents are taken; how many distinct words they have.
    """
    stamp, rows, places, vectors, lengths = desk
    length = documents.shape[1]
    rows[0] = padding
    found = 1
    for b in range(min(64, which.size - begin)):
        document = documents[which[begin + b]]
        before = found
        end = length
        while end > 0 and document[end - 1] == 0:
            end -= 1
        for t in range(length):
            word = np.int64(document[t])
            place = np.int64(0)
            if word != 0:
                place = stamp[word]
                if place < 0:
                    place = np.int64(found)
                    stamp[word] = place
                    rows[found] = word
                    found += 1
            places[b * length + t] = 64 * place
            vectors[b * length + t] = place // 64 * 64 * width + place % 64
        lengths[b] = end
        if b > 0 and found > NEARBY:
            for u in range(before, found):
                stamp[rows[u]] = -1
            return b, before
    return min(64, which.size - begin), found


@kernel
def forget(found, desk):
    """Clear the desk of the words that were found."""
    stamp, rows = desk[0], desk[1]
    for u in range(1, found):
        stamp[rows[u]] = -1
