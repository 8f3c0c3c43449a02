"""Models whose units are removed in tests, small but of every kind of layer."""

from __future__ import annotations

from lthcore import models
from lthcore.models import variables

# isort: split
import keras
import numpy as np
from keras import layers

from lthcore.pruning.mask import Mask
from lthcore.pruning.weights import Weights
from lthcore.shrinking.shrink import Shrunk
from lthcore.text.tables import Table

WORDS, LENGTH = 30, 12


def lenet() -> keras.Model:
    return models.build("lenet_300_100", (28, 28, 1), 10)


def small_lenet() -> keras.Model:
    """(3, 3, 1) → 8 → 6 → 4."""
    images = keras.Input((3, 3, 1), name="images")
    hidden = layers.Flatten(name="flatten")(images)
    hidden = layers.Dense(8, activation="relu", name="hidden_1")(hidden)
    hidden = layers.Dense(6, activation="tanh", name="hidden_2")(hidden)
    return keras.Model(images, layers.Dense(4, name="output")(hidden), name="small_lenet")


def convolutional() -> keras.Model:
    """8×8×2 pixels, two convolutions with BatchNorm and pooling, a dense layer; as a Sequential model."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 2), name="images"),
            layers.Conv2D(5, 3, padding="same", use_bias=False, kernel_initializer="he_normal", name="conv_1"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="relu"),
            layers.MaxPooling2D(name="pool"),
            layers.Conv2D(6, 3, activation="elu", name="conv_2"),
            layers.Flatten(name="flatten"),
            layers.Dropout(0.5, name="dropout"),
            layers.Dense(7, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-3), name="hidden"),
            layers.Dense(3, kernel_constraint=keras.constraints.MaxNorm(3, axis=0), name="output"),
        ],
        name="convolutional",
    )


def residual() -> keras.Model:
    """Two branches of five filters that are added, and one of three that is set beside them."""
    series = keras.Input((9, 2), name="series")
    first = layers.Conv1D(5, 3, padding="same", name="first")(series)
    second = layers.Conv1D(5, 3, padding="same", activation="relu", name="second")(first)
    added = layers.Add(name="added")([first, layers.SpatialDropout1D(0.1, name="dropout")(second)])
    beside = layers.Conv1D(3, 1, name="beside")(series)
    joined = layers.Concatenate(name="joined")([added, layers.Activation("tanh", name="tanh")(beside)])
    pooled = layers.GlobalAveragePooling1D(name="pooled")(joined)
    return keras.Model(series, layers.Dense(2, activation="softmax", name="output")(pooled), name="residual")


def table(words: int = WORDS, dimension: int = 4) -> Table:
    """Made-up word vectors; the first two rows, padding and unknown, have none."""
    vectors = np.random.default_rng(0).normal(size=(words, dimension)).astype(np.float32)
    known = np.arange(words) > 1
    return Table(vectors * known[:, np.newaxis], known, 0.25)


def kim(variant: str = "nonstatic", filters: int = 5) -> keras.Model:
    return models.build("kim_cnn", (LENGTH,), 6, table=table(), variant=variant, filters=filters)


def documents(seed: int, count: int = 9) -> np.ndarray:
    """Documents of one word to `LENGTH` words, padded on the right."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, LENGTH + 1, (count, 1))
    return np.where(np.arange(LENGTH) < lengths, rng.integers(1, WORDS, (count, LENGTH)), 0).astype(np.int32)


def examples(model: keras.Model, seed: int, count: int = 9) -> np.ndarray:
    """Random examples of the shape and kind a model takes."""
    if model.name == "kim_cnn":
        return documents(seed, count)
    return np.random.default_rng(seed).normal(size=(count, *model.inputs[0].shape[1:])).astype(np.float32)


def drawn(model: keras.Model, seed: int) -> Weights:
    """Arbitrary weights that fit the model, biases and running statistics included; none is zero."""
    rng = np.random.default_rng(seed)

    def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
        if "norm/" in name:
            return rng.uniform(0.5, 1.5, shape)
        return rng.normal(0, 0.5 if name.endswith("bias") else np.prod(shape[:-1]) ** -0.5, shape)

    return Weights({name: draw(name, array.shape) for name, array in variables.read(model).items()})


def outputs(model: keras.Model, theta: Weights, x: np.ndarray) -> np.ndarray:
    """What the model computes with these weights."""
    variables.write(model, theta)
    return np.array(model(x, training=False))


def masked(model: keras.Model, seed: int, density: float, *, filters: float = 0.0) -> Weights:
    """Arbitrary weights under a random mask, which takes some whole filters as well."""
    theta, rng = drawn(model, seed), np.random.default_rng([seed, 1])

    def kept(shape: tuple[int, ...]) -> np.ndarray:
        return (rng.random(shape) < density) & (rng.random(shape[-1]) >= filters)

    return Mask({name: kept(theta[name].shape) for name in variables.prunable(model)}).apply(theta)


def agree(model: keras.Model, theta: Weights, small: Shrunk, seed: int = 0) -> None:
    """Both networks compute the same, whatever the examples."""
    x = examples(model, seed, count=20)
    found = outputs(small.model, small.weights, x)
    np.testing.assert_allclose(found, outputs(model, theta, x), atol=1e-5)
    assert small.parameters == sum(array.size for array in small.weights.values()) == small.model.count_params()
    for name, units in small.units.items():
        assert small.model.get_layer(name).kernel.shape[-1] == units >= 1
