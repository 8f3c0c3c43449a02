"""Where things lie: in the checkout that the package lies in, or, for a plain install, where the user wants them.

A checkout has everything below its folder ``data``, wherever one works. A plain install keeps results of one's own in
``$LTHCORE_HOME/runs``, or else in ``lthcore-runs`` below the working directory; downloads and caches in
``$LTHCORE_HOME/data``, or else in the user's cache folder; and finds published results in ``$LTHCORE_RESULTS``.
"""

from __future__ import annotations

import os
from pathlib import Path

_ABOVE = Path(__file__).resolve().parents[2]


def is_checkout() -> bool:
    """Whether the package lies in a checkout of its repository, with the book and the published results beside it."""
    return (_ABOVE / "_toc.yml").is_file()


def project_root() -> Path:
    """The checkout this package lies in, or a cache folder of the user's when it is installed without one."""
    return _ABOVE if is_checkout() else _user_cache()


def results() -> Path:
    """Published results, committed: what the book is drawn from."""
    if not is_checkout() and (given := _given("LTHCORE_RESULTS")):
        return given
    return _data() / "results"


def runs() -> Path:
    """Results of one's own, not committed."""
    if is_checkout():
        return _data() / "runs"
    home = _given("LTHCORE_HOME")
    return home / "runs" if home else Path.cwd() / "lthcore-runs"


def runs_explained() -> str:
    """Where results of one's own go and how to have them elsewhere, in a sentence."""
    how = "--out" if is_checkout() else "--out or LTHCORE_HOME"
    return f"Results of your own are kept in {runs()}; {how} names another folder."


def cache() -> Path:
    """What can be made again from data files, and is kept because making it takes long; not committed."""
    return _data() / "cache"


def raw() -> list[Path]:
    """Folders in which data files are looked for, in order: ``$LTH_DATA``, then the one downloads go to."""
    found = [_data() / "raw"]
    if given := os.environ.get("LTH_DATA"):
        # A relative path means the same from the project's root and from its notebooks' folder.
        here, root = Path(given).expanduser(), project_root() / given
        found.insert(0, here if here.is_absolute() or here.is_dir() or not is_checkout() else root)
    return found


def _data() -> Path:
    """The folder of data that no one typed."""
    home = None if is_checkout() else _given("LTHCORE_HOME")
    return (home or project_root()) / "data"


def _given(variable: str) -> Path | None:
    """The folder that a variable names, whatever the working directory becomes; None if it is not set."""
    value = os.environ.get(variable)
    return Path(value).expanduser().absolute() if value else None


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lthcore"
