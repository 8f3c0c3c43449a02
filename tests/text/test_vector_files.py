"""Pretrained vectors: three formats told by their content, damage told by its place."""

from __future__ import annotations

import gzip
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthcore.files.download import DatasetError
from lthcore.text import vector_files
from lthcore.text.vector_files import VectorFileError, read_vectors
from lthcore.text.vectors import Vectors, load_vectors

LIGHT = settings(deadline=None, derandomize=True, max_examples=40)
nan, inf = float("nan"), float("inf")

WORDS = ("corn", "wheat", "zürich", "#")
MATRIX = [[0.5, -1.0, 2.0], [0.25, 0.0, -0.125], [1.0, 1.0, 1.0], [-3.0, 2.5, 0.0]]


def header(words, matrix) -> bytes:
    return f"{len(words)} {len(matrix[0])}\n".encode()


def glove(words, matrix) -> bytes:
    lines = [f"{word} {' '.join(map(str, row))}\n" for word, row in zip(words, matrix, strict=True)]
    return "".join(lines).encode()


def text(words, matrix) -> bytes:
    return header(words, matrix) + glove(words, matrix)


def original_text(words, matrix) -> bytes:
    """As the first word2vec program wrote it: with a space at the end of each line."""
    return header(words, matrix) + glove(words, matrix).replace(b"\n", b" \n")


def binary(words, matrix, end=b"") -> bytes:
    rows = [word.encode() + b" " + np.array(row, "<f4").tobytes() for word, row in zip(words, matrix, strict=True)]
    return header(words, matrix) + end.join(rows) + end


def original_binary(words, matrix) -> bytes:
    """As the first word2vec program wrote it: with a line break after each vector."""
    return binary(words, matrix, b"\n")


FORMATS = [glove, text, original_text, binary, original_binary]


@pytest.fixture(params=["plain", "gzip"])
def written(request, tmp_path):
    """Writes bytes to a file whose name says nothing about them."""

    def write(data: bytes):
        path = tmp_path / "vectors"
        path.write_bytes(gzip.compress(data) if request.param == "gzip" else data)
        return path

    return write


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_told_by_its_content(written, form):
    vectors = read_vectors(written(form(WORDS, MATRIX)), dimension=3)
    assert vectors.words == WORDS
    assert vectors.matrix.tolist() == MATRIX
    assert (vectors.matrix.dtype, vectors.dimension) == (np.float32, 3)


@pytest.mark.parametrize("form", FORMATS)
def test_only_the_words_asked_for_are_kept_in_the_order_of_the_file(written, form):
    vectors = read_vectors(written(form(WORDS, MATRIX)), words=["#", "wheat", "gold"])
    assert vectors.words == ("wheat", "#")
    assert vectors.matrix.tolist() == [MATRIX[1], MATRIX[3]]


@pytest.mark.parametrize("form", FORMATS)
def test_of_a_word_that_stands_twice_the_first_counts(written, form):
    vectors = read_vectors(written(form(("corn", "wheat", "corn"), MATRIX[:3])))
    assert vectors.words == ("corn", "wheat")
    assert vectors.matrix.tolist() == MATRIX[:2]


@pytest.mark.parametrize("form", [text, binary])
def test_gensim_reads_the_same_from_files_with_a_header(tmp_path, form):
    from gensim.models import KeyedVectors

    path = tmp_path / "vectors"
    path.write_bytes(form(WORDS, MATRIX))
    theirs = KeyedVectors.load_word2vec_format(path, binary=form is binary)
    ours = read_vectors(path)
    assert tuple(theirs.index_to_key) == ours.words
    assert np.array_equal(theirs.vectors, ours.matrix)


