"""Keras models by name, with explicit layer names; every model ends in logits."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import keras

from lthcore import text_models
from lthcore.patches import PatchMax


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


MODELS: dict[str, Callable[..., keras.Model]] = {
    "lenet_300_100": lenet_300_100,
    "lenet_5": lenet_5,
    "kim_cnn": text_models.kim_cnn,
    "bilstm": text_models.bilstm,
}


def build(name: str, input_shape: tuple[int, ...], classes: int, **options: object) -> keras.Model:
    """A model by name.

    Args:
        name: a key of `MODELS`.
        input_shape: shape of one example.
        classes: number of logits.
        options: further arguments of the model; those of documents need `table`, their initial word vectors.

    Raises:
        ValueError: for an unknown name or option; the message lists the known ones.
    """
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}; known are {', '.join(MODELS)}")
    known = list(inspect.signature(MODELS[name]).parameters)[2:]
    if wrong := sorted(set(options) - set(known)):
        raise ValueError(f"model {name!r} has no option {', '.join(wrong)}; it has {', '.join(known) or 'none'}")
    if "table" in known and options.get("table") is None:
        raise ValueError(f"model {name!r} reads documents and needs their word vectors: pass table=data.table")
    return MODELS[name](input_shape, classes, **options)


# Layers whose work is matrix products and element-wise maps. XLA fuses these to advantage on a CPU; convolutions,
# recurrences and gathers it makes slower there, by up to ten times.
_FUSIBLE = (
    keras.layers.InputLayer,
    keras.layers.Dense,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.Softmax,
    keras.layers.Dropout,
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.Rescaling,
    keras.layers.Add,
    keras.layers.Concatenate,
)


def prefers_xla(model: keras.Model, *, on_gpu: bool = False) -> bool:
    """Whether XLA is the faster compiler for this model: on a GPU wherever it can be, on a CPU a rule by layer type.

    A layer the rule does not know counts against XLA, which is the safer error: plain graphs are never far behind.
    """
    layers = list(model._flatten_layers(include_self=False, recursive=True))
    if on_gpu:
        return all(layer.supports_jit for layer in layers)
    return all(isinstance(layer, (*_FUSIBLE, keras.Model)) for layer in layers)
