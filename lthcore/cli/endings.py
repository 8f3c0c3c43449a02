"""How a command ends: by one clear error, by an interruption, or because nobody takes what it prints."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import typer

from lthcore.experiments.executors.processes import ENDED

# What a shell reports of programs that these signals ended.
INTERRUPTED, TERMINATED, PIPE_CLOSED = 130, 143, 141


class Terminated(KeyboardInterrupt):
    """The system asks the process to end (SIGTERM): obeyed as an interruption from the keyboard is."""


def code_of(stop: KeyboardInterrupt) -> int:
    """The exit code after an interruption."""
    return TERMINATED if isinstance(stop, Terminated) else INTERRUPTED


@contextmanager
def terminable(first: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Raise `Terminated` where SIGTERM would end this process alone and leave its workers behind.

    Args:
        first: what is done before that, and before an interruption from the keyboard, once.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # Signals are heard by the main thread alone; a shell lets programs in the background ignore interrupts.
    heard = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    if threading.current_thread() is not threading.main_thread():
        heard = []

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        for other in heard:
            signal.signal(other, signal.default_int_handler)
        first()
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    for number in heard:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


def explained(error: BaseException) -> str | None:
    """What a user should be told of an error of the machine; None where the error is no such thing."""
    name = type(error).__name__
    if isinstance(error, BrokenExecutor):
        return ENDED
    if isinstance(error, MemoryError) or name == "ResourceExhaustedError":
        return f"memory is short: {_line(error) or 'none is left'}. Use fewer --workers, or lift a limit (`ulimit -v`)"
    if isinstance(error, ImportError) and any(word in str(error) for word in _UNMAPPED):
        return f"memory is too short to load a library: {_line(error)}. Is it limited (`ulimit -v`)?"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"cannot write {error.filename or 'the output'}: {error.strerror}. Make room and try again"
    return None


# How the loader says that memory is short; TensorFlow puts a traceback around it.
_UNMAPPED = ("failed to map segment", "cannot allocate memory", "Cannot allocate memory")


def _line(error: BaseException) -> str:
    """The line of a message that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if any(word in line for word in _UNMAPPED)), lines[0] if lines else "")


def interruption_in(error: BaseException | None) -> KeyboardInterrupt | None:
    """The interruption an error comes from: a library that was loading turned it into an error of its own."""
    while error and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error if isinstance(error, KeyboardInterrupt) else None


def ended(app: Callable[[], object]) -> None:
    """Run the command line; what is no defect ends in a line and an exit code."""
    try:
        app()
    except Exception as error:
        stop, reason = interruption_in(error), explained(error)
        if stop:
            _leave("interrupted", code_of(stop))
        if reason is None:
            raise
        _leave(f"error: {reason}", 1)
    except KeyboardInterrupt as stop:
        _leave("interrupted", code_of(stop))


def _leave(line: str, code: int) -> NoReturn:
    silence()
    typer.secho(line, err=True, fg="red")
    sys.exit(code)


def silence() -> None:
    """Send what is left to print nowhere: whoever should take it cannot, and Python would complain of it at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
