"""Data sets: found where they should be, verified always, refused with advice, fixed for everyone."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import replace

import numpy as np
import pytest

from lthcore import datasets
from lthcore.datasets import Dataset, DatasetError, Split, base, mnist
from lthcore.experiments.experiment import Experiment
from lthcore.experiments.presets import PRESETS
from lthcore.text.config import TextConfig

needs_mnist = pytest.mark.skipif(
    not datasets.available("mnist"), reason="MNIST is not on this machine; `python -m lthcore data fetch` gets it"
)


def idx(array: np.ndarray) -> bytes:
    """An array of bytes in the IDX format."""
    lengths = b"".join(length.to_bytes(4, "big") for length in array.shape)
    return b"\x00\x00\x08" + bytes([array.ndim]) + lengths + array.astype(np.uint8).tobytes()


# ---------------------------------------------------------------- the IDX format


@pytest.mark.parametrize("shape", [(3,), (2, 3), (4, 2, 3), (1, 1, 1, 1)])
def test_idx_round_trip(shape):
    array = np.arange(np.prod(shape)).reshape(shape)
    assert mnist.parse_idx(idx(array), "file").tolist() == array.tolist()


GOOD = idx(np.arange(6).reshape(2, 3))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "digits is no IDX file of unsigned bytes: it starts with b''"),
        (GOOD[:3], "is no IDX file"),
        (b"\x00\x00\x0d" + GOOD[3:], "is no IDX file"),  # floats
        (b"\x01" + GOOD[1:], "is no IDX file"),
        (gzip.compress(GOOD), "is no IDX file"),
        (b"<html>not found</html>", "is no IDX file .* starts with b'<htm'"),
        (GOOD[:4], "truncated or too long: 4 bytes, its header announces 12"),
        (GOOD[:10], "truncated or too long: 10 bytes"),  # within the lengths of the axes
        (GOOD[:-1], "digits is truncated or too long: 17 bytes, its header announces 18"),
        (GOOD + b"\x00", "truncated or too long: 19 bytes, its header announces 18"),
        (idx(np.zeros((0,))) + b"\x01", "truncated or too long"),
    ],
)
def test_bytes_that_are_no_idx_file_are_refused(data, message):
    with pytest.raises(DatasetError, match=message):
        mnist.parse_idx(data, "digits")


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([65_536] * 4, "truncated or too long"),
        ([1] * 65, "its header announces 65 axes, expected 1 … 64"),
        ([1] * 255, "its header announces 255 axes"),
        ([], "its header announces 0 axes"),
        ([2**32 - 1, 2**32 - 1, 0], "its header announces the shape"),
    ],
)
def test_a_header_of_impossible_lengths_is_refused(lengths, message):
    header = b"\x00\x00\x08" + bytes([len(lengths)]) + b"".join(length.to_bytes(4, "big") for length in lengths)
    with pytest.raises(DatasetError, match=message):
        mnist.parse_idx(header + b"\x00", "digits") if 0 not in lengths else mnist.parse_idx(header, "digits")


# ---------------------------------------------------------------- data sets by name


@pytest.fixture
def tiny_mnist(root, monkeypatch):
    """`tiny_mnist(name=bytes)`: MNIST's four files with a few small images, one of them changed, honestly pinned."""
    names = dict(zip(("images", "labels", "test_images", "test_labels"), mnist.SOURCES, strict=True))
    labels = np.arange(5_010) % 10
    good = {
        "images": idx(np.arange(5_010 * 6).reshape(5_010, 3, 2) % 256),
        "labels": idx(labels),
        "test_images": idx(np.zeros((20, 3, 2))),
        "test_labels": idx(labels[:20]),
    }

    def write(**changes: bytes) -> None:
        folder, pinned = root / "data" / "raw" / "mnist", []
        folder.mkdir(parents=True, exist_ok=True)
        for part, source in names.items():
            data = (good | changes)[part]
            (folder / source.name).write_bytes(data)
            pinned.append(replace(source, sha256=hashlib.sha256(data).hexdigest(), mirrors=()))
        monkeypatch.setattr(mnist, "SOURCES", tuple(pinned))
        monkeypatch.setitem(datasets.SOURCES, "mnist", tuple(pinned))

    return write


