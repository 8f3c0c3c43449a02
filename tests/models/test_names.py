"""Names of variables: equal for every copy of a model, unique, and as short as today's stored results have them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from small_models import everything, small_model
from surgery_models import kim, table

from lthcore import models
from lthcore.models import variables


@keras.saving.register_keras_serializable("test_names")
class Block(layers.Layer):
    """A layer of a user's own: unnamed layers and variables, and no configuration."""

    def __init__(self, units: int = 4, **options):
        super().__init__(**options)
        self.first, self.many = layers.Dense(units), [layers.Dense(units), layers.Dense(units, name="last")]
        self._hidden = layers.Dense(units)

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones")
        for layer in (self.first, *self.many, self._hidden):
            layer.build(shape)

    def call(self, x):
        for layer in (self.first, *self.many, self._hidden):
            x = layer(x)
        return x * self.scale


@keras.saving.register_keras_serializable("test_names")
class Own(keras.Model):
    """A subclassed model."""

    def __init__(self, **options):
        super().__init__(**options)
        self.hidden, self.output_layer = layers.Dense(3), layers.Dense(2, name="output")

    def call(self, x):
        return self.output_layer(self.hidden(x))


def own() -> keras.Model:
    model = Own(name="own")
    model(np.ones((1, 4), np.float32))
    return model


def chain(shape: tuple[int, ...], *parts: keras.Layer) -> keras.Model:
    return keras.Sequential([keras.Input(shape), *parts], name="chain")


def graph(shape: tuple[int, ...], *parts: keras.Layer) -> keras.Model:
    inputs = hidden = keras.Input(shape)
    for part in parts:
        hidden = part(hidden)
    return keras.Model(inputs, hidden, name="graph")


def dense(name: str = "dense", units: int = 4) -> layers.Dense:
    return layers.Dense(units, use_bias=False, name=name)


def lstm(name: str, **options) -> layers.Bidirectional:
    cell = layers.LSTM(3, use_bias=False, name="lstm", **options)
    return layers.Bidirectional(cell, name=name)


def inner(name: str, *parts: keras.Layer) -> keras.Model:
    return keras.Sequential(list(parts), name=name)


def functional(name: str) -> keras.Model:
    inputs = keras.Input((4,))
    return keras.Model(inputs, dense()(inputs), name=name)


CELL = ("lstm_cell/kernel", "lstm_cell/recurrent_kernel")
EACH_WAY = [f"{way}_lstm/{name}" for way in ("forward", "backward") for name in CELL]
BLOCK = [
    f"block{number}/{name}"
    for number in ("", "_1")
    for name in (
        "scale first/kernel first/bias many_0/kernel many_0/bias last/kernel last/bias dense/kernel dense/bias"
    ).split()
]

NAMES = {
    "Sequential": (lambda: chain((4,), dense("a"), dense("b")), ["a/kernel", "b/kernel"]),
    "functional": (lambda: graph((4,), dense("a"), dense("b")), ["a/kernel", "b/kernel"]),
    "Bidirectional": (lambda: chain((5, 2), lstm("both")), EACH_WAY),
    "two Bidirectional of one name": (
        lambda: graph((5, 2), lstm("one", return_sequences=True), lstm("two")),
        [f"{layer}/{name}" for layer in ("one", "two") for name in EACH_WAY],
    ),
    "TimeDistributed": (lambda: graph((5, 2), layers.TimeDistributed(dense("inner"), name="each")), ["inner/kernel"]),
    "stacked cells": (
        lambda: graph((5, 2), layers.RNN([layers.GRUCell(2, use_bias=False), layers.GRUCell(3, use_bias=False)])),
        None,
    ),
    "SpectralNormalization": (
        lambda: graph((4,), layers.SpectralNormalization(dense("inner"), name="spectral")),
        ["inner/kernel", "spectral/vector_u"],
    ),
    "Sequential in Sequential": (
        lambda: chain((4,), inner("inner", dense("a"), dense("b")), dense("c")),
        ["a/kernel", "b/kernel", "c/kernel"],
    ),
    "Sequential in a functional model": (lambda: graph((4,), inner("inner", dense("a"))), ["a/kernel"]),
    "twins": (
        lambda: graph((4,), functional("first"), functional("second")),
        ["first/dense/kernel", "second/dense/kernel"],
    ),
    "layers of the user's own": (lambda: graph((4,), Block(), Block()), BLOCK),
    "subclassed model": (own, ["hidden/kernel", "hidden/bias", "output/kernel", "output/bias"]),
    "attention": (lambda: graph((5, 4), Attending(name="attending")), None),
}


