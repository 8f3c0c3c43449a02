"""Compiles the kernels with numba, keeps what it compiled in a cache folder, and says when it cannot.

Numba keeps compiled functions in files of its own, which Python reads as it reads ``.pyc`` files. They lie in a folder
of the user's that is named by the text of the kernels: when any kernel changes, all are compiled anew.
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

    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(_folder())
    settings: dict[str, Any] = {"error_model": "numpy", "boundscheck": False, "nogil": True}
    try:
        return numba.njit(cache=True, **settings)(function)
    except RuntimeError:  # no folder can be written: each process compiles for itself
        return numba.njit(**settings)(function)
    finally:
        numba.config.CACHE_DIR = before


def _folder() -> Path:
    """Where compiled kernels are kept: what the environment says, or the folder of caches."""
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(given)
    return paths.cache() / f"kernels-{fingerprint()}"


@cache
def fingerprint() -> str:
    """A name for the kernels as they are written."""
    sources = sorted(Path(__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
