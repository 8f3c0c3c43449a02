"""Compiles the kernels with numba, keeps what it compiled in a cache folder, and says when it cannot.

Numba keeps compiled functions in files of its own, which Python reads as it reads ``.pyc`` files. They lie in a folder
of the user's that is named by the text of the kernels: when any kernel changes, all are compiled anew. Numba by itself
would look at the file of the outermost kernel only.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from lthcore.files import paths

NEEDED = (0, 68)


def missing() -> str | None:
    """Why kernels cannot be compiled here, in a sentence with what to do; None if they can."""
    try:
        found = version("numba")
    except PackageNotFoundError:
        return "numba is not installed: pip install 'numba>=0.68'"
    if tuple(int(part) for part in found.split(".")[:2]) < NEEDED:
        return f"numba {found} is too old: pip install --upgrade numba"
    try:
        import numba
    except (ImportError, OSError) as error:
        return f"numba {found} cannot be imported beside NumPy {np.__version__} ({error}): pip install --upgrade numba"
    return "numba compiles nothing: unset NUMBA_DISABLE_JIT" if numba.config.DISABLE_JIT else None


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function at its first call, once per machine where a cache folder can be written.

    Divisions by zero give infinities, as everywhere in NumPy; indices are not checked.
    """
    import numba

    before, folder = numba.config.CACHE_DIR, _folder()
    numba.config.CACHE_DIR = str(folder)
    settings: dict[str, Any] = {"error_model": "numpy", "boundscheck": False, "nogil": True}
    try:
        # Where the folder cannot be written, numba would try others, whose names say nothing of the kernels' text.
        return numba.njit(cache=_is_writable(folder), **settings)(function)
    finally:
        numba.config.CACHE_DIR = before


def _folder() -> Path:
    """Where compiled kernels are kept: what the environment says, or the folder of caches."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    return (Path(given) if given else paths.cache()) / f"kernels-{fingerprint()}"


@cache
def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


@cache
def fingerprint() -> str:
    """A name for the kernels as they are written."""
    sources = sorted(Path(__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
