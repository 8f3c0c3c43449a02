"""Convolution of images, the maximum over 2×2 responses and ReLU in one, as matrix products over patches.

On a CPU, TensorFlow's own convolution takes as long for five filters on one channel as for twenty, and its gradient
of the maximum is slower than either. The four filter positions of a pooling window lie within one patch that is a pixel
wider and higher. A minibatch's patches of that size, gathered once, turn convolution and pooling into one matrix
product with every filter in its four places, a maximum of four whole arrays, and for the gradient two more products,
all as small as the filters are few.

What comes out equals convolving, pooling and rectifying in the plain way, gradients included, up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

# Up to so many channels patches are faster than TensorFlow's convolution; more fill its own matrix products well.
FEW_CHANNELS = 12

# Of images or of what is made of them: examples, of which the number may be open; rows, columns, channels.
Shape = tuple[int | None, int, int, int]


def positions(height: int, width: int, channels: int, size: int) -> np.ndarray:
    """Where in a flattened image the numbers of each pooling window's patch stand.

    Returns:
        int32 ((size + 1)² · channels, windows). An odd last row or column of responses belongs to no window.

    Raises:
        ValueError: for an image without a single window.

    Example:
        >>> positions(2, 4, 1, 1).tolist()  # two windows of four pixels each
        [[0, 2], [1, 3], [4, 6], [5, 7]]
    """
    rows, columns = (height - size + 1) // 2, (width - size + 1) // 2
    if rows < 1 or columns < 1:
        raise ValueError(f"images of {height}×{width} have no 2×2 responses of {size}×{size} filters; make them larger")
    a, b, c, i, j = np.ogrid[: size + 1, : size + 1, :channels, :rows, :columns]
    index = ((2 * i + a) * width + 2 * j + b) * channels + c
    return index.reshape((size + 1) ** 2 * channels, rows * columns).astype(np.int32)


def in_four_places(kernel: tf.Tensor) -> tf.Tensor:
    """Every filter at its four positions in a pooling window's patch.

    Args:
        kernel: (size, size, C, F).

    Returns:
        (4 · F, (size + 1)² · C): filters in the first place, then in the second, and so on; zero beside them.

    Example:
        >>> in_four_places(tf.ones((1, 1, 1, 1))).numpy().astype(int).tolist()
        [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    """
    places = [tf.pad(kernel, [[s, 1 - s], [t, 1 - t], [0, 0], [0, 0]]) for s in (0, 1) for t in (0, 1)]
    return tf.concat([tf.transpose(tf.reshape(place, [-1, kernel.shape[-1]])) for place in places], axis=0)


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
    filters = kernel.shape[-1]
    index = positions(height, width, channels, kernel.shape[0])
    places, windows = tf.constant(index.reshape(-1)), index.shape[-1]

    @tf.custom_gradient
    def pooled(images: tf.Tensor, placed: tf.Tensor):
        # Examples come last, so that gathering copies rows of them.
        pixels = tf.transpose(tf.reshape(images, [-1, height * width * channels]))
        patches = tf.reshape(tf.gather(pixels, places), [len(index), -1])  # ((size + 1)² C, windows · B)
        largest, back = _largest(tf.reshape(tf.matmul(placed, patches), [4, filters, -1]))  # (F, windows · B)

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            inner = tf.transpose(tf.reshape(upstream, [-1, windows, filters]), [2, 1, 0])
            responses = tf.reshape(back(tf.reshape(inner, [filters, -1])), [4 * filters, -1])
            to_placed = tf.matmul(responses, patches, transpose_b=True)
            to_patches = tf.reshape(tf.matmul(placed, responses, transpose_a=True), [index.size, -1])
            to_pixels = tf.math.unsorted_segment_sum(to_patches, places, height * width * channels)
            return tf.reshape(tf.transpose(to_pixels), tf.shape(images)), to_placed

        return tf.transpose(tf.reshape(largest, [filters, windows, -1]), [2, 1, 0]), gradient

    rows = (height - kernel.shape[0] + 1) // 2
    return tf.reshape(pooled(images, in_four_places(kernel)), [-1, rows, windows // rows, filters])


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


def _convolve_and_pool(images: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """The same as `patch_max`, in TensorFlow's own way."""
    return tf.nn.max_pool2d(tf.nn.conv2d(images, kernel, 1, "VALID"), 2, 2, "VALID")


@keras.saving.register_keras_serializable("lthcore")
class PatchMax(keras.layers.Layer):
    """Convolution, 2×2 maximum pooling and ReLU in one.

    The same as `keras.layers.Conv2D` with ``relu`` and `keras.layers.MaxPooling2D`: ReLU grows with its input, so it
    may as well come after the maximum. On few channels it is several times as fast; on more than `FEW_CHANNELS` it *is*
    TensorFlow's convolution and pooling.

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

    def build(self, shape: Shape) -> None:
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
        pooled = patch_max if images.shape[-1] <= FEW_CHANNELS else _convolve_and_pool
        return tf.nn.relu(pooled(images, tf.convert_to_tensor(self.kernel)) + self.bias)

    def responses(self, shape: Shape) -> Shape:
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
