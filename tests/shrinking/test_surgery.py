"""Removing units: what is left, that nothing changes where nothing was read, and what is refused."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from surgery_models import convolutional, drawn, examples, kim, lenet, outputs, residual

from lthcore.models import variables
from lthcore.models.text_networks import VARIANTS
from lthcore.pruning.weights import Weights
from lthcore.shrinking.surgery import keep_units

FILTERS = 5

# Model → layer → (its units, the kernel that reads them, the channel of that kernel's second last axis they start at,
# positions of each unit there).
CONVOLUTIONAL = {
    "conv_1": (5, "conv_2/kernel", 0, 1),
    "conv_2": (6, "hidden/kernel", 0, 4),
    "hidden": (7, "output/kernel", 0, 1),
}
KIM = {f"conv_{width}": (FILTERS, "output/kernel", FILTERS * number, 1) for number, width in enumerate((3, 4, 5))}
MODELS = {
    "LeNet-300-100": (
        lenet,
        {"hidden_1": (300, "hidden_2/kernel", 0, 1), "hidden_2": (100, "output/kernel", 0, 1)},
    ),
    "convolutions": (convolutional, CONVOLUTIONAL),
    "branches": (residual, {"beside": (3, "output/kernel", 5, 1)}),
    **{f"kim, {variant}": (functools.partial(kim, variant), KIM) for variant in VARIANTS},
}


def silenced(theta: Weights, readers: dict, kept: dict[str, np.ndarray]) -> Weights:
    """The weights with zeros wherever a unit that goes is read."""
    arrays = {name: array.copy() for name, array in theta.items()}
    for layer, (units, reader, offset, positions) in readers.items():
        gone = np.setdiff1d(np.arange(units), kept.get(layer, np.arange(units)))
        for position in range(positions):
            arrays[reader][..., offset + position * units + gone, :] = 0
    return Weights(arrays)


def some(readers: dict, seed: int) -> dict[str, np.ndarray]:
    """Some of the units of each layer, at least one."""
    rng = np.random.default_rng(seed)
    return {
        layer: np.sort(rng.choice(units, rng.integers(1, units + 1), replace=False))
        for layer, (units, *_) in readers.items()
    }


@pytest.mark.parametrize(("build", "readers"), MODELS.values(), ids=MODELS)
@settings(deadline=None, max_examples=4)
@given(seed=st.integers(0, 2**31))
def test_units_that_nothing_reads_go_without_a_trace(build, readers, seed):
    model, kept = build(), some(readers, seed)
    theta, x = silenced(drawn(model, seed), readers, kept), examples(model, seed)
    smaller, left = keep_units(model, theta, kept)
    np.testing.assert_allclose(outputs(smaller, left, x), outputs(model, theta, x), atol=1e-5)
    for layer, indices in kept.items():
        assert left[f"{layer}/kernel"].shape[-1] == len(indices)


@pytest.mark.parametrize(
    ("build", "kept", "parameters"),
    [
        (lenet, {}, 784 * 300 + 300 + 300 * 100 + 100 + 100 * 10 + 10),
        (lenet, {"hidden_1": [0, 7, 299], "hidden_2": [5, 99]}, 784 * 3 + 3 + 3 * 2 + 2 + 2 * 10 + 10),
        (lenet, {"hidden_2": [99]}, 784 * 300 + 300 + 300 + 1 + 10 + 10),
        (
            convolutional,
            {"conv_1": [1, 4], "conv_2": [0, 2, 5], "hidden": [6]},
            9 * 2 * 2 + 4 * 2 + (9 * 2 * 3 + 3) + (4 * 3 * 1 + 1) + (3 + 3),
        ),
        (
            residual,
            {"first": [0, 4], "second": [0, 4], "beside": [1]},
            (3 * 2 * 2 + 2) + (3 * 2 * 2 + 2) + (2 + 1) + (3 * 2 + 2),
        ),
        (kim, {"conv_3": [0], "conv_5": [1, 2]}, 30 * 4 + (3 * 4 + 1) + (4 * 4 * 5 + 5) + (5 * 4 * 2 + 2) + 8 * 6 + 6),
    ],
)
def test_the_parameters_left_are_those_counted_by_hand(build, kept, parameters):
    model = build()
    smaller, theta = keep_units(model, variables.read(model), {name: np.array(units) for name, units in kept.items()})
    assert smaller.count_params() == parameters == sum(array.size for array in theta.values())


def test_each_weight_left_is_the_one_that_was_there():
    dense = layers.Dense
    model = keras.Sequential([keras.Input((2,)), dense(3, name="hidden"), dense(2, name="output")], name="three")
    theta = Weights(
        {
            "hidden/kernel": [[1, 2, 3], [4, 5, 6]],
            "hidden/bias": [7, 8, 9],
            "output/kernel": [[10, 11], [12, 13], [14, 15]],
            "output/bias": [16, 17],
        }
    )
    smaller, left = keep_units(model, theta, {"hidden": np.array([0, 2])})
    assert {name: array.tolist() for name, array in left.items()} == {
        "hidden/kernel": [[1, 3], [4, 6]],
        "hidden/bias": [7, 9],
        "output/kernel": [[10, 11], [14, 15]],
        "output/bias": [16, 17],
    }
    assert variables.read(smaller) == left


def test_channels_added_to_one_another_go_together():
    model = residual()
    theta, both = drawn(model, 0), {"first": np.array([1, 3]), "second": np.array([1, 3])}
    arrays = {name: array.copy() for name, array in theta.items()}
    for name in ("second/kernel", "output/kernel"):
        arrays[name][..., [0, 2, 4], :] = 0
    smaller, left = keep_units(model, Weights(arrays), both)
    x = examples(model, 1)
    np.testing.assert_allclose(outputs(smaller, left, x), outputs(model, Weights(arrays), x), atol=1e-5)
    for kept in ({"first": np.array([1, 3])}, both | {"second": np.array([1, 2])}):
        with pytest.raises(ValueError, match="layer 'added' adds its inputs, so all of them must keep the same"):
            keep_units(model, theta, kept)


@pytest.mark.parametrize(("build", "readers"), MODELS.values(), ids=MODELS)
def test_keeping_all_is_a_copy(build, readers):
    model = build()
    theta, digest = drawn(model, 0), variables.read(model).digest()
    copy, same = keep_units(model, theta, {layer: np.arange(units) for layer, (units, *_) in readers.items()})
    assert copy is not model
    assert same == theta == variables.read(copy)
    assert variables.read(model).digest() == digest, "the original stays as it is"
    assert keep_units(model, theta, {})[1] == theta


@pytest.mark.parametrize(("build", "readers"), MODELS.values(), ids=MODELS)
def test_names_shapes_and_configuration_stay(build, readers):
    model, kept = build(), some(readers, 3)
    smaller, _ = keep_units(model, variables.read(model), kept)
    assert smaller.name == model.name
    assert [(x.shape, x.dtype) for x in smaller.inputs] == [(x.shape, x.dtype) for x in model.inputs]
    assert variables.prunable(smaller) == variables.prunable(model)
    assert {layer.name for layer in model.layers} <= {layer.name for layer in smaller.layers}
    for layer in model.layers:
        if isinstance(layer, layers.InputLayer):
            continue
        before, after = layer.get_config(), smaller.get_layer(layer.name).get_config()
        changed = {name for name in before if before[name] != after[name]}
        assert changed <= {"units", "filters"}, layer.name


@pytest.mark.parametrize("variant", VARIANTS)
def test_fresh_weights_of_the_smaller_model_have_the_word_vectors_of_the_original(variant):
    model = kim(variant)
    smaller, _ = keep_units(model, variables.read(model), {"conv_4": np.array([1, 2])})
    before, after = (variables.fresh(network, np.random.default_rng(5)) for network in (model, smaller))
    for name in before:
        if name.endswith("embeddings"):
            assert np.array_equal(before[name], after[name])
    assert after["conv_4/kernel"].shape == (4, 4, 2)
    assert [v.trainable for v in variables.variables(model).values()] == [
        v.trainable for v in variables.variables(smaller).values()
    ]


def test_a_compiled_model_and_a_frozen_layer():
    model = lenet()
    model.get_layer("hidden_1").trainable = False
    model.compile("sgd", loss=lambda truth, logits: keras.ops.mean(logits))
    smaller, _ = keep_units(model, variables.read(model), {"hidden_1": np.arange(4)})
    assert variables.prunable(smaller) == ("hidden_2/kernel", "output/kernel")


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ({"hiden_1": [0]}, "no layer 'hiden_1'; layers with units or filters are hidden_1, hidden_2, output"),
        ({"flatten": [0]}, "layer 'flatten' has no units to remove; layers with units or filters are hidden_1"),
        ({"hidden_1": []}, r"kept\['hidden_1'\] must be a row of at least one whole number, got shape \(0,\)"),
        ({"hidden_1": np.ones(300, bool)}, "got shape .300,. of bool; of a bool array take np.flatnonzero"),
        ({"hidden_1": [0, 300]}, r"must rise within 0 … 299, got \[0, 300\]"),
        ({"hidden_1": [-1, 3]}, r"must rise within 0 … 299, got \[-1, 3\]"),
        ({"hidden_1": [3, 3]}, "must rise within"),
        ({"hidden_1": [4, 3]}, "must rise within"),
        ({"output": [0, 1]}, "would cut the outputs of model 'lenet_300_100', which all stay: .* which names output"),
    ],
)
def test_what_cannot_be_kept_is_refused(kept, message):
    model = lenet()
    with pytest.raises(ValueError, match=message):
        keep_units(model, variables.read(model), {name: np.array(units) for name, units in kept.items()})


def after(*following: keras.Layer, hidden: keras.Layer | None = None) -> keras.Model:
    """A convolution of four filters and what follows."""
    hidden = hidden or layers.Conv2D(4, 3, name="conv")
    return keras.Sequential([keras.Input((6, 6, 2)), hidden, *following], name="model")


REFUSED = {
    "normalised over channels": (after(layers.LayerNormalization(name="next")), "a LayerNormalization, would receive"),
    "reshaped": (
        after(layers.Reshape((8, 8), name="next"), layers.Dense(2)),
        "'next', a Reshape, would receive 2 of 4",
    ),
    "groups": (after(layers.Conv2D(4, 1, groups=2, name="next")), "it has 2 groups"),
    "BatchNorm over rows": (after(layers.BatchNormalization(axis=1, name="next")), "its axis is 1, not the last one"),
    "softmax over channels": (after(layers.Activation("softmax", name="next")), "its activation mixes channels"),
    "fixed dropout": (after(layers.Dropout(0.5, noise_shape=(1, 4, 4, 4), name="next")), "it has a noise_shape"),
    "other order": (after(layers.Flatten(data_format="channels_first", name="next")), "data_format is not channels_l"),
    "softmax units": (
        after(layers.Flatten(), layers.Dense(2), hidden=layers.Dense(4, activation="softmax", name="conv")),
        "units of 'conv' cannot be removed: its activation mixes them",
    ),
}


@pytest.mark.parametrize(("model", "message"), REFUSED.values(), ids=REFUSED)
def test_a_layer_that_cannot_lose_channels_is_named(model, message):
    theta = variables.read(model)
    with pytest.raises(ValueError, match=message):
        keep_units(model, theta, {"conv": np.array([0, 2])})
    assert keep_units(model, theta, {})[1] == theta, "uncut it is no obstacle"


def test_a_layer_called_twice_is_refused():
    inputs, shared = keras.Input((4,)), layers.Dense(4, name="shared")
    model = keras.Model(inputs, layers.Dense(2)(shared(shared(inputs))), name="twice")
    with pytest.raises(ValueError, match="units of 'shared' cannot be removed: it is called 2 times"):
        keep_units(model, variables.read(model), {"shared": np.array([0])})


def test_weights_of_another_model_are_refused():
    theta = dict(variables.read(lenet()))
    with pytest.raises(ValueError, match=r"'hidden_2/bias' has shape None here and \(100,\) in the model"):
        keep_units(lenet(), Weights({name: a for name, a in theta.items() if name != "hidden_2/bias"}), {})
    with pytest.raises(ValueError, match=r"'hidden_2/bias' has shape \(3,\) here and \(100,\) in the model"):
        keep_units(lenet(), Weights(theta | {"hidden_2/bias": np.ones(3)}), {})


def test_a_model_without_a_graph_is_refused():
    model = keras.Sequential([layers.Dense(2)], name="unbuilt")
    with pytest.raises(ValueError, match="model 'unbuilt' has no weights yet"):
        keep_units(model, Weights({}), {})
