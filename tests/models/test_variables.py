"""Keras variables: read, written and drawn in one place."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from small_models import everything, small_model

from lthcore.models import variables
from lthcore.pruning.weights import Weights


def recurrent() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((5,)),
            layers.Embedding(9, 4, name="words"),
            layers.Bidirectional(layers.LSTM(3, name="lstm"), name="both"),
            layers.Dense(2, name="output"),
        ],
        name="recurrent",
    )


def separable() -> keras.Model:
    convolution = layers.SeparableConv1D(3, 2, name="conv")
    return keras.Sequential([keras.Input((6, 2)), convolution, layers.LayerNormalization(name="norm")], name="sep")


PRUNABLE = {
    "dense": (small_model, ("hidden/kernel", "output/kernel")),
    "convolution and BatchNorm": (everything, ("conv/kernel", "output/kernel")),
    "embedding and LSTM": (
        recurrent,
        (
            "forward_lstm/lstm_cell/kernel",
            "forward_lstm/lstm_cell/recurrent_kernel",
            "backward_lstm/lstm_cell/kernel",
            "backward_lstm/lstm_cell/recurrent_kernel",
            "output/kernel",
        ),
    ),
    "separable convolution": (separable, ("conv/depthwise_kernel", "conv/pointwise_kernel")),
    "nested": (
        lambda: keras.Sequential([keras.Input((8, 8, 1)), small_model(), layers.Dense(3, name="top")], name="whole"),
        ("hidden/kernel", "output/kernel", "top/kernel"),
    ),
}

MODELS = {name: build for name, (build, _) in PRUNABLE.items()}


def drawn(model: keras.Model, seed: int) -> Weights:
    """Arbitrary weights that fit the model."""
    rng = np.random.default_rng(seed)
    return Weights({name: rng.uniform(0.5, 1.5, array.shape) for name, array in variables.read(model).items()})


@pytest.mark.parametrize(("build", "names"), PRUNABLE.values(), ids=PRUNABLE)
def test_kernels_are_prunable_and_nothing_else_is(build, names):
    assert variables.prunable(build()) == names


def test_a_frozen_layer_is_not_prunable():
    model = small_model()
    model.get_layer("hidden").trainable = False
    assert variables.prunable(model) == ("output/kernel",)
    model.get_layer("output").trainable = False
    with pytest.raises(ValueError, match="model 'small' has no trainable kernel to prune"):
        variables.prunable(model)


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_what_is_written_is_read_back_to_the_last_bit(build):
    model = build()
    theta = drawn(model, 0)
    variables.write(model, theta)
    assert variables.read(model).digest() == theta.digest()


def test_reading_is_a_copy():
    model = small_model()
    before = variables.read(model)
    digest = before.digest()
    variables.write(model, drawn(model, 1))
    assert before.digest() == digest


def test_running_statistics_are_part_of_the_weights_and_random_generators_are_not():
    names = set(variables.read(everything()))
    assert {f"norm/{name}" for name in ("moving_mean", "moving_variance", "gamma", "beta")} <= names
    assert not any("seed" in name for name in names)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden/kernel": None}, r"do not fit model 'small': missing \['hidden/kernel'\], unknown \[\]"),
        ({"hiden/kernel": np.ones(3)}, r"missing \[\], unknown \['hiden/kernel'\]"),
        ({"output/kernel": np.ones((10, 12))}, r"'output/kernel' has shape \(12, 10\) in the model, \(10, 12\) here"),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_nothing_is_written(changes, message):
    model = small_model()
    before = variables.read(model)
    changed = {name: array for name, array in ({**drawn(model, 2), **changes}).items() if array is not None}
    with pytest.raises(ValueError, match=message):
        variables.write(model, Weights(changed))
    assert variables.read(model) == before


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_fresh_weights_come_from_the_stream_alone(build):
    model, other = build(), build()
    keras.utils.set_random_seed(1)
    theta = variables.fresh(model, np.random.default_rng(3))
    keras.utils.set_random_seed(2)
    variables.write(other, drawn(other, 4))
    assert variables.fresh(other, np.random.default_rng(3)).digest() == theta.digest()
    different = variables.fresh(model, np.random.default_rng(5))
    for name in variables.prunable(model):
        assert not np.intersect1d(different[name], theta[name]).size


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_fresh_weights_leave_the_model_as_it_is_and_fit_it(build):
    model = build()
    before = variables.read(model)
    theta = variables.fresh(model, np.random.default_rng(3))
    assert variables.read(model) == before
    assert {name: array.shape for name, array in theta.items()} == {name: array.shape for name, array in before.items()}


def test_fresh_weights_follow_each_layers_own_initializer():
    theta = variables.fresh(everything(), np.random.default_rng(0))
    limit = np.sqrt(6 / (9 + 9 * 4))  # Glorot uniform of a 3×3 convolution, 1 → 4 channels
    assert 0.8 * limit < np.abs(theta["conv/kernel"]).max() <= limit
    for name, value in {"conv/bias": 0, "norm/gamma": 1, "norm/beta": 0, "norm/moving_variance": 1}.items():
        assert np.all(theta[f"{name}"] == value), name


def test_an_initializer_with_a_seed_of_its_own_does_not_make_all_trials_start_from_one_point():
    fixed = keras.initializers.HeNormal(seed=42)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(5, kernel_initializer=fixed)], name="fixed")
    (name,) = variables.prunable(model)
    first, second = (variables.fresh(model, np.random.default_rng(seed))[name] for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_two_layers_that_share_an_initializer_get_different_weights():
    shared = keras.initializers.HeNormal(seed=42)
    model = keras.Sequential([keras.Input((5,)), *(layers.Dense(5, kernel_initializer=shared) for _ in range(2))])
    first, second = (variables.fresh(model, np.random.default_rng(0))[name] for name in variables.prunable(model))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("forget", [True, False])
def test_the_forget_gate_of_an_lstm_starts_open(forget):
    lstm = layers.LSTM(3, unit_forget_bias=forget, name="lstm")
    model = keras.Sequential([keras.Input((5, 2)), lstm], name="model")
    bias = variables.fresh(model, np.random.default_rng(0))["lstm/lstm_cell/bias"]
    assert bias.tolist() == [0, 0, 0, *([1, 1, 1] if forget else [0, 0, 0]), 0, 0, 0, 0, 0, 0]
    assert np.array_equal(bias, variables.read(model)["lstm/lstm_cell/bias"]), "as Keras itself starts it"


class Scaled(layers.Layer):
    """A layer that keeps no initializer."""

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(1,), initializer="ones", name="scale")

    def call(self, inputs):
        return inputs * self.scale


def test_a_layer_without_a_known_initializer_is_told_with_what_to_do():
    model = keras.Sequential([keras.Input((5,)), layers.Dense(2, name="output"), Scaled(name="scaled")])
    with pytest.raises(ValueError, match=r"layer 'scaled' has no initializer for 'scale'; .*`fresh\(rng\) -> Weights`"):
        variables.fresh(model, np.random.default_rng(0))


def test_reseeding_repeats_dropout_and_touches_no_weight():
    model, images = everything(), np.ones((4, 8, 8, 1), np.float32)
    before = variables.read(model)
    noisy = []
    for seed in (1, 1, 2):
        variables.write(model, before)
        variables.reseed(model, np.random.default_rng(seed))
        assert variables.read(model) == before
        noisy.append(np.array(model(images, training=True)))
    assert np.array_equal(noisy[0], noisy[1])
    assert not np.array_equal(noisy[0], noisy[2])


class SameNames(layers.Layer):
    """Two layers of one name in one layer."""

    def __init__(self, **options):
        super().__init__(**options)
        self.first, self.second = (layers.Dense(4, name="same") for _ in range(2))

    def build(self, shape):
        self.first.build(shape)
        self.second.build(shape)

    def call(self, x):
        return self.second(self.first(x))


def same_names() -> keras.Model:
    return keras.Sequential([keras.Input((4,)), SameNames(name="twins")], name="twins")


def quantised() -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, name="output")], name="quantised")
    model.get_layer("output").quantize("int8")
    return model


def half_precision() -> keras.Model:
    return keras.Sequential([keras.Input((4,)), layers.Dense(2, dtype="float16", name="output")], name="half")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (same_names, "two variables are called 'twins/same/kernel'; give each layer a name of its own"),
        (lambda: keras.Sequential([layers.Dense(2)], name="unbuilt"), "model 'unbuilt' has no weights yet; call it on"),
        (half_precision, "'output/kernel' is float16; only float32 models can be trained here"),
        (quantised, r"layer 'output' is quantised \(int8\); only float32 models can be trained, shrunk and exported"),
    ],
    ids=["two of one name", "not built", "float16", "int8"],
)
def test_a_model_that_cannot_be_read_is_refused(build, message):
    model = build()
    for read in (variables.variables, variables.read):
        with pytest.raises(ValueError, match=message):
            read(model)
