"""Vocabularies of texts: which words get which number, and documents as rows of one length."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthcore.text.vocabulary import PADDING, UNKNOWN, Vocabulary, encode, length_covering, truncated

LIGHT = settings(deadline=None, derandomize=True, max_examples=60)

words = st.sampled_from(["corn", "wheat", "oats", "#", "ü", "<unk>", "<pad>", "a b", ""])
texts = st.lists(st.lists(words, max_size=12), min_size=1, max_size=6)
some_text = texts.filter(lambda documents: any(word[:1] != "<" for document in documents for word in document))

DOCUMENTS = [["b", "a", "c", "b"], ["a", "c", "c", "d"], []]


@pytest.mark.parametrize(
    ("min_count", "limit", "expected", "counts"),
    [
        (1, None, ("<pad>", "<unk>", "c", "a", "b", "d"), (0, 0, 3, 2, 2, 1)),
        (2, None, ("<pad>", "<unk>", "c", "a", "b"), (0, 1, 3, 2, 2)),
        (3, None, ("<pad>", "<unk>", "c"), (0, 5, 3)),
        (1, 2, ("<pad>", "<unk>", "c", "a"), (0, 3, 3, 2)),  # of equals the alphabetically first stays
        (2, 99, ("<pad>", "<unk>", "c", "a", "b"), (0, 1, 3, 2, 2)),
    ],
)
def test_words_go_by_falling_count_and_then_alphabetically(min_count, limit, expected, counts):
    vocabulary = Vocabulary.of(DOCUMENTS, min_count=min_count, limit=limit)
    assert (vocabulary.words, vocabulary.counts) == (expected, counts)
    assert len(vocabulary) == len(expected)


# Document, length, as tokens, with unknown words skipped; of the vocabulary c = 2, a = 3, b = 4.
ROWS = {
    "shorter": (["a", "b"], 4, [3, 4, 0, 0], [3, 4, 0, 0]),
    "as long": (["c", "c", "a", "b"], 4, [2, 2, 3, 4], [2, 2, 3, 4]),
    "longer loses its end": (["c", "c", "a", "b", "a"], 4, [2, 2, 3, 4], [2, 2, 3, 4]),
    "an unknown word": (["c", "d", "a"], 4, [2, 1, 3, 0], [2, 3, 0, 0]),
    "gaps are closed before cutting": (["d", "d", "a", "b"], 2, [1, 1], [3, 4]),
    "nothing but unknown words": (["d", "e"], 3, [1, 1, 0], [0, 0, 0]),
    "empty": ([], 3, [0, 0, 0], [0, 0, 0]),
    "reserved names are no words": (["<pad>", "a", "<unk>"], 3, [1, 3, 1], [3, 0, 0]),
}


@pytest.mark.parametrize(("document", "length", "token", "skip"), ROWS.values(), ids=ROWS)
def test_a_document_becomes_a_row(document, length, token, skip):
    vocabulary = Vocabulary.of(DOCUMENTS, min_count=2)
    assert encode([document], vocabulary, length).tolist() == [token]
    assert encode([tuple(document)], vocabulary, length, unknown="skip").tolist() == [skip]


def test_rows_are_int32_and_one_per_document():
    rows = encode(DOCUMENTS, Vocabulary.of(DOCUMENTS), 5)
    assert (rows.dtype, rows.shape) == (np.int32, (3, 5))
    assert not rows[2].any(), "an empty document is all padding"
    assert (PADDING, UNKNOWN) == (0, 1)


@LIGHT
@given(documents=some_text, length=st.integers(1, 15), min_count=st.integers(1, 3))
def test_decoding_gives_the_known_words_back(documents, length, min_count):
    counts = Counter(word for document in documents for word in document if word not in ("<pad>", "<unk>"))
    if max(counts.values()) < min_count:
        return
    vocabulary = Vocabulary.of(documents, min_count=min_count)
    known = {word for word, count in counts.items() if count >= min_count}
    assert set(vocabulary.index) == known
    rows, short = (encode(documents, vocabulary, length, unknown=unknown) for unknown in ("token", "skip"))
    for document, row, skipped in zip(documents, rows, short, strict=True):
        decoded = [vocabulary.words[number] for number in row if number != PADDING]
        assert decoded == [word if word in known else "<unk>" for word in document][:length]
        decoded = [vocabulary.words[number] for number in skipped if number != PADDING]
        assert decoded == [word for word in document if word in known][:length]


@LIGHT
@given(documents=some_text, limit=st.integers(1, 6))
def test_counts_sum_to_the_running_tokens_whatever_is_left_out(documents, limit):
    vocabulary = Vocabulary.of(documents, limit=limit)
    assert sum(vocabulary.counts) == sum(map(len, documents))
    first = vocabulary.words[2]
    assert sum(vocabulary.only({first}).counts) == sum(map(len, documents))
    assert vocabulary == Vocabulary.of(documents[::-1], limit=limit), "the order of the documents does not matter"


def test_only_keeps_the_words_named_and_their_order():
    vocabulary = Vocabulary.of(DOCUMENTS)
    assert vocabulary.only({"b", "c", "z"}) == Vocabulary(("<pad>", "<unk>", "c", "b"), (0, 3, 3, 2))
    assert vocabulary.only(vocabulary.index) == vocabulary
    with pytest.raises(ValueError, match="none of the vocabulary's words is among those to keep"):
        vocabulary.only({"z", "<unk>"})


def test_the_index_cannot_be_written_to():
    vocabulary = Vocabulary.of(DOCUMENTS)
    assert dict(vocabulary.index) == {"c": 2, "a": 3, "b": 4, "d": 5}
    assert vocabulary.index is vocabulary.index
    with pytest.raises(TypeError, match="does not support item assignment"):
        vocabulary.index["z"] = 9


@pytest.mark.parametrize(
    ("lengths", "share", "length"),
    [
        ([10, 20, 30, 400], 1.0, 400),
        ([10, 20, 30, 400], 0.75, 30),
        ([400, 10, 30, 20], 0.76, 400),
        ([10, 20, 30, 400], 0.01, 10),
        (range(1, 11), 0.7, 7),  # 0.7 · 10 is a little more than 7
        (range(1, 101), 0.29, 29),
        ([5, 5, 5, 9], 0.5, 5),
        ([0, 0], 1.0, 1),
    ],
)
def test_the_length_that_covers_a_share(lengths, share, length):
    assert length_covering(lengths, share) == length
    assert isinstance(length_covering(lengths, share), int)


@LIGHT
@given(lengths=st.lists(st.integers(0, 40), min_size=1, max_size=30), share=st.floats(0.01, 1))
def test_the_covering_length_is_the_smallest_that_does(lengths, share):
    length = length_covering(lengths, share)

    def held(length):
        return sum(given <= length for given in lengths) / len(lengths)

    assert held(length) >= share
    assert length == 1 or held(length - 1) < share
    assert truncated(lengths, length) == pytest.approx(1 - held(length))


@pytest.mark.parametrize(("length", "share"), [(5, 1.0), (10, 0.75), (29, 0.5), (30, 0.25), (400, 0.0)])
def test_truncated_counts_what_is_longer(length, share):
    assert truncated([10, 20, 30, 400], length) == share


GOOD = Vocabulary.of(DOCUMENTS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Vocabulary.of([]), "no documents"),
        (lambda: Vocabulary.of([[], []]), "no word occurs 1 times in the 2 documents"),
        (lambda: Vocabulary.of(DOCUMENTS, min_count=4), "no word occurs 4 times in the 3 documents: lower min_count"),
        (lambda: Vocabulary.of([["<unk>", "<pad>"]]), "no word occurs"),
        (lambda: Vocabulary.of(DOCUMENTS, min_count=0), "whole numbers >= 1, got 0 and None"),
        (lambda: Vocabulary.of(DOCUMENTS, limit=0), "whole numbers >= 1, got 1 and 0"),
        (lambda: Vocabulary.of("corn and wheat"), "got the text 'corn and wheat': split it into words"),
        (lambda: Vocabulary.of([["corn"], "wheat"]), "got the text 'wheat'"),
        (lambda: Vocabulary(("a", "<unk>"), (0, 0)), "starts with <pad>, <unk>, got a, <unk>"),
        (lambda: Vocabulary((), ()), "starts with <pad>, <unk>"),
        (lambda: Vocabulary(("<pad>", "<unk>", "a"), (0, 0)), "got 2 for 3 words"),
        (lambda: Vocabulary(("<pad>", "<unk>", "a", "a"), (0, 0, 2, 1)), "'a' stands 2 times"),
        (lambda: Vocabulary(("<pad>", "<unk>", "<unk>"), (0, 0, 2)), "'<unk>' stands 2 times"),
        (lambda: Vocabulary(("<pad>", "<unk>", "a", "b"), (0, 0, 1, 2)), "falling count"),
        (lambda: Vocabulary(("<pad>", "<unk>", "b", "a"), (0, 0, 2, 2)), "then alphabetically"),
        (lambda: encode([], GOOD, 3), "no documents"),
        (lambda: encode("corn", GOOD, 3), "got the text 'corn'"),
        (lambda: encode(DOCUMENTS, GOOD, 0), "length is a whole number of tokens >= 1, got 0"),
        (lambda: encode(DOCUMENTS, GOOD, 3, unknown="drop"), "got 'drop'"),
        (lambda: length_covering([], 0.5), "no documents, so no lengths"),
        (lambda: length_covering([1], 0.0), r"share must lie in \(0, 1\], got 0.0"),
        (lambda: length_covering([1], 90), "0.9 holds nine documents of ten"),
        (lambda: length_covering([1], float("nan")), "got nan"),
        (lambda: truncated([], 3), "no documents"),
    ],
)
def test_what_does_not_do_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
