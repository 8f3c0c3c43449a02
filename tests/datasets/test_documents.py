"""Corpora as data sets: what is held back, what is known of words, and that nothing of the rest leaks into it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lthcore import datasets
from lthcore.datasets import documents
from lthcore.datasets.corpora import corpus as corpora
from lthcore.datasets.corpora import newswire
from lthcore.datasets.corpora.corpus import Corpus
from lthcore.files import paths
from lthcore.text.config import TextConfig
from lthcore.text.vectors import Vectors

TINY = TextConfig(length=30, dimension=4, min_count=2, epochs=1)
NEWS = newswire.load_corpus()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of one's own."""
    monkeypatch.setattr(paths, "cache", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def test_a_tenth_of_the_training_documents_is_held_back_the_same_for_every_group():
    held = documents.read(NEWS, TINY).held
    assert len(held) == round(0.1 * len(NEWS.train))
    assert held < {document.number for document in NEWS.train}
    data = documents.load("newswire", TINY)
    group = corpora.group(NEWS, "all")
    assert len(data.validation) == sum(document.number in held for document in group.train)
    assert len(data.train) + len(data.validation) == len(group.train)


def with_word(word: str, where: str) -> Corpus:
    """The newswire with a new word in every held-back or every test document."""
    held = documents.read(NEWS, TINY).held

    def marked(document):
        hit = document.number in held if where == "validation" else document.split == "test"
        return replace(document, tokens=(*document.tokens, word, word)) if hit else document

    return Corpus("marked", tuple(map(marked, NEWS.documents)))


@pytest.mark.parametrize("where", ["validation", "test"])
def test_words_of_held_back_and_test_documents_are_in_neither_vocabulary_nor_language_model(where):
    reading = documents.read(with_word("leak", where), TINY)
    assert "leak" not in reading.vocabulary.index
    assert "leak" not in reading.vectors.index
    assert np.array_equal(reading.vectors.matrix, documents.read(NEWS, TINY).vectors.matrix)


def test_documents_become_numbers_and_label_sets():
    data = documents.load("newswire", TINY)
    reading, group = documents.read(NEWS, TINY), corpora.group(NEWS, "all")
    words = [reading.vocabulary.words[number] for number in data.test.x[0] if number]
    expected = [word if word in reading.vocabulary.index else "<unk>" for word in group.test[0].tokens[:30]]
    assert words == expected
    assert [data.labels[c] for c in np.flatnonzero(data.test.y[0])] == [
        topic for topic in group.test[0].topics if topic in group.categories
    ]
    assert data.test.x.dtype == np.int32
    assert data.multilabel
    assert data.train.y.sum(axis=1).max() > 1


def test_all_documents_may_be_kept_those_without_label_too():
    every = documents.load("newswire", replace(TINY, documents="all"))
    assert len(every.test) == len(NEWS.test) > len(documents.load("newswire", TINY).test)
    assert not every.test.y.any(axis=1).all()


def test_the_language_model_is_trained_once_and_damage_is_noticed(cache, monkeypatch):
    first = documents.read(NEWS, TINY).vectors
    (file,) = cache.glob("skip-gram-*.npz")
    with monkeypatch.context() as patch:
        patch.setattr(documents.language, "skip_gram", lambda *_, **__: pytest.fail("trained again"))
        assert np.array_equal(documents.read(NEWS, TINY).vectors.matrix, first.matrix)
    file.write_bytes(file.read_bytes()[:-40])
    assert np.array_equal(documents.read(NEWS, TINY).vectors.matrix, first.matrix)


def device(file: Path) -> None:
    """Put a file there that can be opened and fails when it is read."""
    file.unlink()
    file.symlink_to("/proc/self/mem")


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("unreadable", [device, folder])
def test_a_cache_that_cannot_be_read_is_made_again(cache, unreadable):
    first = documents.read(NEWS, TINY).vectors
    (file,) = cache.glob("skip-gram-*.npz")
    unreadable(file)
    assert np.array_equal(documents.read(NEWS, TINY).vectors.matrix, first.matrix)


def test_a_cache_that_cannot_be_written_stops_nothing(cache):
    cache.write_text("a file where the folder should be")
    assert documents.read(NEWS, TINY).vectors.dimension == 4


@pytest.mark.parametrize("change", [{"window": 3}, {"negative": 3}, {"epochs": 2}, {"dimension": 5}, {"min_count": 3}])
def test_another_setting_is_another_language_model(cache, change):
    documents.read(NEWS, TINY)
    documents.read(NEWS, replace(TINY, **change))
    assert len(list(cache.glob("skip-gram-*.npz"))) == 2


def glove(folder, words: tuple[str, ...]) -> str:
    path = folder / "vectors.txt"
    path.write_text("".join(f"{word} {number}.0 0.5 -1.0\n" for number, word in enumerate(words, 1)))
    return str(path)


@pytest.mark.parametrize("oov", ["uniform", "matched", "zero", "skip"])
def test_pretrained_vectors_are_read_from_a_file_and_the_rest_is_settled(tmp_path, oov):
    config = replace(TINY, vectors=glove(tmp_path, ("wheat", "oil", "profit", "bank")), dimension=3, oov=oov)
    data = documents.load("newswire", config)
    reading = documents.read(NEWS, config)
    row = reading.vocabulary.index["wheat"]
    assert data.table.vectors[row].tolist() == [1.0, 0.5, -1.0]
    assert data.table.known.sum() == sum(
        word in reading.vocabulary.index for word in ("wheat", "oil", "profit", "bank")
    )
    if oov == "skip":
        assert len(reading.vocabulary.index) == data.table.known.sum()
        assert 1 not in data.train.x, "no unknown word is left in any document"


@pytest.mark.parametrize(
    ("words", "dimension", "message"),
    [(("wheat",), 4, "dimension 3, expected 4"), (("zebra",), 3, "none of the words to keep")],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, words, dimension, message):
    config = replace(TINY, vectors=glove(tmp_path, words), dimension=dimension)
    with pytest.raises(ValueError, match=message):
        documents.load("newswire", config)


def test_images_are_not_read_as_text():
    with pytest.raises(ValueError, match="digits has no documents"):
        datasets.load("digits", TINY)


def test_any_corpus_can_be_prepared():
    data = documents.prepare("mine", Corpus("mine", NEWS.documents), "all", TINY)
    assert (data.name, data.classes) == ("mine", 8)
    assert isinstance(documents.read(NEWS, TINY).vectors, Vectors)


def test_a_registered_corpus_gives_a_data_set_for_each_of_its_groups():
    documents.register_corpus("wire", lambda: Corpus("wire", NEWS.documents), groups={"wire-all": ("all", None)})
    try:
        assert datasets.load("wire-all", TINY).labels == datasets.load("newswire", TINY).labels
        assert datasets.test_size("wire-all") == datasets.test_size("newswire")
        assert "wire-all" in datasets.TEXTS
        with pytest.raises(ValueError, match="corpus 'wire' is registered already"):
            documents.register_corpus("wire", newswire.load_corpus, groups={})
        with pytest.raises(ValueError, match="unknown corpus 'wires'; known are newswire, reuters, wire"):
            documents.corpus("wires")
    finally:
        documents.CORPORA.remove("wire")
        datasets.DATASETS.remove("wire-all")
        documents.GROUPS.pop("wire-all")
