"""What starts anew in each trial, for every layer of Keras, and what stays as the user left it."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers
from surgery_models import convolutional, kim, table

from lthcore import models
from lthcore.models import variables
from lthcore.pruning.seeds import Seeds
from lthcore.pruning.weights import Weights

# Every layer of Keras that has weights: what makes it, and the shape it reads.
WEIGHTED = {
    "AdditiveAttention": (lambda: layers.AdditiveAttention(), (5, 4)),
    "Attention": (lambda: layers.Attention(use_scale=True, score_mode="concat"), (5, 4)),
    "BatchNormalization": (lambda: layers.BatchNormalization(renorm=True), (4,)),
    "Bidirectional": (lambda: layers.Bidirectional(layers.GRU(3)), (5, 4)),
    **{f"Conv{d}D": (lambda d=d: getattr(layers, f"Conv{d}D")(3, 2), (4,) * d + (2,)) for d in (1, 2, 3)},
    **{
        f"Conv{d}DTranspose": (lambda d=d: getattr(layers, f"Conv{d}DTranspose")(3, 2), (4,) * d + (2,))
        for d in (1, 2, 3)
    },
    **{f"ConvLSTM{d}D": (lambda d=d: getattr(layers, f"ConvLSTM{d}D")(3, 2), (3, *(4,) * d, 2)) for d in (1, 2, 3)},
    "Dense": (lambda: layers.Dense(3), (4,)),
    "DepthwiseConv1D": (lambda: layers.DepthwiseConv1D(2), (4, 2)),
    "DepthwiseConv2D": (lambda: layers.DepthwiseConv2D(2), (4, 4, 2)),
    "EinsumDense": (lambda: layers.EinsumDense("ab,bc->ac", (3,), bias_axes="c"), (4,)),
    "Embedding": (lambda: layers.Embedding(9, 3), (4,)),
    "GRU": (lambda: layers.GRU(3), (5, 4)),
    "GRUCell": (lambda: layers.RNN(layers.GRUCell(3)), (5, 4)),
    "GroupNormalization": (lambda: layers.GroupNormalization(2), (4,)),
    "GroupQueryAttention": (lambda: layers.GroupQueryAttention(3, 2, 1), (5, 4)),
    "LSTM": (lambda: layers.LSTM(3), (5, 4)),
    "LSTMCell": (lambda: layers.RNN(layers.LSTMCell(3)), (5, 4)),
    "LayerNormalization": (lambda: layers.LayerNormalization(), (4,)),
    "MultiHeadAttention": (lambda: layers.MultiHeadAttention(2, 3), (5, 4)),
    "Normalization": (lambda: layers.Normalization(), (4,)),
    "PReLU": (lambda: layers.PReLU(), (4,)),
    "RMSNormalization": (lambda: layers.RMSNormalization(), (4,)),
    "RNN": (lambda: layers.RNN(layers.SimpleRNNCell(3)), (5, 4)),
    "ReversibleEmbedding": (lambda: layers.ReversibleEmbedding(9, 3, tie_weights=False), (4,)),
    "STFTSpectrogram": (lambda: layers.STFTSpectrogram(frame_length=8, frame_step=4), (40, 1)),
    "SeparableConv1D": (lambda: layers.SeparableConv1D(3, 2), (4, 2)),
    "SeparableConv2D": (lambda: layers.SeparableConv2D(3, 2), (4, 4, 2)),
    "SimpleRNN": (lambda: layers.SimpleRNN(3), (5, 4)),
    "SimpleRNNCell": (lambda: layers.RNN(layers.SimpleRNNCell(3)), (5, 4)),
    "SpectralNormalization": (lambda: layers.SpectralNormalization(layers.Dense(3)), (4,)),
    "StackedRNNCells": (lambda: layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)]), (5, 4)),
    "TimeDistributed": (lambda: layers.TimeDistributed(layers.Dense(3)), (5, 4)),
}
# They have weights of other libraries, or none of their own: the base class of wrappers has those of what it wraps.
ELSEWHERE = {"FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper", "Layer", "Wrapper"}


def alone(name: str) -> keras.Model:
    build, shape = WEIGHTED[name]
    layer, inputs = build(), keras.Input(shape, dtype="int32" if "Embedding" in name else "float32")
    if name in ("GroupQueryAttention", "MultiHeadAttention"):
        return keras.Model(inputs, layer(inputs, inputs), name="alone")
    return keras.Model(inputs, layer([inputs, inputs] if name.endswith("Attention") else inputs), name="alone")


def test_every_layer_of_keras_with_weights_is_tried():
    kinds = {kind.__name__: kind for kind in vars(layers).values() if isinstance(kind, type)}
    weighted = {
        name
        for name, kind in kinds.items()
        if issubclass(kind, layers.Layer) and any("add_weight" in _names(base) for base in kind.__mro__[:-1])
    }
    assert weighted - ELSEWHERE <= set(WEIGHTED)


def _names(kind: type) -> set[str]:
    """All names that the methods of a class use; `Layer` itself offers add_weight and makes none."""
    if kind in layers.Layer.__mro__:
        return set()
    return {name for method in vars(kind).values() if hasattr(method, "__code__") for name in method.__code__.co_names}


@pytest.mark.parametrize("name", WEIGHTED)
def test_every_layer_of_keras_starts_as_keras_starts_it(name):
    model = alone(name)
    before = variables.read(model)
    first, again, second = (variables.fresh(model, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first == again
    assert {key: array.shape for key, array in first.items()} == {key: array.shape for key, array in before.items()}
    for key, array in before.items():
        if len(np.unique(array)) <= 2:  # a constant, or the bias of an LSTM
            np.testing.assert_array_equal(first[key], array)
        elif "real_kernel" in key or "imag_kernel" in key:
            np.testing.assert_array_equal(first[key], array, "a transform, nothing that learns")
        else:
            assert not np.array_equal(first[key], second[key])
            assert not np.array_equal(first[key], array)
            assert 0.1 < np.abs(first[key]).mean() / np.abs(array).mean() < 10


def test_layer_scale_starts_from_its_constant():
    scale = keras.src.applications.convnext.LayerScale(0.25, 4, name="scale")
    model = keras.Sequential([keras.Input((4,)), scale])
    variables.write(model, Weights({"scale/gamma": [1, 2, 3, 4]}))
    assert variables.fresh(model, np.random.default_rng(0))["scale/gamma"].tolist() == [0.25] * 4


@pytest.mark.parametrize("build", [lambda: layers.Dense(3), lambda: layers.Embedding(9, 3)], ids=["Dense", "Embedding"])
def test_what_lora_adds_is_drawn_and_what_it_adds_to_stays(build):
    layer = build()
    name = "kernel" if isinstance(layer, layers.Dense) else "embeddings"
    inputs = keras.Input((4,), dtype="float32" if name == "kernel" else "int32")
    model = keras.Model(inputs, layer(inputs))
    layer.enable_lora(2)
    before = variables.read(model)
    found = variables.fresh(model, np.random.default_rng(0))
    base, drawn, zero = (f"{layer.name}/{part}" for part in (name, f"lora_{name}_a", f"lora_{name}_b"))
    np.testing.assert_array_equal(found[base], before[base])
    assert not np.array_equal(found[drawn], before[drawn])
    assert not found[zero].any()


class Counting(layers.Layer):
    """A layer of a user's own with a running mean, a counter, and a weight that learns."""

    def __init__(self, **options):
        super().__init__(**options)
        self.mean_initializer = self.weight_initializer = keras.initializers.RandomNormal()

    def build(self, shape):
        self.mean = self.add_weight(shape=(3,), initializer="ones", trainable=False, name="mean")
        self.count = self.add_weight(shape=(), initializer="zeros", dtype="int32", trainable=False, name="count")
        self.weight = self.add_weight(shape=(3,), initializer="ones", name="weight")

    def call(self, x):
        return x * self.weight


