"""Find, fetch and verify data files: `$LTH_DATA`, then `data/raw/`, then the file's public homes."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tempfile
import urllib.request
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from urllib.error import HTTPError

from lthcore import paths
from lthcore.datasets.base import DatasetError

# Resolving a name, connecting and receiving the first bytes must succeed within this time at each mirror; two
# mirrors keep an impossible download under ten seconds.
ANSWER_SECONDS = 4.0


@dataclass(frozen=True)
class Source:
    """One file of a data set.

    Args:
        folder: subfolder it lies in, below each data folder.
        name: its name, uncompressed; ``.gz`` is tried as well.
        sha256: checksum of the *uncompressed* content: gzip is not canonical, so any honest mirror verifies.
        mirrors: addresses of the gzipped file.
    """

    folder: str
    name: str
    sha256: str
    mirrors: tuple[str, ...]


def locate(source: Source) -> Path | None:
    """Path of the file on disk, or None."""
    for folder in paths.raw():
        for name in (source.name, f"{source.name}.gz"):
            if (path := folder / source.folder / name).is_file():
                return path
    return None


def content(source: Source, *, download: bool = True) -> bytes:
    """The verified, uncompressed content of a file, downloaded if need be.

    Raises:
        DatasetError: if the file is damaged, or missing and not to be had; the message says what to do.
    """
    path = locate(source)
    if path is None:
        if not download:
            raise DatasetError(_missing(source, []))
        path = fetch(source)
    return verified(source, path)


def verified(source: Source, path: Path) -> bytes:
    """The uncompressed content of `path`, which must be the content that `source` pins.

    Raises:
        DatasetError: if it cannot be uncompressed or its checksum differs.
    """
    try:
        raw = path.read_bytes()
        data = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(
            f"{path} is damaged: {error}. Delete it and run `python -m lthcore data fetch` to download it again"
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != source.sha256:
        raise DatasetError(
            f"{path} is not the file it should be: its uncompressed content has SHA-256 {found}, expected "
            f"{source.sha256}. Delete it and run `python -m lthcore data fetch` to download it again"
        )
    return data


def fetch(source: Source) -> Path:
    """Download a file from the first mirror that delivers it, verify it, and put it in place.

    Raises:
        DatasetError: if no mirror delivers the right content.
    """
    target = paths.raw()[-1] / source.folder / f"{source.name}.gz"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(
            f"cannot create {target.parent}: {error}. Free space or set LTH_DATA to a folder with the data"
        ) from error
    failures = []
    for address in source.mirrors:
        partial = None
        try:
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{source.name}-", suffix=".gz")
            partial = Path(name)
            with os.fdopen(handle, "wb") as file:
                _download(address, file)
            verified(source, partial)
            partial.chmod(0o644)
            partial.replace(target)
            return target
        except (OSError, HTTPException, DatasetError) as error:
            reason = (
                "its content has the wrong checksum; the download was removed"
                if isinstance(error, DatasetError)
                else error
            )
            failures.append(f"{address}: {reason}")
        finally:
            if partial:
                partial.unlink(missing_ok=True)
    raise DatasetError(_missing(source, failures))


def _download(address: str, file) -> None:
    """Copy an address into an open file. Name look-ups know no time limit of their own, so a thread is given one."""
    answers: SimpleQueue = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(urllib.request.urlopen(address, timeout=ANSWER_SECONDS))
        except Exception as error:
            if isinstance(error, HTTPError):
                error.close()
            answers.put(OSError(str(error) or type(error).__name__))  # without the traceback and all it holds

    Thread(target=ask, daemon=True).start()  # a daemon: nobody waits for it when Python exits
    try:
        response = answers.get(timeout=ANSWER_SECONDS)
    except Empty:
        raise OSError(f"no answer within {ANSWER_SECONDS:g} seconds") from None
    if isinstance(response, OSError):
        raise response
    with response:
        shutil.copyfileobj(response, file)


def _missing(source: Source, failures: Sequence[str]) -> str:
    tried = "".join(f"\n  {failure}" for failure in failures)
    places = " or ".join(str(folder / source.folder) for folder in paths.raw())
    return (
        f"{source.name} is not on this machine{' and could not be downloaded:' if failures else ''}{tried}\n"
        f"Put {source.name}.gz into {places}, or set LTH_DATA to the folder that holds {source.folder}/, "
        f"or run `python -m lthcore data fetch` where there is a network"
    )
