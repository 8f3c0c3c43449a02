"""The networks of images: LeNet-300-100 and a convolutional LeNet; they end in logits."""

from __future__ import annotations

import keras

from lthcore.models.layers.patches import PatchMax


def lenet_300_100(input_shape: tuple[int, ...], classes: int, *, l2: float = 0.0) -> keras.Model:
    """LeNet-300-100: two hidden layers of 300 and 100 ReLUs.

    Initial weights are Gaussian Glorot, standard deviation sqrt(2 / (fan_in + fan_out)), not truncated; biases are
    zero. On 28×28 pixels and ten classes it has 266 200 prunable weights.

    Args:
        input_shape: shape of one example.
        classes: number of logits.
        l2: added to the loss in training, times the sum of all squared weights of the kernels.

    Example:
        >>> model = lenet_300_100((28, 28, 1), 10)
        >>> sum(v.shape[0] * v.shape[1] for v in model.trainable_variables if v.name == "kernel")
        266200

    Source: {cite}`FC18`, section 2, figure 2.
    Book: chapter *Reproduction*.
    """

    def dense(units: int, name: str, activation: str | None = None) -> keras.layers.Dense:
        gaussian = keras.initializers.VarianceScaling(1.0, "fan_avg", "untruncated_normal")
        penalty = keras.regularizers.L2(l2) if l2 else None
        return keras.layers.Dense(
            units, activation=activation, kernel_initializer=gaussian, kernel_regularizer=penalty, name=name
        )

    pixels = keras.Input(input_shape, name="pixels")
    hidden = keras.layers.Flatten(name="flatten")(pixels)
    hidden = dense(300, "hidden_1", "relu")(hidden)
    hidden = dense(100, "hidden_2", "relu")(hidden)
    return keras.Model(pixels, dense(classes, "output")(hidden), name="lenet_300_100")


def lenet_5(
    input_shape: tuple[int, ...], classes: int, *, filters: tuple[int, ...] = (20, 50), units: int = 500
) -> keras.Model:
    """A convolutional LeNet: two layers of 5×5 filters, each with 2×2 maximum pooling, and 500 ReLUs.

    Initial weights are Gaussian Glorot, not truncated; biases are zero. On 28×28 pixels and ten classes it has 431 080
    parameters. Images of less than 16 pixels along a side, which it would shrink to nothing, are padded with zeros so
    that a convolution keeps their size; larger ones are not padded.

    Args:
        input_shape: (H, W, C), of one image.
        classes: number of logits.
        filters: filters of the two layers.
        units: units of the hidden layer.

    Raises:
        ValueError: for another number of layers.

    Example:
        >>> lenet_5((28, 28, 1), 10).count_params()
        431080

    Source: {cite}`LBBH98`, section II, in the sizes of the example that comes with Caffe, as {cite}`HPTD15` use it.
    Book: chapter *Early tickets*.
    """
    if len(filters) != 2:
        raise ValueError(f"lenet_5 has two layers of filters, got filters={filters!r}")
    padding = "valid" if min(input_shape[:2]) >= 16 else "same"
    gaussian = keras.initializers.VarianceScaling(1.0, "fan_avg", "untruncated_normal")
    pixels = keras.Input(input_shape, name="pixels")
    options = {"padding": padding, "kernel_initializer": gaussian}
    maps = PatchMax(filters[0], 5, **options, name="conv_1")(pixels)
    maps = PatchMax(filters[1], 5, **options, name="conv_2")(maps)
    hidden = keras.layers.Flatten(name="flatten")(maps)
    hidden = keras.layers.Dense(units, activation="relu", kernel_initializer=gaussian, name="hidden")(hidden)
    logits = keras.layers.Dense(classes, kernel_initializer=gaussian, name="output")(hidden)
    return keras.Model(pixels, logits, name="lenet_5")
