"""Shrinking: the same outputs from fewer units and inputs, by hand, at random, and without this package."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from surgery_models import (
    agree,
    convolutional,
    drawn,
    examples,
    kim,
    lenet,
    masked,
    outputs,
    residual,
    small_lenet,
)

from lthcore.models import variables
from lthcore.models.text_networks import VARIANTS
from lthcore.pruning.connectivity import effective
from lthcore.pruning.mask import Mask
from lthcore.pruning.weights import Weights
from lthcore.shrinking.shrink import shrink

MODELS = {
    "small LeNet": small_lenet,
    "convolutions": convolutional,
    "branches": residual,
    **{f"kim, {variant}": functools.partial(kim, variant) for variant in VARIANTS},
}


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
@settings(deadline=None, max_examples=6)
@given(
    seed=st.integers(0, 2**31),
    density=st.sampled_from([1.0, 0.5, 0.2, 0.05, 0.0]),
    filters=st.sampled_from([0.0, 0.5]),
)
def test_the_shrunk_network_computes_the_same(build, seed, density, filters):
    model = build()
    theta = masked(model, seed, density, filters=filters)
    small = shrink(model, theta)
    agree(model, theta, small, seed)
    assert small.parameters <= sum(array.size for array in theta.values())


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_nothing_is_left_to_shrink(build):
    model = build()
    small = shrink(model, masked(model, 3, 0.2, filters=0.3))
    again = shrink(small.model, small.weights)
    assert dict(again.units) == dict(small.units)
    assert again.weights == small.weights


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_a_dense_network_stays_as_large_as_it_is(build):
    model = build()
    theta = drawn(model, 0)
    small = shrink(model, theta)
    assert {name: array.shape for name, array in small.weights.items()} == {n: a.shape for n, a in theta.items()}


@pytest.mark.parametrize("density", [0.036, 0.012])
def test_what_is_left_of_lenet_are_the_weights_on_a_path_from_an_input_to_an_output(density):
    model = lenet()
    theta = masked(model, 0, density)
    kernels = [name for name in theta if name.endswith("kernel")]
    varying = np.random.default_rng(0).random((28, 28, 1)) < 0.8
    for shown in (np.ones_like(varying), varying):
        constant = None if shown.all() else (shown, np.zeros(shown.shape))
        small = shrink(model, theta, constant=constant)
        alive = effective(Mask({name: theta[name] != 0 for name in kernels}), shown)
        assert small.inputs == alive["hidden_1/kernel"].any(axis=1).sum()
        for name, reader in (("hidden_1", "hidden_2/kernel"), ("hidden_2", "output/kernel")):
            assert small.units[name] == alive[reader].any(axis=1).sum()
        for name in kernels:
            assert np.count_nonzero(small.weights[name]) == alive[name].sum()
    agree(model, theta, shrink(model, theta))


@pytest.mark.parametrize(("density", "most"), [(0.036, 0.2), (0.012, 0.08)])
def test_lenet_with_dead_pixels_and_survivors_crowded_into_some_units(density, most):
    """As training leaves it: the border of the images is dead, and so is half of the first layer."""
    model = lenet()
    theta = masked(model, 0, density)
    border = np.ones((28, 28), bool)
    border[4:-4, 4:-4] = False
    used = np.random.default_rng(0).random(300) < 0.5
    theta = Weights({**theta, "hidden_1/kernel": theta["hidden_1/kernel"] * ~border.reshape(-1, 1) * used})
    small = shrink(model, theta)
    agree(model, theta, small)
    assert small.inputs <= 400
    assert small.units["hidden_1"] <= used.sum()
    assert small.parameters < most * 266_610
    assert small.model.input_shape == (None, 28, 28, 1)
    assert small.parameters == (
        (small.inputs + 1) * small.units["hidden_1"]
        + (small.units["hidden_1"] + 1) * small.units["hidden_2"]
        + (small.units["hidden_2"] + 1) * 10
    )


def test_layers_that_are_not_known_keep_what_they_read():
    inputs, shared = keras.Input((4,)), layers.Dense(4, "relu", name="shared")
    hidden = layers.LayerNormalization(name="normal")(layers.Dense(4, name="first")(shared(shared(inputs))))
    mixed = layers.Dense(3, "softmax", name="mixed")(hidden)
    model = keras.Model(inputs, layers.Dense(2, name="output")(mixed + 1.0), name="mixed")  # named as a layer
    theta = masked(model, 1, 0.3)
    small = shrink(model, theta)
    agree(model, theta, small)
    assert dict(small.units) == {"shared": 4, "first": 4, "mixed": 3, "output": 2}
    assert small.inputs is None


def test_series_of_any_length():
    """What is added, joined or flattened over an axis of unknown length stays; filters go as everywhere."""
    series, numbers = keras.Input((None, 2), name="series"), keras.Input((None,), name="numbers")
    pooled = layers.GlobalMaxPooling1D(name="pooled")(layers.Conv1D(4, 3, activation="relu", name="conv")(series))
    twice = layers.Concatenate(name="twice")([numbers, layers.Add(name="sum")([numbers, numbers])])
    flat = keras.ops.max(layers.Flatten(name="flatten")(twice), axis=1, keepdims=True)
    output = layers.Dense(2, name="output")(layers.Concatenate(name="joined")([pooled, flat]))
    model = keras.Model([series, numbers], output, name="any_length")
    theta = {name: array.copy() for name, array in drawn(model, 0).items()}
    theta["output/kernel"][1] = 0
    theta["conv/kernel"][..., 2] = 0
    small = shrink(model, Weights(theta))
    rng = np.random.default_rng(0)
    x = [rng.normal(size=shape).astype(np.float32) for shape in ((5, 7, 2), (5, 6))]
    np.testing.assert_allclose(outputs(small.model, small.weights, x), outputs(model, Weights(theta), x), atol=1e-5)
    assert dict(small.units) == {"conv": 2, "output": 2}
    assert small.inputs is None
    with pytest.raises(ValueError, match="does not start in a dense layer"):
        shrink(model, Weights(theta), constant=(np.ones(2, bool), np.zeros(2)))


def held(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which inputs of `small_lenet` vary, and an example."""
    rng = np.random.default_rng(seed)
    varying = rng.random((3, 3, 1)) < 0.5
    varying[1, 1] = True
    return varying, rng.normal(size=(3, 3, 1)).astype(np.float32)


