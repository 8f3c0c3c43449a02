"""Pretrained word vectors from files of other programs: word2vec, text or binary, and GloVe."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from lthcore.text.vectors import Vectors, existing

_FORMATS = "word2vec text, word2vec binary or GloVe text, plain or compressed by gzip"
# Text has none of these; of the bytes of float32 numbers every ninth is one.
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_BLANK = b" \t\r\n"
# A word and its numbers as they are written: bytes of float32, or decimals.
_Row = tuple[bytes, bytes | list[bytes]]


def read_vectors(path: str | Path, *, dimension: int | None = None, words: Iterable[str] | None = None) -> Vectors:
    """Read pretrained vectors from word2vec text, word2vec binary or GloVe text, told apart by content.

    A first line of two whole numbers is the header of word2vec; GloVe has none. Any of them may be compressed by gzip.

    Args:
        path: the file.
        dimension: what the vectors must have; None takes what there is.
        words: the words to keep, which saves memory; None keeps all. Rows left out are not looked into.

    Returns:
        Vectors in the order of the file; of a word that stands twice the first.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: for a file that is empty, cut short, of another format, dimension or encoding than UTF-8, has NaN or
            infinite values, or none of `words`. Without header, a file cut inside its last number or between two
            lines looks whole.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     _ = file.write(b"gold 0.5 1.0" + bytes([10]) + b"wheat 0.0 -1.0")
        ...     file.flush()
        ...     read_vectors(file.name, words=["wheat"]).matrix.tolist()
        [[0.0, -1.0]]

    Book: chapter *Text*.
    """
    path = existing(path)
    wanted = None if words is None else {word.encode() for word in words}
    kept: dict[bytes, None] = {}
    values = bytearray()
    try:
        with _opened(path) as file:
            width, rows = _rows(file)
            if dimension not in (None, width):
                raise ValueError(f"its vectors have dimension {width}, expected {dimension}")
            for word, row in rows:
                if word not in kept and (wanted is None or word in wanted):
                    kept[word] = None
                    values += _numbers(word, row)
        if not kept:
            raise ValueError("it has none of the words to keep: are both written the same way?")
        return Vectors(tuple(map(_decoded, kept)), np.frombuffer(values, "<f4").reshape(-1, width))
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"cannot read word vectors from {path}: {error}") from error


def _opened(path: Path) -> BufferedIOBase:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if packed else path.open("rb")


def _rows(file: BufferedIOBase) -> tuple[int, Iterator[_Row]]:
    """Dimension and rows of a file, whichever format it has."""
    head = file.read(1 << 16)
    file.seek(0)
    if not head.strip():
        raise ValueError(f"it is empty; expected {_FORMATS}")
    first, _, rest = head.partition(b"\n")
    if header := re.fullmatch(rb" *(\d{1,9}) +(\d{1,9})\s*", first):
        count, width = map(int, header.groups())
        file.readline()
        rows = _binary_rows(file, width) if _CONTROL.search(rest[:4096]) else _text_rows(file, width, 2)
        rows = _exactly(count, rows)
    else:
        width = first.rstrip(_BLANK).count(b" ")
        rows = _text_rows(file, width, 1)
    if width < 1:
        raise ValueError(f"line 1 is {first[:40]!r}, no word with its numbers; expected {_FORMATS}")
    return width, rows


def _text_rows(file: BufferedIOBase, width: int, start: int) -> Iterator[_Row]:
    for number, line in enumerate(file, start):
        if not (line := line.rstrip(_BLANK)):
            continue
        # From the right, because some published words have spaces inside.
        word, *numbers = line.rsplit(b" ", width)
        if len(numbers) < width or (b" " in word and _is_number(word.rpartition(b" ")[2])):
            raise ValueError(f"line {number} has {line.count(b' ')} numbers, expected {width}; is the file cut short?")
        yield word, numbers


def _binary_rows(file: BufferedIOBase, width: int) -> Iterator[_Row]:
    buffer, start = b"", 0
    while True:
        space = buffer.find(b" ", start)
        end = space + 1 + 4 * width
        if space < 0 or end > len(buffer):
            if not (more := file.read(1 << 18)):
                break
            buffer, start = buffer[start:] + more, 0
            continue
        yield buffer[start:space].lstrip(b"\n"), buffer[space + 1 : end]
        start = end
    if buffer[start:].strip():
        raise ValueError("it ends in the middle of a vector: it is cut short")


def _exactly(count: int, rows: Iterator[_Row]) -> Iterator[_Row]:
    found = 0
    for row in rows:
        found += 1
        yield row
    if found != count:
        raise ValueError(f"it has {found} words, but its first line announces {count}: it is cut short or damaged")


def _numbers(word: bytes, row: bytes | list[bytes]) -> bytes:
    """The numbers of a row as the bytes of float32."""
    if isinstance(row, bytes):
        return row
    try:
        values = [float(number) for number in row]
    except ValueError as error:
        raise ValueError(f"the vector of {_decoded(word)!r} is not all numbers: {error}; expected {_FORMATS}") from None
    with np.errstate(over="ignore"):  # becomes infinite, and is refused as such
        return np.array(values, "<f4").tobytes()


def _decoded(word: bytes) -> str:
    try:
        return word.decode()
    except UnicodeDecodeError:
        raise ValueError(f"the word {word[:40]!r} is not UTF-8: convert the file, or name the words to keep") from None


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
