"""Convolution of images, the maximum over 2×2 responses and ReLU in one, as matrix products over patches.

On a CPU, TensorFlow's own convolution takes as long for five filters on one channel as for twenty, and its gradient
of the maximum is slower than either. A minibatch's patches, gathered once, turn the convolution into one matrix product
and its gradient into another, both as small as the filters are few. The patches of the four places in a pooling window
stand one after another, so that the maximum is that of four whole arrays.

What comes out equals convolving, pooling and rectifying in the plain way, gradients included, up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf


def positions(height: int, width: int, channels: int, size: int) -> np.ndarray:
    """Where in a flattened image the numbers of each patch stand.

    Returns:
        int32 (size·size·channels, 4, windows): for each number of a patch, each place in a pooling window and each
        window. An odd last row or column of responses belongs to no window.

    Raises:
        ValueError: for an image without a single window.

    Example:
        >>> positions(3, 3, 1, 2).tolist()  # four patches of four pixels, all in one window
        [[[0], [1], [3], [4]], [[1], [2], [4], [5]], [[3], [4], [6], [7]], [[4], [5], [7], [8]]]
    """
    rows, columns = (height - size + 1) // 2, (width - size + 1) // 2
    if rows < 1 or columns < 1:
        raise ValueError(f"images of {height}×{width} have no 2×2 responses of {size}×{size} filters; make them larger")
    a, b, c, s, t, i, j = np.ogrid[:size, :size, :channels, :2, :2, :rows, :columns]
    index = ((2 * i + s + a) * width + 2 * j + t + b) * channels + c
    return index.reshape(size * size * channels, 4, rows * columns).astype(np.int32)


def patch_max(images: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """The largest of each 2×2 responses of every filter, before bias and activation.

    Args:
        images: (B, H, W, C).
        kernel: filters, (size, size, C, F).

    Returns:
        (B, (H − size + 1) // 2, (W − size + 1) // 2, F). Of equal responses one alone has the gradient.

    Book: chapter *Early tickets*.
    """
    _, height, width, channels = images.shape
    size, filters = kernel.shape[0], kernel.shape[-1]
    index = positions(height, width, channels, size)
    places, windows = tf.constant(index.reshape(-1)), index.shape[-1]

    @tf.custom_gradient
    def pooled(images: tf.Tensor, kernel: tf.Tensor):
        # Examples come last, so that gathering copies rows of them.
        pixels = tf.transpose(tf.reshape(images, [-1, height * width * channels]))
        patches = tf.reshape(tf.gather(pixels, places), [len(index), -1])  # (size² C, 4 · windows · B)
        responses = tf.matmul(patches, tf.reshape(kernel, [-1, filters]), transpose_a=True)
        largest, back = _largest(tf.reshape(responses, [4, -1, filters]))  # (windows · B, F)

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            inner = tf.reshape(tf.transpose(tf.reshape(upstream, [-1, windows, filters]), [1, 0, 2]), [-1, filters])
            responses = tf.reshape(back(inner), [-1, filters])
            to_kernel = tf.reshape(tf.matmul(patches, responses), kernel.shape)
            to_patches = tf.matmul(tf.reshape(kernel, [-1, filters]), responses, transpose_b=True)
            rows = tf.reshape(to_patches, [index.size, -1])
            to_pixels = tf.math.unsorted_segment_sum(rows, places, height * width * channels)
            return tf.reshape(tf.transpose(to_pixels), tf.shape(images)), to_kernel

        return tf.transpose(tf.reshape(largest, [windows, -1, filters]), [1, 0, 2]), gradient

    rows = (height - size + 1) // 2
    return tf.reshape(pooled(images, kernel), [-1, rows, windows // rows, filters])


def _largest(four: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """The maximum over the first axis, of length four, and the function that leads its gradient back to the winners."""
    a, b, c, d = tf.unstack(four)
    first, second = tf.maximum(a, b), tf.maximum(c, d)

    def back(upstream: tf.Tensor) -> tf.Tensor:
        nothing = tf.zeros_like(upstream)
        to_first = tf.where(first >= second, upstream, nothing)
        to_second = upstream - to_first
        to_a, to_c = tf.where(a >= b, to_first, nothing), tf.where(c >= d, to_second, nothing)
        return tf.stack([to_a, to_first - to_a, to_c, to_second - to_c])

    return tf.maximum(first, second), back


@keras.saving.register_keras_serializable("lthcore")
class PatchMax(keras.layers.Layer):
    """Convolution, 2×2 maximum pooling and ReLU in one.

    The same as `keras.layers.Conv2D` with ``relu`` and `keras.layers.MaxPooling2D`: ReLU grows with its input, so it
    may as well come after the maximum. On images of one channel it is several times as fast.

    Args:
        filters: number of filters.
        size: pixels along each side of a filter.
        padding: ``"valid"`` or ``"same"``, as in Keras.
        kernel_initializer, bias_initializer: as in Keras.

    Raises:
        ValueError: for an unknown padding, or images without a single pooling window.

    Source: {cite}`LBBH98`, section II.
    Book: chapter *Early tickets*.
    """

    def __init__(
        self,
        filters: int,
        size: int,
        *,
        padding: str = "valid",
        kernel_initializer: object = "glorot_uniform",
        bias_initializer: object = "zeros",
        **options: object,
    ) -> None:
        super().__init__(**options)
        if padding not in ("valid", "same"):
            raise ValueError(f"unknown padding {padding!r}; known are valid, same")
        self.filters, self.size, self.padding = filters, size, padding
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make kernel (size, size, C, filters) and bias (filters,)."""
        _, rows, columns, _ = self.responses(shape)
        positions(rows + self.size - 1, columns + self.size - 1, shape[-1], self.size)  # refuses what is too small
        kernel = (self.size, self.size, shape[-1], self.filters)
        self.kernel = self.add_weight(name="kernel", shape=kernel, initializer=self.kernel_initializer)
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer=self.bias_initializer)

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """(B, H, W, C) → (B, rows // 2, columns // 2, filters)."""
        if self.padding == "same":
            sides = [(self.size - 1) // 2, self.size // 2]
            images = tf.pad(images, [[0, 0], sides, sides, [0, 0]])
        return tf.nn.relu(patch_max(images, tf.convert_to_tensor(self.kernel)) + self.bias)

    def responses(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shape of the responses before pooling, (B, rows, columns, filters), to images of a shape."""
        lost = self.size - 1 if self.padding == "valid" else 0
        return (shape[0], shape[1] - lost, shape[2] - lost, self.filters)

    def compute_output_spec(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Shape: half the responses along each side."""
        examples, rows, columns, filters = self.responses(images.shape)
        return keras.KerasTensor((examples, rows // 2, columns // 2, filters), "float32")

    def get_config(self) -> dict:
        """The arguments it was made with."""
        initializers = {name: getattr(self, name) for name in ("kernel_initializer", "bias_initializer")}
        own = {name: keras.initializers.serialize(value) for name, value in initializers.items()}
        return super().get_config() | {"filters": self.filters, "size": self.size, "padding": self.padding} | own
