"""What TensorFlow must know before it is imported, and a quiet start for it.

Run as a program, this file passes its input on to stderr, without the lines that TensorFlow prints at every start.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import os
import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

ONEDNN, LOG_LEVEL, XLA_FLAGS = "TF_ENABLE_ONEDNN_OPTS", "TF_CPP_MIN_LOG_LEVEL", "XLA_FLAGS"
# Full vectors make a training step a twentieth faster and change no bit of the weights.
VECTORS = "--xla_cpu_prefer_vector_width"

# Information and warnings that are printed before TensorFlow reads its log level, and the two "errors" that say no more
# than that a machine has no GPU or that two copies of one library are linked in. Everything else is passed on.
NOISE = re.compile(
    rb"^WARNING: All log messages before absl::InitializeLog\(\)"
    rb"|^[IW]\d{4} \d\d:\d\d:[\d.]+ "
    rb"|^To enable the following instructions: "
    rb"|^E\d{4} .*(failed call to cuInit|factory for plugin|already registered)"
)


def apply() -> None:
    """Set what TensorFlow reads once, when it is imported; called by ``import lthcore`` itself.

    oneDNN changes the last bits of every result; off, the same numbers come from more machines. What the environment
    says already is left as it is. XLA reads its flags when it first compiles, so they hold in any case.

    Warns:
        RuntimeWarning: if TensorFlow is imported already and computes with oneDNN, though nobody asked for that.
    """
    imported = "tensorflow" in sys.modules
    if VECTORS not in os.environ.get(XLA_FLAGS, ""):
        os.environ[XLA_FLAGS] = f"{os.environ.get(XLA_FLAGS, '')} {VECTORS}=512".strip()
    os.environ.setdefault(LOG_LEVEL, "2")  # errors only; too late for this process if imported, but not for its workers
    if ONEDNN not in os.environ and imported and _computes_with_onednn():
        warnings.warn(
            "TensorFlow was imported before lthcore and computes with oneDNN, so the last bits of results differ from "
            "stored ones: import lthcore before keras and tensorflow, or start with TF_ENABLE_ONEDNN_OPTS=0",
            RuntimeWarning,
            stacklevel=3,
        )
        return
    os.environ.setdefault(ONEDNN, "0")
    if not imported and os.environ[LOG_LEVEL] >= "2":
        sys.meta_path.insert(0, _QuietImport())


def _computes_with_onednn() -> bool:
    """What the running TensorFlow decided; by default that hangs on the processor."""
    try:
        return importlib.import_module("tensorflow.python.util._pywrap_util_port").IsMklEnabled()
    except (ImportError, AttributeError):
        return True  # nothing is known, so better one warning too many


class _QuietImport(importlib.abc.MetaPathFinder):
    """Finds TensorFlow as Python does, and lets it start without noise."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "tensorflow":
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        specs = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in specs if spec), None)
        if spec and spec.loader:
            spec.loader.exec_module = partial(_quietly, self, spec.loader.exec_module)  # type: ignore[method-assign]
        return spec


def _quietly(finder: _QuietImport, execute: Callable[[ModuleType], None], module: ModuleType) -> None:
    with _without_noise():
        execute(module)
        # Looking for a GPU complains where there is no driver, and is done sooner or later anyway.
        if sys.platform == "linux" and not Path("/proc/driver/nvidia").exists():
            module.config.list_physical_devices()
    if finder in sys.meta_path:
        sys.meta_path.remove(finder)


@contextmanager
def _without_noise() -> Iterator[None]:
    """Send stderr, also that of C++ code, through another process, which survives should this one be aborted.

    Where that cannot be had, nothing is filtered.
    """
    import subprocess

    try:
        before = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    try:
        command = [sys.executable, "-I", "-S", __file__]
        reader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=before)
    except (OSError, TypeError, ValueError):  # an embedded interpreter, or no process is left
        os.close(before)
        yield
        return
    _flush()
    assert reader.stdin
    os.dup2(reader.stdin.fileno(), 2)
    try:
        yield
    finally:
        _flush()
        os.dup2(before, 2)
        os.close(before)
        reader.stdin.close()
        reader.wait()


def _flush() -> None:
    if sys.stderr:
        sys.stderr.flush()


def without_noise(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines that say something.

    Example:
        >>> list(without_noise([b"I0000 00:00:17.5 11 cudart_stub.cc:31] Could not find cuda drivers", b"F0000 dead"]))
        [b'F0000 dead']
    """
    return (line for line in lines if not NOISE.match(line))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the process that is watched
    for _line in without_noise(sys.stdin.buffer):
        sys.stderr.buffer.write(_line)
        sys.stderr.buffer.flush()
