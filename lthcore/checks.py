"""What numbers and words of a configuration are refused, and with which words."""

from __future__ import annotations

Options = tuple[tuple[str, float | int | bool | str], ...]


def with_exceptions(rate: float, exceptions: Options, names: tuple[str, ...]) -> dict[str, float]:
    """The rate of each name, with its exceptions."""
    for name, _ in exceptions:
        check_known("name in layer_rates", name, names)
    return dict.fromkeys(names, rate) | dict(exceptions)


def check_rate(rate: float) -> None:
    """Refuse a pruning rate outside [0, 1)."""
    if not isinstance(rate, (int, float)) or not 0 <= rate < 1:
        raise ValueError(f"a pruning rate must lie in [0, 1), got {rate!r}; 0.2 removes a fifth of the survivors")


def check_positive_whole(name: str, value: object) -> None:
    """Refuse what is no whole number from 1 on."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a whole number >= 1, got {value!r}")


def check_whole(name: str, value: object) -> None:
    """Refuse what is no whole number from 0 on."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} must be a whole number >= 0, got {value!r}")


def check_known(what: str, value: object, known: object) -> None:
    """Refuse a word that is not among the known ones, and list them."""
    if value not in known:
        raise ValueError(f"unknown {what} {value!r}; known are {', '.join(map(str, known))}")