def test_files_written_by_gensim_are_read(tmp_path):
    vectors = Vectors(WORDS, MATRIX)
    from gensim.models import KeyedVectors

    theirs = KeyedVectors(vectors.dimension)
    theirs.add_vectors(list(vectors.words), vectors.matrix)
    for name, options in {
        "a": {"binary": True},
        "b": {},
        "c": {"write_header": False},
        "d.gz": {"binary": True},
    }.items():
        theirs.save_word2vec_format(tmp_path / name, **options)
        ours = read_vectors(tmp_path / name)
        assert set(ours.words) == set(vectors.words)
        assert all(np.array_equal(ours.matrix[row], theirs[word]) for word, row in ours.index.items())


def test_words_with_spaces_inside_are_read_from_text(written):
    data = glove(["corn", ". . .", "at name", "2010"], MATRIX)
    assert read_vectors(written(data)).words == ("corn", ". . .", "at name", "2010")


@pytest.mark.parametrize("form", [glove, text])
def test_line_ends_of_another_system_and_no_last_one_make_no_difference(written, form):
    data = form(WORDS, MATRIX)
    for other in (data.replace(b"\n", b"\r\n"), data.rstrip(b"\n"), data + b"\n"):
        assert read_vectors(written(other)).matrix.tolist() == MATRIX


def test_a_file_longer_than_what_is_read_at_once(written):
    rng = np.random.default_rng(0)
    words = [f"word{number}" for number in range(3000)]
    matrix = rng.integers(-512, 512, (3000, 40)) / 256
    for form in (binary, text):
        vectors = read_vectors(written(form(words, matrix)))
        assert vectors.words == tuple(words)
        assert np.array_equal(vectors.matrix, matrix)


quarters = st.integers(-40, 40).map(lambda number: number / 4)


@LIGHT
@given(
    words=st.lists(st.text("abcü#.", min_size=1, max_size=5), min_size=2, max_size=5, unique=True),
    row=st.lists(quarters, min_size=2, max_size=6),
    form=st.sampled_from(FORMATS),
)
def test_what_was_written_is_read(tmp_path_factory, words, row, form):
    path = tmp_path_factory.mktemp("vectors") / "file"
    matrix = np.outer(np.arange(1, len(words) + 1), row)
    path.write_bytes(form(words, matrix))
    vectors = read_vectors(path)
    assert vectors.words == tuple(words)
    assert np.array_equal(vectors.matrix, matrix)


