"""Criteria: evidence about a run → scores, higher means keep.

A criterion is a function, or a `Criterion` where more has to be said of it. A configuration takes either, or the name
of one that is registered; `register` gives a name to one of your own. Those of the package are registered by the
modules of this folder, each a family of them, and are attributes of it: ``criteria.large_final``.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from lthcore.pruning.criteria.criterion import CRITERIA, Criterion, Score, named, register, unknown
from lthcore.pruning.criteria.evidence import Evidence, Probe, Scores

__all__ = ["CRITERIA", "Criterion", "Evidence", "Probe", "Score", "Scores", "named", "register", "unknown"]

for _family in sorted(module.name for module in iter_modules(__path__)):
    import_module(f"{__name__}.{_family}")
CRITERIA.seal()


def __getattr__(name: str) -> Score:
    """The function of a registered criterion."""
    if name not in CRITERIA:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; criteria are {', '.join(CRITERIA)}")
    return CRITERIA[name].score


def __dir__() -> list[str]:
    return sorted([*__all__, *CRITERIA])