def pretrained() -> keras.Model:
    """A frozen table, a frozen BatchNorm, a frozen model, a frozen weight, a foreign statistic; and what learns."""
    frozen = {"trainable": False}
    backbone = keras.Sequential([layers.Dense(3, name="deep")], name="backbone", **frozen)
    model = keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            layers.Embedding(9, 3, name="words", **frozen),
            layers.BatchNormalization(name="frozen", **frozen),
            layers.BatchNormalization(name="learning"),
            backbone,
            layers.Dense(3, name="half"),
            Counting(name="counting"),
            layers.Dropout(0.5),
            layers.Dense(2, name="output"),
        ],
        name="pretrained",
    )
    model.get_layer("half").kernel.trainable = False
    rng = np.random.default_rng(0)
    variables.write(model, Weights({n: rng.random(a.shape) + 2 for n, a in variables.read(model).items()}))
    return model


KEPT = {
    "words/embeddings",
    *(f"frozen/{name}" for name in ("gamma", "beta", "moving_mean", "moving_variance")),
    "deep/kernel",
    "deep/bias",
    "half/kernel",
    "counting/mean",
}


def test_what_the_user_froze_stays_frozen():
    model = pretrained()
    before = variables.read(model)
    found = variables.fresh(model, np.random.default_rng(0))
    assert {name for name in before if np.array_equal(before[name], found[name])} == KEPT == set(variables.kept(model))
    assert found["learning/moving_mean"].tolist() == [0, 0, 0], "what an earlier training left must not leak"


