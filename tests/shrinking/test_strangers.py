"""Models with what our own have not: adapted layers, masks, LoRA, models within models; and what is refused."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from lthcore.models import variables
from lthcore.pruning.weights import Weights
from lthcore.shrinking import costs
from lthcore.shrinking.export import export, plain
from lthcore.shrinking.shrink import shrink


def shrunk(model: keras.Model, theta: Weights, path) -> keras.Model:
    return shrink(model, theta).model


def rebuilt(model: keras.Model, theta: Weights, path) -> keras.Model:
    return plain(model, theta)[0]


def exported(model: keras.Model, theta: Weights, path) -> keras.Model:
    export(model, theta, path / "model.keras")
    return keras.models.load_model(path / "model.keras")


USES = {"shrink": shrunk, "plain": rebuilt, "export": exported}

NUMBERS = np.random.default_rng(0).normal(3, 2, (20, 4)).astype(np.float32)
KEYS = np.array([[1, 2, 9], [3, 1, 1]])
WORDS = np.array([["a", "b", "unknown"], ["b", "b", "a"]])


def adapted(layer: layers.Layer, data: np.ndarray) -> layers.Layer:
    layer.adapt(data)
    return layer


def reading(layer: layers.Layer, x: np.ndarray) -> keras.Model:
    """What a layer gives, embedded if it gives numbers of words, and a dense layer."""
    inputs = keras.Input(x.shape[1:], dtype={"f": "float32", "i": "int64", "U": "string"}[x.dtype.kind])
    hidden = layer(inputs)
    if hidden.dtype.startswith("int"):
        hidden = layers.Flatten()(layers.Embedding(20, 3, name="words")(hidden))
    return keras.Model(inputs, layers.Dense(2, name="output")(hidden), name="reading")


def normalised() -> keras.Model:
    """An adapted layer in a model within the model."""
    inner = keras.Sequential([keras.Input((4,)), adapted(layers.Normalization(), NUMBERS), layers.Dense(3, name="a")])
    inputs = keras.Input((4,))
    return keras.Model(inputs, layers.Dense(2, name="output")(inner(inputs)), name="nested")


def looked_up(mode: str, given: bool = False) -> keras.Model:
    layer = layers.IntegerLookup(output_mode=mode, vocabulary=[1, 2, 3, 4] if given else None)
    return reading(layer if given else adapted(layer, np.array([[1, 2], [3, 4]])), KEYS)


def text() -> tuple[keras.Model, np.ndarray]:
    x = np.array([["a b c"], ["d a"]])
    return reading(adapted(layers.TextVectorization(output_sequence_length=4), np.array(["a b", "b c d"])), x), x


def masked() -> keras.Model:
    """Words, of which the padding is masked: through BatchNorm and a mean over what is left."""
    inputs = keras.Input((6,), dtype="int32")
    hidden = layers.Embedding(9, 3, mask_zero=True, name="words")(inputs)
    hidden = layers.BatchNormalization(name="norm")(layers.Dense(5, name="hidden")(hidden))
    pooled = layers.GlobalAveragePooling1D(name="pooled")(hidden)
    return keras.Model(inputs, layers.Dense(2, name="output")(pooled), name="masked")


def masked_lstm() -> keras.Model:
    inputs = keras.Input((6,), dtype="int32")
    states = layers.LSTM(3, name="lstm")(layers.Embedding(9, 3, mask_zero=True, name="words")(inputs))
    return keras.Model(inputs, layers.Dense(2, name="output")(states), name="masked")


def lora() -> keras.Model:
    """A kernel of which one unit has no weights; what LoRA adds to it has some."""
    inputs, hidden = keras.Input((4,)), layers.Dense(5, "relu", name="hidden")
    model = keras.Model(inputs, layers.Dense(2, name="output")(hidden(inputs)), name="lora")
    hidden.enable_lora(2)
    rng = np.random.default_rng(0)
    theta = {name: rng.normal(size=array.shape) for name, array in variables.read(model).items()}
    theta["hidden/kernel"][:, 1] = 0
    theta["output/kernel"][3] = 0
    variables.write(model, Weights(theta))
    return model


DOCUMENTS = np.array([[1, 2, 3, 0, 0, 0], [4, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6]])
SERIES = np.random.default_rng(1).normal(size=(3, 5, 4)).astype(np.float32)

MODELS = {
    "Normalization": lambda: (reading(adapted(layers.Normalization(), NUMBERS), NUMBERS), NUMBERS),
    "Normalization within": lambda: (normalised(), NUMBERS),
    "Normalization given": lambda: (reading(layers.Normalization(mean=3.0, variance=4.0), NUMBERS), NUMBERS),
    "Discretization": lambda: (reading(adapted(layers.Discretization(num_bins=3), NUMBERS), NUMBERS), NUMBERS),
    **{f"IntegerLookup, {mode}": lambda mode=mode: (looked_up(mode), KEYS) for mode in ("int", "multi_hot", "tf_idf")},
    "IntegerLookup given": lambda: (looked_up("int", given=True), KEYS),
    "StringLookup": lambda: (reading(adapted(layers.StringLookup(), np.array(["a", "b"])), WORDS), WORDS),
    "TextVectorization": text,
    "mask": lambda: (masked(), DOCUMENTS),
    "mask of an LSTM": lambda: (masked_lstm(), DOCUMENTS),
    "LoRA": lambda: (lora(), NUMBERS),
}


def outputs(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return np.array(model(keras.ops.convert_to_tensor(x), training=False))


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_the_copy_computes_the_same(build, use, tmp_path):
    model, x = build()
    before = outputs(model, x)
    copy = use(model, variables.read(model), tmp_path)
    np.testing.assert_allclose(outputs(copy, x), before, atol=1e-5)
    np.testing.assert_array_equal(outputs(model, x), before)


def test_units_between_masked_words_go_as_elsewhere():
    model = masked()
    theta = {name: array.copy() for name, array in variables.read(model).items()}
    theta["output/kernel"][[1, 3]] = 0
    small = shrink(model, Weights(theta))
    assert small.units["hidden"] == 3
    variables.write(model, Weights(theta))
    np.testing.assert_allclose(outputs(small.model, DOCUMENTS), outputs(model, DOCUMENTS), atol=1e-5)


def test_units_that_lora_adds_to_all_stay_and_those_after_it_go():
    model = lora()
    assert dict(shrink(model, variables.read(model)).units) == {"hidden": 5, "output": 2}


def test_statistics_that_are_written_are_computed_with():
    model = reading(layers.Normalization(name="norm"), NUMBERS)
    theta = variables.read(model)
    variables.write(model, Weights({**theta, "norm/mean": [1, 1, 1, 1], "norm/variance": [4, 4, 4, 4]}))
    expected = (NUMBERS - 1) / 2 @ theta["output/kernel"] + theta["output/bias"]
    np.testing.assert_allclose(outputs(model, NUMBERS), expected, atol=1e-5)


class Scaled(layers.Layer):
    """A layer of a user's own, given an array and without a get_config."""

    def __init__(self, factor: np.ndarray, **options):
        super().__init__(**options)
        self.factor = factor

    def call(self, x):
        return x * self.factor


