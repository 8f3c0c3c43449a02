"""Ends a process, or fills its disk, at a chosen call to the system: at what moment is a store ever in danger?

A program under test imports this module (`--import strikes`) and finds in its environment where it is to be struck. A
process that was forked for it calls `install`.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

# Calls that change what a disk holds, of all that this package makes.
CALLS = ("write", "fsync", "replace", "rename", "unlink")


def kill_process() -> NoReturn:
    """End this process as a lack of memory does."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a killed process goes on")


def kill_group() -> NoReturn:
    """End this process and all of its group at once, as a machine does that loses its power."""
    os.killpg(0, signal.SIGKILL)
    raise AssertionError("a killed process goes on")


def fill_disk() -> NoReturn:
    """Refuse, as a full disk does."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


ACTIONS: dict[str, Callable[[], NoReturn]] = {
    action.__name__: action for action in (kill_process, kill_group, fill_disk)
}


@dataclass(frozen=True)
class Strike:
    """What happens to a process, and when.

    Args:
        action: name of what is done.
        number: at which of the calls, counted from one. What happens just after a call is what happens just before the
            next one; after the last one, nothing is left to do.
        calls: the calls that count, separated by commas.
        folder: only calls for files in it count.
    """

    action: str
    number: int
    calls: str
    folder: str

    @property
    def environment(self) -> dict[str, str]:
        """What a program that imports this module is told by."""
        return {_VARIABLE: f"{self.action}:{self.number}:{self.calls}:{self.folder}"}

    @classmethod
    def told(cls, text: str) -> Strike:
        """The inverse of `environment`."""
        action, number, calls, folder = text.split(":", 3)
        return cls(action, int(number), calls, folder)


# What a process exits with that met an error of the store, which it wrote to the file of this name beside it, and one
# that came to its end before the call at which it was to be struck.
FAILED, MISSED = 76, 77
ERROR = "error"

_VARIABLE = "LTHCORE_TEST_STRIKE"


def install(strike: Strike) -> Callable[[], bool]:
    """Let the calls of this process count, and the fatal one be fatal; gives whether it has come."""
    seen: list[Path] = []

    def count(path: Path) -> None:
        if path.is_relative_to(strike.folder):
            seen.append(path)
            if len(seen) == strike.number:
                ACTIONS[strike.action]()

    def counted(call: Callable, path_of: Callable) -> Callable:
        def struck(first, *others, **options):
            count(path_of(first))
            return call(first, *others, **options)

        return struck

    class File(io.FileIO):
        """A file whose pieces go to the disk one by one."""

        def write(self, data) -> int:
            count(_path_of(self.fileno()))
            return super().write(data)

    chosen = strike.calls.split(",")
    for name in {"fsync", "replace", "rename", "unlink"} & set(chosen):
        setattr(os, name, counted(getattr(os, name), _path_of if name == "fsync" else Path))
    if "write" in chosen:
        opened = os.fdopen
        os.fdopen = lambda handle, mode="r", *options: (
            File(handle, mode) if mode == "wb" else opened(handle, mode, *options)
        )
    return lambda: len(seen) >= strike.number


def _path_of(handle: int) -> Path:
    return Path(f"/proc/self/fd/{handle}").readlink()


def under(strike: Strike, deed: str) -> None:
    """Do something to a store while a strike threatens; for a process of its own, whose exit code tells what came."""
    from deeds import DEEDS

    from lthcore.experiments.store import StoreError

    struck, root = install(strike), Path(strike.folder)
    try:
        DEEDS[deed].work(root)
    except StoreError as error:
        root.with_name(ERROR).write_text(str(error))
        sys.exit(FAILED)
    sys.exit(0 if struck() else MISSED)


if _VARIABLE in os.environ:
    install(Strike.told(os.environ[_VARIABLE]))
