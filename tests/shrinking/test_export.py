"""Networks and files that plain Keras reads without this package."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from surgery_models import (
    LENGTH,
    WORDS,
    convolutional,
    documents,
    drawn,
    examples,
    kim,
    outputs,
    residual,
    small_lenet,
    table,
)

from lthcore import models
from lthcore.models import variables
from lthcore.models.layers.words import DistinctWords, WindowMax, WordVectors
from lthcore.models.text_networks import VARIANTS
from lthcore.pruning.weights import Weights
from lthcore.shrinking.export import export, plain
from lthcore.shrinking.shrink import shrink

# What a reader without this package does: nothing but Keras, in its safe mode.
READER = """
import json, os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np
for name in sys.argv[1:]:
    model = keras.models.load_model(name)
    x = np.load(name + ".x.npy")
    np.save(name + ".y.npy", np.array(model(x)))
assert not [module for module in sys.modules if module.startswith("lthcore")]
"""


@pytest.mark.parametrize("variant", VARIANTS)
@settings(deadline=None, max_examples=5)
@given(seed=st.integers(0, 2**31))
def test_kims_network_in_plain_layers_computes_the_same(variant, seed):
    model = kim(variant)
    theta = drawn(model, seed)  # the padding has a vector, which the original ignores
    rebuilt, same = plain(model, theta)
    x = documents(seed)
    np.testing.assert_allclose(outputs(rebuilt, same, x), outputs(model, theta, x), atol=1e-5)
    assert {type(layer).__module__.split(".")[0] for layer in rebuilt.layers} == {"keras"}
    assert variables.prunable(rebuilt) == variables.prunable(model)
    assert {name: array.shape for name, array in same.items()} == {name: array.shape for name, array in theta.items()}
    assert rebuilt.input_shape == model.input_shape


def test_a_recurrent_network_of_words_needs_no_more_than_a_zero_row():
    model = models.build("bilstm", (LENGTH,), 3, table=table(), units=4)
    theta = drawn(model, 0)
    rebuilt, same = plain(model, theta)
    np.testing.assert_allclose(outputs(rebuilt, same, documents(1)), outputs(model, theta, documents(1)), atol=1e-5)


@pytest.mark.parametrize("build", [small_lenet, convolutional, residual])
def test_a_model_of_keras_layers_is_copied(build):
    model = build()
    theta, before = drawn(model, 0), variables.read(model)
    rebuilt, same = plain(model, theta)
    assert same == theta == variables.read(rebuilt)
    assert variables.read(model) == before
    assert [type(layer) for layer in rebuilt.layers if layer.weights] == [type(x) for x in model.layers if x.weights]


def exported(
    build: Callable[..., keras.Model], path: Path, seed: int, *variant: str, whole: bool = False
) -> np.ndarray:
    """Write a network, shrunk or whole, and examples beside it; what it computes for them."""
    model = build(*variant)
    theta, x = drawn(model, seed), examples(model, seed)
    if build is small_lenet:  # with two dead pixels, so that inputs are taken
        theta = Weights({**theta, "hidden_1/kernel": theta["hidden_1/kernel"] * (np.arange(9)[:, None] > 1)})
        assert shrink(model, theta).inputs == 7
    small = shrink(model, theta)
    export(*((model, theta) if whole else (small.model, small.weights)), path)
    np.save(f"{path}.x.npy", x)
    return outputs(model, theta, x)


def test_files_are_read_by_plain_keras(tmp_path):
    """One reader for all: starting Keras is what takes time."""
    expected = {
        "lenet": exported(small_lenet, tmp_path / "lenet.keras", 0),
        "convolutional": exported(convolutional, tmp_path / "convolutional.keras", 1),
        "residual": exported(residual, tmp_path / "residual.keras", 2),
        "whole": exported(kim, tmp_path / "whole.keras", 3, whole=True),
        **{variant: exported(kim, tmp_path / f"{variant}.keras", 4, variant) for variant in VARIANTS},
    }
    command = [sys.executable, "-W", "ignore", "-c", READER, *(f"{name}.keras" for name in expected)]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)
    for name, y in expected.items():
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.keras.y.npy"), y, atol=1e-5)


def custom(name: str) -> keras.Model:
    """A network with something plain Keras does not know."""
    kinds = {
        "layer": lambda: Doubled(name="doubled"),
        "activation": lambda: layers.Dense(3, activation=doubled, name="hidden"),
        "regularizer": lambda: layers.Dense(3, kernel_regularizer=Nothing(), name="hidden"),
        "function": lambda: layers.Lambda(doubled, output_shape=(4,), name="hidden"),
        "lambda": lambda: layers.Lambda(lambda x: 2 * x, output_shape=(4,), name="hidden"),
    }
    return keras.Sequential([keras.Input((4,)), kinds[name](), layers.Dense(2, name="output")], name="custom")


def doubled(x):
    return 2 * x


class Doubled(layers.Layer):
    """A layer of the user's own."""

    def call(self, x):
        return 2 * x


