"""Find, fetch and verify data files: `$LTH_DATA`, then `data/raw/`, then the file's public homes."""

from __future__ import annotations

import glob
import hashlib
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lthcore.files import archives, paths, transfer

# More than any file here unpacks to; a file that unpacks to more was made to fill the memory.
LIMIT = 64 * 2**20

# What a fetch that was killed leaves behind is removed after so long. A fetch at work writes every few seconds.
LEFTOVER_SECONDS = 3_600

# What to do about a file that the system does not let be read.
_KEEP = "It may well be sound, so keep it: make it readable, or set LTH_DATA to a folder whose files are"


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
        limit: bytes that it has at most, unpacked.
    """

    folder: str
    name: str
    sha256: str
    mirrors: tuple[str, ...]
    members: Mapping[str, str] = field(default_factory=dict, hash=False)
    dataset: str = ""
    limit: int = LIMIT

    @property
    def packed_limit(self) -> int:
        """Bytes that it has at most, packed: what cannot be compressed gets a little longer."""
        return self.limit + self.limit // 100 + 4_096

    @property
    def command(self) -> str:
        """What a user types to get it."""
        return f"python -m lthcore data fetch {self.dataset}".rstrip()


def locate(source: Source) -> Path | None:
    """Path of the file on disk, or of the folder that holds all members of the archive, or None.

    Raises:
        DatasetError: if a folder cannot be looked into.
    """
    for folder in paths.raw():
        for name in (source.name, f"{source.name}.gz"):
            if _is_file(path := folder / source.folder / name):
                return path
        if source.members and all(_is_file(folder / source.folder / name) for name in source.members):
            return folder / source.folder
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise DatasetError(f"cannot look for {path}: {error.strerror}. {_KEEP}") from error


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
        DatasetError: if it cannot be read or uncompressed, lacks a member, or a checksum differs.
    """
    again = f"Delete it and run `{source.command}` to download it again"
    try:
        found = _read(source, path)
        _check(source, found)
    except OSError as error:
        raise DatasetError(f"cannot read {error.filename or path}: {error.strerror or error}. {_KEEP}") from error
    except _OtherContentError as error:
        raise DatasetError(f"{path} is not the file it should be: {error}. {again}") from error
    except ValueError as error:
        raise DatasetError(f"{path} is damaged: {error}. {again}") from error
    return found


class _OtherContentError(ValueError):
    """Whole, but not what is pinned."""


def _read(source: Source, path: Path) -> dict[str, bytes]:
    """What lies there, uncompressed and taken apart; nothing of it is to be believed yet."""
    if path.is_dir():
        return {name: _bytes(path / name, source.limit) for name in source.members}
    if path.suffix != ".gz":
        data = _bytes(path, source.limit)
    elif not archives.is_packed(data := _bytes(path, source.packed_limit)):
        raise ValueError(_no_gzip(data))
    else:
        data = archives.unpacked(data, source.limit)
    return archives.members(data, source.members) if source.members else {source.name: data}


def _bytes(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"it has more than {limit:,} bytes")
    return data


def _no_gzip(data: bytes) -> str:
    """What it is that should have been compressed by gzip."""
    if not data:
        return "it is empty"
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return (
            "it is a web page, not a file compressed by gzip; a network may want a login before it lets files through"
        )
    return f"it is not compressed by gzip: it begins with {data[:16]!r}"


def _check(source: Source, found: Mapping[str, bytes]) -> None:
    for name, expected in (source.members or {source.name: source.sha256}).items():
        sha256 = hashlib.sha256(found[name]).hexdigest()
        if sha256 != expected:
            what = f"{name} in it" if source.members else "its uncompressed content"
            raise _OtherContentError(f"{what} has SHA-256 {sha256}, expected {expected}")


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
    _remove_leftovers(source, target.parent)
    failures = []
    for address in source.mirrors:
        partial = None
        try:
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{source.name}-", suffix=".gz")
            partial = Path(name)
            with os.fdopen(handle, "wb") as file:
                transfer.receive(address, file, source.packed_limit)
            _check(source, _read(source, partial))
            partial.chmod(0o644)
            partial.replace(target)
            return target
        except _OtherContentError:
            failures.append(f"{address}: its content has the wrong checksum; the download was removed")
        except ValueError as error:
            failures.append(f"{address}: {error}; the download was removed")
        except OSError as error:
            failures.append(f"{address}: {error}")
        finally:
            if partial:
                partial.unlink(missing_ok=True)
    raise DatasetError(_missing(source, failures))


def _remove_leftovers(source: Source, folder: Path) -> None:
    """Remove what a fetch that was killed left behind; what was written to lately, another may be at work on."""
    for path in folder.glob(f".{glob.escape(source.name)}-*.gz"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                path.unlink()


def _missing(source: Source, failures: Sequence[str]) -> str:
    tried = "".join(f"\n  {failure}" for failure in failures)
    places = " or ".join(str(folder / source.folder) for folder in paths.raw())
    return (
        f"{source.name} is not on this machine{' and could not be downloaded:' if failures else ''}{tried}\n"
        f"Put {source.name}.gz into {places}, or set LTH_DATA to the folder that holds {source.folder}/, "
        f"or run `{source.command}` where there is a network"
    )
