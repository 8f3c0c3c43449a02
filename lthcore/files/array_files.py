"""Files of named arrays, written all or nothing and read only if their checksum agrees."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

# All that reading a damaged archive has been seen to raise; RuntimeError and its NotImplementedError come from bits
# that claim encryption or a compression nobody used.
DAMAGE = (OSError, EOFError, KeyError, RuntimeError, TypeError, ValueError, zipfile.BadZipFile, zlib.error)


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays and their checksum under another name, then rename: no moment of a crash leaves half a file.

    Raises:
        OSError: if the disk refuses; nothing is left behind.
    """
    partial = None
    try:
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
    finally:  # also when interrupted
        if partial:
            partial.unlink(missing_ok=True)


def read(path: Path) -> dict[str, np.ndarray]:
    """Read what `write` wrote.

    Raises:
        Exception: one of `DAMAGE`, if the file cannot be read or does not match its checksum.
    """
    with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    if arrays.pop("sha256").tobytes() != _digest(arrays):
        raise ValueError("its content does not match its checksum")
    return arrays


def glance(path: Path, name: str) -> np.ndarray:
    """One array of a file, without checking the file: for an estimate, and nothing that a result depends on.

    Raises:
        Exception: one of `DAMAGE`, if it cannot be read.
    """
    with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
        return file[name]


def _digest(arrays: Mapping[str, np.ndarray]) -> bytes:
    sha = hashlib.sha256()
    for name in sorted(arrays):
        sha.update(f"{name}|{arrays[name].dtype.str}|{arrays[name].shape}|".encode())
        sha.update(np.ascontiguousarray(arrays[name]).tobytes())
    return sha.digest()


def packed(lines: Sequence[str]) -> np.ndarray:
    """Lines of text, none of them empty, as an array of bytes."""
    return np.frombuffer("\n".join(lines).encode(), np.uint8)


def unpacked(array: np.ndarray) -> tuple[str, ...]:
    """The inverse of `packed`."""
    return tuple(array.tobytes().decode().split("\n")) if array.size else ()
