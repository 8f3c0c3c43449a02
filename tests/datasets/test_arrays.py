"""Arrays from strangers: cast where nothing is lost, refused with advice, and left as they are."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from lthcore.datasets import Dataset, DatasetError, Split

X = np.random.default_rng(0).random((60, 4), np.float32)
Y = (np.arange(60) % 3).astype(np.int32)
NAMES = np.array(["ant", "bee", "cat"])


def refused(message: str):
    return pytest.raises(DatasetError, match=re.escape(message))


# ---------------------------------------------------------------- whose memory it is


def test_a_split_leaves_the_arrays_it_is_given_to_their_owner():
    x, y = X.copy(), Y.copy()
    split = Split(x, y)
    x[:], y[:] = -1, 0
    assert np.array_equal(split.x, X)
    assert np.array_equal(split.y, Y)
    for array in (split.x, split.y):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_view_of_memory_that_its_owner_can_write_to_is_copied():
    owner = X.copy()
    view = owner[::2]
    view.flags.writeable = False
    split = Split(view, Y[::2])
    owner[:] = -1
    assert np.array_equal(split.x, X[::2])


def test_memory_that_nobody_can_write_to_is_shared():
    first = Split(X, Y)
    again = Split(first.x[:10], first.y[:10])
    assert np.shares_memory(first.x, again.x)
    assert np.shares_memory(first.y, again.y)


def test_a_data_set_of_arrays_leaves_them_to_their_owner():
    x, y = X.copy(), Y.copy()
    data = Dataset.from_arrays(x, y, test=(x, y))
    x[:], y[:] = -1, 0
    assert data.train.x.min() >= 0
    assert np.array_equal(data.test.x, X)


# ---------------------------------------------------------------- numbers of other types


@pytest.mark.parametrize(
    "kind", [np.uint8, np.int8, np.uint64, np.int64, np.float16, np.float64, ">i4", "list", "tensor"]
)
def test_class_numbers_of_any_type_become_int32(kind):
    y = {"list": Y.tolist(), "tensor": tf.constant(Y, tf.int64)}.get(kind)
    split = Split(X, Y.astype(kind) if y is None else y)
    assert split.y.dtype == np.int32
    assert np.array_equal(split.y, Y)


def test_truth_values_are_two_classes():
    assert Split(X, Y > 0).y.tolist() == (Y > 0).astype(int).tolist()


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (np.array([[0, 255]], np.uint8), np.float32),
        (np.array([[False, True]]), np.float32),
        (np.array([[0.5, 1.5]], np.float64), np.float32),
        (np.array([[0.5, 1.5]], ">f8"), np.float32),
        ([[0.5, 1.5]], np.float32),
        (pd.DataFrame({"a": [0.5], "b": [1.5]}), np.float32),
        (tf.constant([[0.5, 1.5]]), np.float32),
        (np.array([[0.5, 1.5]], object), np.float32),
        (np.array([[3, 17]], np.int64), np.int32),
        (np.array([[3, 17]], np.int32), np.int32),
    ],
)
def test_examples_become_float32_or_word_numbers(x, expected):
    split = Split(x, [0])
    assert split.x.dtype == expected
    assert split.x.tolist() == np.asarray(x).astype(float).tolist()


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1))
def test_whole_numbers_are_kept_exactly_or_refused(values):
    fits = all(-(2**31) <= value < 2**31 for value in values)
    for y in (np.array(values, np.int64), np.array(values, np.float64)):
        if fits:
            assert Split(np.zeros((len(values), 1)), y).y.tolist() == values
        else:
            with refused("labels must fit 32 bits"):
                Split(np.zeros((len(values), 1)), y)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X[:, 0], "examples need an axis for their features, got shape (60,); x.reshape(-1, 1)"),
        (X * 1j, "examples must be real numbers, got complex64"),
        (np.full((60, 1), 2**31, np.uint32), "are not exact in float32; scale them"),
        (np.full((60, 1), 1e300), "examples are too large for float32; scale them"),
        (np.full((60, 1), 2**40), "word numbers must fit 32 bits"),
        ([[10**400]] * 60, "examples hold a number that is too large for float64; scale them"),
        ([["a"]] * 60, "examples must be numbers, got text; documents become word numbers by"),
        ([[1, 2], [3]] * 30, "examples differ in shape; pad or crop them to one"),
        (pd.DataFrame({"a": X[:, 0], "b": "u"}), "examples must be numbers, got text and 0."),
        ({"a": X}, "examples must be one array, got a dict; networks of several inputs or outputs"),
        ((X, X), "examples must be one array, got a tuple; networks of several inputs or outputs"),
        (tf.data.Dataset.from_tensor_slices(X), "which hands out one part after another; first collect its batches"),
        ((row for row in X), "got a generator, which hands out one part after another"),
        (scipy.sparse.csr_array(X), "examples must be a dense array, got a csr_array; pass its .toarray()"),
        (tf.ragged.constant([[1, 2], [3]] * 30), "got a RaggedTensor; pass its .to_tensor()"),
        (np.ma.masked_less(X, 0.5), "examples are masked in part; fill them"),
        (None, "examples are missing"),
        ("mnist", "examples must be an array, got str"),
        (object(), "examples must be an array, got object"),
        (X[:50], "50"),
    ],
)
def test_examples_of_another_kind_are_refused_with_advice(x, message):
    with refused(message):
        Split(x, Y)
    with refused(message.replace("word numbers must fit 32 bits", "are not exact in float32")):
        Dataset.from_arrays(x, Y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (Y + 0.5, "labels must be whole numbers, got 0.5; measured values cannot be trained on"),
        (np.where(Y, Y, np.nan), "labels contain NaN or infinite values; leave out the examples that have none"),
        (Y * 1j, "labels must be class numbers, got complex128"),
        (pd.date_range("2020", periods=60), "labels must be class numbers, got datetime64"),
        ([["a"], ["a", "b"]] * 30, "MultiLabelBinarizer().fit_transform(y), with multilabel=True"),
        (pd.Series(["a", None] * 30), "labels must be numbers, got text and nan; fill what is missing"),
        ({"a": Y, "b": Y}, "labels must be one array, got a dict; networks of several inputs or outputs"),
        ((Y, Y), "labels must be one array, got a tuple; networks of several inputs or outputs"),
        (tf.data.Dataset.from_tensor_slices(Y), "which hands out one part after another"),
        (np.zeros((60, 2, 2)), "(60, 2, 2)"),
        (np.full((60, 3), 1 / 3), "probabilities"),
        (np.array([["ant", "bee"]] * 60), "labels must be"),
        (None, "labels are missing"),
    ],
)
def test_labels_of_another_kind_are_refused_with_advice(y, message):
    for make in (Split, Dataset.from_arrays):
        with refused(message):
            make(X, y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (NAMES[Y], "labels must be class numbers, got text; Dataset.from_arrays numbers class names"),
        (Y[:, None] + 1, "labels of shape (60, 1) must be 0 or 1 for each class; y[:, 0] makes class numbers"),
    ],
)
def test_a_split_takes_no_labels_that_only_a_data_set_of_arrays_understands(y, message):
    with refused(message):
        Split(X, y)


def test_a_single_column_of_two_classes_is_told_what_to_do():
    split = Split(X, Y[:, None] > 0)
    with refused("y[:, 0] makes class numbers of a single column"):
        Dataset(name="mine", train=split, validation=split, test=split, classes=2)


# ---------------------------------------------------------------- a data set from arrays


def test_examples_are_held_back_once_each_and_the_same_for_the_same_seed():
    x = np.arange(100.0).reshape(-1, 1)
    data, again, other = (Dataset.from_arrays(x, x[:, 0] % 2, validation=0.1, test=30, seed=seed) for seed in (1, 1, 2))
    parts = (data.train, data.validation, data.test)
    assert [len(part) for part in parts] == [60, 10, 30]
    assert sorted(np.concatenate([part.x.ravel() for part in parts]).tolist()) == x.ravel().tolist()
    for part in parts:
        assert np.array_equal(part.x.ravel() % 2, part.y), "labels stay with their examples"
    assert np.array_equal(data.test.x, again.test.x)
    assert not np.array_equal(data.test.x, other.test.x)


def test_parts_may_be_given_apart():
    held = Split(X[:7], Y[:7])
    data = Dataset.from_arrays(X, Y, validation=held, test=(X[:5].tolist(), Y[:5].astype(np.uint8)))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [60, 7, 5]
    assert np.array_equal(data.train.x, X)


@pytest.mark.parametrize("held", [np.int64(6), np.float32(0.1), 0.1, 6])
def test_what_is_held_back_is_a_share_or_a_number(held):
    data = Dataset.from_arrays(X, Y, validation=held, test=held)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [48, 6, 6]


@pytest.mark.parametrize("held", [0, 1.0, -0.1, 1.5, True, None, "0.1", (X, Y, Y), np.nan])
@pytest.mark.parametrize("part", ["validation", "test"])
def test_anything_else_that_is_to_be_held_back_is_refused(part, held):
    with refused(f"{part} must be a share between 0 and 1, a number of examples from 1 on, or a pair (x, y), got"):
        Dataset.from_arrays(X, Y, **{part: held})


def test_something_must_be_left_to_train_on():
    with refused("of 60 examples 60 are to be held back, which leaves none to train on"):
        Dataset.from_arrays(X, Y, validation=50, test=10)


@pytest.mark.parametrize("y", [Y[:, None], pd.Series(Y), pd.DataFrame({"class": Y}), Y.astype(np.uint8).tolist()])
def test_classes_are_counted(y):
    data = Dataset.from_arrays(X, y)
    assert (data.classes, data.labels, data.multilabel, data.name) == (3, (), False, "mine")
    assert Dataset.from_arrays(X, y, classes=5).classes == 5
    assert Dataset.from_arrays(X, y, labels=["ant", "bee", "cat"], name="zoo").labels == ("ant", "bee", "cat")


@pytest.mark.parametrize(
    "y",
    [
        NAMES[Y],
        NAMES[Y].astype(object),
        NAMES[Y].astype("S"),
        pd.Series(NAMES[Y]),
        NAMES[Y].tolist(),
        NAMES[Y][:, None],
    ],
)
def test_class_names_are_numbered(y):
    data = Dataset.from_arrays(X, y, validation=(X, NAMES[2 - Y]), test=(X[:2], ["bee", "cat"]))
    assert data.labels == ("ant", "bee", "cat")
    assert np.array_equal(data.train.y, Y)
    assert np.array_equal(data.validation.y, 2 - Y)
    assert data.test.y.tolist() == [1, 2]
    other = Dataset.from_arrays(X, y, test=(X, y), labels=("dog", "cat", "bee", "ant"))
    assert (other.classes, other.labels) == (4, ("dog", "cat", "bee", "ant"))
    assert np.array_equal(other.test.y, 3 - Y)


def test_label_sets_must_be_said_to_be_some():
    sets = np.stack([Y > 0, Y < 2], axis=1)
    with refused("labels are a table of 0 and 1; pass multilabel=True"):
        Dataset.from_arrays(X, sets)
    with refused("labels are one-hot rows; take y.argmax(axis=1), or multilabel=True"):
        Dataset.from_arrays(X, np.eye(3)[Y])
    data, encoded = (Dataset.from_arrays(X, y, multilabel=True) for y in (sets, np.eye(3, dtype=bool)[Y]))
    assert (data.multilabel, data.classes, data.one_hot, data.train.y.dtype) == (True, 2, False, np.float32)
    assert (encoded.multilabel, encoded.classes, encoded.one_hot) == (True, 3, True)
    with refused("label sets must be a table (examples, classes) of 0 and 1, got shape (60,)"):
        Dataset.from_arrays(X, Y, multilabel=True)
    with refused("label sets must be a table (examples, classes) of 0 and 1, got shape (60, 1) of <U3"):
        Dataset.from_arrays(X, NAMES[Y][:, None], multilabel=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": Y + 1}, "labels must be the class numbers 0 … 2, got 3 of them from 1 to 3; np.unique"),
        ({"y": np.where(Y, 1, -1)}, "labels must be the class numbers 0 … 1, got 2 of them from -1 to 1; np.unique"),
        (
            {"y": Y * 2},
            "got 3 of them from 0 to 4; np.unique(y, return_inverse=True)[1] numbers classes so, or say",
        ),
        ({"y": Y * 0}, "all labels are 0; there is nothing to tell apart"),
        ({"classes": 2}, "train labels of mine must lie in 0 … 1, got 0 … 2"),
        ({"labels": ["ant", "bee"], "y": NAMES[Y]}, "label 'cat' is none of the names given: ant, bee"),
        ({"labels": ["ant", "bee"], "classes": 3}, "mine has 3 classes and 2 names for them"),
        ({"test": (X, NAMES[Y])}, "labels of test are names, the others are numbers; give one kind"),
        ({"test": (X, Y[:9])}, "test must have as many examples as labels along the first axis, got 60 examples"),
        ({"x": [X, X]}, "got 2 examples of shape (60, 4) and 60 labels; several inputs cannot be trained here"),
        ({"test": (X[:, :3], Y)}, "test examples of mine have shape (3,), not (4,)"),
        (
            {"x": np.where(X > 0.9, np.nan, X)},
            "examples of mine contain NaN or infinite values; fill them or leave",
        ),
        ({"words": True}, "word numbers must be whole numbers, got"),
        ({"y": np.full(60, b"\xff")}, "labels are bytes that are no text in UTF-8"),
        (
            {"y": np.zeros((60, 0)), "multilabel": True},
            "label sets of shape (60, 0) have no column; each class needs one",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_with_advice(arguments, message):
    with refused(message):
        Dataset.from_arrays(**{"x": X, "y": Y} | arguments)


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_data_set_is_made_of_splits(part):
    splits = dict.fromkeys(("train", "validation", "test"), Split(X, Y)) | {part: (X, Y)}
    with refused(f"{part} of mine must be a Split, got tuple; Split(x, y) makes one, and Dataset.from_arrays"):
        Dataset(name="mine", classes=3, **splits)


def test_word_numbers_are_said_to_be_some():
    ids = np.arange(240).reshape(60, 4)
    assert Dataset.from_arrays(ids, Y).train.x.dtype == np.float32
    assert Dataset.from_arrays(ids, Y, words=True, test=(ids.astype(float), Y)).test.x.dtype == np.int32


def test_splits_of_words_and_of_floats_are_no_data_set():
    floats, words = Split(X, Y), Split(np.arange(240).reshape(60, 4), Y)
    with refused("test examples of mine are int32 word numbers, the training examples are float32"):
        Dataset(name="mine", train=floats, validation=floats, test=words, classes=3)
