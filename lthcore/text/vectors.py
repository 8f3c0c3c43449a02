"""Words as vectors: the value, its file, and what lies near a word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np

from lthcore.files import array_files
from lthcore.files.download import DatasetError
from lthcore.text.vocabulary import check_distinct

# Bytes of a file of vectors: those of three million words, 300 numbers each, are 3.6 thousand million.
_LIMIT = 2**33


@dataclass(frozen=True, eq=False)
class Vectors:
    """Words and their vectors.

    Args:
        words: each once.
        matrix: float32 of shape (words, dimension), all finite; copied on the way in and read-only from then on.

    Raises:
        ValueError: without words, or for a word that stands twice, another shape, or NaN or infinite values.

    Example:
        >>> Vectors(("gold", "silver"), [[1.0, 0.0], [0.8, 0.6]]).dimension
        2
    """

    words: tuple[str, ...]
    matrix: np.ndarray

    def __post_init__(self) -> None:
        with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite and is found below
            matrix = np.array(self.matrix, dtype=np.float32, order="C", copy=True)
        if not self.words or matrix.ndim != 2 or matrix.shape[0] != len(self.words) or not matrix.shape[1]:
            raise ValueError(
                f"{len(self.words)} words need vectors of shape ({len(self.words)}, D), got {matrix.shape}"
            )
        check_distinct(self.words)
        if not (finite := np.isfinite(matrix).all(axis=1)).all():
            raise ValueError(f"the vector of {self.words[int(finite.argmin())]!r} has NaN or infinite values")
        matrix.flags.writeable = False
        object.__setattr__(self, "matrix", matrix)

    @property
    def dimension(self) -> int:
        """Numbers per word."""
        return self.matrix.shape[1]

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Word → row."""
        return MappingProxyType({word: row for row, word in enumerate(self.words)})


def save_vectors(path: Path, vectors: Vectors) -> None:
    """Write vectors with their checksum, all or nothing."""
    text = np.frombuffer("".join(vectors.words).encode(), np.uint8)
    lengths = np.array([len(word) for word in vectors.words], np.int64)
    array_files.write(path, {"matrix": vectors.matrix, "words": text, "lengths": lengths})


def load_vectors(path: Path) -> Vectors:
    """Read what `save_vectors` wrote.

    Raises:
        MissingVectorsError: if there is no such file; a FileNotFoundError, too.
        OSError: if it cannot be read.
        ValueError: if it is damaged or something else.
    """
    path = existing(path)
    try:
        arrays = array_files.read(path, limit=_LIMIT)
        with array_files.decoding():
            text, ends = arrays["words"].tobytes().decode(), np.cumsum(arrays["lengths"]).tolist()
            words = tuple(text[start:end] for start, end in zip([0, *ends], ends, strict=False))
            return Vectors(words, arrays["matrix"])
    except array_files.DamagedFileError as error:
        raise ValueError(f"{path} holds no vectors of `save_vectors`, or damaged ones: {error}; save again") from error


def nearest(vectors: Vectors, word: str, n: int = 10) -> list[tuple[str, float]]:
    """The `n` other words of highest cosine with `word`, the highest first, each with its cosine.

    A word whose vector is zero points nowhere: it has cosine 0 with every other.

    Raises:
        ValueError: if `word` has no vector or a zero one, or for an `n` below 1.

    Example:
        >>> nearest(Vectors(("gold", "silver", "wheat"), [[1, 0], [3, 4], [0, 2]]), "gold", 1)
        [('silver', 0.6000000238418579)]
    """
    if n < 1:
        raise ValueError(f"n is a number of words >= 1, got {n}")
    row = vectors.index.get(word)
    if row is None or not vectors.matrix[row].any():
        raise ValueError(f"{word!r} has no vector, or zero: ask for another of the {len(vectors.words)} words")
    norms = np.linalg.norm(vectors.matrix, axis=1)
    cosines = vectors.matrix @ vectors.matrix[row] / np.maximum(norms * norms[row], np.finfo(np.float32).tiny)
    order = np.argsort(-cosines, kind="stable")
    return [(vectors.words[other], float(cosines[other])) for other in order[order != row][:n]]


class MissingVectorsError(DatasetError, FileNotFoundError):
    """There is no file of word vectors where one should be; the message names the place."""


def existing(path: str | Path) -> Path:
    """The path of a file, or an error that says what was looked for."""
    if not (path := Path(path)).is_file():
        raise MissingVectorsError(f"no file of word vectors at {path}")
    return path
