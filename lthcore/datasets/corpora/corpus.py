"""`Corpus`: labelled documents in two splits; `group`: the categories of it that an experiment tells apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lthcore.files.download import DatasetError
from lthcore.text.config import BODILESS, DOCUMENTS
from lthcore.text.tokens import tokenize

SPLITS = ("train", "test")

# The ten topics with most training documents, alphabetical.
R10 = ("acq", "corn", "crude", "earn", "grain", "interest", "money-fx", "ship", "trade", "wheat")

# How many categories each group has by definition; "all" takes what the corpus has.
GROUPS: dict[str, int | None] = {"R10": len(R10), "R90": 90, "R115": 115, "all": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document.

    Args:
        number: its number in the corpus.
        split: ``train`` or ``test``.
        topics: its topics, alphabetical, each once; there may be none.
        text: title and body, a line break between them.
        tokens: the text in tokens.
        body: whether it has a body; without one its text is its title.
    """

    number: int
    split: str
    topics: tuple[str, ...]
    text: str
    tokens: tuple[str, ...]
    body: bool

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise DatasetError(f"document {self.number} must be in one of {', '.join(SPLITS)}, not in {self.split!r}")
        if any(first >= second for first, second in zip(self.topics, self.topics[1:], strict=False)):
            raise DatasetError(f"topics of document {self.number} must be alphabetical, each once; got {self.topics}")


def document(*, number: int, split: str, topics: Iterable[str], title: str, body: str) -> Document:
    """A document from its parts: topics sorted, text joined and cut into tokens.

    Example:
        >>> document(number=1, split="train", topics=["wheat", "grain"], title="WHEAT UP", body="").tokens
        ('wheat', 'up')
    """
    text = f"{title}\n{body}" if body else title
    return Document(
        number=number,
        split=split,
        topics=tuple(sorted(set(topics))),
        text=text,
        tokens=tuple(tokenize(text)),
        body=bool(body),
    )


@dataclass(frozen=True)
class Corpus:
    """Documents in the order of their collection.

    Args:
        name: what it is called in errors and figures.
        documents: all of them, those without topics too.
    """

    name: str
    documents: tuple[Document, ...]

    def __post_init__(self) -> None:
        numbers = Counter(document.number for document in self.documents)
        if twice := [number for number, count in numbers.items() if count > 1]:
            raise DatasetError(f"two documents of {self.name} have the number {twice[0]}")
        for split in SPLITS:
            if not any(document.split == split for document in self.documents):
                raise DatasetError(f"{self.name} has no {split} documents; it needs at least one")

    @cached_property
    def train(self) -> tuple[Document, ...]:
        """What weights are updated on, and what vocabularies and word vectors are made of."""
        return tuple(document for document in self.documents if document.split == "train")

    @cached_property
    def test(self) -> tuple[Document, ...]:
        """What results are reported on."""
        return tuple(document for document in self.documents if document.split == "test")


@dataclass(frozen=True, kw_only=True)
class Group:
    """Some categories of a corpus and the documents they are learned and tested on.

    Args:
        name: the name it was asked for by.
        categories: alphabetical; the order of the columns of `labels`.
        train: training documents in the order of the corpus.
        test: test documents in the order of the corpus.
    """

    name: str
    categories: tuple[str, ...]
    train: tuple[Document, ...]
    test: tuple[Document, ...]

    def __post_init__(self) -> None:
        for split, documents in (("training", self.train), ("test", self.test)):
            if not documents:
                raise DatasetError(f"group {self.name} has no {split} documents; take another group or corpus")


@dataclass(frozen=True, kw_only=True, eq=False)
class Statistics:
    """Counts over some documents.

    Args:
        documents: how many there are.
        empty: how many have no token.
        bodiless: how many have no body.
        topicless: how many have no topic at all, of the group or not.
        categories: documents per category of the group.
        labels: per document, how many categories of the group it has; int array.
        lengths: per document, its number of tokens; int array.
    """

    documents: int
    empty: int
    bodiless: int
    topicless: int
    categories: dict[str, int]
    labels: np.ndarray
    lengths: np.ndarray