@settings(deadline=None, max_examples=6)
@given(seed=st.integers(0, 2**31), density=st.sampled_from([1.0, 0.5, 0.2]))
def test_inputs_that_never_vary_are_dropped_and_owed_nowhere_else(seed, density):
    model, (varying, values) = small_lenet(), held(seed)
    theta = masked(model, seed, density)
    small = shrink(model, theta, constant=(varying, values))
    assert small.inputs <= varying.sum()
    anything = examples(model, seed, count=20)
    x = np.where(varying, anything, values)
    np.testing.assert_allclose(outputs(small.model, small.weights, x), outputs(model, theta, x), atol=1e-5)
    np.testing.assert_array_equal(
        outputs(small.model, small.weights, anything), outputs(small.model, small.weights, x), "it does not see them"
    )


def test_elsewhere_the_outputs_differ():
    model, (varying, values) = small_lenet(), held(0)
    theta = drawn(model, 0)
    small = shrink(model, theta, constant=(varying, values))
    x = examples(model, 1)
    assert np.abs(outputs(small.model, small.weights, x) - outputs(model, theta, x)).max() > 0.1


def test_constant_inputs_by_hand():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, name="a"), layers.Dense(1, name="output")])
    theta = {"a/kernel": [[2], [3]], "a/bias": [1], "output/kernel": [[1]], "output/bias": [0]}
    small = shrink(model, Weights(theta), constant=(np.array([True, False]), np.array([9.0, 5.0])))
    assert small.weights["a/kernel"].tolist() == [[2]]
    assert small.weights["a/bias"].tolist() == [16]


