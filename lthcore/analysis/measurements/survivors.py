"""What a ticket is made of: where its survivors started, and how far training moved them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lthcore.pruning.mask import Mask
from lthcore.pruning.weights import Weights

# Initial values are counted between −4 and 4 standard deviations, movements between 0 and 1; what lies beyond goes into
# the outermost bin.
BINS = 80
SPREAD = 4.0
FARTHEST = 1.0


def initial_values(theta_0: Weights, masks: Sequence[Mask]) -> dict[str, np.ndarray]:
    """How the initial values of the survivors are distributed, mask by mask.

    Returns:
        For each layer ``initial/layer``, counts of shape (masks, `BINS`), and ``edges/layer``, the `BINS` + 1 edges.

    Source: {cite}`FC18`, appendix F.1.
    """
    found: dict[str, np.ndarray] = {}
    for name in masks[0]:
        sigma = float(theta_0[name].std(dtype=np.float64))
        edges = np.linspace(-SPREAD * sigma, SPREAD * sigma, BINS + 1)
        found[f"edges/{name}"] = edges
        found[f"initial/{name}"] = np.stack([_counts(theta_0[name][mask[name]], edges) for mask in masks])
    return found


def movements(theta_0: Weights, theta_t: Weights, masks: Sequence[Mask]) -> dict[str, np.ndarray]:
    """How far training the dense network moved the weights each mask keeps, and those it does not.

    Returns:
        For each layer ``moved/layer``, counts of |θ_T − θ₀| of the kept weights, shape (masks, `BINS`); and
        ``mean_moved/layer``, shape (masks, 2), the mean of the kept and of the pruned ones (NaN where there are none).

    Source: {cite}`FC18`, appendix F.5.
    """
    edges = np.linspace(0.0, FARTHEST, BINS + 1)
    found: dict[str, np.ndarray] = {}
    for name in masks[0]:
        moved = np.abs(theta_t[name].astype(np.float64) - theta_0[name])
        found[f"moved/{name}"] = np.stack([_counts(moved[mask[name]], edges) for mask in masks])
        means = [[_mean(moved[mask[name]]), _mean(moved[~mask[name]])] for mask in masks]
        found[f"mean_moved/{name}"] = np.array(means)
    return found


def still(theta_0: Weights, theta_t: Weights, varying: np.ndarray) -> tuple[int, int]:
    """Of the first layer's weights on inputs that never vary: how many training left bit for bit where they were.

    Returns:
        (unmoved, all of them).
    """
    name = next(iter(theta_0))
    constant = ~np.asarray(varying, np.bool_).reshape(-1)
    same = theta_0[name][constant] == theta_t[name][constant]
    return int(same.sum()), same.size


def _counts(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0].astype(np.int32)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else np.nan