BAD = {
    "empty": (b"", "it is empty; expected word2vec text"),
    "nothing but line breaks": (b"\n\n", "it is empty"),
    "no numbers": (b"corn\nwheat\n", "line 1 is b'corn', no word with its numbers"),
    "prose": (b"word vectors of corn\n", "the vector of 'word' is not all numbers: .*b'vectors'; expected word2vec"),
    "no dimension": (b"3 0\ncorn\n", "line 1 is b'3 0'"),
    "text, a line missing": (text(WORDS, MATRIX)[:-15], "it has 3 words, but its first line announces 4"),
    "text, only a header": (b"4 3\n", "it has 0 words, but its first line announces 4: it is cut short"),
    "text, a line too many": (text(WORDS, MATRIX) + b"gold 1 2 3\n", "it has 5 words, .* announces 4"),
    "text, cut in a line": (text(WORDS, MATRIX)[:-9], "line 5 has 1 numbers, expected 3; is the file cut short?"),
    "glove, cut in a line": (glove(WORDS, MATRIX)[:-9], "line 4 has 1 numbers, expected 3"),
    "text, too many numbers": (b"2 2\ncorn 1 2\nwheat 1 2 3\n", "line 3 has 3 numbers, expected 2"),
    "glove, too many numbers": (b"corn 1 2\nwheat 1 2 3\n", "line 2 has 3 numbers, expected 2"),
    "header of another dimension": (b"1 2\ncorn 1 2 3\n", "line 2 has 3 numbers, expected 2"),
    "binary, cut in a vector": (binary(WORDS, MATRIX)[:-5], "it ends in the middle of a vector"),
    "binary, a vector missing": (binary(WORDS, MATRIX)[:-14], "it has 3 words, .* announces 4"),
    "text, NaN": (text(["a", "b"], [[0.0, 1.0], [nan, 1.0]]), "the vector of 'b' has NaN or infinite values"),
    "glove, infinite": (glove(["a", "b"], [[0.0, -inf], [0.0, 1.0]]), "the vector of 'a' has NaN or infinite"),
    "binary, NaN": (binary(["a", "b"], [[0.0, 1.0], [1.0, nan]]), "the vector of 'b' has NaN"),
    "beyond float32": (glove(["a", "b"], [[0.0, 1.0], [1e39, 1.0]]), "the vector of 'b' has NaN or infinite"),
    "text, not UTF-8": (text(WORDS, MATRIX).decode().encode("latin-1"), r"the word b'z\\xfcrich' is not UTF-8"),
    "glove, not UTF-8": (glove(WORDS, MATRIX).decode().encode("latin-1"), r"the word b'z\\xfcrich' is not UTF-8"),
    "no number": (glove(WORDS, MATRIX).replace(b"2.5", b"2,5"), "the vector of '#' is not all numbers: .*b'2,5'"),
    "an underscore in a number": (glove(["a", "b"], [["1_0", 1], [2, 3]]), "line 1: the vector of 'a' .* b'1_0'"),
    "an underscore in a header": (b"1_0 3\na 1 2 3\n", "line 2 has 3 numbers, expected 1"),
    "a number too few": (glove(["a", "b"], [[1, 2], [3]]), "line 2 has 1 numbers, expected 2"),
    "a number left out": (b"a 1 2\nb 3 \nc 5 6\n", "line 2 has 1 numbers, expected 2"),
    "a number left out inside": (b"a 1 2 3\nb 4  6\n", "line 2: the vector of 'b' is not all numbers: it has b''"),
    "text, NaN, with its line": (text(["a", "b"], [[0.0, 1.0], [nan, 1.0]]), "line 3: the vector of 'b' has NaN"),
    "binary, NaN, with its word": (binary(["a", "b"], [[0.0, 1.0], [1.0, inf]]), "word 2: the vector of 'b' has NaN"),
    "a line without end": (b"a" + b" 1" * (1 << 20), "line 1 has 1,048,576 bytes or more"),
    "a second line without end": (b"a 1 2\nb" + b" 1" * (1 << 20), "line 2 has 1,048,576 bytes or more"),
    "too many numbers a word": (b"a" + b" 1" * 10_001, "line 1 tells of 10,001 numbers a word; at most 10,000"),
    "binary, a dimension of millions": (b"1 99999999\na \x00", "line 1 tells of 99,999,999 numbers a word"),
    "binary without spaces": (b"9 2\n" + b"\x00" * 9_000_000, "word 1 has 4,096 bytes or more"),
    "UTF-16": (glove(WORDS, MATRIX).decode().encode("utf-16"), "cannot read word vectors from"),
    "an archive of arrays": (b"PK\x03\x04 \x00\x00 \xff\xfe\n\x00", "cannot read word vectors from"),
}


