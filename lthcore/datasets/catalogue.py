"""Which data sets there are: each module of one registers it here, and so does whoever brings another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lthcore.datasets.base import Dataset
from lthcore.files.download import Source
from lthcore.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is known of a data set without loading it.

    Args:
        load: makes it; of documents, from a `TextConfig`.
        test_size: how many test examples stand behind an accuracy; None if only loading tells.
        documents: whether its examples are documents, which a `TextConfig` says how to read.
    """

    load: Callable[..., Dataset]
    test_size: int | None = None
    documents: bool = False

    def __post_init__(self) -> None:
        if not callable(self.load):
            raise TypeError(
                f"a data set is registered by the function that loads it, got {type(self.load).__name__}; "
                f"`lambda: data` is one"
            )


DATASETS: Registry[Entry] = Registry(
    "data set", "lth.datasets.register(name, load), in every process that is to load it"
)

# The files behind data sets that are not embedded, by the name they are fetched by: of a data set, or of a collection
# that several are made from.
SOURCES: dict[str, tuple[Source, ...]] = {}


def register(
    name: str,
    load: Callable[..., Dataset],
    *,
    test_size: int | None = None,
    sources: tuple[Source, ...] = (),
    documents: bool = False,
    replace: bool = False,
) -> None:
    """Give a data set a name, by which experiments, the command line and `load` know it.

    Results are stored under the name, so other data want another name. A registration lasts as long as its process:
    put it into a module that every process imports, a script's top level will do.

    Args:
        name: a word.
        load: a function without arguments that returns a `Dataset`; with `documents`, of one `TextConfig`.
        test_size: how many test examples it has, if that is known before it is loaded.
        sources: the files it is read from, if they can be downloaded.
        documents: whether its examples are documents.
        replace: take a name that is taken already by a data set of one's own.

    Raises:
        ValueError: if the name is taken, or no word.
        TypeError: if `load` is no function.

    Example:
        >>> import numpy as np
        >>> from lthcore import datasets
        >>> x, y = np.random.default_rng(0).random((100, 8)), np.arange(100) % 2
        >>> datasets.register("coins", lambda: datasets.Dataset.from_arrays(x, y, name="coins"))
        >>> len(datasets.load("coins").test)
        20
        >>> datasets.DATASETS.remove("coins")

    Book: chapter *Reproduction*.
    """
    DATASETS.register(name, Entry(load=load, test_size=test_size, documents=documents), replace=replace)
    if sources:
        SOURCES[name] = tuple(sources)
    else:
        SOURCES.pop(name, None)
