"""What a store refuses, and the words for it: no message advises to remove what may be sound."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

# How the errors end that an examination of the store explains.
ADVICE = ". It is kept as it is; `python -m lthcore doctor` says what to do"

# Files that an error names before it only counts them.
_READ = 20


class StoreError(Exception):
    """A record is missing, unreadable, or cannot be written; the message says which and what to do."""


class UnreadableError(StoreError):
    """A file is there, and what it should hold cannot be had from it; other results are not affected.

    Args:
        message: which file it is, what is wrong with it and what to do.
        path: the file, or the folder.
        aside: what the file is called after, once it is put aside to make room for another: ``"damaged"``,
            ``"misplaced"`` or ``"outdated"``. Empty where it must stay, for it may be sound.
    """

    def __init__(self, message: str, path: Path | None = None, aside: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.aside = aside

    def __reduce__(self) -> tuple:
        """It travels between processes."""
        return type(self), (str(self), self.path, self.aside)

    def again(self) -> UnreadableError:
        """The same error, without the traces of where it was raised before."""
        return UnreadableError(str(self), self.path, self.aside)


def together(sentences: Sequence[str]) -> UnreadableError:
    """One error of several, each told once on a line of its own, as far as anybody reads."""
    distinct = list(dict.fromkeys(sentences))
    more = [f"… and {len(distinct) - _READ} more, which `python -m lthcore doctor` names"] * (len(distinct) > _READ)
    return UnreadableError("\n".join([*distinct[:_READ], *more]))


def damaged(path: Path, error: Exception) -> UnreadableError:
    """What the file holds is not what was written to it."""
    return UnreadableError(f"{path} is damaged: {error}{ADVICE}", path, "damaged")


def refused(path: Path, error: OSError) -> UnreadableError:
    """The system does not give what is there: no permission, a disk that fails, too many open files."""
    why = error.strerror or str(error) or type(error).__name__
    return UnreadableError(
        f"cannot read {path}: {why}. It may be sound and is kept; try again when it can be read", path
    )


def newer(path: Path, error: Exception) -> UnreadableError:
    """The file is of a later version of lthcore."""
    return UnreadableError(f"{path} was written by a newer lthcore: {error}. Upgrade lthcore to read it", path)


def misplaced(path: Path, belongs: Path) -> UnreadableError:
    """The file is sound, and another's."""
    return UnreadableError(
        f"{path} holds the result of another run, which belongs in {belongs}{ADVICE}", path, "misplaced"
    )


def outdated(path: Path, source: str) -> UnreadableError:
    """The file is sound, and its network was trained with a mask that its search no longer has."""
    return UnreadableError(
        f"{path} is of a network that was trained with another mask than {source} now gives{ADVICE}",
        path,
        "outdated",
    )