def group(corpus: Corpus, name: str, *, documents: str = "labelled", bodiless: str = "keep") -> Group:
    """A group of categories by name, with its documents.

    ``R10`` has the ten topics with most training documents, ``R90`` those with a training and a test document, ``R115``
    those with a training document, each counted on the whole corpus; ``all`` is ``R90`` for a corpus of any size.

    Args:
        corpus: where categories and documents come from.
        name: one of `GROUPS`.
        documents: ``labelled`` keeps documents with a label of the group, ``all`` keeps those without one too.
        bodiless: ``keep`` or ``drop`` documents without a body; their titles are text like any other.

    Raises:
        ValueError: for an unknown name or option; the message lists the known ones.
        DatasetError: if the corpus does not have the categories of the group.

    Example:
        >>> parts = [("train", "TEA"), ("test", "TEA"), ("test", "OIL")]
        >>> cups = [
        ...     document(number=number, split=split, topics=[title.lower()], title=title, body="")
        ...     for number, (split, title) in enumerate(parts)
        ... ]
        >>> tea = group(Corpus("cups", tuple(cups)), "all")
        >>> tea.categories, len(tea.train), len(tea.test)
        (('tea',), 1, 1)

    Source: {cite}`DS05` for the three groups; {cite}`Lew` for the split.
    """
    _check(name, GROUPS, "group")
    _check(documents, DOCUMENTS, "choice of documents")
    _check(bodiless, BODILESS, "choice about documents without a body")
    categories = _categories(corpus, name)
    wanted = frozenset(categories)

    def kept(document: Document) -> bool:
        return (documents == "all" or not wanted.isdisjoint(document.topics)) and (bodiless == "keep" or document.body)

    return Group(
        name=name,
        categories=categories,
        train=tuple(filter(kept, corpus.train)),
        test=tuple(filter(kept, corpus.test)),
    )


def labels(documents: Sequence[Document], categories: Sequence[str]) -> np.ndarray:
    """Labels as a table of zeros and ones; topics that are no category have no column.

    Args:
        documents: N documents.
        categories: C categories, each once.

    Returns:
        Array (N, C), uint8.
    """
    column = {category: index for index, category in enumerate(categories)}
    table = np.zeros((len(documents), len(categories)), np.uint8)
    for row, document in enumerate(documents):
        for topic in document.topics:
            if topic in column:
                table[row, column[topic]] = 1
    return table


def statistics(group: Group) -> dict[str, Statistics]:
    """Counts over the documents of a group, by split."""
    return {split: _statistics(getattr(group, split), group.categories) for split in SPLITS}


def _statistics(documents: Sequence[Document], categories: Sequence[str]) -> Statistics:
    table = labels(documents, categories)
    lengths = np.array([len(document.tokens) for document in documents], np.int64)
    return Statistics(
        documents=len(documents),
        empty=int((lengths == 0).sum()),
        bodiless=sum(not document.body for document in documents),
        topicless=sum(not document.topics for document in documents),
        categories=dict(zip(categories, table.sum(0, dtype=np.int64).tolist(), strict=True)),
        labels=table.sum(1, dtype=np.int64),
        lengths=lengths,
    )


def _categories(corpus: Corpus, name: str) -> tuple[str, ...]:
    train = {topic for document in corpus.train for topic in document.topics}
    both = train & {topic for document in corpus.test for topic in document.topics}
    found = {"R10": both.intersection(R10), "R115": train}.get(name, both)
    expected = GROUPS[name]
    if not found or (expected is not None and len(found) != expected):
        raise DatasetError(
            f"group {name} has {expected or 'at least one'} categories, but {corpus.name} has {len(found)} of them. "
            f"R10, R90 and R115 are defined on the whole of Reuters-21578; for another corpus, take the group 'all'"
        )
    return tuple(sorted(found))


def _check(value: str, known: Iterable[str], what: str) -> None:
    if value not in known:
        raise ValueError(f"unknown {what} {value!r}; known are {', '.join(known)}")
