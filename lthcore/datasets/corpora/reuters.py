"""Reuters-21578 in the ModApté split: 9 603 training and 3 299 test articles of the newswire of 1987."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib.metadata import version
from itertools import chain, pairwise

import numpy as np

from lthcore.datasets import documents as data_sets
from lthcore.datasets.corpora import sgml
from lthcore.datasets.corpora.corpus import Corpus, Document, document
from lthcore.files import array_files, paths
from lthcore.files.download import DatasetError, Source, files
from lthcore.text import tokens as tokenising

_SHA256 = """
9ff9bb40624ef992a03f62aace12e697dca1087abfd9b4d06aa787a6ad3e0687
1528e7e82d110d88d0234eb9619eadb7f9fd805711971df05975b92277dfdf4d
99f18068d0518952987dedd78c622e5c2a584e357d264d3754696c815f3e6628
78a3a8d7e04bc9d42c4614d5d5c60a4293dbe3f708df6fb5a71d9ef31f4b3fa3
726342c19a65873330b412378cd6a3f0d512035f5223146ddd60930c62eb6ff0
d09de619b6dd2d047d5124681f6df90550abaf592020d1c1ce338ae9b91522e7
b5535c0d66b01f4976f84621a4a795afbc00d2c4bd0a1b7ae426df6630fb361d
aa706007ec84a03537a3921ca976d60e11b3f99e4b9e9b2d5c81dd384d2c2062
a3994583694a00b7c744097c1d7eabfcf90f2e6650cc21663e46828035a336cb
29995f606dd1a9bdf907eacc9d879846c716860d9d9141676979474aaea39c7d
996df6008089bd09fa5b28a4d2eb0ee5f7b9d4601cde566fed3926ac82960fa3
d3a2782015247d9c2bffb8926267827fdd449c70d619435ef01a25a1c56a53ca
da31035d483851f2aebce5b66d779e5e2c0ac9dcfe098596c6d544e81c5604ab
8f7700bc0455fac3fcc12377ced4807b7df8aba1f21ecad059b9cc2b1cf0b8be
ef936bd3e0f36cf722afa9a6957563549775af32e9e28b4f539c8737ceda83ab
6d3bcec73eff871b8a5403588af814c4e50a0de6bc25707480522ab836f74026
be2f03a185fff70131f3b4fdbd6229b7ee2be077eba9691eaa597c8cfbda8812
f370e610b4b1342e41a98e0c426a08541044bd1d7e539674f32372a6060b73b5
a5f971bf25448e915781962309e669359a35fbcaf3017a806eca0590897f209a
d3b07097fba2633d130b4914aceba671645985248943ce9e39c289315339dffb
f6ad1b724125c202566c63b35ea0b5ee23881f8b7ed47a32829d5af05d8e860d
3f5196d32869723c9042aa5756805b4e90360f1f45ea17f4594fa0e2b3630b18
""".split()

SOURCE = Source(
    folder="reuters21578",
    name="reuters21578.tar",
    sha256="",
    mirrors=(
        "https://archive.ics.uci.edu/ml/machine-learning-databases/reuters21578-mld/reuters21578.tar.gz",
        # Its home speaks no https. Whoever changes the archive on the way changes a checksum below, and until these are
        # compared it is only unpacked, within bounds; see `lthcore.files.archives`.
        "http://www.daviddlewis.com/resources/testcollections/reuters21578/reuters21578.tar.gz",
    ),
    members={f"reut2-{number:03}.sgm": sha256 for number, sha256 in enumerate(_SHA256)},
    dataset="reuters",
)
SOURCES = (SOURCE,)

TEST = 3_299

# Articles in the collection, of which the split takes part.
ARTICLES = 21_578

# What the split must count in training and test documents; anything else is a defect of this package.
FACTS = {
    "documents": (9_603, TEST),
    "without a topic": (1_828, 280),
    "without a body": (841, 290),
    "topics with a training document, with one of each": (115, 90),
    "documents with one of those 90": (7_770, 3_019),
}

# Raise it when what is cached, or how, changes.
_FORMAT = 1


def load_corpus() -> Corpus:
    """The articles of the ModApté split in the order of their numbers, from the cache if they were loaded before.

    The split takes articles whose topics were judged and that lie on the training or test side of the Lewis split.

    Raises:
        DatasetError: if the files are missing and cannot be had, or are damaged.

    Source: {cite}`Lew`.
    """
    path = paths.cache() / f"reuters-{_key()}.npz"
    # Whatever is wrong with a cache, the files it was made from are the truth.
    with suppress(Exception):
        return _checked(decode(array_files.read(path)))
    corpus = _checked(_parsed())
    with suppress(OSError):  # a full disk or a read-only folder: slower next time, no reason to fail now
        array_files.write(path, encode(corpus))
    return corpus


def facts(corpus: Corpus) -> dict[str, tuple[int, int]]:
    """What `FACTS` tells, counted."""
    topics = [{topic for document in part for topic in document.topics} for part in (corpus.train, corpus.test)]
    both = topics[0] & topics[1]

    def count(condition) -> tuple[int, int]:
        return sum(map(condition, corpus.train)), sum(map(condition, corpus.test))

    counted = (
        count(lambda document: True),
        count(lambda document: not document.topics),
        count(lambda document: not document.body),
        (len(topics[0]), len(both)),
        count(lambda document: not both.isdisjoint(document.topics)),
    )
    return dict(zip(FACTS, counted, strict=True))


def encode(corpus: Corpus) -> dict[str, np.ndarray]:
    """A corpus as arrays: words and topics as indices into lists of them, all documents one after another."""
    documents = corpus.documents
    words, tokens = _indexed([document.tokens for document in documents])
    topics, chosen = _indexed([document.topics for document in documents])
    return {
        "name": _packed([corpus.name]),
        "number": np.array([document.number for document in documents], np.int32),
        "train": np.array([document.split == "train" for document in documents]),
        "body": np.array([document.body for document in documents]),
        "text": np.frombuffer("".join(document.text for document in documents).encode(), np.uint8),
        "text_ends": _ends(document.text for document in documents),
        "words": words,
        "tokens": tokens,
        "tokens_ends": _ends(document.tokens for document in documents),
        "topics": topics,
        "chosen": chosen,
        "chosen_ends": _ends(document.topics for document in documents),
    }


def decode(arrays: dict[str, np.ndarray]) -> Corpus:
    """The corpus that `encode` was given.

    Raises:
        Exception: of any kind, if the arrays do not fit together.
    """
    words, topics = _unpacked(arrays["words"]), _unpacked(arrays["topics"])
    tokens = [words[index] for index in arrays["tokens"].tolist()]
    chosen = [topics[index] for index in arrays["chosen"].tolist()]
    # Ends of texts count characters, so the bytes are decoded as a whole before they are cut.
    whole = arrays["text"].tobytes().decode()
    parts = zip(
        arrays["number"].tolist(),
        arrays["train"].tolist(),
        arrays["body"].tolist(),
        _slices(arrays["text_ends"]),
        _slices(arrays["tokens_ends"]),
        _slices(arrays["chosen_ends"]),
        strict=True,
    )
    documents = [
        Document(
            number=number,
            split="train" if train else "test",
            topics=tuple(chosen[topic_slice]),
            text=whole[text_slice],
            tokens=tuple(tokens[token_slice]),
            body=body,
        )
        for number, train, body, text_slice, token_slice, topic_slice in parts
    ]
    return Corpus(_unpacked(arrays["name"])[0], tuple(documents))


def _parsed() -> Corpus:
    articles = [article for name, data in files(SOURCE).items() for article in sgml.parse(data, name)]
    articles.sort(key=lambda article: article.number)
    if [article.number for article in articles] != list(range(1, ARTICLES + 1)):
        raise DatasetError(
            f"Reuters-21578 must hold articles 1 … {ARTICLES}, each once; found {len(articles)}. Its files are as "
            f"published, so this is a defect of lthcore; please report it"
        )
    return Corpus(
        "reuters",
        tuple(
            document(
                number=article.number,
                split=article.lewis.lower(),
                topics=article.topics,
                title=article.title,
                body=article.body,
            )
            for article in articles
            if article.judged and article.lewis != "NOT-USED"
        ),
    )


def _checked(corpus: Corpus) -> Corpus:
    counted = facts(corpus)
    for fact, expected in FACTS.items():
        if counted[fact] != expected:
            raise DatasetError(
                f"the ModApté split must count {expected} {fact}, found {counted[fact]}. Its files are as published, "
                f"so this is a defect of lthcore; please report it"
            )
    return corpus


def _key() -> str:
    """Names the cache after everything its content depends on."""
    parts = (_FORMAT, tokenising.VERSION, version("nltk"), sorted(SOURCE.members.items()))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _indexed(sequences: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray]:
    """The distinct strings, packed, and all strings of the sequences as indices into them."""
    index: dict[str, int] = {}
    indices = [index.setdefault(item, len(index)) for item in chain.from_iterable(sequences)]
    return _packed(list(index)), np.array(indices, np.uint32)


def _packed(strings: Sequence[str]) -> np.ndarray:
    """Strings without line breaks as bytes, a line each."""
    return np.frombuffer("".join(f"{string}\n" for string in strings).encode(), np.uint8)


def _unpacked(array: np.ndarray) -> list[str]:
    return array.tobytes().decode().split("\n")[:-1]


def _ends(sequences: Iterable[Sequence]) -> np.ndarray:
    return np.cumsum([len(sequence) for sequence in sequences], dtype=np.int64)


def _slices(ends: np.ndarray) -> list[slice]:
    return [slice(start, stop) for start, stop in pairwise([0, *ends.tolist()])]


data_sets.register_corpus(
    "reuters",
    load_corpus,
    groups={"reuters-r10": ("R10", 2_545), "reuters-r90": ("R90", 3_019), "reuters-r115": ("R115", 3_019)},
    sources=SOURCES,
)
