"""What a result was computed with: versions, processor, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import lthcore
from lthcore.files import paths

PACKAGES = ("tensorflow", "keras", "numpy", "numba")


@cache
def describe() -> dict[str, str]:
    """Everything about this process that may change the last bits of a result, as plain strings."""
    return {
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
        "lthcore": lthcore.__version__,
        "commit": _commit(),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1"),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "vectors": _vectors(),
        "cores": str(os.cpu_count()),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _commit() -> str:
    """Commit of the package's source, marked when files of the package differ from it."""
    if not paths.is_checkout():  # a repository that an installed package happens to lie in says nothing about it
        return "unknown"
    git = ["git", "-C", str(paths.project_root())]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10)
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--", "lthcore"], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    if head.returncode:
        return "unknown"
    return head.stdout.strip() + ("+changes" if changed.stdout.strip() else "")


def _processor() -> str:
    return _cpuinfo("model name") or platform.processor() or "unknown"


def _vectors() -> str:
    """The widest vector instructions of the processor: rounding follows them, and one name sells several processors."""
    flags = _cpuinfo("flags").split()
    return next((name for name in ("avx512f", "avx2", "avx") if name in flags), platform.machine())


def _cpuinfo(key: str) -> str:
    """A line of Linux's description of the first processor; empty where there is none."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "")
