"""Where things lie, located by the package and never by the working directory."""

from __future__ import annotations

import os
from pathlib import Path


def project_root() -> Path:
    """The checkout this package lies in, or a cache folder of the user's when it is installed without one."""
    checkout = Path(__file__).resolve().parents[2]
    return checkout if (checkout / "_toc.yml").is_file() else Path.home() / ".cache" / "lthcore"


def results() -> Path:
    """Published results, committed: what the book is drawn from."""
    return project_root() / "data" / "results"


def runs() -> Path:
    """Results of one's own, not committed."""
    return project_root() / "data" / "runs"


def cache() -> Path:
    """What can be made again from data files, and is kept because making it takes long; not committed."""
    return project_root() / "data" / "cache"


def raw() -> list[Path]:
    """Folders in which data files are looked for, in order: ``$LTH_DATA``, then the one downloads go to."""
    found = [project_root() / "data" / "raw"]
    if given := os.environ.get("LTH_DATA"):
        # A relative path means the same from the project's root and from its notebooks' folder.
        here, root = Path(given), project_root() / given
        found.insert(0, here if here.is_absolute() or here.is_dir() else root)
    return found
