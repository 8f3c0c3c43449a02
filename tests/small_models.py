"""Models small enough for tests."""

from __future__ import annotations

from lthcore.models import variables  # noqa: F401  before Keras, so that TensorFlow starts with the package's settings

# isort: split
import keras


def small_model(l2: float = 0.0) -> keras.Model:
    """64 → 12 → 10, small enough for an eager loop; every layer is named."""
    regularizer = keras.regularizers.L2(l2) if l2 else None
    pixels = keras.Input((8, 8, 1), name="pixels")
    hidden = keras.layers.Flatten(name="flatten")(pixels)
    hidden = keras.layers.Dense(12, activation="relu", kernel_regularizer=regularizer, name="hidden")(hidden)
    return keras.Model(pixels, keras.layers.Dense(10, name="output")(hidden), name="small")


def everything() -> keras.Model:
    """A model with all that may leak between runs: convolution, BatchNorm statistics, dropout seeds, a penalty."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3, activation="relu", name="conv"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dropout(0.5, name="dropout"),
            keras.layers.Dense(10, kernel_regularizer=keras.regularizers.L2(1e-3), name="output"),
        ],
        name="everything",
    )
