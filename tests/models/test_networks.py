"""Models: the paper's network, to the weight, and the choice of a compiler."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from small_models import everything, small_model

from lthcore import models
from lthcore.experiments.presets import PRESETS
from lthcore.models import variables
from lthcore.training.engines import loop


@pytest.fixture(scope="module")
def lenet() -> keras.Model:
    return models.build("lenet_300_100", (28, 28, 1), 10)


def test_lenet_has_266_200_prunable_weights_in_three_named_layers(lenet):
    shapes = {name: variables.read(lenet)[name].shape for name in variables.prunable(lenet)}
    assert shapes == {"hidden_1/kernel": (784, 300), "hidden_2/kernel": (300, 100), "output/kernel": (100, 10)}
    assert sum(np.prod(shape) for shape in shapes.values()) == 266_200
    assert lenet.count_params() == 266_200 + 300 + 100 + 10


def test_initial_weights_are_gaussian_glorot_not_truncated(lenet):
    theta = variables.fresh(lenet, np.random.default_rng(0))
    for name, (fan_in, fan_out) in {"hidden_1/kernel": (784, 300), "hidden_2/kernel": (300, 100)}.items():
        scale = np.sqrt(2 / (fan_in + fan_out))
        assert theta[name].std() == pytest.approx(scale, rel=0.02)
        assert abs(theta[name].mean()) < 0.02 * scale
        beyond = np.mean(np.abs(theta[name]) > 2 * scale)
        assert beyond == pytest.approx(0.0455, abs=0.004), "a truncated normal has none beyond two deviations"
        assert np.abs(theta[name]).max() > 3 * scale
    assert theta["output/kernel"].std() == pytest.approx(np.sqrt(2 / 110), rel=0.1)
    for name in ("hidden_1/bias", "hidden_2/bias", "output/bias"):
        assert not theta[name].any()


def test_it_ends_in_logits(lenet):
    assert lenet.layers[-1].activation is keras.activations.linear
    images = np.random.default_rng(0).random((50, 28, 28, 1), np.float32)
    outputs = np.array(lenet(images))
    assert outputs.shape == (50, 10)
    assert outputs.min() < 0, "no probabilities"


def test_it_computes_two_hidden_layers_of_relus(lenet):
    images = np.random.default_rng(1).random((3, 28, 28, 1), np.float32)
    variables.write(lenet, variables.fresh(lenet, np.random.default_rng(1)))
    theta = variables.read(lenet)
    hidden = images.reshape(3, 784)
    for name in ("hidden_1", "hidden_2"):
        hidden = np.maximum(hidden @ theta[f"{name}/kernel"] + theta[f"{name}/bias"], 0)
    by_hand = hidden @ theta["output/kernel"] + theta["output/bias"]
    np.testing.assert_allclose(np.array(lenet(images)), by_hand, atol=1e-4)


def test_it_takes_any_shape_and_number_of_classes():
    model = models.build("lenet_300_100", (8, 8, 1), 4)
    assert model.input_shape == (None, 8, 8, 1)
    assert model.output_shape == (None, 4)


def test_the_convolutional_lenet_has_the_layers_of_the_example_that_comes_with_caffe():
    model = models.build("lenet_5", (28, 28, 1), 10)
    assert {
        name: array.shape for name, array in variables.read(model).items() if name in variables.prunable(model)
    } == {
        "conv_1/kernel": (5, 5, 1, 20),
        "conv_2/kernel": (5, 5, 20, 50),
        "hidden/kernel": (800, 500),
        "output/kernel": (500, 10),
    }
    assert model.count_params() == 431_080
    assert model.layers[-1].activation is keras.activations.linear
    theta = variables.fresh(model, np.random.default_rng(0))
    assert theta["conv_2/kernel"].std() == pytest.approx(np.sqrt(2 / (25 * 20 + 25 * 50)), rel=0.02)
    assert theta["hidden/kernel"].std() == pytest.approx(np.sqrt(2 / 1300), rel=0.02)
    assert not theta["conv_1/bias"].any()


def test_it_computes_what_keras_layers_compute():
    model = models.build("lenet_5", (28, 28, 1), 10, filters=(3, 4), units=5)
    theta = variables.fresh(model, np.random.default_rng(0))
    variables.write(model, theta)
    layers = keras.layers
    plain = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            *(layers.Conv2D(3, 5, activation="relu"), layers.MaxPooling2D(2)),
            *(layers.Conv2D(4, 5, activation="relu"), layers.MaxPooling2D(2)),
            *(layers.Flatten(), layers.Dense(5, activation="relu"), layers.Dense(10)),
        ]
    )
    plain.set_weights(list(theta.values()))
    images = np.random.default_rng(1).random((6, 28, 28, 1), np.float32)
    np.testing.assert_allclose(model(images), plain(images), atol=1e-5)


def test_images_that_are_too_small_for_it_are_padded():
    shapes = [
        variables.read(models.build("lenet_5", (side, side, 1), 4))["hidden/kernel"].shape for side in (8, 15, 16)
    ]
    assert shapes == [(2 * 2 * 50, 500), (3 * 3 * 50, 500), (1 * 1 * 50, 500)]
    with pytest.raises(ValueError, match=r"lenet_5 has two layers of filters, got filters=\(3,\)"):
        models.build("lenet_5", (8, 8, 1), 4, filters=(3,))


@pytest.mark.parametrize(
    ("build", "xla"),
    [
        (lambda: models.build("lenet_300_100", (8, 8, 1), 10), True),
        (small_model, True),
        (lambda: models.build("lenet_5", (8, 8, 1), 10), False),
        (everything, False),
        (lambda: keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(2)]), True),
        (lambda: keras.Sequential([keras.Input((4, 2)), keras.layers.LSTM(2)]), False),
        (lambda: keras.Sequential([keras.Input((4,)), keras.layers.Embedding(9, 2)]), False),
        (lambda: keras.Sequential([small_model(), keras.layers.Dense(2)]), True),
        (lambda: keras.Sequential([everything(), keras.layers.Dense(2)]), False),
    ],
    ids=[
        "lenet",
        "dense",
        "lenet_5",
        "convolution",
        "dropout",
        "lstm",
        "embedding",
        "dense, nested",
        "convolution, nested",
    ],
)
def test_xla_is_preferred_where_it_is_faster_and_by_nothing_it_does_not_know(build, xla):
    assert loop.prefers_xla(build()) is xla


def test_every_preset_names_a_model_there_is():
    assert {experiment.model for preset in PRESETS.values() for experiment in preset} <= set(models.MODELS)


def test_an_unknown_model_is_told_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown model 'lenet'; known are lenet_300_100"):
        models.build("lenet", (28, 28, 1), 10)
