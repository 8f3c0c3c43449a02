"""Data sets by name: found on disk, downloaded from their public homes, or embedded; always verified."""

from __future__ import annotations

from collections.abc import Callable

from lthcore.datasets import digits, documents, mnist, reuters
from lthcore.datasets.base import Dataset, Split
from lthcore.files.download import DatasetError, Source, content, locate
from lthcore.text.config import TextConfig

__all__ = [
    "DATASETS",
    "NAMES",
    "SOURCES",
    "TEXTS",
    "Dataset",
    "DatasetError",
    "Source",
    "Split",
    "available",
    "content",
    "load",
    "sources",
    "verify",
]

DATASETS: dict[str, Callable[[], Dataset]] = {
    "mnist": mnist.load,
    "digits": digits.load,
}

# Data sets of documents, which a `TextConfig` says how to read.
TEXTS = tuple(documents.GROUPS)

NAMES = (*DATASETS, *TEXTS)

# How many test examples stand behind an accuracy, without loading them.
TEST_SIZES = {"mnist": mnist.TEST, "digits": digits.TEST, **documents.TEST}

# The files behind each data set that is not embedded.
SOURCES: dict[str, tuple[Source, ...]] = {
    "mnist": mnist.SOURCES,
    "reuters": reuters.SOURCES,
    **{name: reuters.SOURCES for name, (corpus, _) in documents.GROUPS.items() if corpus == "reuters"},
}


def load(name: str, text: TextConfig | None = None) -> Dataset:
    """A data set by name. Never falls back to another one.

    Args:
        name: one of `NAMES`.
        text: how documents become tensors; for a set of documents the default if not given.

    Raises:
        ValueError: for an unknown name; the message lists the known ones. If images are to be read as text.
        DatasetError: if its files are missing and cannot be had, or are damaged.

    Example:
        >>> load("digits").input_shape
        (8, 8, 1)
    """
    if name in TEXTS:
        return documents.load(name, text or TextConfig())
    if text is not None:
        raise ValueError(f"{name} has no documents, so it takes no text configuration; {', '.join(TEXTS)} do")
    if name not in DATASETS:
        raise ValueError(f"unknown data set {name!r}; known are {', '.join(NAMES)}")
    return DATASETS[name]()


def sources(name: str) -> tuple[Source, ...]:
    """The files behind a data set; none for an embedded one.

    Raises:
        ValueError: for an unknown name.
    """
    _check_name(name)
    return SOURCES.get(name, ())


def available(name: str) -> bool:
    """Whether a data set can be loaded without a download (it may still turn out to be damaged)."""
    return all(locate(source) for source in sources(name))


def verify(name: str) -> list[str]:
    """Check every file of a data set against its checksum, without downloading; return one line per file.

    Raises:
        DatasetError: at the first file that is missing or damaged.
    """
    if not sources(name):
        return [f"{name}: embedded, nothing to verify"]
    checked = [(source.name, len(content(source, download=False))) for source in sources(name)]
    return [f"{file}: {size:,} bytes, checksum as published" for file, size in checked]


def _check_name(name: str) -> None:
    known = dict.fromkeys([*NAMES, *SOURCES])
    if name not in known:
        raise ValueError(f"unknown data set {name!r}; known are {', '.join(known)}")
