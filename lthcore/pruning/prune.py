"""Scores → mask: which survivors go, counted exactly.

Of n survivors n − round(rate · n) stay. Equal scores are told apart by their place: the lower flat index goes
first. Each layer keeps at least one weight, because a layer without weights cuts the network in two.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from lthcore.checks import check_known, check_rate
from lthcore.pruning.criteria.evidence import Scores
from lthcore.pruning.mask import Mask

# Whether layers are pruned apart or compete.
SCOPES = ("layerwise", "global")


def prune(
    mask: Mask,
    scores: Scores,
    rates: Mapping[str, float],
    *,
    scope: str = "layerwise",
) -> Mask:
    """Remove the lowest-scored survivors.

    Args:
        mask: the current mask; pruned weights stay pruned, whatever their score.
        scores: name → array of the mask's shapes, higher means keep.
        rates: name → share of the layer's survivors to remove, in [0, 1). With global scope the survivors of all
            layers compete for one budget, the sum of the layers' own; but a layer of rate 0 is protected: it takes no
            part and loses nothing.
        scope: ``"layerwise"`` or ``"global"``.

    Returns:
        A mask within `mask`: of a layer's n survivors round(rate · n) go; with global scope as many go in all, but
        wherever the scores are lowest.

    Raises:
        ValueError: for a rate outside [0, 1), an unknown scope, or missing, misshapen or NaN scores.

    Example:
        >>> mask = Mask({"w": [True, True, True, True]})
        >>> prune(mask, {"w": np.array([0.3, 0.1, 0.1, 0.2])}, {"w": 0.25})["w"].tolist()
        [True, False, True, True]

    Source: {cite}`FC18`, section 1 and appendix G; exact counts are ours.
    Book: chapter *Reproduction*.
    """
    if missing := [name for name in mask if name not in rates]:
        raise ValueError(f"no pruning rate for {missing[0]!r}; there are rates for {', '.join(rates)}")
    survivors = {name: int(mask[name].sum()) for name in mask}
    counts = {name: n - removals(n, rates[name]) for name, n in survivors.items()}
    return keep(mask, scores, counts, scope=scope, protect=protected(rates) & mask.keys())


def protected(rates: Mapping[str, float]) -> frozenset[str]:
    """The names of rate 0, which lose nothing whatever the scope."""
    return frozenset(name for name, rate in rates.items() if rate == 0)


def keep(
    mask: Mask,
    scores: Scores,
    counts: Mapping[str, int],
    *,
    scope: str = "layerwise",
    protect: Collection[str] = (),
) -> Mask:
    """Keep exactly so many of the highest-scored survivors.

    Args:
        mask: the current mask.
        scores: name → array of the mask's shapes, higher means keep.
        counts: name → how many of the layer's survivors stay; with global scope only their sum counts.
        scope: ``"layerwise"`` or ``"global"``.
        protect: names that keep all their survivors, and with global scope do not compete.

    Raises:
        ValueError: for a count that is not in 1 … survivors, or with global scope a sum that is not in layers …
            survivors; an unknown scope or protected name; or missing, misshapen or NaN scores.

    Example:
        >>> keep(Mask({"w": [True, True, False]}), {"w": np.array([0.3, 0.1, 0.9])}, {"w": 1})["w"].tolist()
        [True, False, False]
    """
    _check(mask, scores, counts, scope, protect)
    open_to_all = [name for name in mask if name not in protect]
    groups = [[name] for name in open_to_all] if scope == "layerwise" else [open_to_all]
    kept: dict[str, np.ndarray] = dict(mask)
    for names in filter(None, groups):
        excess = sum(int(mask[name].sum()) - counts[name] for name in names)
        kept |= _remove_lowest(mask, scores, names, excess)
    return Mask(kept)


def ladder(
    mask: Mask, scores: Scores, rates: Mapping[str, float], rounds: int, *, scope: str = "layerwise"
) -> list[Mask]:
    """The masks of rounds 0 … `rounds` when every round prunes by the same scores.

    This is one-shot pruning at each density of the iterative schedule: because the order of the scores never
    changes, pruning in small bites and in one bite leave the same survivors.
    """
    masks = [mask]
    for _ in range(rounds):
        masks.append(prune(masks[-1], scores, rates, scope=scope))
    return masks


def removals(survivors: int, rate: float) -> int:
    """How many of `survivors` go at `rate`: round(rate · n), but never the last one."""
    check_rate(rate)
    return min(round(rate * survivors), max(survivors - 1, 0))


def _remove_lowest(mask: Mask, scores: Scores, names: Sequence[str], count: int) -> dict[str, np.ndarray]:
    alive = np.concatenate([mask[name].reshape(-1) for name in names])
    values = np.concatenate([np.asarray(scores[name], np.float64).reshape(-1) for name in names])
    ends = np.cumsum([mask[name].size for name in names])
    candidates = np.flatnonzero(alive)
    order = candidates[np.argsort(values[candidates], kind="stable")]
    # The last in line of every layer is out of reach, so no layer is ever emptied.
    layer_of = np.searchsorted(ends, order, side="right")
    last_in_line = len(order) - 1 - np.unique(layer_of[::-1], return_index=True)[1]
    alive[np.delete(order, last_in_line)[:count]] = False
    parts = np.split(alive, ends[:-1])
    return {name: part.reshape(mask[name].shape) for name, part in zip(names, parts, strict=True)}


def _check(mask: Mask, scores: Scores, counts: Mapping[str, int], scope: str, protect: Collection[str]) -> None:
    check_known("scope", scope, SCOPES)
    for name in protect:
        check_known("protected name", name, mask)
    for name, array in mask.items():
        if name not in scores:
            raise ValueError(f"no scores for {name!r}; there are scores for {', '.join(scores)}")
        survivors = int(array.sum())
        counted = name in counts and (scope == "global" or min(1, survivors) <= counts[name] <= survivors)
        if name not in protect and not counted:
            raise ValueError(
                f"{name!r} has {survivors} survivors, of which 1 at least can stay; got {counts.get(name)}"
            )
        given = np.asarray(scores[name])
        if given.shape != array.shape:
            raise ValueError(f"scores of {name!r} have shape {given.shape}, the mask has {array.shape}")
        if np.isnan(given[array]).any():
            raise ValueError(f"scores of {name!r} contain NaN: the run they come from has diverged")
    if scope == "global":
        _check_sum({name: int(mask[name].sum()) for name in mask if name not in protect}, counts)


def _check_sum(survivors: Mapping[str, int], counts: Mapping[str, int]) -> None:
    """Refuse a sum that is not to be kept: every layer with survivors keeps one of them at least."""
    wanted, least = sum(counts[name] for name in survivors), sum(min(1, n) for n in survivors.values())
    if not least <= wanted <= sum(survivors.values()):
        raise ValueError(
            f"{wanted} weights cannot be kept: there are {sum(survivors.values())} survivors, and each of the {least} "
            f"layers that have any keeps one at least"
        )
