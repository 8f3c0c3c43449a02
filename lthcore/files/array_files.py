"""Files of named arrays, written all or nothing and read only if their checksum agrees.

A file is a zip archive of plain arrays, as NumPy writes it. It is not NumPy that reads it: whatever the bytes of a
file are, reading ends with the arrays that were written, with `DamagedFileError`, or with the OSError of a disk that
refuses.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from math import prod
from pathlib import Path

import numpy as np

# Bytes that the arrays of a file may have in all, unless its reader says otherwise: eight times the largest mask of a
# network of a thousand million weights. What claims more was made, or damaged, to fill the memory.
LIMIT = 2**30

# Arrays in a file: the fullest there is holds 70.
_MOST_ARRAYS = 10_000

# Kinds of NumPy's types that hold numbers or characters.
_KINDS = "biufcSU"

# The head of an array as NumPy writes it. Its own reader takes the text for Python's, which warns of some texts, and
# needs more memory than there is for others.
_HEAD = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<>|][" + _KINDS.encode() + rb"][0-9]{1,9})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:[0-9]{1,18}, ?)*[0-9]{0,18})\), \} *\n",
    re.DOTALL,
)


class DamagedFileError(ValueError):
    """What a file holds is not what was written to it. The file could be read; what could not raises OSError."""


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays and their checksum under another name, then rename: no moment of a crash leaves half a file.

    Raises:
        TypeError: for arrays of anything but numbers and characters, such as objects.
        OSError: if the disk refuses; nothing is left behind.
    """
    if strange := [name for name, array in arrays.items() if array.dtype.kind not in _KINDS]:
        raise TypeError(f"array {strange[0]!r} holds {arrays[strange[0]].dtype}; files hold numbers and characters")
    partial = None
    try:
        new = [folder for folder in path.parents if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".partial")
        partial = Path(name)
        with os.fdopen(handle, "wb") as file:
            digest = np.frombuffer(_digest(arrays), np.uint8)
            # The stub fears that one of the arrays is called allow_pickle.
            np.savez_compressed(file, **arrays, sha256=digest)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(0o644)
        partial.replace(path)
        for folder in (path.parent, *(folder.parent for folder in new)):
            _sync(folder)
    finally:  # also when interrupted
        if partial:
            partial.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Bring the names in a folder to disk: a rename is only then safe from a power failure."""
    with suppress(OSError):  # some systems cannot; there the file system sees to it
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read(path: Path, *, limit: int = LIMIT) -> dict[str, np.ndarray]:
    """Read what `write` wrote.

    Args:
        path: the file.
        limit: bytes that the file, and its arrays in all, may have at most; checked before anything is unpacked.

    Raises:
        DamagedFileError: if the file is anything but what was written.
        OSError: if it cannot be read, which says nothing about what it holds.
    """
    content = _content(path, limit)
    with decoding(), zipfile.ZipFile(BytesIO(content)) as archive:
        arrays = {name: _array(archive, info) for name, info in _members(archive, limit).items()}
        if arrays.pop("sha256").tobytes() != _digest(arrays):
            raise ValueError("its content does not match its checksum")
    return arrays


def glance(path: Path, name: str, *, limit: int = LIMIT) -> np.ndarray:
    """One array of a file, without checking the file: for an estimate, and nothing that a result depends on.

    Raises:
        DamagedFileError: if it cannot be found in the file.
        OSError: if the file cannot be read.
    """
    content = _content(path, limit)
    with decoding(), zipfile.ZipFile(BytesIO(content)) as archive:
        return _array(archive, _members(archive, limit)[name])


@contextmanager
def decoding() -> Iterator[None]:
    """Make one DamagedFileError of whatever goes wrong while the content of a file is understood.

    Too little memory is no damage, for sizes are checked before.

    Example:
        >>> with decoding():
        ...     {}["step"]
        Traceback (most recent call last):
        lthcore.files.array_files.DamagedFileError: it lacks 'step'
    """
    try:
        yield
    except (OSError, DamagedFileError):
        raise
    except MemoryError as error:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)) from error
    except Exception as error:
        lacking = f"it lacks {error}" if type(error) is KeyError else ""
        raise DamagedFileError(lacking or str(error) or type(error).__name__) from error


def _content(path: Path, limit: int) -> bytes:
    """The bytes of a file; all that a disk can refuse, it refuses here."""
    about = path.stat()
    if stat.S_ISDIR(about.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(about.st_mode):  # a pipe would be waited for, a device be read for ever
        raise DamagedFileError("it is no plain file")
    if about.st_size > limit:
        raise DamagedFileError(f"it has {about.st_size:,} bytes, more than the {limit:,} that such a file can have")
    with path.open("rb") as file:
        content = file.read(about.st_size + 1)  # room is made for as much as is asked for
    # One that claims to hold more would take long before the first of its arrays is looked at.
    if content.count(b"PK\x01\x02") > _MOST_ARRAYS:
        raise DamagedFileError(f"it holds more than {_MOST_ARRAYS:,} arrays")
    return content


def _members(archive: zipfile.ZipFile, limit: int) -> dict[str, zipfile.ZipInfo]:
    """Name → entry of each array, none of them larger in sum than it may be."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name in members or name == info.filename:
            raise ValueError(f"its entry {info.filename!r} is none that is written here")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"its array {name!r} is compressed in a way that is not used here")
        members[name] = info
    if (size := sum(info.file_size for info in members.values())) > limit:
        raise ValueError(f"its arrays claim {size:,} bytes, more than the {limit:,} that such a file can have")
    return members


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(info) as file:
        data = file.read(info.file_size)  # no more than it claims, whatever it would unpack to
    if not (head := _HEAD.match(data)) or head.end() != 10 + int.from_bytes(data[8:10], "little"):
        raise ValueError(f"its array {info.filename!r} is not one of plain numbers or characters")
    dtype = np.dtype(head[1].decode())
    shape = tuple(int(length) for length in head[3].split(b",") if length.strip())
    if len(data) != head.end() + prod(shape) * dtype.itemsize:
        raise ValueError(f"its array {info.filename!r} has another size than it claims")
    flat = np.frombuffer(data, dtype, offset=head.end()).copy()
    return flat.reshape(shape, order="F" if head[2] == b"True" else "C")


def _digest(arrays: Mapping[str, np.ndarray]) -> bytes:
    sha = hashlib.sha256()
    for name in sorted(arrays):
        sha.update(f"{name}|{arrays[name].dtype.str}|{arrays[name].shape}|".encode())
        sha.update(np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data)
    return sha.digest()


def packed(lines: Sequence[str]) -> np.ndarray:
    """Lines of text, none of them empty, as an array of bytes."""
    return np.frombuffer("\n".join(lines).encode(), np.uint8)


def unpacked(array: np.ndarray) -> tuple[str, ...]:
    """The inverse of `packed`."""
    return tuple(array.tobytes().decode().split("\n")) if array.size else ()
