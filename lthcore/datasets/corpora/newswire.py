"""A generated newswire of 750 small documents, for tests and a first try."""

from __future__ import annotations

from functools import cache

import numpy as np

from lthcore.datasets import documents
from lthcore.datasets.corpora.corpus import Corpus, Document

TRAIN, TEST = 600, 150

# What each category is written about with. A document of a category draws half its words from here.
TOPICAL = {
    "acq": "acquire merger takeover shares bid stake tender offer buyout shareholders holders stock",
    "corn": "corn maize hybrid ears feed ethanol syrup starch cob husk",
    "crude": "crude oil barrels opec petroleum refinery drilling wells gas pipeline rig energy",
    "earn": "net profit loss quarter dividend per share revenue earnings results record payable",
    "grain": "grain tonnes harvest crop silo elevator acreage export cereal bushels planting drought",
    "interest": "rate rates prime discount lending bank bundesbank fed cut raise bills money",
    "trade": "trade tariff deficit surplus import imports japan sanctions gatt quotas protectionism talks",
    "wheat": "wheat durum winter spring flour milling bread gluten red hard soft",
}

# Wheat and corn are grain, here as on the real wire.
IMPLIED = {"corn": "grain", "wheat": "grain"}

# How often a document's first category is each, in the order of `TOPICAL`; the rest has none. Skewed as the real one.
_SHARES = (0.20, 0.06, 0.10, 0.30, 0.05, 0.08, 0.09, 0.07)

# How often a second category is added.
_SECOND = 0.15

_COMMON = (
    "the of to in said and a for it on that is its from by will be at with was has as an he would not which new but "
    "are this were company market last year week month today officials government statement added told reuters "
    "president chairman group international analysts expected report earlier later after before because about more "
    "than also had been other one two their some could may first under over up down since while between against "
    "country world national london york washington tokyo plan agreement meeting policy level high low sources sales"
).split()

_SEED = 1_987


@cache
def load_corpus() -> Corpus:
    """The generated newswire: 600 training and 150 test documents of 20 … 80 tokens, 8 categories. Needs no download.

    Nobody wrote these documents: words are drawn at random, half of them from a list per category, so that a network
    learns them within seconds. What it learns says nothing about language, text classification or Reuters-21578; the
    corpus stands for nothing but the path that the real one takes. Like the real one it is skewed, some documents have
    several categories, wheat and corn imply grain, and some documents have none.

    Example:
        >>> corpus = load_corpus()
        >>> len(corpus.train), len(corpus.test)
        (600, 150)
    """
    random = np.random.Generator(np.random.PCG64(_SEED))
    return Corpus(
        "newswire",
        tuple(
            _document(random, number, "train" if number <= TRAIN else "test") for number in range(1, TRAIN + TEST + 1)
        ),
    )


def _document(random: np.random.Generator, number: int, split: str) -> Document:
    topics = _topics(random)
    topical = [word for topic in topics for word in TOPICAL[topic].split()]
    length = int(random.integers(20, 81))
    words = [_drawn(random, topical if topical and random.random() < 0.5 else _COMMON) for _ in range(length)]
    title, body = words[:6], words[6:]
    return Document(
        number=number,
        split=split,
        topics=topics,
        text=f"{' '.join(title).upper()}\n{' '.join(body)}",
        tokens=tuple(words),  # plain words in lower case: the tokenizer would find the same
        body=True,
    )


def _topics(random: np.random.Generator) -> tuple[str, ...]:
    first = int(np.searchsorted(np.cumsum(_SHARES), random.random(), side="right"))
    if first == len(_SHARES):
        return ()
    names = list(TOPICAL)
    chosen = {names[first]}
    if random.random() < _SECOND:
        chosen.add(_drawn(random, names))
    return tuple(sorted(chosen | {IMPLIED[topic] for topic in chosen if topic in IMPLIED}))


def _drawn(random: np.random.Generator, items: list[str]) -> str:
    """One item; the first are drawn more often, as frequent words are."""
    return items[min(random.integers(len(items), size=2))]


documents.register_corpus("newswire", load_corpus, groups={"newswire": ("all", 137)})