def test_what_is_kept_is_what_was_there_before_any_training():
    model = pretrained()
    keep = variables.kept(model)
    before = variables.fresh(model, np.random.default_rng(0), keep)
    model.get_layer("counting").mean.assign([7, 8, 9])
    assert variables.fresh(model, np.random.default_rng(0), keep) == before
    assert variables.fresh(model, np.random.default_rng(0)) != before


def test_what_is_frozen_later_is_kept_and_what_is_thawed_is_drawn():
    model = pretrained()
    keep = variables.kept(model)
    model.get_layer("words").trainable = True
    model.get_layer("output").trainable = False
    before, drawn = variables.read(model), variables.fresh(model, np.random.default_rng(0), keep)
    np.testing.assert_array_equal(drawn["output/kernel"], before["output/kernel"])
    assert not np.array_equal(drawn["words/embeddings"], before["words/embeddings"])


def test_what_is_frozen_takes_nothing_from_the_stream():
    whole, without = (
        keras.Sequential([keras.Input((4,)), *frozen, layers.Dense(2, name="output")])
        for frozen in ([layers.Dense(4, trainable=False, name="frozen")], [])
    )
    found, expected = (variables.fresh(model, np.random.default_rng(0)) for model in (whole, without))
    np.testing.assert_array_equal(found["output/kernel"], expected["output/kernel"])


def test_a_table_that_is_not_trained_is_drawn_in_each_trial_until_it_is_a_file(tmp_path):
    model = kim("static")
    first, second = (variables.fresh(model, np.random.default_rng(seed)) for seed in (0, 1))
    assert not np.array_equal(first["words/embeddings"][1], second["words/embeddings"][1])
    variables.write(model, first)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")  # it knows no language model to draw from
    found = variables.fresh(loaded, np.random.default_rng(1))
    np.testing.assert_array_equal(found["words/embeddings"], first["words/embeddings"])


def test_only_random_generators_are_reseeded():
    model = pretrained()
    model.get_layer("counting").count.assign(5)
    before = [int(variable.numpy().sum()) for variable in model.variables if "seed" in variable.path]
    variables.reseed(model, np.random.default_rng(0))
    assert int(model.get_layer("counting").count.numpy()) == 5
    assert before != [int(variable.numpy().sum()) for variable in model.variables if "seed" in variable.path]


def ones(shape, dtype=None):
    return keras.ops.ones(shape, dtype)


def test_a_function_as_initializer_is_refused():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2, kernel_initializer=ones, name="output")])
    with pytest.raises(ValueError, match="layer 'output' starts 'kernel' from a function, which cannot be told a seed"):
        variables.fresh(model, np.random.default_rng(0))


# What stored results started from. These may never change.
DIGESTS = {
    "lenet_300_100": (lambda: models.build("lenet_300_100", (28, 28, 1), 10), "f9c42f1d980de673"),
    "lenet_5": (lambda: models.build("lenet_5", (28, 28, 1), 10), "bd779a9835d20adc"),
    "bilstm": (lambda: models.build("bilstm", (12,), 3, table=table(), units=4), "60e440f5f80d6ed2"),
    "kim rand": (lambda: kim("rand"), "3924569737e57215"),
    "kim static": (lambda: kim("static"), "e81ff512ed84a6ff"),
    "kim nonstatic": (lambda: kim("nonstatic"), "e81ff512ed84a6ff"),
    "kim multichannel": (lambda: kim("multichannel"), "a17fd182e183b2e6"),
    "with BatchNorm": (convolutional, "19d6b9d8617458b3"),
}


@pytest.mark.parametrize(("build", "digest"), DIGESTS.values(), ids=DIGESTS)
def test_what_a_trial_starts_from_is_frozen(build, digest):
    assert variables.fresh(build(), Seeds(0).init).digest()[:16] == digest


def test_where_dropout_starts_is_frozen():
    model, rng = models.build("bilstm", (12,), 3, table=table(), units=4), np.random.default_rng(5)
    variables.reseed(model, rng)
    states = [variable.numpy().tolist() for variable in model.variables if "seed" in variable.path]
    assert states == [[1440510676, 1728730615], [48647418, 1735039634], [1006851808, 1106653215]]
    assert rng.integers(1000) == 630