class Nothing(keras.regularizers.Regularizer):
    """A regularizer of the user's own."""

    def __call__(self, x):
        return 0.0

    def get_config(self):
        return {}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("layer", f"plain Keras cannot express model 'custom': it knows nothing of {__name__}.Doubled"),
        ("activation", "it knows nothing of doubled"),
        ("regularizer", f"it knows nothing of {__name__}.Nothing"),
        ("function", "layer 'hidden', a Lambda, cannot be made again from its configuration"),
        ("lambda", "layer 'hidden', a Lambda, cannot be made again from its configuration"),
    ],
)
def test_what_plain_keras_does_not_know_is_named(name, message, tmp_path):
    model = custom(name)
    theta = variables.read(model)
    for use in (plain, shrink, lambda *given: export(*given, tmp_path / "model.keras")):
        with pytest.raises(ValueError, match=re.escape(message)):
            use(model, theta)
    assert not list(tmp_path.iterdir())


def words_of(between: keras.layers.Layer | None, *, pooled: bool = True, whole: bool = False) -> keras.Model:
    """Kim's network with something between its layers, or with parts missing."""
    ids = keras.Input((LENGTH,), dtype="int32")
    distinct, places, lengths = DistinctWords(name="distinct")(ids)
    vectors = WordVectors(WORDS, 4, name="words")(ids if whole else distinct)
    vectors = between(vectors) if between else vectors
    if not pooled:
        return keras.Model(ids, vectors, name="words")
    return keras.Model(ids, WindowMax(3, 2, name="conv")([vectors, places, lengths]), name="words")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (words_of(layers.Dense(4, name="mixed")), "layer 'mixed' is a Dense"),
        (words_of(None, pooled=False), "its outputs are those of distinct words"),
    ],
)
def test_other_uses_of_distinct_words_are_refused(model, message):
    with pytest.raises(ValueError, match=f"plain Keras cannot express model 'words': .*{message}"):
        plain(model, variables.read(model))


def test_an_exported_file_replaces_the_older_one_and_makes_its_folder(tmp_path):
    model, path = small_lenet(), tmp_path / "folder" / "model.keras"
    for seed in (0, 1):
        export(model, drawn(model, seed), path)
        assert variables.read(keras.models.load_model(path)) == drawn(model, seed)
        assert [file.name for file in path.parent.iterdir()] == ["model.keras"]
    assert path.stat().st_mode & 0o777 == 0o644
    with zipfile.ZipFile(path) as file:
        assert "lthcore" not in json.loads(file.read("config.json"))


def test_another_suffix_and_weights_that_are_not_finite_are_refused(tmp_path):
    model = small_lenet()
    theta = drawn(model, 0)
    for name in ("model.h5", "model"):
        with pytest.raises(ValueError, match=f"names end in .keras, not '{name}'"):
            export(model, theta, tmp_path / name)
    with pytest.raises(ValueError, match="6 of the weights 'hidden_2/bias' are NaN or infinite"):
        export(model, Weights({**theta, "hidden_2/bias": np.full(6, np.nan)}), tmp_path / "model.keras")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("where", ["save", "fsync", "replace"])
def test_a_disk_that_refuses_leaves_the_older_file_and_nothing_else(tmp_path, monkeypatch, where):
    model, path = small_lenet(), tmp_path / "model.keras"
    export(model, drawn(model, 0), path)
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    target = {"save": (keras.Model, "save"), "fsync": (os, "fsync"), "replace": (type(path), "replace")}[where]
    monkeypatch.setattr(*target, full)
    with pytest.raises(OSError, match=r"cannot write .*model.keras: No space left on device"):
        export(model, drawn(model, 1), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]


def test_a_file_larger_than_allowed_leaves_nothing(tmp_path):
    """A real refusal in the middle of writing: the process may not write files of more than four kilobytes."""
    resource = pytest.importorskip("resource")
    model = small_lenet()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        try:
            with pytest.raises(OSError, match=r"cannot write .*model.keras"):
                export(model, drawn(model, 1), tmp_path / "model.keras")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_a_file_is_an_error_of_the_disk(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match="cannot write"):
        export(small_lenet(), drawn(small_lenet(), 0), tmp_path / "file" / "model.keras")


def test_a_convolutional_lenet_becomes_convolutions_and_pooling():
    for shape in ((28, 28, 1), (8, 8, 1), (17, 19, 2)):
        model = models.build("lenet_5", shape, 10, filters=(4, 6), units=12)
        theta = variables.fresh(model, np.random.default_rng(0))
        variables.write(model, theta)
        rebuilt, _ = plain(model, theta)
        assert {type(layer).__module__.split(".")[0] for layer in rebuilt.layers} == {"keras"}
        x = np.random.default_rng(1).normal(size=(5, *shape)).astype(np.float32)
        assert np.allclose(rebuilt(x), model(x), atol=1e-5)
        small = shrink(model, theta)
        assert np.allclose(small.model(x), model(x), atol=1e-5)
