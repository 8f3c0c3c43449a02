"""The generated newswire: the same for everyone, shaped like the real one, learnable."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from lthcore.datasets.corpora import newswire
from lthcore.datasets.corpora.corpus import Document, group, labels, statistics
from lthcore.text.tokens import tokenize

CORPUS = newswire.load_corpus()


def test_it_is_generated_once_and_for_all():
    written = "\n".join(f"{document.number} {document.topics} {document.text}" for document in CORPUS.documents)
    # Other documents would be another corpus under the same name.
    assert hashlib.sha256(written.encode()).hexdigest()[:16] == "822fee7f3c07ceb9"
    newswire.load_corpus.cache_clear()
    assert newswire.load_corpus() == CORPUS


def test_its_shape():
    assert [document.number for document in CORPUS.documents] == list(range(1, 751))
    assert (len(CORPUS.train), len(CORPUS.test)) == (newswire.TRAIN, newswire.TEST)
    assert {document.body for document in CORPUS.documents} == {True}
    lengths = [len(document.tokens) for document in CORPUS.documents]
    assert (min(lengths), max(lengths)) == (20, 80)


def test_its_tokens_are_those_of_its_text():
    assert all(document.tokens == tuple(tokenize(document.text)) for document in CORPUS.documents)


def test_it_is_skewed_and_has_several_labels_and_none():
    everything = group(CORPUS, "all", documents="all")
    assert everything.categories == tuple(newswire.TOPICAL)
    for part in statistics(everything).values():
        assert max(part.categories.values()) > 3 * min(part.categories.values()) > 0
        assert {0, 1, 2} <= set(part.labels.tolist())
        assert part.topicless > 0


def test_wheat_and_corn_are_grain():
    for document in CORPUS.documents:
        assert "grain" in document.topics or not {"wheat", "corn"} & set(document.topics)


@pytest.mark.parametrize("name", ["R10", "R90", "R115"])
def test_it_does_not_pass_for_the_real_one(name):
    with pytest.raises(Exception, match=f"group {name} has .* categories, but newswire has"):
        group(CORPUS, name)


def counts(documents: tuple[Document, ...], words: dict[str, int]) -> np.ndarray:
    """Table (N, V + 1): how often each word is in each document, and a one."""
    table = np.ones((len(documents), len(words) + 1))
    for row, document in enumerate(documents):
        table[row, :-1] = 0
        for token in document.tokens:
            if token in words:
                table[row, words[token]] += 1
    return table


def test_it_can_be_learned():
    task = group(CORPUS, "all")
    words = {word: index for index, word in enumerate(sorted({word for text in task.train for word in text.tokens}))}
    x, y = counts(task.train, words), labels(task.train, task.categories)
    weights = np.linalg.solve(x.T @ x + 10 * np.eye(x.shape[1]), x.T @ y)  # ridge regression
    found, right = counts(task.test, words) @ weights > 0.5, labels(task.test, task.categories) > 0
    f1 = 2 * (found & right).sum() / (found.sum() + right.sum())
    assert f1 > 0.85
