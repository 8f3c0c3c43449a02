"""Documents, groups of categories, labels and counts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lthcore.datasets import DatasetError
from lthcore.datasets.corpora import corpus
from lthcore.datasets.corpora.corpus import Corpus, Document, document, group, labels, statistics


def doc(number: int, split: str, topics: str, *, body: bool = True, tokens: str = "a b") -> Document:
    """A document with its topics in a string."""
    return Document(
        number=number, split=split, topics=tuple(topics.split()), text=tokens, tokens=tuple(tokens.split()), body=body
    )


SMALL = Corpus(
    "small",
    (
        doc(1, "train", "grain wheat"),
        doc(2, "train", ""),
        doc(3, "test", "wheat"),
        doc(4, "train", "earn", body=False, tokens="a"),
        doc(5, "train", "tea"),  # never tested
        doc(6, "test", "earn oat", tokens=""),  # oat is never trained
        doc(7, "test", "oat"),
        doc(8, "test", "grain", body=False),
    ),
)


def numbers(documents: tuple[Document, ...]) -> list[int]:
    return [document.number for document in documents]


# ---------------------------------------------------------------- documents and corpora


def test_a_document_is_made_of_its_parts():
    made = document(number=3, split="train", topics=["wheat", "grain", "wheat"], title="UP 3.5", body="It rose.")
    assert made == Document(
        number=3,
        split="train",
        topics=("grain", "wheat"),
        text="UP 3.5\nIt rose.",
        tokens=("up", "#.#", "it", "rose", "."),
        body=True,
    )
    bare = document(number=3, split="train", topics=(), title="UP", body="")
    assert (bare.text, bare.body) == ("UP", False)


def test_documents_corpora_and_groups_are_frozen():
    for value, field in ((SMALL.documents[0], "number"), (SMALL, "name"), (group(SMALL, "all"), "train")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field, 0)


@pytest.mark.parametrize(
    ("split", "topics", "message"),
    [
        ("validation", "", "document 9 must be in one of train, test, not in 'validation'"),
        ("train", "wheat grain", r"topics of document 9 must be alphabetical, each once; got \('wheat', 'grain'\)"),
        ("train", "wheat wheat", "alphabetical, each once"),
    ],
)
def test_a_document_that_cannot_be_is_refused(split, topics, message):
    with pytest.raises(DatasetError, match=message):
        doc(9, split, topics)


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([doc(1, "train", ""), doc(1, "test", "")], "two documents of news have the number 1"),
        ([doc(1, "train", "")], "news has no test documents"),
        ([doc(1, "test", "")], "news has no train documents"),
        ([], "news has no train documents"),
    ],
)
def test_a_corpus_that_cannot_be_is_refused(documents, message):
    with pytest.raises(DatasetError, match=message):
        Corpus("news", tuple(documents))


def test_splits_keep_the_order():
    assert numbers(SMALL.train) == [1, 2, 4, 5]
    assert numbers(SMALL.test) == [3, 6, 7, 8]


# ---------------------------------------------------------------- groups


@pytest.mark.parametrize(
    ("options", "train", "test"),
    [
        ({}, [1, 4], [3, 6, 8]),
        ({"documents": "all"}, [1, 2, 4, 5], [3, 6, 7, 8]),
        ({"bodiless": "drop"}, [1], [3, 6]),
        ({"documents": "all", "bodiless": "drop"}, [1, 2, 5], [3, 6, 7]),
    ],
)
def test_documents_of_a_group(options, train, test):
    found = group(SMALL, "all", **options)
    assert (found.name, found.categories) == ("all", ("earn", "grain", "wheat"))
    assert (numbers(found.train), numbers(found.test)) == (train, test)


def collection(train: int, test: int, names: tuple[str, ...] = ()) -> Corpus:
    """A corpus with so many training categories, of which so many are tested."""
    topics = [*names, *(f"topic-{index:03}" for index in range(train - len(names)))]
    documents = [doc(index, "train", topic) for index, topic in enumerate(topics)]
    documents += [doc(1_000 + index, "test", topic) for index, topic in enumerate(topics[:test])]
    return Corpus("collection", tuple(documents))


def test_groups_of_the_whole_collection():
    whole = collection(115, 90, corpus.R10)
    assert group(whole, "R10").categories == corpus.R10
    sizes = {name: [len(part) for part in (found.categories, found.train, found.test)] for name, found in groups(whole)}
    assert sizes == {"R10": [10, 10, 10], "R90": [90, 90, 90], "R115": [115, 115, 90], "all": [90, 90, 90]}
    for _, found in groups(whole):
        assert list(found.categories) == sorted(found.categories)


def groups(whole: Corpus):
    return [(name, group(whole, name)) for name in corpus.GROUPS]


@pytest.mark.parametrize(
    ("name", "whole", "message"),
    [
        ("R10", SMALL, "group R10 has 10 categories, but small has 3 of them.* take the group 'all'"),
        ("R10", collection(115, 9, corpus.R10), "but collection has 9 of them"),
        ("R90", collection(115, 89), "group R90 has 90 categories, but collection has 89 of them"),
        ("R115", collection(116, 90), "group R115 has 115 categories, but collection has 116 of them"),
        ("all", Corpus("none", (doc(1, "train", "a"), doc(2, "test", "b"))), "at least one categories, but none has 0"),
    ],
)
def test_other_categories_than_expected_are_refused(name, whole, message):
    with pytest.raises(DatasetError, match=message):
        group(whole, name)


def test_a_group_without_documents_is_refused():
    bare = Corpus("bare", (doc(1, "train", "a", body=False), doc(2, "test", "a")))
    with pytest.raises(DatasetError, match="group all has no training documents; take another group or corpus"):
        group(bare, "all", bodiless="drop")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("R8", {}, "unknown group 'R8'; known are R10, R90, R115, all"),
        ("all", {"documents": "some"}, "unknown choice of documents 'some'; known are labelled, all"),
        ("all", {"bodiless": "lose"}, "unknown choice about documents without a body 'lose'; known are keep, drop"),
    ],
)
def test_unknown_words_are_told_with_the_known_ones(name, options, message):
    with pytest.raises(ValueError, match=message):
        group(SMALL, name, **options)


# ---------------------------------------------------------------- labels and counts


def test_labels_are_a_table_in_the_order_asked_for():
    table = labels(SMALL.documents, ("wheat", "earn", "grain"))
    assert table.dtype == np.uint8
    assert table.tolist() == [
        [1, 0, 1],
        [0, 0, 0],
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 0],
        [0, 1, 0],
        [0, 0, 0],
        [0, 0, 1],
    ]
    assert labels((), ("wheat",)).shape == (0, 1)


TOPICS = ("acq", "corn", "earn", "grain", "tea")


@given(
    st.lists(st.sets(st.sampled_from(TOPICS)), min_size=2, max_size=12), st.lists(st.sampled_from(TOPICS), unique=True)
)
def test_labels_say_which_topics_are_there(chosen, categories):
    documents = [doc(number, "train", " ".join(sorted(topics))) for number, topics in enumerate(chosen)]
    table = labels(documents, categories)
    assert table.shape == (len(documents), len(categories))
    for row, topics in zip(table, chosen, strict=True):
        assert {category for category, label in zip(categories, row, strict=True) if label} == topics & set(categories)


def test_counts():
    counted = statistics(group(SMALL, "all", documents="all"))
    train, test = counted["train"], counted["test"]
    assert (train.documents, train.empty, train.bodiless, train.topicless) == (4, 0, 1, 1)
    assert (test.documents, test.empty, test.bodiless, test.topicless) == (4, 1, 1, 0)
    assert train.categories == {"earn": 1, "grain": 1, "wheat": 1}
    assert test.categories == {"earn": 1, "grain": 1, "wheat": 1}
    assert train.labels.tolist() == [2, 0, 1, 0]
    assert test.labels.tolist() == [1, 1, 0, 1]
    assert train.lengths.tolist() == [2, 2, 1, 2]
    assert test.lengths.tolist() == [2, 0, 2, 2]