def test_mnist_is_read_from_its_four_files(tiny_mnist):
    tiny_mnist()
    data = datasets.load("mnist")
    assert (len(data.train), len(data.validation), len(data.test)) == (10, 5_000, 20)
    assert (data.input_shape, data.classes) == ((3, 2, 1), 10)
    assert (data.validation.x.min(), data.validation.x.max()) == (0.0, 1.0)
    assert datasets.verify("mnist")[1] == "train-labels-idx1-ubyte: 5,018 bytes, checksum as published"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": idx(np.zeros(5_009))}, "as many examples as labels, got 5010 and 5009"),
        ({"test_images": idx(np.zeros((20, 2, 3)))}, r"test examples of mnist have shape \(2, 3, 1\), not \(3, 2, 1\)"),
        ({"test_labels": idx(np.full(20, 10))}, r"test labels of mnist must lie in 0 … 9"),
        ({"test_images": idx(np.zeros((0, 3, 2))), "test_labels": idx(np.zeros(0))}, "a split needs"),
        ({"images": idx(np.zeros((5_010, 3, 2)))[:-7]}, "train-images-idx3-ubyte is truncated or too long"),
        ({"test_labels": b"\x00\x00\x0b\x01"}, "t10k-labels-idx1-ubyte is no IDX file"),
    ],
    ids=["a label short", "other images", "an eleventh class", "nothing", "cut off", "another type"],
)
def test_files_of_a_wrong_shape_are_refused(tiny_mnist, changes, message):
    tiny_mnist(**changes)
    with pytest.raises(DatasetError, match=message):
        datasets.load("mnist")


def test_availability_is_having_every_file(tiny_mnist, root):
    assert not datasets.available("mnist")
    tiny_mnist()
    assert datasets.available("mnist")
    (root / "data" / "raw" / "mnist" / "t10k-labels-idx1-ubyte").unlink()
    assert not datasets.available("mnist")


def test_verify_downloads_nothing(tiny_mnist, root, mirrors, monkeypatch):
    tiny_mnist()
    first, *rest = mnist.SOURCES
    online = (replace(first, mirrors=(mirrors.serve(b""),)), *rest)
    monkeypatch.setitem(datasets.SOURCES, "mnist", online)
    (root / "data" / "raw" / "mnist" / first.name).unlink()
    with pytest.raises(DatasetError, match=f"{first.name} is not on this machine"):
        datasets.verify("mnist")
    assert mirrors.asked == []


def test_nothing_is_used_in_place_of_a_data_set_that_cannot_be_had(root, monkeypatch):
    offline = tuple(replace(source, mirrors=()) for source in mnist.SOURCES)
    monkeypatch.setattr(mnist, "SOURCES", offline)
    with pytest.raises(DatasetError, match="train-images-idx3-ubyte is not on this machine"):
        datasets.load("mnist")


def test_every_file_of_mnist_has_two_homes_and_a_checksum():
    for source in datasets.sources("mnist"):
        assert len({address.split("/")[2] for address in source.mirrors}) == 2
        assert all(address.startswith("https://") and address.endswith(".gz") for address in source.mirrors)
        assert len(bytes.fromhex(source.sha256)) == 32


def test_an_unknown_data_set_is_told_with_the_known_ones():
    for ask in (datasets.load, datasets.sources, datasets.available, datasets.verify, datasets.test_size):
        with pytest.raises(ValueError, match=r"unknown data set 'minst'; known are .*mnist.*; register one"):
            ask("minst")
    assert {experiment.dataset for preset in PRESETS.values() for experiment in preset} <= set(datasets.NAMES)


# ---------------------------------------------------------------- splits


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()[:16]


@needs_mnist
def test_mnist_is_split_once_and_for_all():
    data = datasets.load("mnist")
    assert (len(data.train), len(data.validation), len(data.test)) == (55_000, 5_000, 10_000)
    assert (data.input_shape, data.classes) == ((28, 28, 1), 10)
    assert (data.train.x.min(), data.train.x.max()) == (0.0, 1.0)
    assert len(data.test) == datasets.test_size("mnist")
    # Another split would be another experiment under the same name.
    assert (digest(data.validation.y), digest(data.train.y)) == ("a1fbc2f91d8447f7", "8e41c9cf63540ffc")
    assert digest(data.validation.x) == "060aed25dd21b760"


def test_the_digits_are_embedded_and_split_once_and_for_all(root):
    data = datasets.load("digits")
    assert (len(data.train), len(data.validation), len(data.test)) == (1_197, 200, 400)
    assert (data.input_shape, data.classes) == ((8, 8, 1), 10)
    assert (data.train.x.min(), data.train.x.max()) == (0.0, 1.0)
    assert len(data.test) == datasets.test_size("digits")
    assert (digest(data.validation.y), digest(data.train.y)) == ("f0cdf87fcd2dae94", "886f1fe121b85bd4")
    images = np.concatenate([part.x.reshape(-1, 64) for part in (data.train, data.validation, data.test)])
    assert len(np.unique(images, axis=0)) == 1_797, "no image is in two splits"
    assert datasets.available("digits")
    assert datasets.verify("digits") == ["digits: embedded, nothing to verify"]
    assert not root.exists(), "nothing was downloaded"


def numbered(count: int) -> Split:
    """Examples that carry their number, labelled by its parity."""
    return Split(np.arange(count, dtype=np.float32).reshape(-1, 1), (np.arange(count) % 2).astype(np.int32))


