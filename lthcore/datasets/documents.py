"""Corpora as data sets: which documents are held back, what the words are, and what the vectors of words start from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from filelock import FileLock

from lthcore.datasets.base import Dataset, Split
from lthcore.datasets.catalogue import SOURCES, register
from lthcore.datasets.corpora import corpus as corpora
from lthcore.datasets.corpora.corpus import Corpus, Document
from lthcore.files import paths
from lthcore.files.download import Source
from lthcore.registry import Registry
from lthcore.text import language, tables, vector_files, vectors
from lthcore.text.config import TextConfig
from lthcore.text.vectors import Vectors
from lthcore.text.vocabulary import Unknown, Vocabulary, encode

CORPORA: Registry[Callable[[], Corpus]] = Registry("corpus", "documents.register_corpus(name, load, groups=…)")

# Data set → corpus and group of categories.
GROUPS: dict[str, tuple[str, str]] = {}

# Held back for validation: a tenth of a corpus' training documents, drawn once from a fixed seed. The same documents
# are held back for every group, so that one vocabulary and one language model, which see none of them, serve all.
VALIDATION_SHARE = 0.1
VALIDATION_SEED = 9_603

LANGUAGE_SEED = 21_578

# Raise it when the language model of the same words and settings comes out another way.
_FORMAT = 1


@dataclass(frozen=True)
class Reading:
    """What is known of the words before any network is trained; made from training documents alone.

    Args:
        vocabulary: the words that have a number.
        vectors: the language model.
        held: numbers of the documents held back for validation.
    """

    vocabulary: Vocabulary
    vectors: Vectors
    held: frozenset[int]


def register_corpus(
    name: str,
    load_corpus: Callable[[], Corpus],
    *,
    groups: Mapping[str, tuple[str, int | None]],
    sources: tuple[Source, ...] = (),
) -> None:
    """Make a corpus known, and the data sets that are made from it.

    Args:
        name: of the corpus, by which its files are fetched.
        load_corpus: a function without arguments that returns it.
        groups: name of a data set → the group of categories that it tells apart, see
            `lthcore.datasets.corpora.corpus.group`, and the number of its test documents with a label of the group, or
            None if that is not known yet.
        sources: the files it is read from, if they can be downloaded.

    Raises:
        ValueError: if a name is taken, or no word.

    Book: chapter *Text*.
    """
    CORPORA.register(name, load_corpus)
    for data_set, (group, test_size) in groups.items():
        register(data_set, partial(load, data_set), test_size=test_size, sources=sources, documents=True)
        GROUPS[data_set] = (name, group)
    if sources:
        SOURCES[name] = sources


@lru_cache(maxsize=2)
def corpus(name: str) -> Corpus:
    """A corpus by name, a key of `CORPORA`; kept in memory, because several groups are made of one."""
    return CORPORA[name]()


def load(name: str, config: TextConfig) -> Dataset:
    """A data set of documents by name.

    Args:
        name: a key of `GROUPS`.
        config: how documents become tensors.

    Raises:
        DatasetError: if the documents, or a file of word vectors, are missing or damaged.
    """
    corpus_name, group_name = GROUPS[name]
    return prepare(name, corpus(corpus_name), group_name, config)


def prepare(name: str, corpus: Corpus, group_name: str, config: TextConfig) -> Dataset:
    """Documents of any corpus as word numbers and label sets.

    Args:
        name: what the data set is to be called.
        corpus: the documents.
        group_name: the categories, see `lthcore.datasets.corpora.corpus.group`.
        config: how documents become tensors.

    Returns:
        Training, validation and test documents: int32 word numbers (documents, length) and float32 label sets
        (documents, categories), with the names of the categories and the table of initial word vectors.

    Raises:
        DatasetError: if the corpus does not have the categories of the group, or a file of word vectors cannot be used.

    Example:
        >>> data = prepare("news", corpus("newswire"), "all", TextConfig(length=40, dimension=4, epochs=1))
        >>> data.train.x.shape[1], data.labels[:2], data.table.vectors.shape[1]
        (40, ('acq', 'corn'), 4)

    Book: chapter *Text*.
    """
    reading = read(corpus, config)
    group = corpora.group(corpus, group_name, documents=config.documents, bodiless=config.bodiless)

    def split(documents: Sequence[Document]) -> Split:
        unknown: Unknown = "skip" if config.oov == "skip" else "token"
        ids = encode([document.tokens for document in documents], reading.vocabulary, config.length, unknown=unknown)
        return Split(ids, corpora.labels(documents, group.categories))

    train, validation = held_out(group.train, reading.held)
    return Dataset(
        name=name,
        train=split(train),
        validation=split(validation),
        test=split(group.test),
        classes=len(group.categories),
        labels=group.categories,
        table=tables.table(reading.vocabulary, reading.vectors, config.oov),
    )


def read(corpus: Corpus, config: TextConfig) -> Reading:
    """Count the words of the training documents and get their vectors: from a file, or trained and kept in a cache."""
    held = _held(corpus)
    train, _ = held_out(corpus.train, held)
    tokens = [document.tokens for document in train]
    vocabulary = Vocabulary.of(tokens, min_count=config.min_count)
    if config.vectors == "skip-gram":
        found = _language_model(tokens, config)
    else:
        found = vector_files.read_vectors(config.vectors, dimension=config.dimension, words=vocabulary.words)
    if config.oov == "skip":
        vocabulary = vocabulary.only(found.index)
    return Reading(vocabulary, found, held)


def held_out(documents: Sequence[Document], held: frozenset[int]) -> tuple[list[Document], list[Document]]:
    """Training documents apart from those held back for validation."""
    validation = [document for document in documents if document.number in held]
    return [document for document in documents if document.number not in held], validation


def _held(corpus: Corpus) -> frozenset[int]:
    order = np.random.Generator(np.random.PCG64(VALIDATION_SEED)).permutation(len(corpus.train))
    chosen = order[: round(VALIDATION_SHARE * len(corpus.train))]
    return frozenset(corpus.train[int(place)].number for place in chosen)


def _language_model(tokens: Sequence[Sequence[str]], config: TextConfig) -> Vectors:
    """The skip-gram model of these documents, from the cache if it was trained before."""
    settings = {name: getattr(config, name) for name in ("dimension", "window", "negative", "epochs", "min_count")}
    text = "\n".join(" ".join(document) for document in tokens)
    key = hashlib.sha256(f"{_FORMAT}|{sorted(settings.items())}|{LANGUAGE_SEED}|{text}".encode()).hexdigest()[:16]
    path = paths.cache() / f"skip-gram-{key}.npz"
    with ExitStack() as stack:
        # A folder that cannot be written, or a file system without locks: no cache, and no reason to fail.
        with suppress(OSError, NotImplementedError):
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(path.with_suffix(".lock")))  # of several processes one trains, the others wait
        with suppress(ValueError, OSError):  # missing or damaged: trained again
            return vectors.load_vectors(path)
        model = language.skip_gram(tokens, **settings, seed=LANGUAGE_SEED)
        with suppress(OSError):
            vectors.save_vectors(path, model)
        return model
