"""Pretrained word vectors from files of other programs: word2vec, text or binary, and GloVe."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from lthcore.files import archives
from lthcore.files.download import DatasetError
from lthcore.text.vectors import Vectors, existing

# Bounds for files that were made to hurt, far above those that people publish: GloVe 840B has 2.2 million words of 300
# numbers, GoogleNews 3 million, and Tencent's, the largest, 12 million of 200.
_WORDS = 20_000_000
_DIMENSION = 10_000
_LINE = 1 << 20  # bytes: 10 000 numbers of a hundred digits
_WORD = 4_096  # bytes
_KEPT = 1 << 32  # numbers

# Learned numbers compress to a third or so, all zeros to a thousandth. Small files may be anything.
_RATIO = 100
_SMALL = 1 << 26

_FORMATS = "word2vec text, word2vec binary or GloVe text, plain or compressed by gzip"
_MARK = b"\xef\xbb\xbf"  # of UTF-8, which some editors write before the first word
# Text has none of these; of the bytes of float32 numbers every ninth is one.
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_BLANK = b" \t\r\n"
# As they are printed. Python's own reader takes 1_0 for ten.
_NUMBER = re.compile(rb"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|inf(inity)?)", re.IGNORECASE)
_NUMBERS = re.compile(rb"[-+.\deE ]+")
# The number of its line or, in a binary file, its own; a word; its numbers: decimals or, there, float32.
_Row = tuple[int, bytes, bytes]


class VectorFileError(DatasetError, ValueError):
    """A file of word vectors that cannot be read; the message names the file and the line."""


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
        MissingVectorsError: if there is no such file; a FileNotFoundError, too.
        VectorFileError: for a file that is empty, cut short, of another format, dimension or encoding than UTF-8, has
            NaN or infinite values, or none of `words`; a ValueError, too. Without header, a file cut inside its last
            number or between two lines looks whole.

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
    wanted = None if words is None else {word.encode(errors="surrogatepass") for word in words}
    try:
        return _read(path, dimension, wanted)
    except OSError as error:
        raise VectorFileError(f"cannot read word vectors from {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise VectorFileError(f"cannot read word vectors from {path}: {error}") from error


def _read(path: Path, dimension: int | None, wanted: set[bytes] | None) -> Vectors:
    with _opened(path) as file:
        head = file.read(_LINE)
    marked = head.startswith(_MARK)
    kept: dict[bytes, str] = {}
    values = bytearray()
    with _opened(path) as file:
        file.read(len(_MARK) if marked else 0)
        width, binary, rows = _rows(file, head.removeprefix(_MARK))
        if dimension not in (None, width):
            raise ValueError(f"its vectors have dimension {width}, expected {dimension}")
        for number, word, row in rows:
            if word not in kept and (wanted is None or word in wanted):
                place = f"{'word' if binary else 'line'} {number}"
                kept[word] = _decoded(word, place)
                values += _numbers(kept[word], row, place, binary)
                _check_bounds(len(kept), width)
    if not kept:
        raise ValueError("it has none of the words to keep: are both written the same way?")
    return Vectors(tuple(kept.values()), np.frombuffer(values, "<f4").reshape(-1, width))


def _opened(path: Path) -> io.BufferedReader:
    with path.open("rb") as file:
        packed = archives.is_packed(file.read(2))
    most = _SMALL + _RATIO * path.stat().st_size
    return archives.unpacking(path.open("rb"), most) if packed else path.open("rb")


def _rows(file: io.BufferedReader, head: bytes) -> tuple[int, bool, Iterator[_Row]]:
    """Dimension of a file that begins with `head`, whether it is binary, and its rows."""
    if not head.strip():
        raise ValueError(f"it is empty; expected {_FORMATS}")
    first, ended, rest = head.partition(b"\n")
    if not ended and len(head) >= _LINE - len(_MARK):
        raise ValueError(f"line 1 has {_LINE:,} bytes or more; expected {_FORMATS}")
    if header := re.fullmatch(rb" *(\d{1,9}) +(\d{1,9})\s*", first):
        count, width = map(int, header.groups())
        file.readline()
        binary = bool(_CONTROL.search(rest[:4096]))
        rows = _exactly(count, _binary_rows(file, width) if binary else _text_rows(file, width, 2))
    else:
        binary = False
        width = first.rstrip(_BLANK).count(b" ")
        rows = _text_rows(file, width, 1)
    if width < 1:
        raise ValueError(f"line 1 is {first[:40]!r}, no word with its numbers; expected {_FORMATS}")
    if width > _DIMENSION:
        raise ValueError(f"line 1 tells of {width:,} numbers a word; at most {_DIMENSION:,} are read")
    return width, binary, rows


def _text_rows(file: io.BufferedReader, width: int, start: int) -> Iterator[_Row]:
    for number, line in enumerate(iter(partial(file.readline, _LINE), b""), start):
        if len(line) == _LINE:
            raise ValueError(f"line {number} has {_LINE:,} bytes or more; expected {_FORMATS}")
        if not (line := line.rstrip(_BLANK)):
            continue
        if (spaces := line.count(b" ")) == width:
            word, _, numbers = line.partition(b" ")
        else:  # some published words have spaces inside
            word, *rest = line.rsplit(b" ", width)
            if spaces < width or _NUMBER.fullmatch(word.rpartition(b" ")[2]):
                raise ValueError(f"line {number} has {spaces} numbers, expected {width}; is the file cut short?")
            numbers = b" ".join(rest)
        yield number, word, numbers


def _binary_rows(file: io.BufferedReader, width: int) -> Iterator[_Row]:
    buffer, start, number = b"", 0, 1
    while True:
        space = buffer.find(b" ", start, start + _WORD)
        if space < 0 and len(buffer) >= start + _WORD:
            raise ValueError(f"word {number} has {_WORD:,} bytes or more; expected {_FORMATS}")
        end = space + 1 + 4 * width
        if space < 0 or end > len(buffer):
            if not (more := file.read(1 << 18)):
                break
            buffer, start = buffer[start:] + more, 0
            continue
        yield number, buffer[start:space].lstrip(b"\n"), buffer[space + 1 : end]
        start, number = end, number + 1
    if buffer[start:].strip():
        raise ValueError("it ends in the middle of a vector: it is cut short")


def _exactly(count: int, rows: Iterator[_Row]) -> Iterator[_Row]:
    found = 0
    for row in rows:
        found += 1
        yield row
    if found != count:
        raise ValueError(f"it has {found} words, but its first line announces {count}: it is cut short or damaged")


def _check_bounds(words: int, width: int) -> None:
    if words > _WORDS or words * width > _KEPT:
        raise ValueError(f"it has more than {words:,} words of {width:,} numbers: name the words to keep")


def _numbers(word: str, row: bytes, place: str, binary: bool) -> bytes:
    """The numbers of a row as the bytes of float32."""
    if binary:
        values = np.frombuffer(row, "<f4")
    elif (decimals := _decimals(row)) is None:
        bad = next(number for number in row.split(b" ") if not _NUMBER.fullmatch(number))
        raise ValueError(
            f"{place}: the vector of {word!r} is not all numbers: it has {bad[:40]!r}; expected {_FORMATS}"
        )
    else:
        with np.errstate(over="ignore"):  # becomes infinite, and is refused as such
            values = np.array(decimals, "<f4")
    if not np.isfinite(values).all():
        raise ValueError(f"{place}: the vector of {word!r} has NaN or infinite values")
    return values.tobytes()


def _decimals(row: bytes) -> list[float] | None:
    """The numbers of a row, or None if they are not all numbers."""
    numbers = row.split(b" ")
    # Almost every row has nothing but digits and signs, with which Python's own reader takes no liberties.
    if not _NUMBERS.fullmatch(row) and not all(map(_NUMBER.fullmatch, numbers)):
        return None
    try:
        return list(map(float, numbers))
    except ValueError:
        return None


def _decoded(word: bytes, place: str) -> str:
    try:
        return word.decode()
    except UnicodeDecodeError:
        raise ValueError(
            f"{place}: the word {word[:40]!r} is not UTF-8: convert the file, or name the words to keep"
        ) from None