class Bare(keras.Model):
    """A model without any layer."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 3), name="kernel")

    def call(self, x):
        return x @ self.kernel


def quantised() -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="output")], name="quantised")
    model.get_layer("output").quantize("int8")
    return model


def bare() -> keras.Model:
    model = Bare(name="bare")
    model(NUMBERS[:1])
    return model


REFUSED = {
    "quantised": (quantised, r"layer 'output' is quantised \(int8\); only float32 models can be .* exported here"),
    "without get_config": (
        lambda: keras.Sequential([keras.Input((4,)), Scaled(np.ones(4), name="own")]),
        "layer 'own', a Scaled, cannot be made again from its configuration; write a layer with a get_config",
    ),
    "without layers": (bare, r"model 'bare' \(Bare\) must be a functional or Sequential model"),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize(("build", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_copied_is_refused_in_words(build, message, use, tmp_path):
    with pytest.raises(ValueError, match=message):
        use(build(), Weights({}), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_layer_that_is_called_twice_costs_twice():
    inputs, shared = keras.Input((4,)), layers.Dense(4)
    assert costs.flops(keras.Model(inputs, shared(shared(inputs)))) == 2 * 2 * 16


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (bare, "model 'bare' .* must be a functional or Sequential model"),
        (lora, "operations of layer 'hidden', a Dense, are not known"),
        (
            lambda: keras.Sequential([layers.Dense(3)], name="unbuilt"),
            "model 'unbuilt' .* with an Input",
        ),
    ],
    ids=["without layers", "LoRA", "not built"],
)
def test_operations_that_cannot_be_counted_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        costs.flops(build())
