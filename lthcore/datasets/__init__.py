"""Data sets by name: found on disk, downloaded from their public homes, or embedded; always verified."""

from __future__ import annotations

import importlib
import pkgutil

from lthcore.datasets.base import Dataset, Split
from lthcore.datasets.catalogue import DATASETS, SOURCES, Entry, register
from lthcore.files.download import DatasetError, Source, content, locate
from lthcore.text.config import TextConfig

__all__ = [
    "DATASETS",
    "NAMES",
    "SOURCES",
    "TEXTS",
    "Dataset",
    "DatasetError",
    "Entry",
    "Source",
    "Split",
    "available",
    "content",
    "load",
    "register",
    "sources",
    "test_size",
    "verify",
]

# A module of a data set registers it when it is imported, so a new one is known as soon as its file lies here.
for _module in pkgutil.walk_packages(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
DATASETS.seal()


def __getattr__(name: str) -> tuple[str, ...]:
    """``NAMES`` of all data sets, and of those of documents, ``TEXTS``: as many as there are by now."""
    if name == "NAMES":
        return tuple(DATASETS)
    if name == "TEXTS":
        return tuple(name for name, entry in DATASETS.items() if entry.documents)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


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
    entry = DATASETS[name]
    if text is not None and not entry.documents:
        texts = ", ".join(__getattr__("TEXTS"))
        raise ValueError(f"{name} has no documents, so it takes no text configuration; {texts} do")
    data = entry.load(text or TextConfig()) if entry.documents else entry.load()
    if not isinstance(data, Dataset):
        raise DatasetError(
            f"the function registered for data set {name!r} must return a Dataset, got {type(data).__name__}; "
            f"Dataset.from_arrays makes one"
        )
    return data


def test_size(name: str) -> int:
    """How many test examples stand behind an accuracy; loads the data set only if it was registered without."""
    known = DATASETS[name].test_size
    return len(load(name).test) if known is None else known


def sources(name: str) -> tuple[Source, ...]:
    """The files behind a data set, or behind a collection that several are made from; none for an embedded one.

    Raises:
        ValueError: for an unknown name.
    """
    if name not in SOURCES:
        DATASETS[name]
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
