"""What a model ends in, read from its graph, or said by the caller and checked."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from small_models import small_model

from lthcore import models
from lthcore.models.head import check_head, head

ops = keras.ops


class Own(layers.Layer):
    """A layer of a user's own, which ends in a softmax."""

    def call(self, x):
        return ops.softmax(x)


class WithActivation(layers.Dense):
    """A layer of a user's own that tells its activation."""


class Subclassed(keras.Model):
    """A model of a user's own."""

    def __init__(self, activation=None):
        super().__init__(name="subclassed")
        self.inner = layers.Dense(3, activation)

    def call(self, x):
        return self.inner(x)


class Bare(keras.Model):
    """A model without any layer."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 3), name="kernel")

    def call(self, x):
        return x @ self.kernel


def graph(*parts, shape: tuple[int, ...] = (4,)) -> keras.Model:
    """Layers and functions, one after the other."""
    inputs = hidden = keras.Input(shape)
    for part in parts:
        hidden = part(hidden)
    return keras.Model(inputs, hidden, name="graph")


def chain(*parts) -> keras.Model:
    return keras.Sequential([keras.Input((4,)), *parts], name="chain")


def dense(activation=None, units: int = 3) -> layers.Dense:
    return layers.Dense(units, activation)


def averaged(activation: str) -> keras.Model:
    inputs = keras.Input((4,))
    return keras.Model(inputs, layers.Average()([dense(activation)(inputs) for _ in range(2)]))


def through(*parts) -> keras.Model:
    """A softmax, and a model within the model that does no more than reshape it."""
    return graph(dense("softmax"), keras.Sequential([layers.Reshape((3, 1)), *parts], name="shapes"))


HEADS = {
    "LeNet": (lambda: models.build("lenet_300_100", (28, 28, 1), 10), "linear"),
    "small": (small_model, "linear"),
    "activation of the last layer": (lambda: chain(dense("sigmoid")), "sigmoid"),
    "activation as a layer": (lambda: chain(dense(), layers.Activation("softmax")), "softmax"),
    "linear activation after another": (lambda: chain(dense("softmax"), layers.Activation("linear")), "softmax"),
    "Softmax": (lambda: graph(dense(), layers.Softmax()), "softmax"),
    "Softmax as activation": (lambda: graph(dense(layers.Softmax())), "softmax"),
    "ReLU": (lambda: graph(dense(), layers.ReLU()), "relu"),
    "another activation": (lambda: graph(dense("log_softmax")), "log_softmax"),
    "sigmoid as an operation": (lambda: graph(dense(), ops.sigmoid), "sigmoid"),
    "softmax as an operation": (lambda: graph(dense(), ops.softmax), "softmax"),
    "activation as a function": (lambda: graph(dense(), keras.activations.sigmoid), "sigmoid"),
    "relu as a function": (lambda: graph(dense(), keras.activations.relu), "relu"),
    "tanh as an operation": (lambda: graph(dense(), ops.tanh), "tanh"),
    "softmax and Reshape": (lambda: chain(dense("softmax"), layers.Reshape((3,))), "softmax"),
    "softmax, Reshape, Flatten": (lambda: graph(dense("softmax"), layers.Reshape((1, 3)), layers.Flatten()), "softmax"),
    "sigmoid and its first outputs": (lambda: graph(dense("sigmoid"), lambda x: x[:, :2]), "sigmoid"),
    "dropout and cast": (
        lambda: graph(dense("sigmoid"), layers.Dropout(0.1), lambda x: ops.cast(x, "float32")),
        "sigmoid",
    ),
    "Sequential in Sequential": (lambda: chain(dense(), keras.Sequential([dense("sigmoid")])), "sigmoid"),
    "two levels": (
        lambda: graph(keras.Sequential([dense(), keras.Sequential([dense("softmax")])]), layers.Identity()),
        "softmax",
    ),
    "functional in functional": (lambda: graph(dense("relu", 4), graph(dense(), ops.sigmoid)), "sigmoid"),
    "a model that changes no output": (
        lambda: graph(dense("sigmoid"), keras.Sequential([layers.Identity(), layers.Dropout(0.5)])),
        "sigmoid",
    ),
    "logits scaled": (lambda: graph(dense(), lambda x: x / 2.0), "linear"),
    "logits of a product": (
        lambda: graph(dense("relu"), lambda x: ops.matmul(x, np.ones((3, 3), "float32"))),
        "linear",
    ),
    "a sigmoid further down": (lambda: graph(dense("sigmoid"), dense()), "linear"),
    "normalised": (lambda: graph(dense("sigmoid"), layers.LayerNormalization()), "linear"),
    "mean of logits": (lambda: averaged("linear"), "linear"),
    "mean of probabilities": (lambda: averaged("softmax"), "softmax"),
    "mean over places": (
        lambda: graph(layers.Conv1D(3, 1, activation="softmax"), layers.GlobalAveragePooling1D(), shape=(5, 4)),
        "softmax",
    ),
    "largest logits over places": (
        lambda: graph(layers.Conv1D(3, 1), layers.GlobalMaxPooling1D(), shape=(5, 4)),
        "linear",
    ),
    "each place": (lambda: graph(layers.TimeDistributed(dense("softmax")), shape=(5, 4)), "softmax"),
    "both ways": (lambda: graph(layers.Bidirectional(layers.LSTM(3)), shape=(5, 4)), "tanh"),
    "own layer with an activation": (lambda: graph(WithActivation(3, "softmax")), "softmax"),
    "own layer with a linear one": (lambda: graph(WithActivation(3)), "linear"),
    "built late": (lambda: _built(keras.Sequential([dense("sigmoid")])), "sigmoid"),
}


def _built(model: keras.Model) -> keras.Model:
    model.build((None, 4))
    return model


@pytest.mark.parametrize(("build", "expected"), HEADS.values(), ids=HEADS)
def test_a_head_is_read_from_the_graph(build, expected):
    assert head(build()) == expected


def called(model: keras.Model) -> keras.Model:
    model(np.ones((1, 4), np.float32))
    return model


UNTOLD = {
    "subclassed": (lambda: called(Subclassed()), "model 'subclassed' ends in cannot be told: Keras does not know"),
    "without layers": (lambda: called(Bare(name="bare")), "model 'bare' ends in cannot be told: Keras does not know"),
    "subclassed within": (lambda: graph(Subclassed("softmax")), "'subclassed' is of class Subclassed, which may give"),
    "own layer": (lambda: graph(dense(), Own(name="own")), "'own' is of class Own, which may give anything"),
    "Lambda": (
        lambda: graph(dense(), layers.Lambda(ops.softmax, name="last")),
        "'last' is of class Lambda, which",
    ),
    "scaled probabilities": (lambda: graph(dense("sigmoid"), lambda x: x * 0.9), "changes what a sigmoid gives"),
    "largest probabilities": (
        lambda: graph(layers.Conv1D(3, 1, activation="softmax"), layers.GlobalMaxPooling1D(name="most"), shape=(5, 4)),
        "'most' changes what a softmax gives",
    ),
    "transposed": (
        lambda: graph(layers.Dense(5, "softmax"), layers.Permute((2, 1), name="turned"), shape=(5, 4)),
        "'turned' changes what a softmax gives",
    ),
    "mixed": (lambda: through(layers.Flatten()), "puts the probabilities of a softmax into another order"),
    "another axis": (
        lambda: graph(layers.Softmax(axis=1, name="over"), shape=(5, 4)),
        "'over' is a softmax over axis 1",
    ),
}


@pytest.mark.parametrize(("build", "message"), UNTOLD.values(), ids=UNTOLD)
def test_what_cannot_be_told_is_asked_for(build, message):
    with pytest.raises(ValueError, match=f"{message}.*; pass head= with one of logits, softmax, sigmoid"):
        head(build())


def test_a_model_of_two_outputs_has_no_head():
    inputs = keras.Input((4,))
    with pytest.raises(ValueError, match="model 'two' has 2 outputs; only models with one"):
        head(keras.Model(inputs, [dense()(inputs), dense()(inputs)], name="two"))


X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)


@pytest.mark.parametrize(
    ("activation", "said", "expected"),
    [(None, "logits", "linear"), ("softmax", "softmax", "softmax"), ("sigmoid", "sigmoid", "sigmoid"),
     ("tanh", "logits", "linear"), ("softmax", "sigmoid", "sigmoid")],
)  # fmt: skip
def test_what_the_caller_says_is_checked_and_put_in_the_same_words(activation, said, expected):
    assert check_head(called(Subclassed(activation)), X, said) == expected


@pytest.mark.parametrize(
    ("activation", "said", "message"),
    [
        ("softmax", "logits", "cannot have head='logits': its outputs are probabilities of classes"),
        ("sigmoid", "logits", "cannot have head='logits': its outputs all lie between 0 and 1"),
        ("sigmoid", "softmax", "cannot have head='softmax': its outputs do not sum to 1"),
        (None, "softmax", "cannot have head='softmax': its outputs are not all between 0 and 1"),
        (None, "sigmoid", "cannot have head='sigmoid': its outputs are not all between 0 and 1"),
        (None, "linear", "unknown head 'linear'; known are logits, softmax, sigmoid"),
    ],
)
def test_what_cannot_be_true_is_refused(activation, said, message):
    with pytest.raises(ValueError, match=message):
        check_head(called(Subclassed(activation)), X, said)


def test_logits_that_all_start_at_one_value_are_logits():
    model = chain(layers.Dense(3, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(0.5)))
    assert check_head(model, X, "logits") == "linear"
