"""Vocabulary and vectors together: what is covered, and the table an embedding layer starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lthcore.text.vectors import Vectors
from lthcore.text.vocabulary import PADDING, UNKNOWN, Vocabulary

# How words of the vocabulary without a vector start; see `table`.
OOV = ("uniform", "matched", "zero", "skip")

# Half-width of the uniform distribution in the program of Kim14.
KIM_SPREAD = 0.25


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How much of a vocabulary has vectors.

    Args:
        words: words of the vocabulary, ``<pad>`` and ``<unk>`` not counted.
        covered: how many of them have a vector.
        types: covered / words.
        tokens: share of the running tokens, those outside the vocabulary included, whose word has a vector.
    """

    words: int
    covered: int
    types: float
    tokens: float


def coverage(vocabulary: Vocabulary, vectors: Vectors) -> Coverage:
    """Count the words that have a vector, once each and by how often they occur.

    Example:
        >>> vocabulary = Vocabulary.of([["corn", "corn", "corn", "oats"]])
        >>> coverage(vocabulary, Vectors(("corn", "gold"), [[1.0], [2.0]]))
        Coverage(words=2, covered=1, types=0.5, tokens=0.75)

    Book: chapter *Text*.
    """
    counts = [vocabulary.counts[number] for word, number in vocabulary.index.items() if word in vectors.index]
    words = len(vocabulary.index)
    types, tokens = len(counts) / words, sum(counts) / sum(vocabulary.counts)
    return Coverage(words=words, covered=len(counts), types=types, tokens=tokens)


@dataclass(frozen=True, eq=False)
class Table:
    """The vectors of a vocabulary, with room for those to be drawn.

    Args:
        vectors: float32 of shape (vocabulary, dimension), rows by word number; zero where `known` is False.
        known: bool of shape (vocabulary,): which words have a vector; never ``<pad>`` and ``<unk>``.
        spread: the other rows, save that of ``<pad>``, are drawn from U[−spread, spread].
    """

    vectors: np.ndarray
    known: np.ndarray
    spread: float

    def __post_init__(self) -> None:
        if self.known.shape != self.vectors.shape[:1]:
            raise ValueError(f"known has shape {self.known.shape}, the vectors have {len(self.vectors)} rows")
        for array in (self.vectors, self.known):
            array.flags.writeable = False


def table(vocabulary: Vocabulary, vectors: Vectors, oov: str = "uniform") -> Table:
    """Look the vocabulary's words up, and settle what becomes of those without a vector.

    Args:
        vocabulary: V words.
        vectors: of dimension D.
        oov: ``"uniform"`` draws from U[−0.25, 0.25]; ``"matched"`` from U[−a, a] of the same variance, a²/3, as all
            numbers of the vectors found together; ``"zero"`` leaves them zero; ``"skip"`` wants none of them: the
            vocabulary is ``vocabulary.only(vectors.index)``, and documents are encoded with ``unknown="skip"``.

    Returns:
        Vectors of shape (V, D). ``<unk>`` is a word without a vector, whatever the file says.

    Raises:
        ValueError: if no word has a vector, for another policy, or for ``"skip"`` with words left to skip.

    Example:
        >>> vocabulary = Vocabulary.of([["corn", "corn", "oats"]])
        >>> made = table(vocabulary, Vectors(("corn", "gold"), [[3.0, -3.0], [1.0, 1.0]]), "matched")
        >>> made.vectors.tolist(), made.known.tolist(), round(made.spread**2 / 3, 9)
        ([[0.0, 0.0], [0.0, 0.0], [3.0, -3.0], [0.0, 0.0]], [False, False, True, False], 9.0)

    Source: {cite}`Kim14`, section 4.3, and the author's program.
    Book: chapter *Text*.
    """
    if oov not in OOV:
        raise ValueError(f"unknown policy {oov!r} for words without a vector; known are {', '.join(OOV)}")
    rows = np.array([vectors.index.get(word, -1) for word in vocabulary.words])
    rows[[PADDING, UNKNOWN]] = -1
    known = rows >= 0
    if not known.any():
        raise ValueError("no word of the vocabulary has a vector: are both written the same way, such as lower-case?")
    if oov == "skip" and not known[UNKNOWN + 1 :].all():
        missing = vocabulary.words[UNKNOWN + 1 + int(known[UNKNOWN + 1 :].argmin())]
        raise ValueError(f"{missing!r} has no vector to be skipped by: first take `vocabulary.only(vectors.index)`")
    matrix = np.where(known[:, None], vectors.matrix[rows], np.float32(0))
    deviation = float(np.std(matrix[known], dtype=np.float64))
    spreads = {"uniform": KIM_SPREAD, "matched": 3**0.5 * deviation, "zero": 0.0, "skip": 0.0}
    return Table(matrix, known, spreads[oov])


def drawn(table: Table, rng: np.random.Generator) -> np.ndarray:
    """The table with its open rows drawn, float32 of shape (vocabulary, dimension); ``<pad>`` stays zero.

    Example:
        >>> blank = Table(np.zeros((3, 2), np.float32), np.array([False, False, False]), 0.25)
        >>> drawn(blank, np.random.default_rng(0)).round(2).tolist()[0]
        [0.0, 0.0]
    """
    matrix = table.vectors.copy()
    missing = np.flatnonzero(~table.known)
    missing = missing[missing != PADDING]
    matrix[missing] = rng.uniform(-table.spread, table.spread, (len(missing), matrix.shape[1]))
    return matrix


def image(ids: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """A document as a convolution sees it: a picture with a row per token and a column per dimension.

    Args:
        ids: word numbers, shape (length,), as a row of `lthcore.text.vocabulary.encode`.
        matrix: vectors by word number, shape (vocabulary, dimension).

    Returns:
        Array of shape (length, dimension).

    Raises:
        ValueError: for a number without a row, or ids that are not one row of whole numbers.

    Source: {cite}`Kim14`, section 2.
    Book: chapter *Text*.
    """
    ids = np.asarray(ids)
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise ValueError(f"ids are one row of whole numbers, got shape {ids.shape} of {ids.dtype}")
    if ids.size and (ids.min() < 0 or ids.max() >= len(matrix)):
        raise ValueError(
            f"word numbers {ids.min()} … {ids.max()} do not lie in 0 … {len(matrix) - 1}: another vocabulary?"
        )
    return matrix[ids]
