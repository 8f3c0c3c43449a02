"""`Dataset`: three splits of examples and labels, frozen and checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lthcore.files.download import DatasetError
from lthcore.text.tables import Table


@dataclass(frozen=True)
class Split:
    """Examples and their labels.

    Args:
        x: float32 array, first axis the examples; documents are int32 word numbers.
        y: int32 array of class numbers, one per example; or float32 (examples, classes), 1 where a label applies.
    """

    x: np.ndarray
    y: np.ndarray

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y) or not len(self.x):
            raise DatasetError(f"a split needs as many examples as labels, got {len(self.x)} and {len(self.y)}")
        for array in (self.x, self.y):
            array.flags.writeable = False

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Training, validation and test examples of one task.

    Training updates weights, validation chooses, test reports.

    Args:
        name: the name it is loaded by.
        train: what weights are updated on.
        validation: what choices are made on.
        test: what results are reported on.
        classes: number of classes.
        labels: their names, where they have any.
        table: initial vectors of the words, where examples are documents.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: int
    labels: tuple[str, ...] = ()
    table: Table | None = None

    def __post_init__(self) -> None:
        for part, split in (("train", self.train), ("validation", self.validation), ("test", self.test)):
            if split.x.shape[1:] != self.input_shape:
                raise DatasetError(
                    f"{part} examples of {self.name} have shape {split.x.shape[1:]}, not {self.input_shape}"
                )
            if not np.isfinite(split.x).all():
                raise DatasetError(f"{part} examples of {self.name} contain NaN or infinite values")
            if split.y.ndim != self.train.y.ndim:
                raise DatasetError(f"{part} labels of {self.name} are not of the kind of the training labels")
            if split.y.ndim == 2 and (split.y.shape[1] != self.classes or not np.isin(split.y, (0, 1)).all()):
                raise DatasetError(
                    f"{part} label sets of {self.name} must be 0 or 1 for each of {self.classes} classes"
                )
            if split.y.ndim == 1 and (split.y.min() < 0 or split.y.max() >= self.classes):
                raise DatasetError(f"{part} labels of {self.name} must lie in 0 … {self.classes - 1}")
        if self.labels and len(self.labels) != self.classes:
            raise DatasetError(f"{self.name} has {self.classes} classes and {len(self.labels)} names for them")

    @property
    def multilabel(self) -> bool:
        """Whether an example has a set of labels instead of one class."""
        return self.train.y.ndim == 2

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self.train.x.shape[1:]


def split(name: str, train: Split, test: Split, *, validation: int, classes: int, seed: int) -> Dataset:
    """Hold `validation` training examples back, drawn once from a fixed seed: the same for everyone, for ever."""
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(train))
    held, rest = np.sort(order[:validation]), np.sort(order[validation:])
    return Dataset(
        name=name,
        train=Split(train.x[rest], train.y[rest]),
        validation=Split(train.x[held], train.y[held]),
        test=test,
        classes=classes,
    )
