"""Convolution, pooling and ReLU by patches: equal to Keras' layers, gradients included."""

from __future__ import annotations

import numpy as np
import pytest

from lthcore import models
from lthcore.models import variables
from lthcore.models.layers.patches import PatchMax
from lthcore.shrinking import surgery
from lthcore.shrinking.filters import prunable_layers

# isort: split
import keras
import tensorflow as tf

# height, width, channels, size, filters; of so many channels as thirteen the layer takes TensorFlow's own way
SHAPES = [(12, 10, 1, 5, 3), (9, 13, 2, 4, 1), (8, 8, 3, 5, 4), (7, 8, 13, 3, 2)]


def plainly(shape: tuple[int, ...], size: int, filters: int, padding: str) -> keras.Model:
    images = keras.Input(shape)
    maps = keras.layers.Conv2D(filters, size, padding=padding, activation="relu")(images)
    return keras.Model(images, keras.layers.MaxPooling2D(2)(maps))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("height", "width", "channels", "size", "filters"), SHAPES)
def test_it_computes_what_keras_layers_compute_and_so_does_its_gradient(
    height, width, channels, size, filters, padding
):
    rng = np.random.default_rng(size)
    shape, layer = (height, width, channels), PatchMax(filters, size, padding=padding)
    plain, x = plainly(shape, size, filters, padding), tf.constant(rng.normal(size=(6, *shape)), tf.float32)
    assert layer.compute_output_spec(keras.KerasTensor((None, *shape))).shape == plain.output_shape
    layer(x)
    values = [rng.normal(size=variable.shape) for variable in layer.variables]
    layer.set_weights(values)
    plain.set_weights(values)

    def results(function, variables):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = function(x)
            total = tf.reduce_sum(tf.sin(outputs))
        return [outputs, *tape.gradient(total, [x, *variables])]

    ours = results(layer, [variable.value for variable in layer.variables])
    theirs = results(plain, [variable.value for variable in plain.variables])
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_its_filters_are_removed_like_those_of_any_convolution():
    model = models.build("lenet_5", (8, 8, 1), 4, filters=(3, 4), units=5)
    assert prunable_layers(model) == ("conv_1", "conv_2", "hidden")
    theta = variables.fresh(model, np.random.default_rng(0))
    smaller, left = surgery.keep_units(model, theta, {"conv_1": np.array([0, 2])})
    assert (left["conv_1/kernel"].shape, left["conv_2/kernel"].shape) == ((5, 5, 1, 2), (5, 5, 2, 4))
    silent = dict(theta) | {"conv_2/kernel": np.where(np.arange(3)[:, None] == 1, 0, theta["conv_2/kernel"])}
    variables.write(model, variables.Weights(silent))
    images = np.random.default_rng(1).random((5, 8, 8, 1), np.float32)
    np.testing.assert_allclose(model(images), smaller(images), atol=1e-5)


def test_it_is_saved_and_loaded_by_keras(tmp_path):
    model = models.build("lenet_5", (8, 8, 1), 4, filters=(3, 4), units=5)
    model.save(tmp_path / "lenet.keras")
    images = np.random.default_rng(1).random((5, 8, 8, 1), np.float32)
    again = keras.models.load_model(tmp_path / "lenet.keras")
    np.testing.assert_array_equal(model(images), again(images))


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({"padding": "full"}, (8, 8, 1), "unknown padding 'full'; known are valid, same"),
        ({}, (8, 5, 1), "images of 8×5 have no 2×2 responses of 5×5 filters; make them larger"),
    ],
)
def test_what_cannot_be_pooled_is_refused(options, shape, message):
    with pytest.raises(ValueError, match=message):
        PatchMax(2, 5, **options)(np.zeros((1, *shape), np.float32))
