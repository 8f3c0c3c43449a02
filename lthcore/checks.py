"""What numbers and words of a configuration are refused, and with which words.

NumPy's numbers are numbers too: ``np.arange`` and ``np.linspace`` are where people get them from.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from numbers import Integral, Real
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# Steps are counted in 32 bits.
LARGEST = 2**31 - 1

Options = tuple[tuple[str, float | int | bool | str], ...]
Rates = tuple[tuple[str, float], ...]


def with_exceptions(rate: float, exceptions: Rates, names: tuple[str, ...]) -> dict[str, float]:
    """The rate of each name, with its exceptions."""
    for name, _ in exceptions:
        check_known("name in layer_rates", name, names)
    return dict.fromkeys(names, rate) | dict(exceptions)


def plain(value: object) -> object:
    """A value as JSON knows it, wherever it came from: NumPy's numbers become Python's, lists and pairs tuples.

    A float of less precision becomes the decimal number it prints as, so ``np.float32(0.2)`` means 0.2.

    Example:
        >>> plain(np.float32(0.2)), plain(np.int64(3)), plain([np.bool_(True), "a"]), plain({"dense": np.float64(0.5)})
        (0.2, 3, (True, 'a'), (('dense', 0.5),))
    """
    if isinstance(value, Mapping):
        value = tuple(value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(plain, value))
    if isinstance(value, np.floating):
        return float(str(value))
    return value.item() if isinstance(value, np.generic) else value


def make_plain(config: DataclassInstance) -> None:
    """Make the fields of a frozen dataclass `plain`, from within its ``__post_init__``: they are its identity.

    Raises:
        ValueError: for a field whose value is of another kind than its annotation says.
    """
    for field in fields(config):
        value = getattr(config, field.name)
        if isinstance(value, (np.generic, list, tuple, Mapping)):
            value = plain(value)
            object.__setattr__(config, field.name, value)
        _check_kind(field.name, value, field.type)


def _check_kind(name: str, value: object, annotation: object) -> None:
    """Refuse what is of another kind, numbers apart: 1 equals True, and would be another experiment."""
    if annotation == "bool" and not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, got {value!r}")
    if annotation == "str" and not isinstance(value, str):
        raise ValueError(f"{name} must be a word, got {value!r}")
    if annotation in ("Options", "Rates") and not _are_pairs(value):
        raise ValueError(f"{name} must be pairs of a name and a value, such as (('width', 3),), got {value!r}")


def _are_pairs(value: object) -> bool:
    pairs = value if isinstance(value, tuple) else (None,)
    return all(isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs)


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a real number, Python's or NumPy's, which computes alike; truth values are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a value is an integer, Python's or NumPy's, which computes alike; truth values are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_rate(rate: object) -> None:
    """Refuse a pruning rate outside [0, 1)."""
    if not is_number(rate) or not 0 <= rate < 1:
        raise ValueError(f"a pruning rate must lie in [0, 1), got {rate!r}; 0.2 removes a fifth of the survivors")


def check_positive_whole(name: str, value: object, *, most: int = LARGEST) -> None:
    """Refuse what is no whole number from 1 to `most`."""
    check_whole(name, value, least=1, most=most)


def check_whole(name: str, value: object, *, least: int = 0, most: int = LARGEST) -> None:
    """Refuse what is no whole number from `least` to `most`."""
    if not is_whole(value) or value < least:
        raise ValueError(f"{name} must be a whole number >= {least}, got {value!r}")
    if value > most:
        raise ValueError(f"{name} must be a whole number <= {most:,}, got {value:,}")


def check_file_name(what: str, value: object) -> None:
    """Refuse what cannot be part of the name of a folder: anything but a word that can be seen, without separators."""
    word = isinstance(value, str) and 0 < len(value) <= 100 and value.isprintable() and not value.startswith(".")
    if not word or not set(str(value)).isdisjoint("/\\:"):
        raise ValueError(
            f"{what} is part of the name of a folder of results: a word of 100 characters at most, without / and the "
            f"like; got {value!r}"
        )


def check_known(what: str, value: object, known: Collection[object]) -> None:
    """Refuse a word that is not among the known ones, and list them."""
    if value not in known:
        raise ValueError(f"unknown {what} {value!r}; known are {', '.join(map(str, known))}")
