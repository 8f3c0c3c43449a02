"""Tables hide no missing word."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthcore.text.config import OOV
from lthcore.text.tables import Table, coverage, drawn, image, table
from lthcore.text.vectors import Vectors
from lthcore.text.vocabulary import PADDING, UNKNOWN, Vocabulary, encode

LIGHT = settings(deadline=None, derandomize=True, max_examples=40)
nan, inf = float("nan"), float("inf")

# Counts: corn 4, wheat 3, oats 2, and two tokens of words too rare to be in it.
VOCABULARY = Vocabulary.of(
    [["corn", "wheat", "corn", "oats", "rye", "corn"], ["wheat", "oats", "corn", "wheat", "tin"]], min_count=2
)
FOUND = Vectors(("wheat", "gold", "corn", "<unk>"), [[1.0, 3.0], [50.0, 50.0], [-1.0, -3.0], [7.0, 7.0]])


@pytest.mark.parametrize(
    ("words", "covered", "types", "tokens"),
    [
        (("wheat", "gold", "corn", "<unk>"), 2, 2 / 3, 7 / 11),
        (("oats", "wheat", "corn"), 3, 1.0, 9 / 11),
        (("rye",), 0, 0.0, 0.0),
    ],
)
def test_coverage_counts_types_and_running_tokens(words, covered, types, tokens):
    found = coverage(VOCABULARY, Vectors(words, np.ones((len(words), 2))))
    assert (found.words, found.covered, found.types, found.tokens) == (3, covered, types, tokens)


@pytest.mark.parametrize(
    ("oov", "spread"), [("uniform", 0.25), ("matched", (3 * (1 + 9 + 1 + 9) / 4) ** 0.5), ("zero", 0.0)]
)
def test_a_table_has_the_rows_of_the_vocabulary(oov, spread):
    made = table(VOCABULARY, FOUND, oov)
    assert VOCABULARY.words == ("<pad>", "<unk>", "corn", "wheat", "oats")
    assert made.known.tolist() == [False, False, True, True, False]
    assert made.vectors.tolist() == [[0, 0], [0, 0], [-1, -3], [1, 3], [0, 0]]
    assert made.vectors.dtype == np.float32
    assert made.spread == pytest.approx(spread)
    with pytest.raises(ValueError, match="read-only"):
        made.vectors[0] = 1


def test_words_to_skip_are_gone_from_vocabulary_table_and_documents():
    covered = VOCABULARY.only(FOUND.index)
    made = table(covered, FOUND, "skip")
    assert covered.words == ("<pad>", "<unk>", "corn", "wheat")
    assert made.known.tolist() == [False, False, True, True]
    assert made.spread == 0
    ids = encode([["oats", "wheat", "rye", "corn"]], covered, 3, unknown="skip")
    assert ids.tolist() == [[3, 2, PADDING]]
    assert image(ids[0], drawn(made, np.random.default_rng(0))).tolist() == [[1, 3], [-1, -3], [0, 0]]


def test_uniform_is_the_default_policy_and_the_first_named():
    assert table(VOCABULARY, FOUND).spread == table(VOCABULARY, FOUND, OOV[0]).spread == 0.25


@pytest.mark.parametrize(
    ("words", "oov", "message"),
    [
        (("Corn", "gold"), "uniform", "no word of the vocabulary has a vector: are both written the same way"),
        (("<unk>", "<pad>"), "zero", "no word of the vocabulary has a vector"),
        (("Corn", "gold"), "skip", "no word of the vocabulary has a vector"),
        (("corn", "oats"), "skip", "'wheat' has no vector to be skipped by: first take `vocabulary.only"),
        (("corn", "oats"), "mean", "unknown policy 'mean' .*; known are uniform, matched, zero, skip"),
    ],
)
def test_what_makes_no_table_is_refused(words, oov, message):
    with pytest.raises(ValueError, match=message):
        table(VOCABULARY, Vectors(words, np.ones((2, 2))), oov)


@LIGHT
@given(known=st.lists(st.booleans(), min_size=1, max_size=20), oov=st.sampled_from(OOV[:3]), seed=st.integers(0, 99))
def test_only_open_rows_are_drawn_and_padding_stays_zero(known, oov, seed):
    words = [f"w{number:02}" for number in range(len(known) + 1)]
    vocabulary = Vocabulary.of([words])
    found = [word for word, has in zip(words, [*known, True], strict=True) if has]
    vectors = Vectors(tuple(found), np.random.default_rng(seed).normal(size=(len(found), 4)))
    made = table(vocabulary, vectors, oov)
    matrix = drawn(made, np.random.default_rng(seed))
    assert (matrix.dtype, matrix.shape) == (np.float32, (len(vocabulary), 4))
    assert not matrix[PADDING].any()
    assert np.array_equal(matrix[made.known], made.vectors[made.known])
    assert np.abs(matrix[~made.known]).max() <= made.spread * (1 + 1e-6)
    assert matrix[UNKNOWN].any() == (oov != "zero")
    assert np.array_equal(matrix, drawn(made, np.random.default_rng(seed)))
    assert not made.vectors[~made.known].any(), "the table itself is not drawn into"


@LIGHT
@given(scale=st.floats(0.01, 3), shift=st.floats(-1, 1), seed=st.integers(0, 99))
def test_matched_rows_have_the_variance_of_the_known_ones(scale, shift, seed):
    words = tuple(f"w{number:03}" for number in range(400))
    vocabulary = Vocabulary.of([words])
    known = np.random.default_rng(seed).normal(shift, scale, (200, 50))
    matrix = drawn(table(vocabulary, Vectors(words[::2], known), "matched"), np.random.default_rng(seed + 1))
    missing = [vocabulary.index[word] for word in words[1::2]]
    assert matrix[missing].var() == pytest.approx(known.var(), rel=0.05)
    assert abs(matrix[missing].mean()) < 0.05 * scale


def test_policies_draw_the_same_numbers_at_another_scale():
    uniform, matched = (
        drawn(table(VOCABULARY, FOUND, oov), np.random.default_rng(3)) for oov in ("uniform", "matched")
    )
    assert matched[[UNKNOWN, 4]] == pytest.approx(uniform[[UNKNOWN, 4]] * 15**0.5 / 0.25)


def test_a_document_is_a_picture_of_its_words():
    matrix = np.arange(8.0).reshape(4, 2)
    assert image(np.array([3, 1, 0], np.int32), matrix).tolist() == [[6, 7], [2, 3], [0, 1]]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([0, 4], r"word numbers 0 … 4 do not lie in 0 … 3: another vocabulary\?"),
        ([-1, 2], "word numbers -1 … 2"),
        ([[0, 1]], r"ids are one row of whole numbers, got shape \(1, 2\)"),
        ([0.0, 1.0], r"whole numbers, got shape \(2,\) of float64"),
    ],
)
def test_what_is_no_row_of_word_numbers_is_refused(ids, message):
    with pytest.raises(ValueError, match=message):
        image(np.array(ids), np.zeros((4, 2)))


def test_a_table_is_made_of_arrays_that_fit():
    with pytest.raises(ValueError, match=r"known has shape \(2,\), the vectors have 3 rows"):
        Table(np.zeros((3, 2), np.float32), np.zeros(2, np.bool_), 0.25)
