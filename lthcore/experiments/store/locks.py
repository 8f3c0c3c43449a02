"""Locks between processes: a trial is computed by one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lthcore.experiments.store.errors import StoreError

# Seconds for which a process waits for another one before it says so.
PATIENCE = 3.0


@contextmanager
def held(path: Path, what: str, waiting: Callable[[str], object] | None = None) -> Iterator[None]:
    """Hold the lock of a file, which is made if need be; who comes second waits.

    Args:
        path: the file. It stays when the lock is given back, for another process may be waiting for it.
        what: what is locked, in words.
        waiting: called with a sentence if that takes more than `PATIENCE`.

    Raises:
        StoreError: if the file cannot be written.
    """
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=PATIENCE)
        except Timeout:
            if waiting:
                waiting(f"waiting for {what}, which another process is computing")
            lock.acquire()
    except OSError as error:
        raise StoreError(f"cannot write to {path.parent}: {error}. Choose another folder for the results") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def free(paths: Iterable[Path]) -> Iterator[bool]:
    """Hold several locks at once, without waiting; gives whether all of them were free.

    Raises:
        OSError: if a file cannot be written.
    """
    with ExitStack() as stack:
        try:
            for path in paths:
                stack.enter_context(FileLock(path).acquire(timeout=0))
        except Timeout:
            yield False
        else:
            yield True
