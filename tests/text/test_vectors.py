"""Word vectors: checked values, exact files, nearest by cosine."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lthcore.files import array_files
from lthcore.text.vectors import Vectors, load_vectors, nearest, save_vectors

LIGHT = settings(deadline=None, derandomize=True, max_examples=40)
nan, inf = float("nan"), float("inf")

WORDS = ("corn", "wheat", "zürich", "#")
MATRIX = [[0.5, -1.0, 2.0], [0.25, 0.0, -0.125], [1.0, 1.0, 1.0], [-3.0, 2.5, 0.0]]


@pytest.mark.parametrize(
    ("words", "matrix", "message"),
    [
        ((), np.zeros((0, 2)), r"0 words need vectors of shape \(0, D\), got \(0, 2\)"),
        (("a",), [1.0], r"1 words need vectors of shape \(1, D\), got \(1,\)"),
        (("a",), [[]], r"got \(1, 0\)"),
        (("a", "b"), [[1.0]], r"2 words need vectors of shape \(2, D\), got \(1, 1\)"),
        (("a", "b", "a"), [[1.0], [2.0], [3.0]], "'a' stands 2 times among the words"),
        (("a", "b"), [[1.0, 2.0], [3.0, nan]], "the vector of 'b' has NaN or infinite values"),
        (("a", "b"), [[inf, 2.0], [3.0, nan]], "the vector of 'a' has NaN or infinite values"),
        (("a",), np.array([[1e300]]), "the vector of 'a' has NaN or infinite values"),
    ],
)
def test_what_are_no_vectors_is_refused(words, matrix, message):
    with pytest.raises(ValueError, match=message):
        Vectors(words, matrix)


def test_vectors_are_copied_and_read_only():
    source = np.ones((2, 2), np.float32)
    vectors = Vectors(("a", "b"), source)
    source[0, 0] = 5
    assert vectors.matrix[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        vectors.matrix[0, 0] = 0
    with pytest.raises(TypeError, match="does not support item assignment"):
        vectors.index["a"] = 1


@settings(LIGHT, max_examples=15)  # each waits for the disk
@given(
    words=st.lists(st.text(max_size=6), min_size=1, max_size=5, unique=True),
    row=hnp.arrays(np.float32, st.integers(1, 4), elements=st.floats(-9, 9, width=32)),
)
def test_what_was_saved_is_loaded_to_the_bit(tmp_path_factory, words, row):
    path = tmp_path_factory.mktemp("vectors") / "folder" / "vectors.npz"
    vectors = Vectors(tuple(words), np.tile(row, (len(words), 1)))
    save_vectors(path, vectors)
    back = load_vectors(path)
    assert back.words == vectors.words
    assert back.matrix.tobytes() == vectors.matrix.tobytes()
    first = path.read_bytes()
    save_vectors(path, back)
    assert path.read_bytes() == first


def test_a_damaged_or_other_archive_is_refused(tmp_path):
    path = tmp_path / "vectors.npz"
    save_vectors(path, Vectors(WORDS, MATRIX))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(
        ValueError, match=r"vectors.npz holds no vectors of `save_vectors`, or damaged ones: .*save again"
    ):
        load_vectors(path)
    array_files.write(path, {"other": np.arange(3)})
    with pytest.raises(ValueError, match="holds no vectors of `save_vectors`"):
        load_vectors(path)


def test_a_header_that_announces_more_than_any_memory_is_damage(tmp_path):
    path = tmp_path / "vectors.npz"
    save_vectors(path, Vectors(WORDS, MATRIX))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data.replace(b"(4, 3), }" + b" " * 13, b"(9" + b"9" * 13 + b", 3), }"))
    with pytest.raises(ValueError, match="holds no vectors of `save_vectors`, or damaged ones"):
        load_vectors(path)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that fails when it is read")
def test_an_archive_that_cannot_be_read_is_not_called_damaged(tmp_path):
    (tmp_path / "vectors.npz").symlink_to("/proc/self/mem")
    with pytest.raises(OSError, match="Input/output error"):
        load_vectors(tmp_path / "vectors.npz")


PLANE = Vectors(
    ("east", "north", "north-east", "west", "nowhere", "far east"), [[1, 0], [0, 2], [3, 3], [-1, 0], [0, 0], [9, 0]]
)


@pytest.mark.parametrize(
    ("word", "n", "expected"),
    [
        ("east", 2, [("far east", 1.0), ("north-east", 0.5**0.5)]),
        ("east", 9, [("far east", 1), ("north-east", 0.5**0.5), ("north", 0), ("nowhere", 0), ("west", -1)]),
        ("north-east", 3, [("east", 0.5**0.5), ("north", 0.5**0.5), ("far east", 0.5**0.5)]),
    ],
)
def test_nearest_goes_by_cosine_and_never_names_the_word_itself(word, n, expected):
    found = nearest(PLANE, word, n)
    assert [other for other, _ in found] == [other for other, _ in expected]
    assert [cosine for _, cosine in found] == pytest.approx([cosine for _, cosine in expected])


@pytest.mark.parametrize(
    ("word", "n", "message"),
    [
        ("up", 1, "'up' has no vector, or zero: ask for another of the 6 words"),
        ("nowhere", 1, "'nowhere' has no vector, or zero"),
        ("east", 0, "n is a number of words >= 1, got 0"),
    ],
)
def test_what_is_near_nothing_is_refused(word, n, message):
    with pytest.raises(ValueError, match=message):
        nearest(PLANE, word, n)
