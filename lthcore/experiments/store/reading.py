"""Files of a store: written whole, and believed or refused with a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lthcore.experiments.records import Record
from lthcore.experiments.store import encoding, errors
from lthcore.experiments.store.errors import StoreError
from lthcore.files import array_files


@dataclass(frozen=True)
class Sound:
    """What is remembered of a record that was read and found sound.

    Args:
        mask_sha256: digest of the mask it was trained with; empty where it does not tell.
        pruned_sha256: digest of the mask of the next round; empty where it has none.
    """

    mask_sha256: str
    pruned_sha256: str

    @classmethod
    def of(cls, record: Record) -> Sound:
        """What to remember of a record."""
        return cls(record.mask_sha256, record.pruned.digest() if record.pruned else "")


def read(path: Path, decode: Callable[[Mapping[str, np.ndarray]], Any], place: Callable[[Any], Path]) -> Any:
    """Read a file; what it holds is believed, or it is said why not.

    Args:
        path: the file.
        decode: arrays → what they mean.
        place: what they mean → where that belongs.

    Raises:
        UnreadableError: if it is damaged, another's, of a later version, or not to be read.
    """
    try:
        arrays = array_files.read(path, limit=encoding.LIMIT)
        with array_files.decoding():
            content = decode(arrays)
            belongs = place(content)
    except array_files.DamagedFileError as error:
        if isinstance(error.__cause__, encoding.NewerError):
            raise errors.newer(path, error.__cause__) from error
        raise errors.damaged(path, error) from error
    except OSError as error:
        raise errors.refused(path, error) from error
    if path != belongs:
        raise errors.misplaced(path, belongs)
    return content


def seconds(path: Path, name: str) -> float | None:
    """How long it took to compute what a file holds, by the text of that name; None where it does not say."""
    with suppress(Exception):  # an estimate: whatever cannot be read is not counted
        return encoding.seconds(array_files.glance(path, name, limit=encoding.LIMIT))
    return None


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a file, all of it or nothing.

    Raises:
        StoreError: if the disk refuses, or nobody could read what was written.
    """
    if (size := sum(array.nbytes for array in arrays.values())) > encoding.LIMIT // 2:
        raise StoreError(f"{path} would have {size:,} bytes, more than half of the {encoding.LIMIT:,} that are read")
    try:
        array_files.write(path, arrays)
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error}. Nothing is lost: make room and run again, finished runs are kept"
        ) from error