def test_held_back_examples_are_disjoint_complete_and_the_same_for_everyone():
    first, again = (
        base.split("numbers", numbered(100), numbered(7), validation=20, classes=2, seed=5) for _ in range(2)
    )
    held, rest = first.validation.x.ravel().tolist(), first.train.x.ravel().tolist()
    assert (len(held), len(rest)) == (20, 80)
    assert sorted(held + rest) == list(range(100))
    assert np.array_equal(first.validation.x, again.validation.x)
    other = base.split("numbers", numbered(100), numbered(7), validation=20, classes=2, seed=6)
    assert not np.array_equal(first.validation.x, other.validation.x)
    for part in (first.train, first.validation):
        assert np.array_equal(part.x.ravel() % 2, part.y), "labels stay with their examples"


def test_data_is_read_only():
    data = base.split("numbers", numbered(10), numbered(7), validation=2, classes=2, seed=5)
    for part in (data.train, data.validation, data.test):
        for array in (part.x, part.y):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_examples_that_are_not_finite_are_refused(bad):
    broken = Split(np.array([[0.0], [bad]], np.float32), np.array([0, 1], np.int32))
    with pytest.raises(DatasetError, match="validation examples of numbers contain NaN or infinite values"):
        Dataset(name="numbers", train=numbered(4), validation=broken, test=numbered(4), classes=2)


# ---------------------------------------------------------------- data sets of one's own


@pytest.fixture
def mine():
    """`mine(load, **about)` registers a data set of this name for the length of a test."""
    yield lambda load, **about: datasets.register("mine", load, **about)
    if "mine" in datasets.DATASETS:
        datasets.DATASETS.remove("mine")
        datasets.SOURCES.pop("mine", None)


def parity() -> Dataset:
    return base.split("mine", numbered(100), numbered(7), validation=20, classes=2, seed=5)


def test_a_registered_data_set_is_one_like_any_other(mine):
    mine(parity)
    assert "mine" in datasets.NAMES
    assert "mine" not in datasets.TEXTS
    assert len(datasets.load("mine").train) == 80
    assert datasets.test_size("mine") == 7, "counted, because it was not said"
    assert datasets.available("mine")
    assert datasets.verify("mine") == ["mine: embedded, nothing to verify"]
    assert Experiment(dataset="mine").identity.startswith("mine-lenet_300_100-imp-rewind-")
    with pytest.raises(ValueError, match=r"mine has no documents, so it takes no text configuration; newswire.* do"):
        datasets.load("mine", TextConfig())


def test_what_is_known_of_a_data_set_need_not_be_loaded(mine):
    mine(lambda: pytest.fail("loaded"), test_size=9, sources=mnist.SOURCES)
    assert datasets.test_size("mine") == 9
    assert datasets.sources("mine") == mnist.SOURCES
    mine(parity, replace=True)
    assert datasets.sources("mine") == (), "nothing is left of what was replaced"


def test_documents_of_ones_own_are_read_as_an_experiment_says(mine):
    read = []
    mine(lambda text: read.append(text) or parity(), documents=True)
    assert "mine" in datasets.TEXTS
    datasets.load("mine")
    datasets.load("mine", TextConfig(length=7))
    assert read == [TextConfig(), TextConfig(length=7)]


def test_data_sets_of_the_package_cannot_be_replaced():
    for name in datasets.NAMES:
        with pytest.raises(ValueError, match=f"data set '{name}' is lthcore's own, and stored results rely on it"):
            datasets.register(name, parity, replace=True)
    assert datasets.test_size("digits") == 400


def test_a_name_that_is_taken_keeps_its_meaning_unless_told_otherwise(mine):
    mine(parity)
    with pytest.raises(ValueError, match=r"data set 'mine' is registered already; .* replace=True"):
        mine(lambda: None)
    assert isinstance(datasets.load("mine"), Dataset)


def test_what_is_no_loading_function_is_told(mine):
    with pytest.raises(TypeError, match="a data set is registered by the function that loads it, got Dataset"):
        mine(parity())
    mine(lambda: numbered(3))
    with pytest.raises(DatasetError, match=r"data set 'mine' must return a Dataset, got Split; Dataset\.from_arrays"):
        datasets.load("mine")


def test_every_module_of_a_data_set_is_known_without_being_listed():
    assert set(datasets.NAMES) == {"mnist", "digits", "newswire", "reuters-r10", "reuters-r90", "reuters-r115"}
    assert set(datasets.TEXTS) == {"newswire", "reuters-r10", "reuters-r90", "reuters-r115"}
    assert datasets.sources("reuters") == datasets.sources("reuters-r90") != ()
    with pytest.raises(ValueError, match="unknown data set 'reuters'"):
        datasets.load("reuters")
