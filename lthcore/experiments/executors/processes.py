"""A pool of single-threaded processes that end with their parent.

Nothing here loads TensorFlow before a process is told to: its first act is to watch its parent.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess

ENDED = (
    "a worker process was ended from outside, most likely by the system for lack of memory. Finished networks are "
    "kept: run again to go on, with fewer workers if memory is short"
)


class WorkerError(RuntimeError):
    """A process that computes was ended, or cannot compute; the message says why and what to do."""


def process_pool(workers: int, modules: Sequence[str] = ()) -> ProcessPoolExecutor:
    """A pool of single-threaded processes: for independent trials faster than one process with many threads.

    Whatever ends the parent ends them as well. An interruption from the keyboard is the parent's alone to obey: what
    the processes compute at that moment can come to its end and be stored.

    Args:
        workers: how many.
        modules: names of modules that each of them imports, so that it knows what these register.
    """
    return ProcessPoolExecutor(workers, _Context(), initializer=_begin, initargs=(tuple(modules),))


def prepare(modules: Sequence[str]) -> None:
    """Let TensorFlow compute in one thread, where it has not begun to compute, and import modules."""
    import tensorflow as tf

    with suppress(RuntimeError):  # it has begun, in a process that somebody else set up
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    for name in modules:
        import_module(name)


class _Process(SpawnProcess):
    def start(self) -> None:
        """Start with interrupts blocked, which the new process inherits from its first instruction on."""
        with _interrupts_blocked():
            super().start()


class _Context(SpawnContext):
    Process = _Process


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Keep interrupts of this thread waiting; Windows cannot."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(modules: Sequence[str]) -> None:
    """What a process of the pool begins with."""
    end_with_parent()
    try:
        prepare(modules)
    except (ImportError, MemoryError) as error:  # the parent has imported the same, so this one lacks memory
        reason = str(error).strip().splitlines() or [type(error).__name__]
        sys.stderr.write(f"a worker process cannot start: {reason[0]}\n")
        sys.stderr.flush()
        os._exit(1)


def end_with_parent() -> None:
    """End this process as soon as the one that started it is gone, whatever is being computed.

    Killed parents cannot end their children, and children that wait for work, or compute, do not notice.
    """
    parent = multiprocessing.parent_process()
    if parent:
        threading.Thread(target=_end_after, args=(parent.sentinel,), name="parent-watch", daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)  # records are written whole or not at all
