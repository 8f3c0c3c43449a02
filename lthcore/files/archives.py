"""Compressed files and archives that nobody vouches for yet, unpacked within bounds of memory and time.

A checksum of the content can only be compared after unpacking. So what unpacks must be harmless whatever it is: it ends
at a size that the caller sets, takes time in proportion to that size, and never follows a name, a link or a chain of
headers.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Collection
from functools import partial
from typing import BinaryIO

# Each gzip file is one part; a program that compresses in parallel writes one per megabyte or so.
_PARTS = 10_000

# Entries of a tar archive; that of Reuters-21578 has 31.
_ENTRIES = 10_000

_BLOCK = 512  # tar is made of blocks of so many bytes
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)
# Kinds of entry that consist of a header alone, whatever size it claims.
_WITHOUT_CONTENT = (
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
)


def is_packed(beginning: bytes) -> bool:
    """Whether a file that begins so is compressed by gzip."""
    return beginning.startswith(b"\x1f\x8b")


def unpacked(data: bytes, most: int) -> bytes:
    """The content of a gzip file.

    Args:
        data: the compressed bytes.
        most: how many bytes it may unpack to.

    Raises:
        ValueError: if it is no gzip file, is damaged or cut short, or unpacks to more.

    Example:
        >>> import gzip
        >>> unpacked(gzip.compress(b"corn"), 100)
        b'corn'
    """
    return b"".join(iter(partial(_Unpacking(io.BytesIO(data), most).read, 1 << 20), b""))


def unpacking(file: BinaryIO, most: int) -> io.BufferedReader:
    """A gzip file as an open file of what is packed in it; reading raises what `unpacked` does."""
    return io.BufferedReader(_Unpacking(file, most), 1 << 18)


class _Unpacking(io.RawIOBase):
    """The stream behind both. The standard library's own takes quadratic time for a file of many small parts."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file, self._most = file, most
        self._parts, self._taken, self._size = 0, 0, 0
        self._input = b""
        self._begin()

    def _begin(self) -> None:
        self._inflater, self._begun = zlib.decompressobj(16 + zlib.MAX_WBITS), False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        try:
            data = self._next(len(buffer))
        except zlib.error as error:
            raise ValueError(f"its compressed content is damaged ({error})") from None
        self._size += len(data)
        if self._size > self._most:
            raise ValueError(f"it unpacks to more than {self._most:,} bytes")
        buffer[: len(data)] = data
        return len(data)

    def _next(self, most: int) -> bytes:
        """Some bytes, at most so many; none at the end."""
        while True:
            self._input = self._input or self._more()
            ended = not self._input
            if not self._begun and self._parts:
                self._input = self._input.lstrip(b"\x00")  # padding, which tapes need
            if not self._begun and not self._input:
                if ended and not self._parts:
                    raise ValueError("it is empty")
                if ended:
                    return b""
                continue
            self._begun = True
            data = self._inflater.decompress(self._input, most)
            self._input = self._inflater.unconsumed_tail
            if self._inflater.eof:
                self._input = self._inflater.unused_data
                self._count()
            elif ended and not data:
                raise ValueError(f"it is cut short: its compressed content goes on after its {self._taken:,} bytes")
            if data:
                return data

    def _more(self) -> bytes:
        data = self._file.read(1 << 16)
        self._taken += len(data)
        return data

    def _count(self) -> None:
        self._parts += 1
        if self._parts > _PARTS:
            raise ValueError(f"it is made of more than {_PARTS:,} compressed parts")
        self._begin()

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def members(archive: bytes, names: Collection[str]) -> dict[str, bytes]:
    """The wanted files of a tar archive; of one that stands there twice, the last.

    Nothing is extracted: names are compared, not followed. Headers that give the next entry a longer name or other
    attributes are passed over like any other entry, for no wanted file has a long name; tar programs read them one
    within another, which a made-up archive can keep them at for ever.

    Args:
        archive: the uncompressed archive.
        names: which files are wanted; ``./`` before them is ignored.

    Raises:
        ValueError: if it is no tar archive, is cut short, or lacks a wanted file or has something else of that name.
    """
    found: dict[str, bytes] = {}
    position = 0
    for _ in range(_ENTRIES):
        if (entry := _header(archive, position)) is None:
            break
        start, end = position + _BLOCK, position + _BLOCK + _size(entry)
        name = entry.name.removeprefix("./")
        if name in names and entry.type not in _PLAIN:
            raise ValueError(f"{name} in it is no plain file")
        if end > len(archive):
            raise ValueError(f"it is cut short: an entry of {end - start:,} bytes leads beyond its end")
        if name in names:
            found[name] = archive[start:end]
        position = end + -end % _BLOCK
    else:
        raise ValueError(f"it has more than {_ENTRIES:,} entries")
    if lacking := [name for name in names if name not in found]:
        raise ValueError(f"it lacks {', '.join(lacking)}")
    return {name: found[name] for name in names}


def _header(archive: bytes, position: int) -> tarfile.TarInfo | None:
    """The header that stands there, or None at the end of the archive."""
    block = archive[position : position + _BLOCK]
    if block == bytes(_BLOCK) or (position and not block):
        return None
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise ValueError(f"it is no tar archive, or a damaged one ({error} at byte {position:,})") from None


def _size(entry: tarfile.TarInfo) -> int:
    if entry.size < 0:
        raise ValueError(f"it has an entry of {entry.size} bytes")
    return 0 if entry.type in _WITHOUT_CONTENT else entry.size
