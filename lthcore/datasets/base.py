"""`Dataset`: three splits of examples and labels, frozen and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lthcore.checks import check_positive_whole, is_number, is_whole
from lthcore.datasets import arrays, targets
from lthcore.files.download import DatasetError
from lthcore.text.tables import Table

# What a caller holds back: a share, a number of examples, or a pair of arrays that are apart already.
Held = float | int | tuple[object, object]

_MEANT = {"f": "float32", "i": "int32 word numbers"}


@dataclass(frozen=True)
class Split:
    """Examples and their labels, both read-only; arrays that somebody else can write to are copied.

    Args:
        x: float32 array, first axis the examples; documents are int32 word numbers. Other numbers are cast, signed
            integers to word numbers and all else to float32.
        y: int32 array of class numbers, one per example; or float32 (examples, classes), 1 where a label applies. Other
            numbers are cast if they are whole.

    Raises:
        DatasetError: if they are no such arrays or not equally many; the message says what to do.
    """

    x: np.ndarray
    y: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", arrays.frozen(arrays.examples(self.x)))
        object.__setattr__(self, "y", arrays.frozen(targets.labels(self.y)))
        if len(self.x) != len(self.y) or not len(self.x):
            raise DatasetError(f"a split needs as many examples as labels, got {len(self.x)} and {len(self.y)}")

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Training, validation and test examples of one task.

    Training updates weights, validation chooses, test reports. `from_arrays` makes one from arrays of your own.

    Args:
        name: the name it is loaded by.
        train: what weights are updated on.
        validation: what choices are made on.
        test: what results are reported on.
        classes: number of classes.
        labels: their names, where they have any.
        table: initial vectors of the words, where examples are documents.

    Raises:
        DatasetError: if the splits do not go together; the message says what to do.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: int
    labels: tuple[str, ...] = ()
    table: Table | None = None

    def __post_init__(self) -> None:
        check_positive_whole("classes", self.classes)
        for part in ("train", "validation", "test"):
            _check_split(self, part, getattr(self, part))
        if self.labels and len(self.labels) != self.classes:
            raise DatasetError(f"{self.name} has {self.classes} classes and {len(self.labels)} names for them")

    @classmethod
    def from_arrays(
        cls,
        x: object,
        y: object = None,
        *,
        validation: Held = 0.1,
        test: Held = 0.2,
        classes: int | None = None,
        labels: Sequence[str] = (),
        multilabel: bool = False,
        words: bool = False,
        name: str = "mine",
        seed: int = 0,
    ) -> Dataset:
        """A data set from arrays: cast, copied and split.

        Nothing is scaled: pixels of 0 … 255 train better as ``x / 255``. Examples are held back at random, the same
        ones for the same `seed`; the test examples are drawn first.

        Args:
            x: (examples, …) numbers: array, list, tensor or DataFrame.
            y: (examples,) class numbers from 0 on, or class names; a single column will do as well. With `multilabel`,
                (examples, classes), 1 where a label applies and 0 elsewhere.
            validation: what choices are made on: a share of all examples, their number, or an ``(x, y)`` pair.
            test: what results are reported on, in the same way.
            classes: number of classes; as many as occur if not given.
            labels: names of the classes, in the order of their numbers. Where `y` holds names, they are numbered in
                this order, or else alphabetically.
            multilabel: whether an example has a set of labels instead of one class. It must be said, because one-hot
                rows of classes and label sets of one label each look alike.
            words: whether `x` holds word numbers, which stay whole; all else becomes float32.
            name: what to call it; the name to register it under, if it is.
            seed: of the draw of what is held back.

        Raises:
            DatasetError: for what cannot be trained on; the message says what to do.

        Example:
            >>> rng = np.random.default_rng(0)
            >>> x, y = rng.integers(0, 256, (100, 8, 8, 1), np.uint8), rng.integers(0, 3, 100, np.uint8)
            >>> data = Dataset.from_arrays(x / 255, y, validation=10, test=0.25)
            >>> len(data.train), len(data.validation), len(data.test), data.classes
            (65, 10, 25, 3)
            >>> pets = Dataset.from_arrays(x / 255, np.array(["cat", "dog"])[y % 2], test=(x[:5] / 255, ["cat"] * 5))
            >>> pets.labels, pets.test.y.tolist()
            (('cat', 'dog'), [0, 0, 0, 0, 0])

        Book: chapter *Reproduction*.
        """
        held = {"validation": validation, "test": test}
        shares = {part: value for part, value in held.items() if is_number(value)}
        pairs = {part: _pair(part, value) for part, value in held.items() if part not in shares}
        x = arrays.examples(x, words=words)
        given = {"train": y} | {part: pair[1] for part, pair in pairs.items()}
        numbers, names = targets.numbered(given, tuple(labels), multilabel=multilabel)
        y = numbers["train"]
        _check_lengths("x and y", x, y)
        rows = _draw(len(x), shares, seed)
        splits = {part: Split(arrays.own(x[chosen]), arrays.own(y[chosen])) for part, chosen in rows.items()}
        for part, (other, _) in pairs.items():
            _check_lengths(part, examples := arrays.examples(other, words=words), numbers[part])
            splits[part] = Split(examples, numbers[part])
        classes = targets.count(numbers, names) if classes is None else classes
        train, chosen_by, reported = (splits[part] for part in ("train", "validation", "test"))
        return cls(name=name, train=train, validation=chosen_by, test=reported, classes=classes, labels=names)

    @property
    def multilabel(self) -> bool:
        """Whether an example has a set of labels instead of one class."""
        return self.train.y.ndim == 2

    @property
    def one_hot(self) -> bool:
        """Whether all label sets have exactly one label, so that they may be classes that somebody encoded."""
        return all(targets.is_one_hot(part.y) for part in (self.train, self.validation, self.test))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self.train.x.shape[1:]


def split(name: str, train: Split, test: Split, *, validation: int, classes: int, seed: int) -> Dataset:
    """Hold `validation` training examples back, drawn once from a fixed seed: the same for everyone, for ever."""
    rows = _draw(len(train), {"validation": validation}, seed)
    rest, held = (
        Split(arrays.own(train.x[rows[part]]), arrays.own(train.y[rows[part]])) for part in ("train", "validation")
    )
    return Dataset(name=name, train=rest, validation=held, test=test, classes=classes)


def _draw(size: int, held: Mapping[str, float | int], seed: int) -> dict[str, np.ndarray]:
    """Rows of the training examples and of each part held back, in their order."""
    order = np.random.Generator(np.random.PCG64(seed)).permutation(size)
    rows, start = {}, 0
    for part in sorted(held):  # test before validation
        count = _count(part, held[part], size)
        rows[part] = np.sort(order[start : start + count])
        start += count
    if start >= size:
        raise DatasetError(f"of {size} examples {start} are to be held back, which leaves none to train on")
    return {"train": np.sort(order[start:]), **rows}


def _count(part: str, held: float | int, size: int) -> int:
    """How many examples a share or a number is."""
    if is_whole(held) and held >= 1:
        return int(held)
    if not is_whole(held) and 0 < held < 1:
        return max(1, round(held * size))
    raise DatasetError(
        f"{part} must be a share between 0 and 1, a number of examples from 1 on, or a pair (x, y), got {held!r}"
    )


def _pair(part: str, held: object) -> tuple[object, object]:
    """Examples and labels of a part that is given apart."""
    if isinstance(held, Split):
        return held.x, held.y
    if isinstance(held, (tuple, list)) and len(held) == 2:
        return held[0], held[1]
    raise DatasetError(
        f"{part} must be a share between 0 and 1, a number of examples from 1 on, or a pair (x, y), got "
        f"{type(held).__name__}"
    )


def _check_lengths(what: str, x: np.ndarray, y: np.ndarray) -> None:
    if len(x) != len(y):
        raise DatasetError(
            f"{what} must have as many examples as labels along the first axis, got {len(x)} examples of shape "
            f"{x.shape[1:]} and {len(y)} labels; several inputs cannot be trained here"
        )


def _check_split(data: Dataset, part: str, split: Split) -> None:
    """Refuse a split that does not go with the training examples, the classes or itself."""
    if not isinstance(split, Split):
        raise DatasetError(
            f"{part} of {data.name} must be a Split, got {type(split).__name__}; Split(x, y) makes one, and "
            f"Dataset.from_arrays a whole data set"
        )
    x, y, name = split.x, split.y, data.name
    if x.shape[1:] != data.input_shape:
        raise DatasetError(f"{part} examples of {name} have shape {x.shape[1:]}, not {data.input_shape}")
    if x.dtype != data.train.x.dtype:
        raise DatasetError(
            f"{part} examples of {name} are {_MEANT[x.dtype.kind]}, the training examples are "
            f"{_MEANT[data.train.x.dtype.kind]}; give both in one type"
        )
    if not np.isfinite(x).all():
        raise DatasetError(f"{part} examples of {name} contain NaN or infinite values; fill them or leave them out")
    if y.ndim != data.train.y.ndim:
        raise DatasetError(f"{part} labels of {name} are not of the kind of the training labels")
    if y.ndim == 2 and y.shape[1] != data.classes:
        advice = "; y[:, 0] makes class numbers of a single column" if y.shape[1] == 1 else ""
        raise DatasetError(f"{part} label sets of {name} must be 0 or 1 for each of {data.classes} classes{advice}")
    if y.ndim == 1 and (y.min() < 0 or y.max() >= data.classes):
        raise DatasetError(
            f"{part} labels of {name} must lie in 0 … {data.classes - 1}, got {y.min()} … {y.max()}; "
            f"np.unique(y, return_inverse=True)[1] numbers classes from 0"
        )
