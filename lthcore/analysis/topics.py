"""What pruning does to single categories: F1 by category and round, by how frequent they are, and when they die."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from lthcore.experiments.records import Record
from lthcore.text import metrics

# Classes of categories by their training documents: lower bound → label, the most frequent first.
CLASSES = {300: "300 or more", 100: "100 to 299", 30: "30 to 99", 10: "10 to 29", 0: "fewer than 10"}


def by_category(records: Iterable[Record], categories: Sequence[str], sizes: Sequence[int]) -> pd.DataFrame:
    """Counts of every category in every network, at the threshold chosen on validation.

    Args:
        records: of networks of label sets.
        categories: their names, in the order of the columns.
        sizes: training documents of each.

    Returns:
        One row per network and category: ``trial, round, density, category, size, class, true, false, missed``.

    Raises:
        ValueError: if a record has other categories, or none.
    """
    parts = []
    for record in records:
        if record.counts is None or record.counts.shape[1] != len(categories):
            raise ValueError(f"{record.experiment.identity} has no counts of these {len(categories)} categories")
        part = pd.DataFrame(record.counts[1], columns=["true", "false", "missed"])
        part = part.assign(category=categories, size=sizes, trial=record.trial, round=record.round)
        parts.append(part.assign(density=record.density))
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(**{"class": [class_of(size) for size in frame["size"]]})


def class_of(size: int) -> str:
    """The class of a category with so many training documents."""
    return next(label for bound, label in CLASSES.items() if size >= bound)


def by_class(frame: pd.DataFrame) -> pd.DataFrame:
    """Micro-F1 within each class of categories, network by network: ``trial, round, density, class, micro_f1``."""
    return _pooled(frame, ["trial", "round", "density", "class"])


def over_trials(frame: pd.DataFrame) -> pd.DataFrame:
    """F1 of each category in each round, counts of all trials pooled: ``round, density, category, size, micro_f1``."""
    return _pooled(frame, ["round", "density", "category", "size"])


def deaths(pooled: pd.DataFrame) -> pd.DataFrame:
    """When categories die: the first round from which on not one of their documents is found in any trial.

    Args:
        pooled: of `over_trials`.

    Returns:
        One row per category: ``category, size, dense, died``: F1 in the first round given, that of the dense network,
        and the density of the round in which it died; 1 if no network ever found it, 0 if it lives to the last.
    """
    rows = []
    for (category, size), part in pooled.groupby(["category", "size"], sort=False):
        part = part.sort_values("round")
        alive = np.flatnonzero(part["micro_f1"].to_numpy() > 0)
        first_dead = alive[-1] + 1 if len(alive) else 0
        died = part["density"].iloc[first_dead] if first_dead < len(part) else 0.0
        rows.append({"category": category, "size": size, "dense": part["micro_f1"].iloc[0], "died": died})
    return pd.DataFrame(rows)


def skew(found: pd.DataFrame) -> Mapping[str, float]:
    """Whether frequent categories live longer: Spearman's rank correlation of size and density at death.

    Categories the dense network does not find say nothing and are left out, even if a pruned one finds them. Negative
    means that the frequent live longer.

    Returns:
        ``correlation``, ``p`` (two-sided), ``n``; NaN where all died at once.
    """
    known = found[found["dense"] > 0]
    if known["died"].nunique() < 2 or known["size"].nunique() < 2:
        return {"correlation": np.nan, "p": np.nan, "n": len(known)}
    result = stats.spearmanr(known["size"], known["died"])
    return {"correlation": float(result.statistic), "p": float(result.pvalue), "n": len(known)}


def _pooled(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    table = frame.groupby(keys, as_index=False, sort=False)[["true", "false", "missed"]].sum()
    counts = table[["true", "false", "missed"]].to_numpy()
    return table.assign(micro_f1=metrics.f1(counts))
