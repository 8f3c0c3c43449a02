"""Convolution over word windows and its maximum over time, forwards and backwards, for text in minibatches.

Kim's network takes, for every filter and document, the largest response over all windows. Three facts make that cheap:

- A response is a sum of products of single words with single slices of the filter, and a minibatch of news repeats its
  words: the products are taken once per *distinct* word and then gathered, which replaces the convolution.
- Windows past the end of a document see padding only and all respond with zero, so documents of like length are pooled
  together, each group no longer than it needs to be.
- Only the window that wins has a gradient, one of hundreds. It is a sparse matrix, word × filter slice, and so is the
  work of the way back.

What comes out equals convolving and pooling in the plain way, gradients included, up to rounding.
"""

from __future__ import annotations

import tensorflow as tf

# Groups of like length in a minibatch: enough to save most of the padding, few enough to keep every piece large.
GROUPS = 5


def distinct_words(ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The distinct words of a minibatch.

    Args:
        ids: word numbers, int32 (B, L), padded with 0 on the right.

    Returns:
        The distinct word numbers, (U,); where in this list each word stands, (B, L); length of each document without
        its padding, (B,).
    """
    words, places = tf.unique(tf.reshape(ids, [-1]))
    places = tf.reshape(places, tf.shape(ids))
    return words, places, tf.reduce_sum(tf.cast(tf.not_equal(ids, 0), tf.int32), axis=1)


def window_max(vectors: tf.Tensor, places: tf.Tensor, lengths: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """The largest response of every filter over all windows of every document, before bias and activation.

    Args:
        vectors: a vector for each distinct word, (U, D); that of the padding must be zero.
        places: documents as places in `vectors`, int32 (B, L).
        lengths: words of each document, int32 (B,).
        kernel: filters, (width, D, F).

    Returns:
        Largest responses, (B, F). Of equal responses the first window wins, and it alone has the gradient.

    Source: {cite}`Kim14`, section 2, equations 2 and 3.
    Book: chapter *Text*.
    """

    @tf.custom_gradient
    def pooled(vectors: tf.Tensor, kernel: tf.Tensor):
        largest, winners = _forwards(vectors, places, lengths, kernel)
        return largest, lambda upstream: _backwards(upstream, winners, vectors, places, kernel)

    return pooled(vectors, kernel)


def _forwards(
    vectors: tf.Tensor, places: tf.Tensor, lengths: tf.Tensor, kernel: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Largest responses and the windows they come from, both (B, F)."""
    width = kernel.shape[0]
    products = tf.matmul(vectors[tf.newaxis], kernel)  # (width, U, F)
    order = tf.argsort(lengths, stable=True)
    documents, longest = tf.shape(places)[0], tf.shape(places)[1]
    largest, winners = [], []
    for group in range(GROUPS):
        rows = order[group * documents // GROUPS : (group + 1) * documents // GROUPS]
        # One window of nothing but padding stays, where there is one: its response, zero, may be the largest.
        needed = tf.minimum(longest, tf.reduce_max(tf.concat([tf.gather(lengths, rows), [0]], 0)) + width)
        responses = _responses(products, tf.gather(places, rows)[:, :needed])
        largest.append(tf.reduce_max(responses, axis=1))
        winners.append(tf.argmax(responses, axis=1, output_type=tf.int32))
    back = tf.math.invert_permutation(order)
    return tf.gather(tf.concat(largest, 0), back), tf.gather(tf.concat(winners, 0), back)


def _responses(products: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Responses of all filters at all windows, (b, windows, F)."""
    width = products.shape[0]
    windows = tf.shape(places)[1] - width + 1
    total = tf.gather(products[0], places[:, :windows])
    for offset in range(1, width):
        total += tf.gather(products[offset], places[:, offset : windows + offset])
    return total


def _backwards(
    upstream: tf.Tensor, winners: tf.Tensor, vectors: tf.Tensor, places: tf.Tensor, kernel: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Gradients of vectors and kernel from that of the largest responses, (B, F)."""
    width, dimension, filters = kernel.shape
    longest = tf.shape(places, out_type=tf.int64)[1]
    upstream, places = tf.reshape(upstream, [-1]), tf.cast(tf.reshape(places, [-1]), tf.int64)
    # Dropout and the ReLU leave many responses without a gradient.
    alive = tf.reshape(tf.where(tf.not_equal(upstream, 0.0)), [-1])
    document, filter = alive // filters, alive % filters
    window = document * longest + tf.cast(tf.gather(tf.reshape(winners, [-1]), alive), tf.int64)
    word = tf.concat([tf.gather(places, window + offset) for offset in range(width)], 0)
    piece = tf.concat([filter + offset * filters for offset in range(width)], 0)
    shape = tf.stack([tf.shape(vectors, out_type=tf.int64)[0], tf.constant(width * filters, tf.int64)])
    values = tf.tile(tf.gather(upstream, alive), [width])
    sparse = tf.SparseTensor(tf.stack([word, piece], axis=1), values, shape)  # distinct word × filter slice
    slices = tf.reshape(tf.transpose(kernel, [0, 2, 1]), [width * filters, dimension])
    to_vectors = tf.sparse.sparse_dense_matmul(sparse, slices)
    to_slices = tf.sparse.sparse_dense_matmul(sparse, vectors, adjoint_a=True)
    return to_vectors, tf.transpose(tf.reshape(to_slices, [width, filters, dimension]), [0, 2, 1])
