"""Words ↔ numbers: which words of a text count, and documents as rows of numbers, all of one length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Literal

import numpy as np

# What stands where a document has ended, and what stands for every word outside the vocabulary.
PADDING, UNKNOWN = 0, 1

_RESERVED = ("<pad>", "<unk>")

Documents = Sequence[Sequence[str]]
Unknown = Literal["token", "skip"]


@dataclass(frozen=True)
class Vocabulary:
    """The words that have a number, which is their place.

    Args:
        words: ``<pad>``, ``<unk>``, then the words by falling count, equally frequent ones alphabetically.
        counts: how often each occurs in the documents the vocabulary was made of; that of ``<unk>`` counts all the
            tokens that are left out, so that the sum is the number of running tokens.

    Raises:
        ValueError: for other first words, a word that stands twice, counts that do not fit, or another order.

    Example:
        >>> Vocabulary.of([["wheat", "and", "corn"], ["corn", "and", "corn"]], min_count=2)
        Vocabulary(words=('<pad>', '<unk>', 'corn', 'and'), counts=(0, 1, 3, 2))

    Book: chapter *Text*.
    """

    words: tuple[str, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.words[:2] != _RESERVED:
            raise ValueError(f"a vocabulary starts with {', '.join(_RESERVED)}, got {', '.join(self.words[:2])}")
        if len(self.words) != len(self.counts):
            raise ValueError(f"a vocabulary needs a count per word, got {len(self.counts)} for {len(self.words)} words")
        check_distinct(self.words)
        ranks = list(zip((-count for count in self.counts[2:]), self.words[2:], strict=True))
        if ranks != sorted(ranks):
            raise ValueError("words go by falling count, then alphabetically: make vocabularies with `Vocabulary.of`")

    @classmethod
    def of(cls, documents: Documents, *, min_count: int = 1, limit: int | None = None) -> Vocabulary:
        """The words of some documents; of training documents, since those to be tested on are not known yet.

        Args:
            documents: sequences of tokens.
            min_count: how often a word must occur, in all documents together.
            limit: the number of words to keep, the most frequent ones; None keeps all. ``<pad>`` and ``<unk>`` come
                on top.

        Raises:
            ValueError: without documents, for a document that is a string, for a `min_count` or `limit` below 1, or if
                no word occurs often enough.
        """
        check_documents(documents)
        if min_count < 1 or (limit is not None and limit < 1):
            raise ValueError(f"min_count and limit are whole numbers >= 1, got {min_count} and {limit}")
        counter = Counter(word for document in documents for word in document)
        total = counter.total()
        frequent = [(-n, word) for word, n in counter.items() if n >= min_count and word not in _RESERVED]
        if not frequent:
            raise ValueError(f"no word occurs {min_count} times in the {len(documents)} documents: lower min_count")
        return cls._ranked([(word, -n) for n, word in sorted(frequent)[:limit]], total)

    def only(self, words: Container[str]) -> Vocabulary:
        """The vocabulary without any word that is not among `words`; what goes is counted under ``<unk>``.

        Raises:
            ValueError: if nothing is left.
        """
        pairs = zip(self.words[2:], self.counts[2:], strict=True)
        left = [(word, count) for word, count in pairs if word in words]
        if not left:
            raise ValueError("none of the vocabulary's words is among those to keep: are both written the same way?")
        return self._ranked(left, sum(self.counts))

    @classmethod
    def _ranked(cls, pairs: Sequence[tuple[str, int]], total: int) -> Vocabulary:
        words, counts = zip(*pairs, strict=True)
        return cls((*_RESERVED, *words), (0, total - sum(counts), *counts))

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Word → number. A token that happens to read ``<pad>`` or ``<unk>`` is in no vocabulary."""
        return MappingProxyType({word: number for number, word in enumerate(self.words) if number > UNKNOWN})


def encode(documents: Documents, vocabulary: Vocabulary, length: int, *, unknown: Unknown = "token") -> np.ndarray:
    """Documents as rows of word numbers, cut or padded to one length.

    Args:
        documents: sequences of tokens. One that is empty, or of which all words are skipped, is all padding.
        vocabulary: the words that have a number.
        length: tokens per row. A longer document loses its end, a shorter one is padded at its end with `PADDING`.
        unknown: ``"token"`` writes a word outside the vocabulary as `UNKNOWN`; ``"skip"`` leaves it out and closes the
            gap, before cutting.

    Returns:
        int32 array of shape (documents, length).

    Raises:
        ValueError: without documents, for a document that is a string, a `length` below 1, or another `unknown`.

    Example:
        >>> vocabulary = Vocabulary.of([["wheat", "corn", "corn"]])
        >>> encode([["corn", "oats", "wheat"], []], vocabulary, 4).tolist()
        [[2, 1, 3, 0], [0, 0, 0, 0]]
        >>> encode([["corn", "oats", "wheat"], []], vocabulary, 4, unknown="skip").tolist()
        [[2, 3, 0, 0], [0, 0, 0, 0]]

    Book: chapter *Text*.
    """
    check_documents(documents)
    if length < 1:
        raise ValueError(f"length is a whole number of tokens >= 1, got {length}")
    if unknown not in ("token", "skip"):
        raise ValueError(f'unknown words become a "token" or are left out by "skip", got {unknown!r}')
    rows, index = np.full((len(documents), length), PADDING, np.int32), vocabulary.index
    for row, document in zip(rows, documents, strict=True):
        numbers = [index.get(word, UNKNOWN) for word in document]
        if unknown == "skip":
            numbers = [number for number in numbers if number != UNKNOWN]
        row[: len(numbers)] = numbers[:length]
    return rows


def length_covering(lengths: Sequence[int], share: float) -> int:
    """The smallest length that holds at least this share of the documents whole; 1 if they are all empty.

    Args:
        lengths: tokens of each document.
        share: in (0, 1].

    Raises:
        ValueError: without documents, or for a share outside (0, 1].

    Example:
        >>> length_covering([10, 20, 30, 400], 0.75)
        30

    Book: chapter *Text*.
    """
    ordered = np.sort(_lengths(lengths))
    if not 0 < share <= 1:
        raise ValueError(f"share must lie in (0, 1], got {share}: 0.9 holds nine documents of ten whole")
    # Shares are compared, not counts: 0.7 · 10 is above 7, but 7 / 10 is 0.7.
    held = np.arange(1, len(ordered) + 1) / len(ordered)
    return max(1, int(ordered[np.argmax(held >= share)]))


def truncated(lengths: Sequence[int], length: int) -> float:
    """Share of the documents that are longer than `length` and would lose their end.

    Example:
        >>> truncated([10, 20, 30, 400], 30)
        0.25
    """
    return float((_lengths(lengths) > length).mean())


def check_documents(documents: Documents) -> None:
    """Refuse what is no sequence of sequences of tokens, before it is counted letter by letter."""
    if not len(documents):
        raise ValueError("no documents: a vocabulary, a code and word vectors need at least one")
    for text in (documents, *documents):
        if isinstance(text, str):
            raise ValueError(f"a document is a sequence of tokens, got the text {text[:40]!r}: split it into words")


def check_distinct(words: Sequence[str]) -> None:
    """Refuse a word that stands twice."""
    if len(set(words)) < len(words):
        word, times = Counter(words).most_common(1)[0]
        raise ValueError(f"{word!r} stands {times} times among the words: each has one place")


def _lengths(lengths: Sequence[int]) -> np.ndarray:
    given = np.asarray(lengths)
    if not given.size:
        raise ValueError("no documents, so no lengths: give the number of tokens of each")
    return given
