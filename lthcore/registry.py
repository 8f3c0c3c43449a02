"""Words and the values they stand for, open to whoever has another one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

# What look-ups return. Documented signatures say Any, for Sphinx knows no type variables.
Value = TypeVar("Value")

# Words end up in names of files and in comma-separated lists.
_WORD = re.compile(r"\w[\w.+-]*")


class UnknownNameError(ValueError, KeyError):
    """A name that nothing is registered under; a ValueError to people, a KeyError to the protocol of mappings."""

    # KeyError prints the representation of its message.
    __str__ = ValueError.__str__


class Registry(Mapping[str, Value], Generic[Value]):
    """A mapping from names to values that only grows by `register`.

    Args:
        what: what a value is, in the singular, for messages, such as ``"data set"``.
        how: how another one is registered, for messages, such as ``"lth.datasets.register(name, load)"``.
        check: raises a ValueError or TypeError if a value is none of its kind.
        values: what is registered from the start.

    Example:
        >>> shapes = Registry("shape", "shapes.register(name, corners)", values={"square": 4})
        >>> shapes.register("triangle", 3)
        3
        >>> shapes["triangle"], list(shapes), "circle" in shapes
        (3, ['square', 'triangle'], False)
        >>> shapes["circle"]  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        lthcore.registry.UnknownNameError: unknown shape 'circle'; known are square, triangle; register one ...
    """

    def __init__(
        self,
        what: str,
        how: str,
        *,
        check: Callable[[Any], object] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> None:
        self.what, self.how = what, how
        self._check = check
        self._values: dict[str, Value] = {}
        self._sealed: frozenset[str] = frozenset()
        for name, value in (values or {}).items():
            self.register(name, value)

    def register(self, name: str, value: Any, *, replace: bool = False) -> Any:
        """Give a value a name.

        Args:
            name: letters, digits, ``_``, ``-``, ``+`` and ``.``; it may end up in the name of a file.
            value: what it stands for.
            replace: take a name that is taken, unless it is sealed: for a cell of a notebook that runs again.

        Returns:
            The value.

        Raises:
            ValueError: if the name is taken or no word.
            TypeError: if the name is no string.
        """
        if not isinstance(name, str):
            raise TypeError(f"the name of a {self.what} must be a string, got {name!r}")
        if not _WORD.fullmatch(name):
            raise ValueError(f"the name of a {self.what} must be a word like 'mine' or 'mine-2', got {name!r}")
        if self._check:
            self._check(value)
        if name in self._sealed:
            raise ValueError(f"{self.what} {name!r} is lthcore's own, and stored results rely on it; take another name")
        if name in self._values and not replace:
            raise ValueError(f"{self.what} {name!r} is registered already; take another name, or pass replace=True")
        self._values[name] = value
        return value

    def remove(self, name: str) -> None:
        """Forget a name that is not sealed.

        Raises:
            ValueError: if it is unknown or sealed.
        """
        if name in self._sealed:
            raise ValueError(f"{self.what} {name!r} is lthcore's own, and cannot be removed")
        self[name]
        del self._values[name]

    def seal(self) -> None:
        """Keep the names registered so far from being replaced or removed: stored results rely on what they mean."""
        self._sealed = frozenset(self._values)

    @property
    def sealed(self) -> frozenset[str]:
        """The names that cannot be replaced or removed."""
        return self._sealed

    def __getitem__(self, name: str) -> Value:
        try:
            return self._values[name]
        except (KeyError, TypeError):  # TypeError: a list or the like, which no mapping holds
            raise UnknownNameError(
                f"unknown {self.what} {name!r}; known are {', '.join(self) or 'none'}; "
                f"register one of your own by {self.how}"
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Registry({self.what}: {', '.join(self)})"
