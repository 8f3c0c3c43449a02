"""Layer budgets: how many weights each layer keeps at each round, and masks of untrained networks that keep so many.

Pruning at initialisation decides in one go what an iterative search decides round by round. So that methods can be
compared, all keep as many weights as the search has left at the same round; they differ in where.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np

from lthcore.checks import check_known
from lthcore.pruning.criteria.evidence import Scores
from lthcore.pruning.mask import Mask
from lthcore.pruning.prune import keep, removals

Counts = Mapping[str, int]

BUDGETS = ("schedule", "uniform", "erk")


def counts(mask: Mask, rates: Mapping[str, float], rounds: int, budgets: str = "schedule") -> list[Counts]:
    """Weights that each layer keeps in the rounds 0 … `rounds`.

    Args:
        mask: the dense mask.
        rates: name → share of the layer's survivors removed per round.
        rounds: number of the last round.
        budgets: ``"schedule"`` is what these rates leave in each layer; ``"uniform"`` gives all layers one density,
            and ``"erk"`` (Erdős–Rényi kernel) one in proportion to (sum of the kernel's dimensions) / (their product),
            at most 1. All three keep the same number in all.

    Example:
        >>> mask = Mask({"a": np.ones((8, 10)), "b": np.ones((10, 2))})
        >>> counts(mask, {"a": 0.5, "b": 0.0}, 1, "uniform")
        [{'a': 80, 'b': 20}, {'a': 48, 'b': 12}]

    Source: {cite}`MMS18` (Erdős–Rényi budgets) and {cite}`EGM20`, section 3 (kernels), for ``"erk"``.
    Book: chapter *Early tickets*.
    """
    check_known("budgets", budgets, BUDGETS)
    found: list[Counts] = [{name: int(array.sum()) for name, array in mask.items()}]
    for _ in range(rounds):
        found.append({name: n - removals(n, rates[name]) for name, n in found[-1].items()})
    if budgets == "schedule":
        return found
    sizes = np.array([array.size for array in mask.values()])
    raw = np.ones(len(sizes)) if budgets == "uniform" else _kernel_densities(mask)
    return [dict(zip(mask, _shared(sum(kept.values()), sizes, raw), strict=True)) for kept in found]


def prune_untrained(
    mask: Mask,
    score: Callable[[Mask], Scores],
    wanted: Counts,
    *,
    passes: int = 1,
    scope: str = "layerwise",
    protect: Collection[str] = (),
) -> Mask:
    """Prune a network that is not trained in between, down to given counts.

    Args:
        mask: where to start, usually dense.
        score: mask → scores of the network under it; asked before each pass.
        wanted: survivors of each layer in the end; with global scope only their sum counts.
        passes: densities fall from pass to pass by one factor.
        scope: ``"layerwise"`` or ``"global"``.
        protect: names that lose nothing.

    Source: {cite}`TKYG20`, algorithm 1, for more than one pass.
    Book: chapter *Early tickets*.
    """
    start = {name: int(array.sum()) for name, array in mask.items()}
    left = {name: wanted[name] / n for name, n in start.items()}
    if scope == "global":
        competing = [name for name in start if name not in protect]
        left |= dict.fromkeys(competing, sum(wanted[n] for n in competing) / sum(start[n] for n in competing))
    for number in range(1, passes):
        share = {name: left[name] ** (number / passes) for name in start}
        on_the_way = {name: max(round(n * share[name]), 1) for name, n in start.items()}
        mask = keep(mask, score(mask), on_the_way, scope=scope, protect=protect)
    return keep(mask, score(mask), wanted, scope=scope, protect=protect)


def _kernel_densities(mask: Mask) -> np.ndarray:
    return np.array([sum(array.shape) / np.prod(array.shape) for array in mask.values()])


def _shared(total: int, sizes: np.ndarray, raw: np.ndarray) -> list[int]:
    """Share `total` out in proportion to sizes · raw densities, no layer beyond its size nor below 1; exact in sum."""
    full = np.zeros(len(sizes), np.bool_)
    while True:
        # Layers that are full leave what is beyond them to the others.
        scale = (total - sizes[full].sum()) / max((sizes * raw)[~full].sum(), np.finfo(float).tiny)
        exact = np.where(full, sizes, sizes * raw * scale)
        if not (over := exact > sizes).any():
            break
        full |= over
    kept = np.maximum(np.floor(exact).astype(int), 1)
    missing = total - kept.sum()
    if missing < 0:  # layers too small for a share have one weight all the same
        kept[np.argmax(kept)] += missing
    by_remainder = [place for place in np.argsort(kept - exact, kind="stable") if kept[place] < sizes[place]]
    kept[by_remainder[: max(missing, 0)]] += 1
    return kept.tolist()