def test_two_layers_that_read_the_inputs_drop_what_neither_reads():
    inputs = keras.Input((4,), name="row")
    hidden = layers.Dropout(0.2, name="dropout")(inputs)
    both = [layers.Dense(2, "tanh", name=name)(hidden) for name in ("left", "right")]
    model = keras.Model(inputs, layers.Dense(2, name="output")(layers.Concatenate(name="both")(both)), name="two")
    theta = {name: array.copy() for name, array in drawn(model, 0).items()}
    theta["left/kernel"][[0, 1]] = 0
    theta["right/kernel"][[1, 3]] = 0
    small = shrink(model, Weights(theta))
    agree(model, Weights(theta), small)
    assert small.inputs == 3
    assert small.weights["right/kernel"].shape == (3, 2)


def test_the_shrunk_network_trains_like_any_keras_model():
    model = small_lenet()
    small = shrink(model, masked(model, 0, 0.4))
    small.model.compile("sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    small.model.fit(examples(model, 0, 30), np.arange(30) % 4, epochs=1, verbose=0)
    assert variables.read(small.model) != small.weights
    assert variables.prunable(small.model) == ("hidden_1/kernel", "hidden_2/kernel", "output/kernel")
    fresh = variables.fresh(small.model, np.random.default_rng(0))
    assert fresh["hidden_1/kernel"].shape == small.weights["hidden_1/kernel"].shape


def test_neither_the_model_nor_the_result_can_be_changed():
    model = small_lenet()
    before = variables.read(model).digest()
    small = shrink(model, masked(model, 0, 0.2))
    assert variables.read(model).digest() == before
    assert variables.read(small.model) == small.weights
    with pytest.raises(AttributeError):
        small.inputs = 3
    with pytest.raises(TypeError):
        small.units["hidden_1"] = 3


YES, ZERO = np.ones((3, 3, 1), bool), np.zeros((3, 3, 1))


@pytest.mark.parametrize(
    ("constant", "message"),
    [
        ((YES[:2], ZERO), r"varying has shape \(2, 3, 1\), an example of model 'small_lenet' has \(3, 3, 1\)"),
        ((YES, ZERO.reshape(-1)), r"values has shape \(9,\), an example of model 'small_lenet' has \(3, 3, 1\)"),
        ((YES.astype(int), ZERO), "varying must be bool, True where inputs differ, not int64"),
        ((~YES, ZERO), "varying is False everywhere"),
        ((np.eye(3, dtype=bool)[..., None], ZERO + np.nan), "values contains NaN or infinite numbers"),
    ],
)
def test_constants_that_do_not_fit_are_refused(constant, message):
    model = small_lenet()
    with pytest.raises(ValueError, match=message):
        shrink(model, variables.read(model), constant=constant)


def test_constants_need_a_dense_layer_that_reads_them():
    model = convolutional()
    with pytest.raises(ValueError, match="model 'convolutional' does not start in a dense layer"):
        shrink(model, variables.read(model), constant=(np.ones((8, 8, 2), bool), np.zeros((8, 8, 2))))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(value):
    model = small_lenet()
    theta = {name: array.copy() for name, array in drawn(model, 0).items()}
    theta["hidden_2/kernel"][1, 2] = value
    with pytest.raises(ValueError, match="1 of the weights 'hidden_2/kernel' are NaN or infinite"):
        shrink(model, Weights(theta))


def test_weights_that_do_not_fit_are_refused():
    model = small_lenet()
    with pytest.raises(ValueError, match=r"'output/bias' has shape \(4,\) in the model, \(3,\) here"):
        shrink(model, Weights({**drawn(model, 0), "output/bias": np.ones(3)}))
