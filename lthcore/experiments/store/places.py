"""The names that a store gives, and what a folder holds of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from lthcore.experiments.experiment import DRAWN, AnyExperiment, Control
from lthcore.experiments.store import errors
from lthcore.experiments.store.errors import UnreadableError

# The names that a store gives; whatever else lies in its folder, such as a copy made by hand, is not read.
TRIAL = re.compile(r"trial-(0|[1-9][0-9]*)")
RECORD = re.compile(r"round-([0-9]{2}|[1-9][0-9]{2,})(?:-draw-(0|[1-9][0-9]*))?\.npz")

# What is called with the error of each file that cannot be read, to go on without it.
Skipped = Callable[[UnreadableError], object]


def record_name(experiment: AnyExperiment, round: int, draw: int) -> str:
    """The name of a record's file."""
    drawn = isinstance(experiment, Control) and experiment.control in DRAWN
    return f"round-{round:02d}-draw-{draw}.npz" if drawn else f"round-{round:02d}.npz"


def stamp(path: Path) -> tuple[int, ...]:
    """What tells a file from one that replaces it; empty where there is none."""
    try:
        about = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise errors.refused(path, error) from error
    return about.st_ino, about.st_size, about.st_mtime_ns


def is_folder(path: Path) -> bool:
    """Whether a path is a folder, whatever may be done in it."""
    try:
        return path.is_dir()
    except OSError as error:
        raise errors.refused(path, error) from error


def names(folder: Path, skipped: Skipped | None = None) -> list[str]:
    """The names in a folder, sorted; none where there is no such folder."""
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        skip(errors.refused(folder, error), skipped)
        return []


def skip(error: UnreadableError, skipped: Skipped | None) -> None:
    """Tell the error, or raise it where nobody wants to be told."""
    if skipped is None:
        raise error
    skipped(error)


def records(root: Path, identities: Collection[str] | None, skipped: Skipped | None) -> Iterator[Path]:
    """Where every record lies, or those of some experiments, in the order of their names."""
    for identity in names(root, skipped):
        if identity.startswith(".") or (identities is not None and identity not in identities):
            continue
        for trial in filter(TRIAL.fullmatch, names(root / identity, skipped)):
            for name in filter(RECORD.fullmatch, names(root / identity / trial, skipped)):
                yield root / identity / trial / name
