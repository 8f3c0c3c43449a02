"""Convolution and pooling over distinct words: the same as the plain way, gradients included."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from lthcore.models.layers.windows import GROUPS, distinct_words, window_max

WIDTH, WORDS, DIMENSION, FILTERS = 3, 9, 4, 5


def parts(seed: int) -> tuple[tf.Variable, tf.Variable]:
    """A table of word vectors, the padding's zero, and a kernel."""
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(WORDS, DIMENSION)).astype(np.float32)
    table[0] = 0
    return tf.Variable(table), tf.Variable(rng.normal(size=(WIDTH, DIMENSION, FILTERS)).astype(np.float32))


def plain(ids: tf.Tensor, table: tf.Variable, kernel: tf.Variable) -> tf.Tensor:
    """What a textbook does: convolve every position, take the maximum over all windows."""
    return tf.reduce_max(tf.nn.conv1d(tf.gather(table, ids), kernel, stride=1, padding="VALID"), axis=1)


def ours(ids: tf.Tensor, table: tf.Variable, kernel: tf.Variable) -> tf.Tensor:
    words, places, lengths = distinct_words(ids)
    return window_max(tf.gather(table, words), places, lengths, tf.convert_to_tensor(kernel))


def values_and_gradients(pool, ids, weights, table, kernel):
    with tf.GradientTape() as tape:
        pooled = pool(ids, table, kernel)
        loss = tf.reduce_sum(pooled * weights)
    to_table, to_kernel = tape.gradient(loss, [table, kernel])
    rows = tf.convert_to_tensor(to_table).numpy()
    rows[0] = 0  # the padding's, which no embedding here ever learns
    return pooled.numpy(), rows, to_kernel.numpy()


def padded(documents: list[list[int]], length: int) -> tf.Tensor:
    return tf.constant([document + [0] * (length - len(document)) for document in documents], tf.int32)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    documents=st.lists(st.lists(st.integers(1, WORDS - 1), max_size=12), min_size=1, max_size=13),
    extra=st.integers(0, 9),
    seed=st.integers(0, 99),
)
def test_values_and_gradients_are_those_of_a_plain_convolution(documents, extra, seed):
    ids = padded(documents, max(WIDTH, *map(len, documents), 1) + extra)
    table, kernel = parts(seed)
    rng = np.random.default_rng(seed)
    upstream = rng.normal(size=(len(documents), FILTERS)) * (rng.random((len(documents), FILTERS)) < 0.6)
    # With no two windows alike there is one way to take the maximum; a repeated window has several.
    for found, expected in zip(
        values_and_gradients(ours, ids, tf.constant(upstream, tf.float32), table, kernel),
        values_and_gradients(plain, ids, tf.constant(upstream, tf.float32), table, kernel),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("documents", [1, GROUPS - 1, GROUPS, 3 * GROUPS + 2])
def test_documents_keep_their_order(documents):
    table, kernel = parts(0)
    rows = [[1 + (number + place) % (WORDS - 1) for place in range(number % 7)] for number in range(documents)]
    together = ours(padded(rows, 10), table, kernel).numpy()
    alone = np.concatenate([ours(padded([row], 10), table, kernel).numpy() for row in rows])
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)


def test_where_every_word_speaks_against_a_filter_the_padding_wins():
    table = tf.constant([[0.0], [1.0]])
    kernel = tf.constant(-np.ones((WIDTH, 1, 1), np.float32))
    assert ours(padded([[1, 1]], 9), table, kernel).numpy().tolist() == [[0.0]]
    assert ours(padded([[1] * 9], 9), table, kernel).numpy().tolist() == [[-3.0]]


def test_words_that_come_again_share_one_product():
    words, places, lengths = distinct_words(padded([[5, 7, 5], [7]], 4))
    assert words.numpy().tolist() == [5, 7, 0]
    assert tf.gather(words, places).numpy().tolist() == [[5, 7, 5, 0], [7, 0, 0, 0]]
    assert lengths.numpy().tolist() == [3, 1]


def test_the_same_minibatch_gives_the_same_bits():
    table, kernel = parts(3)
    ids = tf.constant(np.random.default_rng(0).integers(0, WORDS, (50, 40)), tf.int32)
    upstream = tf.ones((50, FILTERS))
    first, second = (values_and_gradients(ours, ids, upstream, table, kernel) for _ in range(2))
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))
