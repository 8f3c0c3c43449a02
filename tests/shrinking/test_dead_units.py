"""What is constant and what is read, on networks small enough to be worked out by hand."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
from keras import layers
from surgery_models import agree, convolutional, drawn, masked, residual, small_lenet

from lthcore.pruning.weights import Weights
from lthcore.shrinking import dead_units, graph
from lthcore.shrinking.shrink import shrink


def chain(*hidden: keras.Layer, inputs: tuple[int, ...] = (2,)) -> keras.Model:
    """Layers one after the other, then one output."""
    return keras.Sequential([keras.Input(inputs), *hidden, layers.Dense(1, name="output")], name="chain")


def shrunk(model: keras.Model, **theta: object) -> dict[str, object]:
    """What is left of some weights, given and returned as lists; names with two underscores for the slash."""
    small = shrink(model, Weights({name.replace("__", "/"): array for name, array in theta.items()}))
    left = {name.replace("/", "__"): array.tolist() for name, array in small.weights.items()}
    return {**left, "inputs": small.inputs}


def test_a_unit_that_nothing_reads_goes():
    hidden = {"a__kernel": [[1, 2], [3, 4]], "a__bias": [5, 6]}
    left = shrunk(chain(layers.Dense(2, "relu", name="a")), **hidden, output__kernel=[[0], [7]], output__bias=[8])
    assert left == {
        "a__kernel": [[2], [4]],
        "a__bias": [6],
        "output__kernel": [[7]],
        "output__bias": [8],
        "inputs": 2,
    }


@pytest.mark.parametrize(
    ("activation", "bias", "value"),
    [("relu", 2, 2), ("relu", -2, 0), ("linear", -2, -2), ("tanh", 1, np.tanh(1)), ("sigmoid", 0, 0.5), ("elu", 3, 3)],
)
def test_a_unit_that_reads_nothing_becomes_part_of_the_next_bias(activation, bias, value):
    left = shrunk(
        chain(layers.Dense(2, activation, name="a"), layers.Dropout(0.5)),
        a__kernel=[[0, 2], [0, 4]],
        a__bias=[bias, 6],
        output__kernel=[[10], [7]],
        output__bias=[8],
    )
    assert left["a__kernel"] == [[2], [4]]
    assert left["output__kernel"] == [[7]]
    assert left["output__bias"] == pytest.approx([8 + 10 * value])


def test_an_activation_of_its_own_is_applied_before_folding():
    left = shrunk(
        chain(layers.Dense(2, name="a"), layers.LeakyReLU(negative_slope=0.5), layers.Activation("exponential")),
        a__kernel=[[0, 2], [0, 4]],
        a__bias=[-4, 6],
        output__kernel=[[10], [7]],
        output__bias=[8],
    )
    assert left["output__bias"] == pytest.approx([8 + 10 * np.exp(-2)])


def test_one_disappearance_leads_to_the_next():
    """Unit 0 of c is read by nobody, so unit 0 of b is not either, nor unit 0 of a, nor the second input."""
    dense = functools.partial(layers.Dense, 2, "linear")
    path = [[1, 0], [0, 2]]
    model = chain(dense(name="a"), dense(name="b"), dense(name="c"))
    left = shrunk(
        model,
        **{"a__kernel": [[0, 2], [1, 0]], "b__kernel": path, "c__kernel": path, "output__kernel": [[0], [3]]},
        **{"a__bias": [0, 5], "b__bias": [0, 0], "c__bias": [0, 0], "output__bias": [1]},
    )
    assert [left[f"{name}__kernel"] for name in "abc"] == [[[2]], [[2]], [[2]]]
    assert left["inputs"] == 1


def test_constants_lead_to_constants():
    """Only constants reach unit 0 of b: 3 → 2·3 + 1 = 7 → 5·7 in the output."""
    left = shrunk(
        chain(layers.Dense(2, "relu", name="a"), layers.Dense(2, "relu", name="b")),
        **{"a__kernel": [[0, 1], [0, 1]], "a__bias": [3, 0], "b__kernel": [[2, 4], [0, 1]], "b__bias": [1, 0]},
        **{"output__kernel": [[5], [1]], "output__bias": [10]},
    )
    assert left["b__bias"] == [12]
    assert left["output__bias"] == [45]
    assert left["a__kernel"] == [[1], [1]]


def test_a_network_that_depends_on_nothing_keeps_one_unit_in_each_layer_and_one_input():
    model = small_lenet()
    theta = masked(model, 0, 0.0)
    small = shrink(model, theta)
    agree(model, theta, small)
    assert dict(small.units) == {"hidden_1": 1, "hidden_2": 1, "output": 4}
    assert small.inputs == 1
    assert small.parameters == 2 + 2 + 4 + 4


def test_a_reader_without_bias_keeps_the_constant_unit():
    model = chain(layers.Dense(2, "relu", name="a"), layers.Dense(1, use_bias=False, name="b"))
    theta = {"a__kernel": [[0, 1], [0, 1]], "a__bias": [3, 0], "b__kernel": [[2], [1]]}
    left = shrunk(model, **theta, output__kernel=[[1]], output__bias=[0])
    assert left["a__kernel"] == [[0, 1], [0, 1]]
    assert left["b__kernel"] == [[2], [1]]


@pytest.mark.parametrize(
    ("padding", "bias", "filters"),
    [("valid", 3.0, 1), ("same", 3.0, 2), ("same", -3.0, 1), ("same", 0.0, 1)],
    ids=["nothing over the edge", "another value over the edge", "ReLU gives zero", "zero"],
)
def test_a_constant_filter_is_folded_where_the_next_convolution_sees_it_everywhere(padding, bias, filters):
    model = chain(
        layers.Conv2D(2, 3, padding="same", activation="relu", name="first"),
        layers.AveragePooling2D(2, padding="same", name="mean"),
        layers.Conv2D(2, 2, padding=padding, name="second"),
        layers.MaxPooling2D(3, padding="same", name="max"),
        layers.Flatten(),
        inputs=(7, 7, 1),
    )
    theta = dict(drawn(model, 0))
    theta["first/kernel"] = theta["first/kernel"] * [0, 1]
    theta["first/bias"] = np.array([bias, 0.5])
    small = shrink(model, Weights(theta))
    agree(model, Weights(theta), small)
    assert small.units["first"] == filters


def test_a_filter_that_is_constant_after_normalisation_and_pooling_goes():
    model = convolutional()
    theta = dict(drawn(model, 0))
    theta["conv_1/kernel"] = theta["conv_1/kernel"] * [1, 0, 1, 0, 1]
    theta["conv_2/kernel"] = theta["conv_2/kernel"] * [0, 1, 1, 1, 1, 0]
    small = shrink(model, Weights(theta))
    agree(model, Weights(theta), small)
    assert dict(small.units) == {"conv_1": 3, "conv_2": 4, "hidden": 7, "output": 3}
    assert small.inputs is None
    assert small.weights["norm/moving_mean"].shape == (3,)
    assert small.weights["hidden/kernel"].shape == (16, 7)


def test_channels_that_are_added_go_together_or_not_at_all():
    model = residual()
    theta = {name: array.copy() for name, array in drawn(model, 0).items()}
    theta["output/kernel"][[0, 1]] = 0  # of the sum, channels 0 and 1 are not read
    theta["second/kernel"][:, 1] = 0  # and channel 1 of the first branch is not read elsewhere
    small = shrink(model, Weights(theta))
    agree(model, Weights(theta), small)
    assert dict(small.units) == {"first": 4, "second": 4, "beside": 3, "output": 2}


def test_a_unit_left_over_reads_nothing():
    model = small_lenet()
    theta = {**drawn(model, 0), "output/kernel": np.zeros((6, 4))}
    kept, left = dead_units.live(graph.calls(model), model.outputs, Weights(theta))
    assert {name: indices.tolist() for name, indices in kept.items()} == {
        "hidden_1": [0],
        "hidden_2": [0],
        "output": [0, 1, 2, 3],
    }
    assert not left["hidden_2/kernel"][:, 0].any()
    assert not left["hidden_1/kernel"][:, 0].any()
