"""Arrays from anywhere → examples as training reads them: cast where nothing is lost, or refused with advice."""

from __future__ import annotations

import array as array_module
from collections.abc import Mapping

import numpy as np

from lthcore.checks import is_number
from lthcore.files.download import DatasetError

# Up to here float32 tells whole numbers apart.
_EXACT = 2**24
_INT32 = np.iinfo(np.int32)

TEXT = "UST"  # kinds of NumPy's types

_SEQUENCES = (list, tuple, range, str, bytes, memoryview, array_module.array)

_RAGGED = {
    "labels": "labels are lists of different lengths; a table of 0 and 1 holds them: "
    "sklearn.preprocessing.MultiLabelBinarizer().fit_transform(y), with multilabel=True"
}


def examples(x: object, *, words: bool | None = None) -> np.ndarray:
    """Examples as float32, or as int32 where they are word numbers.

    Args:
        x: array, or what NumPy makes one of, with the examples along its first axis.
        words: whether they are word numbers. If it is not said, signed integers are; unsigned ones and truth values,
            which pixels are stored in, are not.

    Returns:
        float32 or int32 array; the same memory, where nothing has to be cast.

    Raises:
        DatasetError: if they are no such thing; the message says what to do.

    Example:
        >>> examples(np.array([[0, 255]], np.uint8)), examples([[3, 17]]).dtype
        (array([[  0., 255.]], dtype=float32), dtype('int32'))
    """
    array = as_array(x, "examples")
    kind = array.dtype.kind
    if kind in TEXT:
        raise DatasetError(
            "examples must be numbers, got text; documents become word numbers by lthcore.datasets.documents.prepare"
        )
    if kind not in "biuf":
        raise DatasetError(f"examples must be real numbers, got {array.dtype}; convert: array.astype('float32')")
    if array.ndim < 2:
        raise DatasetError(
            f"examples need an axis for their features, got shape {array.shape}; x.reshape(-1, 1) makes single numbers "
            f"examples"
        )
    if words or (words is None and kind == "i"):
        return whole(array, "word numbers")
    if kind in "iu" and array.size and max(-int(array.min()), int(array.max())) > _EXACT:
        raise DatasetError(
            f"examples of {array.min()} … {array.max()} are not exact in float32; scale them, such as to 0 … 1"
        )
    try:
        with np.errstate(over="raise"):
            return cast(array, np.float32)
    except FloatingPointError:
        raise DatasetError("examples are too large for float32; scale them, such as to 0 … 1") from None


def whole(array: np.ndarray, what: str) -> np.ndarray:
    """Whole numbers of any type as int32.

    Raises:
        DatasetError: if one is not whole, or does not fit.
    """
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DatasetError(f"{what} contain NaN or infinite values; leave out the examples that have none")
    if array.dtype.kind == "f" and (array != np.rint(array)).any():
        fraction = array[array != np.rint(array)].flat[0]
        raise DatasetError(f"{what} must be whole numbers, got {fraction}; measured values cannot be trained on")
    if array.size and (int(array.min()) < _INT32.min or int(array.max()) > _INT32.max):
        raise DatasetError(f"{what} must fit 32 bits, got {array.min()} … {array.max()}")
    return cast(array, np.int32)


def frozen(array: np.ndarray) -> np.ndarray:
    """The array itself if nobody can write to its memory, else a read-only copy; whose it is, it stays as it is."""
    if _is_frozen(array):
        return array
    copy = np.array(array, order="C")
    copy.flags.writeable = False
    return copy


def own(array: np.ndarray) -> np.ndarray:
    """Freeze an array that the caller has just made, so that `frozen` need not copy it."""
    part: object = array
    while isinstance(part, np.ndarray):
        part.flags.writeable = False
        part = part.base
    return array


def as_array(value: object, what: str) -> np.ndarray:
    """A value as an array with at least one axis, of numbers or text.

    Args:
        value: array, list, tensor of TensorFlow, JAX or PyTorch, Series or DataFrame.
        what: ``examples`` or ``labels``, for messages.

    Raises:
        DatasetError: for anything else; the message says what to do.
    """
    _refuse_collections(value, what)
    try:
        array = np.asarray(value)
    except Exception as error:  # whatever tensors of other libraries raise
        reason = str(error).split("\n")[0]
        if "inhomogeneous" in reason:
            raise DatasetError(_RAGGED.get(what, f"{what} differ in shape; pad or crop them to one")) from error
        raise DatasetError(f"{what} cannot become a NumPy array: {reason}. Pass an array") from error
    if array.dtype == object and array.size:
        array = _of_one_type(array, what)
    if array.ndim == 0:
        raise DatasetError(f"{what} must be an array, got {_kind(value)}")
    return array


def cast(array: np.ndarray, dtype: type) -> np.ndarray:
    """The array itself if it is of this type, else a read-only one that is."""
    return array if array.dtype == dtype else own(array.astype(dtype))


def _refuse_collections(value: object, what: str) -> None:
    """Refuse what holds several arrays, or hands out its items one after another, or hides some."""
    if value is None:
        raise DatasetError(f"{what} are missing: None was given")
    if isinstance(value, Mapping) or (isinstance(value, tuple) and any(np.ndim(item) for item in value)):
        raise DatasetError(
            f"{what} must be one array, got a {_kind(value)}; networks of several inputs or outputs cannot be trained "
            f"here: concatenate them, or choose one"
        )
    if method := next((name for name in ("toarray", "to_tensor") if hasattr(value, name)), None):
        raise DatasetError(f"{what} must be a dense array, got a {_kind(value)}; pass its .{method}()")
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise DatasetError(f"{what} are masked in part; fill them with .filled(value), or leave those examples out")
    array_like = hasattr(value, "__array__") or isinstance(value, _SEQUENCES)
    if not array_like and (hasattr(value, "__iter__") or hasattr(value, "__getitem__")):
        raise DatasetError(
            f"{what} must be one array in memory, got a {_kind(value)}, which hands out one part after another; first "
            f"collect its batches: x, y = map(np.concatenate, zip(*batches))"
        )


def _of_one_type(array: np.ndarray, what: str) -> np.ndarray:
    """Text or numbers that came as Python objects."""
    texts = sum(isinstance(item, str) for item in array.flat)
    if texts == array.size:
        return array.astype(np.str_)
    odd = [item for item in array.flat if not (isinstance(item, str) if texts else is_number(item))]
    if odd and array.ndim:
        found = f"text and {odd[0]!r:.40}" if texts else f"Python objects such as {odd[0]!r:.40}"
        raise DatasetError(
            f"{what} must be numbers, got {found}; fill what is missing, number categories, and convert: "
            f"array.astype('float32')"
        )
    try:
        return array if odd else array.astype(np.float64)
    except OverflowError:
        raise DatasetError(
            f"{what} hold a number that is too large for float64; scale them, such as to 0 … 1"
        ) from None


def _kind(value: object) -> str:
    return type(value).__name__


def _is_frozen(array: np.ndarray) -> bool:
    """Whether an array and all it is a view of are read-only."""
    part: object = array
    while isinstance(part, np.ndarray):
        if part.flags.writeable:
            return False
        part = part.base
    return part is None or isinstance(part, bytes)