@pytest.mark.parametrize(("data", "message"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused(written, data, message):
    path = written(data)
    begin = time.process_time()
    with pytest.raises(VectorFileError, match=message) as caught:
        read_vectors(path)
    assert str(path) in str(caught.value)
    assert time.process_time() - begin < 5


def test_a_bad_file_is_a_matter_of_data_and_of_values(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for kind in (DatasetError, ValueError):
        with pytest.raises(kind, match="it is empty"):
            read_vectors(tmp_path / "file")


@pytest.mark.parametrize("form", FORMATS)
def test_a_byte_order_mark_is_no_part_of_the_first_word(written, form):
    vectors = read_vectors(written(b"\xef\xbb\xbf" + form(WORDS, MATRIX)))
    assert vectors.words == WORDS
    assert vectors.matrix.tolist() == MATRIX


@pytest.mark.parametrize("form", [glove, text, binary])
def test_a_first_line_may_be_long(written, form):
    matrix = np.random.default_rng(0).normal(size=(2, 9_000)).astype(np.float32)
    vectors = read_vectors(written(form(WORDS[:2], matrix.tolist())))
    assert vectors.words == WORDS[:2]
    assert np.array_equal(vectors.matrix, matrix)


def test_numbers_are_read_however_they_are_printed(written):
    assert (
        read_vectors(written(b"a 1 -1. +.5 1e2 1E-2 -0\n")).matrix.tolist()
        == np.float32([[1, -1, 0.5, 100, 0.01, 0]]).tolist()
    )


def test_only_the_words_kept_take_memory(tmp_path):
    path = tmp_path / "vectors.gz"
    row = b" " + b" ".join(b"%.4f" % number for number in np.random.default_rng(0).normal(size=300))
    path.write_bytes(gzip.compress(b"".join(b"word%d%b\n" % (number, row) for number in range(20_000)), 1))
    tracemalloc.start()
    vectors = read_vectors(path, words=["word7", "word19999"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert vectors.words == ("word7", "word19999")
    assert peak < 8 << 20, "all of them would be 24 million bytes"


@pytest.mark.parametrize("line", [b"", b"a 1 2\n"], ids=["no line", "one word again and again"])
def test_a_file_that_unpacks_to_much_more_than_vectors_do_is_refused(tmp_path, monkeypatch, line):
    monkeypatch.setattr(vector_files, "_SMALL", 1_000)
    path = tmp_path / "vectors.gz"
    path.write_bytes(gzip.compress(b"a 1 2\nb 3 4\n" + (line or bytes(1)) * 2_000_000))
    begin = time.process_time()
    with pytest.raises(VectorFileError, match=r"it unpacks to more than|line 3 has 1,048,576 bytes"):
        read_vectors(path)
    assert time.process_time() - begin < 10


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that fails when it is read")
def test_a_file_that_cannot_be_read_is_told_as_such(tmp_path):
    (tmp_path / "vectors").symlink_to("/proc/self/mem")
    with pytest.raises(VectorFileError, match=r"cannot read word vectors from .*vectors: Input/output error"):
        read_vectors(tmp_path / "vectors")


@pytest.mark.parametrize("form", FORMATS)
def test_another_dimension_is_refused_with_the_one_expected(written, form):
    with pytest.raises(ValueError, match="its vectors have dimension 3, expected 300"):
        read_vectors(written(form(WORDS, MATRIX)), dimension=300)


@pytest.mark.parametrize("form", FORMATS)
def test_none_of_the_words_is_refused(written, form):
    with pytest.raises(ValueError, match="none of the words to keep: are both written the same way"):
        read_vectors(written(form(WORDS, MATRIX)), words=["Corn"])


def test_rows_left_out_may_be_in_another_encoding_or_not_finite(written):
    data = glove(WORDS, [*MATRIX[:2], [nan, inf, 0.0], MATRIX[3]]).decode().encode("latin-1")
    assert read_vectors(written(data), words=["corn", "#"]).words == ("corn", "#")


def test_a_missing_file_and_a_folder_are_told_as_such(tmp_path):
    for path in (tmp_path / "nowhere.txt", tmp_path):
        for read in (read_vectors, load_vectors):
            for kind in (FileNotFoundError, DatasetError):
                with pytest.raises(kind, match=f"no file of word vectors at {path}"):
                    read(path)


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:20] + b"x" * 9 + data[29:]])
def test_a_damaged_compressed_file_is_refused(tmp_path, damage):
    path = tmp_path / "vectors.gz"
    path.write_bytes(damage(gzip.compress(glove(WORDS, MATRIX) * 9)))
    with pytest.raises(ValueError, match="cannot read word vectors from"):
        read_vectors(path)
