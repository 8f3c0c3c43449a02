"""Labels from anywhere → class numbers or label sets: cast where nothing is lost, or refused with advice."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lthcore.datasets import arrays
from lthcore.files.download import DatasetError


def labels(y: object) -> np.ndarray:
    """Labels as int32 class numbers, or as a float32 table of label sets.

    Args:
        y: (examples,) class numbers of any type that holds them exactly; or (examples, classes), 1 where a label
            applies, 0 elsewhere.

    Returns:
        int32 or float32 array; the same memory, where nothing has to be cast.

    Raises:
        DatasetError: if they are no such thing; the message says what to do.

    Example:
        >>> labels(np.array([2, 0], np.uint8)), labels([[True, False]])
        (array([2, 0], dtype=int32), array([[1., 0.]], dtype=float32))
    """
    array = arrays.as_array(y, "labels")
    kind = array.dtype.kind
    if kind in arrays.TEXT:
        raise DatasetError(
            "labels must be class numbers, got text; Dataset.from_arrays numbers class names, and so does "
            "np.unique(y, return_inverse=True)"
        )
    if kind not in "biuf":
        raise DatasetError(f"labels must be class numbers, got {array.dtype}")
    if array.ndim == 2:
        return _label_sets(array)
    if array.ndim != 1:
        raise DatasetError(
            f"labels must have shape (examples,) for classes or (examples, classes) for label sets, got {array.shape}"
        )
    return arrays.whole(array, "labels")


def _label_sets(table: np.ndarray) -> np.ndarray:
    if not is_binary(table):
        column = table.shape[1] == 1
        advice = "y[:, 0] makes class numbers of a single column" if column else "probabilities cannot be trained on"
        raise DatasetError(f"labels of shape {table.shape} must be 0 or 1 for each class; {advice}")
    return arrays.cast(table, np.float32)


def is_binary(table: np.ndarray) -> bool:
    """Whether all numbers are 0 or 1."""
    return table.dtype.kind in "biuf" and bool(((table == 0) | (table == 1)).all())


def is_one_hot(y: np.ndarray) -> bool:
    """Whether every row of a table has exactly one 1 and zeros beside it."""
    return y.ndim == 2 and y.shape[1] > 1 and is_binary(y) and bool((y.sum(axis=1) == 1).all())


def numbered(
    parts: Mapping[str, object], names: tuple[str, ...], *, multilabel: bool
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """The labels of some splits, class names as numbers, and the names of the classes.

    Args:
        parts: split → its labels.
        names: of the classes, in the order of their numbers; if not given, class names are numbered alphabetically.
        multilabel: whether an example has a set of labels.

    Raises:
        DatasetError: if they are not all of that kind; the message says what to do.

    Example:
        >>> numbered({"train": ["dog", "cat"], "test": ["dog"]}, (), multilabel=False)
        ({'train': array([1, 0], dtype=int32), 'test': array([1], dtype=int32)}, ('cat', 'dog'))
    """
    given = {part: _of_kind(arrays.as_array(y, "labels"), multilabel) for part, y in parts.items()}
    texts = {part: _text(y) for part, y in given.items() if y.dtype.kind in arrays.TEXT}
    if not texts:
        return {part: labels(y) for part, y in given.items()}, names
    if len(texts) < len(given):
        raise DatasetError(f"labels of {', '.join(texts)} are names, the others are numbers; give one kind")
    present = sorted({str(name) for y in texts.values() for name in np.unique(y)})
    names = names or tuple(present)
    if strange := [name for name in present if name not in names]:
        raise DatasetError(f"label {strange[0]!r} is none of the names given: {', '.join(names)}")
    order = np.argsort(np.array(names))
    number = {part: order[np.searchsorted(np.array(names), y, sorter=order)] for part, y in texts.items()}
    return {part: labels(y) for part, y in number.items()}, names


def _text(names: np.ndarray) -> np.ndarray:
    """Names of classes, which may have come as bytes."""
    try:
        return np.strings.decode(names, "utf-8") if names.dtype.kind == "S" else names.astype(np.str_)
    except UnicodeDecodeError as error:
        raise DatasetError(f"labels are bytes that are no text in UTF-8 ({error}); decode them first") from None


def _of_kind(y: np.ndarray, multilabel: bool) -> np.ndarray:
    """Labels in the shape their kind has; a single column of classes loses its second axis."""
    if multilabel:
        if y.ndim != 2 or y.dtype.kind in arrays.TEXT:
            raise DatasetError(
                f"label sets must be a table (examples, classes) of 0 and 1, got shape {y.shape} of {y.dtype}; "
                f"sklearn.preprocessing.MultiLabelBinarizer makes one"
            )
        return y
    if y.ndim == 2 and y.shape[1] == 1:
        return y[:, 0]
    if is_one_hot(y):
        raise DatasetError("labels are one-hot rows; take y.argmax(axis=1), or multilabel=True if they are label sets")
    if y.ndim == 2 and is_binary(y):
        raise DatasetError("labels are a table of 0 and 1; pass multilabel=True if an example has a set of labels")
    if y.ndim != 1:
        raise DatasetError(
            f"labels must be one class per example, got shape {y.shape}; probabilities and several outputs "
            f"cannot be trained on"
        )
    return y


def count(parts: Mapping[str, np.ndarray], names: tuple[str, ...]) -> int:
    """How many classes the labels of some splits tell apart.

    Args:
        parts: split → labels as `labels` makes them.
        names: of the classes, if they have any.

    Raises:
        DatasetError: if there are no classes, or they are not numbered from 0 without a gap, which only the caller can
            know to be right.
    """
    if names:
        return len(names)
    if (first := next(iter(parts.values()))).ndim == 2:
        if not first.shape[1]:
            raise DatasetError(f"label sets of shape {first.shape} have no column; each class needs one")
        return first.shape[1]
    present = np.unique(np.concatenate(list(parts.values())))
    if len(present) < 2:
        raise DatasetError(f"all labels are {present[0]}; there is nothing to tell apart")
    if not np.array_equal(present, np.arange(len(present))):
        raise DatasetError(
            f"labels must be the class numbers 0 … {len(present) - 1}, got {len(present)} of them from {present[0]} to "
            f"{present[-1]}; np.unique(y, return_inverse=True)[1] numbers classes so, or say classes=… if some have no "
            f"example"
        )
    return len(present)