@keras.saving.register_keras_serializable("test_names")
class Attending(layers.Layer):
    """Attention to itself."""

    def __init__(self, **options):
        super().__init__(**options)
        self.attention = layers.MultiHeadAttention(2, 3)

    def build(self, shape):
        self.attention.build(shape, shape)

    def call(self, x):
        return self.attention(x, x)


@pytest.mark.parametrize(("build", "expected"), NAMES.values(), ids=NAMES)
def test_a_model_its_clone_its_file_and_its_other_name_call_variables_the_same(build, expected, tmp_path):
    model = build()
    named = list(variables.variables(model))
    assert expected is None or sorted(named) == sorted(expected)
    clone = keras.models.clone_model(model)
    if not clone.built:
        clone(np.ones((1, 4), np.float32))
    model.save(tmp_path / "model.keras")
    for copy in (clone, keras.models.load_model(tmp_path / "model.keras")):
        assert list(variables.variables(copy)) == named
        variables.write(copy, variables.read(model))
    model.name = "another"
    assert list(variables.variables(model)) == named


STORED = {
    "lenet_300_100": (
        lambda: models.build("lenet_300_100", (28, 28, 1), 10),
        "hidden_1/kernel hidden_1/bias hidden_2/kernel hidden_2/bias output/kernel output/bias",
    ),
    "lenet_5": (
        lambda: models.build("lenet_5", (28, 28, 1), 10),
        "conv_1/kernel conv_1/bias conv_2/kernel conv_2/bias hidden/kernel hidden/bias output/kernel output/bias",
    ),
    "kim_cnn": (
        lambda: kim("multichannel"),
        "words_static/embeddings words/embeddings conv_3/kernel conv_3/bias conv_4/kernel conv_4/bias conv_5/kernel "
        "conv_5/bias output/kernel output/bias",
    ),
    "bilstm": (
        lambda: models.build("bilstm", (12,), 3, table=table(), units=4),
        "words/embeddings forward_lstm/lstm_cell/kernel forward_lstm/lstm_cell/recurrent_kernel "
        "forward_lstm/lstm_cell/bias backward_lstm/lstm_cell/kernel backward_lstm/lstm_cell/recurrent_kernel "
        "backward_lstm/lstm_cell/bias output/kernel output/bias",
    ),
    "with BatchNorm": (
        everything,
        "conv/kernel conv/bias norm/gamma norm/beta norm/moving_mean norm/moving_variance output/kernel output/bias",
    ),
}


@pytest.mark.parametrize(("build", "expected"), STORED.values(), ids=STORED)
def test_the_names_in_stored_results_are_frozen(build, expected):
    assert list(variables.variables(build())) == expected.split()


def test_names_do_not_depend_on_what_the_process_built_before():
    for build in (own, lambda: chain((4,), layers.Dense(2, name="output"))):
        assert list(variables.variables(build())) == list(variables.variables(build()))


def test_a_variable_without_a_name_is_called_by_its_attribute_as_in_convnext():
    scale = keras.src.applications.convnext.LayerScale(1e-6, 4, name="scale")
    assert list(variables.variables(graph((4,), dense("a"), scale))) == ["a/kernel", "scale/gamma"]


def test_a_layer_used_twice_has_its_variables_once():
    shared = dense("shared")
    assert list(variables.variables(graph((4,), shared, layers.ReLU(), shared))) == ["shared/kernel"]


def test_the_name_of_one_variable():
    model = small_model()
    assert variables.name_of(model, model.get_layer("hidden").bias) == "hidden/bias"
