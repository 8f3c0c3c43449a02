"""What a corpus is like before any network sees it: counts, lengths, words, neighbours, and what baselines make of it.

The book prints these from stored arrays, so that its pages need no raw data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lthcore.datasets import documents
from lthcore.datasets.corpora import corpus as corpora
from lthcore.datasets.corpora.corpus import Document, Group
from lthcore.experiments.experiment import Experiment
from lthcore.files.array_files import packed, unpacked
from lthcore.text import baselines, tables, vectors
from lthcore.text.baselines import Baseline, Texts
from lthcore.text.config import TextConfig
from lthcore.text.vocabulary import Unknown, encode

# Words whose neighbours tell whether the language model has understood what the wire is about.
PROBES = ("oil", "wheat", "profit", "bank", "tariff", "merger", "rates", "tonnes")
NEIGHBOURS = 5


def describe(experiment: Experiment) -> dict[str, np.ndarray]:
    """All that is measured of the documents of an experiment, as plain arrays.

    Returns:
        ``categories``, their names; ``documents/category``, int (C, 3), training, validation and test documents of
        each; ``lengths/…`` in tokens and ``labels/…`` per document, for the three splits; ``whole``, int (2, 3), all
        training and test documents of the corpus, those without topic, those without body; ``words``, int (3,),
        distinct training words, vocabulary, those with a vector; ``tokens/known``, share of the test tokens whose word
        has a vector; ``neighbours`` and ``cosines``, one row per probe; ``image``, one document; and the baselines.
    """
    config = experiment.text
    if config is None:
        raise ValueError(f"{experiment.identity} is not about documents, so there is no corpus to describe")
    corpus_name, group_name = documents.GROUPS[experiment.dataset]
    corpus = documents.corpus(corpus_name)
    group = corpora.group(corpus, group_name, documents=config.documents, bodiless=config.bodiless)
    reading = documents.read(corpus, config)
    train, validation = documents.held_out(group.train, reading.held)
    splits = {"train": train, "validation": validation, "test": group.test}
    label_sets = {name: corpora.labels(part, group.categories) for name, part in splits.items()}
    known = set(reading.vectors.index) & set(reading.vocabulary.index)
    tokens = [word in known for document in group.test for word in document.tokens]
    distinct = {word for document in documents.held_out(corpus.train, reading.held)[0] for word in document.tokens}
    return {
        "categories": packed(group.categories),
        "documents/category": np.stack([labels.sum(axis=0, dtype=np.int32) for labels in label_sets.values()], axis=1),
        **{f"lengths/{name}": np.array([len(d.tokens) for d in part], np.int32) for name, part in splits.items()},
        **{f"labels/{name}": labels.sum(axis=1, dtype=np.int32) for name, labels in label_sets.items()},
        "whole": np.array([_whole(part) for part in (corpus.train, corpus.test)], np.int32),
        "words": np.array([len(distinct), len(reading.vocabulary.index), len(known)], np.int32),
        "tokens/known": np.array(np.mean(tokens)),
        **_neighbours(reading),
        "image": _image(config, reading, group),
        **_baselines(group, train, validation),
    }


def stored_baselines(values: Mapping[str, np.ndarray]) -> tuple[Baseline, ...]:
    """The baselines of a stored description."""
    found = zip(
        unpacked(values["baselines"]),
        values["baseline/counts"],
        values["baseline/exact_match"].tolist(),
        values["baseline/first_label"].tolist(),
        values["baseline/c"].tolist(),
        strict=True,
    )
    return tuple(
        Baseline(name=name, counts=counts, exact_match=exact, first_label=_or_none(first), c=_or_none(c))
        for name, counts, exact, first, c in found
    )


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value


def _whole(part: Sequence[Document]) -> list[int]:
    return [len(part), sum(not document.topics for document in part), sum(not document.body for document in part)]


def _neighbours(reading: documents.Reading) -> dict[str, np.ndarray]:
    probes = [word for word in PROBES if word in reading.vectors.index]
    near = [vectors.nearest(reading.vectors, word, NEIGHBOURS) for word in probes]
    return {
        "probes": packed(probes),
        "neighbours": packed([word for row in near for word, _ in row]),
        "cosines": np.array([[cosine for _, cosine in row] for row in near], np.float32),
    }


def _image(config: TextConfig, reading: documents.Reading, group: Group) -> np.ndarray:
    """The first test document nearest to the median length, float16 (length, D); words without a vector are zero."""
    lengths = np.array([len(document.tokens) for document in group.test])
    chosen = group.test[int(np.argmin(np.abs(lengths - np.median(lengths))))]
    table = tables.table(reading.vocabulary, reading.vectors, config.oov)
    unknown: Unknown = "skip" if config.oov == "skip" else "token"
    ids = encode([chosen.tokens], reading.vocabulary, config.length, unknown=unknown)[0]
    return tables.image(ids, table.vectors).astype(np.float16)


def _baselines(group: Group, train: Sequence[Document], validation: Sequence[Document]) -> dict[str, np.ndarray]:
    def texts(part: Sequence[Document]) -> Texts:
        return Texts(texts=[document.text for document in part], labels=corpora.labels(part, group.categories))

    found = baselines.evaluate(texts(train), texts(validation), texts(group.test))
    return {
        "baselines": packed([one.name for one in found]),
        "baseline/counts": np.stack([one.counts for one in found]),
        "baseline/exact_match": np.array([one.exact_match for one in found]),
        "baseline/first_label": np.array([np.nan if one.first_label is None else one.first_label for one in found]),
        "baseline/c": np.array([np.nan if one.c is None else one.c for one in found]),
    }
