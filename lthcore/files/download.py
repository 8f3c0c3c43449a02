"""Find, fetch and verify data files: `$LTH_DATA`, then `data/raw/`, then the file's public homes."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import tarfile
import tempfile
import urllib.request
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from urllib.error import HTTPError

from lthcore.files import paths

# Resolving a name, connecting and receiving the first bytes must succeed within this time at each mirror; two
# mirrors keep an impossible download under ten seconds.
ANSWER_SECONDS = 4.0

# More than any file here unpacks to; a file that unpacks to more was made to fill the memory.
LIMIT = 64 * 2**20


class DatasetError(Exception):
    """Data is missing, damaged or not what it should be; the message says what to do."""


@dataclass(frozen=True)
class Source:
    """One file of a data set, or a tar archive of several.

    Args:
        folder: subfolder it lies in, below each data folder.
        name: its name, uncompressed; ``.gz`` is tried as well.
        sha256: checksum of the *uncompressed* content: gzip is not canonical, so any honest mirror verifies. Empty for
            an archive.
        mirrors: addresses of the gzipped file.
        members: of an archive: the files wanted and their checksums, for tar is not canonical either. They are accepted
            unpacked as well; all else in the archive is ignored.
        dataset: what ``data fetch`` gets it by, if it is not the default data set.
    """

    folder: str
    name: str
    sha256: str
    mirrors: tuple[str, ...]
    members: Mapping[str, str] = field(default_factory=dict, hash=False)
    dataset: str = ""

    @property
    def command(self) -> str:
        """What a user types to get it."""
        return f"python -m lthcore data fetch {self.dataset}".rstrip()


def locate(source: Source) -> Path | None:
    """Path of the file on disk, or of the folder that holds all members of the archive, or None."""
    for folder in paths.raw():
        for name in (source.name, f"{source.name}.gz"):
            if (path := folder / source.folder / name).is_file():
                return path
        if source.members and all((folder / source.folder / name).is_file() for name in source.members):
            return folder / source.folder
    return None


def content(source: Source, *, download: bool = True) -> bytes:
    """The verified, uncompressed content of a file, downloaded if need be; of an archive, its members joined.

    Raises:
        DatasetError: if the file is damaged, or missing and not to be had; the message says what to do.
    """
    return b"".join(files(source, download=download).values())


def files(source: Source, *, download: bool = True) -> dict[str, bytes]:
    """Names and verified contents of the members of an archive, in the order of its pins; of a file, the one.

    Raises:
        DatasetError: as `content` does.
    """
    path = locate(source)
    if path is None:
        if not download:
            raise DatasetError(_missing(source, []))
        path = fetch(source)
    return verified(source, path)


def verified(source: Source, path: Path) -> dict[str, bytes]:
    """Names and uncompressed contents of what lies at `path`, which must be the content that `source` pins.

    Nothing is ever extracted: names in an archive are compared, not followed.

    Raises:
        DatasetError: if it cannot be uncompressed, lacks a member, or a checksum differs.
    """
    again = f"Delete it and run `{source.command}` to download it again"
    try:
        if path.is_dir():
            found = {name: (path / name).read_bytes() for name in source.members}
        else:
            data = _unpacked(path)
            found = _members(source, data) if source.members else {source.name: data}
    except (OSError, EOFError, OverflowError, ValueError, zlib.error, tarfile.TarError) as error:
        raise DatasetError(f"{path} is damaged: {error}. {again}") from error
    for name, expected in (source.members or {source.name: source.sha256}).items():
        sha256 = hashlib.sha256(found[name]).hexdigest()
        if sha256 != expected:
            what = f"{name} in it" if source.members else "its uncompressed content"
            raise DatasetError(
                f"{path} is not the file it should be: {what} has SHA-256 {sha256}, expected {expected}. {again}"
            )
    return found


def _unpacked(path: Path) -> bytes:
    if path.suffix != ".gz":
        return path.read_bytes()
    with gzip.open(path) as file:
        data = file.read(LIMIT + 1)
    if len(data) > LIMIT:
        raise ValueError(f"it unpacks to more than {LIMIT:,} bytes")
    return data


def _members(source: Source, data: bytes) -> dict[str, bytes]:
    """The wanted members of a tar archive; only plain files count, links are refused."""
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if name not in source.members:
                continue
            content = archive.extractfile(member) if member.isreg() and not member.issparse() else None
            if content is None or member.size > len(data):
                raise ValueError(f"{name} in it is no plain file")
            found[name] = content.read()
    if lacking := [name for name in source.members if name not in found]:
        raise ValueError(f"it lacks {', '.join(lacking)}")
    return {name: found[name] for name in source.members}


def published_results() -> Path:
    """The folder of the published records, which come with the repository and are downloaded from nowhere.

    Returns:
        `paths.results`, if there are records in it.

    Raises:
        DatasetError: if there are none; the message says how to get them.
    """
    folder = paths.results()
    if any(folder.glob("*/trial-*/*.npz")):
        return folder
    if paths.is_checkout():
        raise DatasetError(
            f"the published records are missing: {folder} has none. They are part of the repository; "
            f"`git checkout -- data/results` in {paths.project_root()} brings them back"
        )
    if os.environ.get("LTHCORE_RESULTS"):
        raise DatasetError(f"LTHCORE_RESULTS names {folder}, which has no records; name the data/results of a clone")
    raise DatasetError(
        "the published records come with the repository, in its folder data/results, and not with the installed "
        "package. Clone the repository that lthcore came from; then set LTHCORE_RESULTS to CLONE/data/results, "
        "or pass --out CLONE/data/results"
    )


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
        f"or run `{source.command}` where there is a network"
    )
