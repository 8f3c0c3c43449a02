"""When does a mask settle: the masks that one training of the dense network would give, had it been cut short.

Along one training the weights θ_t of some steps are kept. From each, one-shot pruning by magnitude makes the mask of
every density looked at; these masks are compared with those of the end, and with each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from lthcore.checks import check_positive_whole
from lthcore.files.array_files import packed
from lthcore.pruning.mask import Mask
from lthcore.pruning.prune import ladder
from lthcore.pruning.weights import Weights

# The stopping rule as its paper states it.
WINDOW = 5
THRESHOLD = 0.1

# Steps looked at in every decade, in units of the grain; the masks of the first steps change fastest.
_FIRST = (1, 2, 3, 5, 7, 15)


def snapshot_steps(total: int, every: int, *, grain: int = 100) -> tuple[int, ...]:
    """The steps of a training whose weights are looked at: dense at first, then about once an epoch.

    Args:
        total: the last step.
        every: steps between two masks of the stopping rule, about an epoch; a multiple of `grain`.
        grain: all steps but the last are multiples of it: the steps between two evaluations.

    Returns:
        Increasing steps: 0; grain times 1, 2, 3, 5, 7, 10, 15, 20, 30 …; all multiples of `every`; and `total`.

    Raises:
        ValueError: for numbers that are not whole and positive, or an `every` off the grain.

    Example:
        >>> snapshot_steps(2_500, 900)
        (0, 100, 200, 300, 500, 700, 900, 1000, 1500, 1800, 2000, 2500)
        >>> snapshot_steps(120, 40, grain=20)
        (0, 20, 40, 60, 80, 100, 120)

    Book: chapter *Early tickets*.
    """
    for name, value in (("total", total), ("every", every), ("grain", grain)):
        check_positive_whole(name, value)
    if every % grain:
        raise ValueError(f"every ({every}) must be a multiple of grain ({grain}), the steps between two evaluations")
    decades = [10**power for power in range(len(str(total)))]
    early = {grain * number * decade for number in _FIRST for decade in decades}
    return tuple(sorted({0, total, *range(0, total, every), *(step for step in early if step < total)}))


def trajectory(
    snapshots: Mapping[int, Weights], rates: Mapping[str, float], rounds: Sequence[int], *, every: int
) -> dict[str, np.ndarray]:
    """The one-shot masks along one training, compared with those of its end and with those before them.

    The mask of round r at step t ranks |θ_t| within each layer and keeps as many as r rounds of the schedule would.
    Only the masks at multiples of `every` are held to the end, a byte per weight and round each.

    Args:
        snapshots: step → θ_t of the dense network, steps increasing; the last is the end of training. Every multiple
            of `every` up to it must be there; see `snapshot_steps`.
        rates: name → share of the layer's survivors that a round removes; the names are the prunable ones.
        rounds: the R rounds looked at, increasing, from 1 on.
        every: steps between two masks of the stopping rule.

    Returns:
        ``steps``, int32 (S,); ``rounds``, int32 (R,); ``layers``, the L names, as `array_files.packed` has
        them; ``density``, (R,), and ``density/layer``, (R, L). For each round and step, (R, S): ``distance/final`` and
        ``overlap/final`` to the mask of the last step, ``distance/previous`` and ``overlap/previous`` to that of the
        step before, NaN in the first column; ``overlap/layer``, (R, S, L), to the last step's, layer by layer.
        ``overlap/chance``, (R,), what independent masks would have. ``early_bird/distance`` and
        ``early_bird/overlap``, int32 (R,), the step at which `early_bird` stops by either measure, −1 where it never
        does.

    Raises:
        ValueError: for missing, unsorted or too few steps, impossible rounds, or weights that are absent, of another
            shape, or not finite; the message names the step.

    Source: {cite}`YLX20`, who prune channels; here the masks are of single weights.
    Book: chapter *Early tickets*.
    """
    steps = _check(snapshots, rates, rounds, every)
    final = _masks(snapshots[steps[-1]], rates, rounds)
    shape = (len(rounds), len(steps), len(rates), 2)
    to_final, to_previous = np.zeros(shape), np.full(shape, np.nan)
    previous: list[Mask] = []
    epochs: list[list[Mask]] = []
    for place, step in enumerate(steps):
        masks = final if step == steps[-1] else _masks(snapshots[step], rates, rounds)
        to_final[:, place] = [_common(*pair) for pair in zip(masks, final, strict=True)]
        if previous:
            to_previous[:, place] = [_common(*pair) for pair in zip(masks, previous, strict=True)]
        if step % every == 0:
            epochs.append(masks)
        previous = masks
    stops = {f"early_bird/{measure}": _stops(epochs, every, measure) for measure in DISSIMILARITIES}
    return {
        "steps": np.array(steps, np.int32),
        "rounds": np.array(rounds, np.int32),
        "layers": packed(list(rates)),
        **_densities(final),
        **_compared("final", to_final, final[0].prunable),
        **_compared("previous", to_previous, final[0].prunable),
        "overlap/layer": to_final[..., 0] / to_final[..., 1],
        **stops,
    }


def early_bird(
    masks: Iterable[Mask], *, window: int = WINDOW, threshold: float = THRESHOLD, measure: str = "distance"
) -> int | None:
    """The first mask that hardly differs from any of the few before it: where Early-Bird stops the search.

    At low density the distance of any two masks is small, so that the rule by distance fires whatever they are; the
    rule by overlap does not. Masks are taken one by one and no further than needed.

    Args:
        masks: one per epoch, the first before training.
        window: how many masks before it a mask is compared with. The paper's program holds five masks, the newest
            among them, which makes four.
        threshold: how much may differ, in [0, 1]: the normalised Hamming distance, or one minus the overlap.
        measure: ``"distance"``, the paper's, or ``"overlap"``.

    Returns:
        Index of the first mask that differs by at most `threshold` from each of the `window` before it; None if there
        is none.

    Raises:
        ValueError: for an unknown measure, a window below 1, or a threshold outside [0, 1].

    Example:
        >>> wandering, settled = Mask({"w": [True, False]}), Mask({"w": [False, True]})
        >>> early_bird([wandering, settled, settled, settled], window=2)
        3

    Source: {cite}`YLX20`; the rule by overlap is ours.
    Book: chapter *Early tickets*.
    """
    if measure not in DISSIMILARITIES:
        raise ValueError(f"unknown measure {measure!r}; known are {', '.join(DISSIMILARITIES)}")
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must lie in [0, 1], got {threshold!r}; 0.1 lets a tenth differ")
    check_positive_whole("window", window)
    differ = DISSIMILARITIES[measure]
    recent: deque[Mask] = deque(maxlen=window)
    for index, mask in enumerate(masks):
        if len(recent) == window and all(differ(mask, other) <= threshold for other in recent):
            return index
        recent.append(mask)
    return None


def settled(overlaps: np.ndarray, steps: np.ndarray, *, level: float = 0.9, axis: int = -1) -> np.ndarray:
    """The first step from which on an overlap stays at or above a level: which layers settle first.

    Args:
        overlaps: of a `trajectory`: ``overlap/final`` with its steps along the last axis, ``overlap/layer`` with
            `axis` 1.
        steps: (S,), increasing.
        level: the overlap to hold.
        axis: the axis of `overlaps` that runs along the steps.

    Returns:
        Steps, of the shape of `overlaps` without `axis`; −1 where the last overlap lies below the level.

    Raises:
        ValueError: if there are not as many steps as overlaps along the axis.

    Example:
        >>> settled(np.array([[0.2, 0.95, 0.8, 0.9, 1.0], [0.1, 0.2, 0.3, 0.4, 0.5]]), np.arange(5)).tolist()
        [3, -1]

    Book: chapter *Early tickets*.
    """
    steps, reached = np.asarray(steps), np.moveaxis(np.asarray(overlaps), axis, -1) >= level
    if steps.shape != reached.shape[-1:]:
        raise ValueError(f"overlaps have {reached.shape[-1]} steps along axis {axis}, but there are {steps.size} steps")
    stays = np.logical_and.accumulate(reached[..., ::-1], axis=-1)[..., ::-1]
    return np.where(stays[..., -1], steps[stays.argmax(axis=-1)], -1)


def chance_overlap(densities: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The overlap of two independent random masks of the same layer densities.

    Of a layer's n weights, n·d² are expected to be kept by both and n·(2d − d²) by either; both are added up over the
    layers before they are divided.

    Args:
        densities: (…, L), kept share d of each layer.
        sizes: (L,), weights n of each layer.

    Returns:
        Expected kept by both / expected kept by either, (…,).

    Example:
        >>> float(chance_overlap(np.array([0.5]), np.array([100])))
        0.3333333333333333

    Book: chapter *Early tickets*.
    """
    densities, sizes = np.asarray(densities, np.float64), np.asarray(sizes, np.float64)
    return (sizes * densities**2).sum(axis=-1) / (sizes * densities * (2 - densities)).sum(axis=-1)


def _one_minus_overlap(left: Mask, right: Mask) -> float:
    """Of the weights kept by either, the share not kept by both; from counts, so that a tenth is exactly a tenth."""
    both, either = _common(left, right).sum(axis=0)
    return float((either - both) / either) if either else 0.0


DISSIMILARITIES: dict[str, Callable[[Mask, Mask], float]] = {"distance": Mask.distance, "overlap": _one_minus_overlap}


def _masks(weights: Weights, rates: Mapping[str, float], rounds: Sequence[int]) -> list[Mask]:
    """The masks that the weights of one step would give, one per round."""
    scores = {name: np.abs(weights[name]) for name in rates}
    masks = ladder(Mask.dense(weights, tuple(rates)), scores, rates, max(rounds))
    return [masks[round] for round in rounds]


def _common(mask: Mask, other: Mask) -> np.ndarray:
    """Kept by both and kept by either, layer by layer: (L, 2)."""
    pairs = [(array, other[name]) for name, array in mask.items()]
    return np.array([[np.count_nonzero(one & two), np.count_nonzero(one | two)] for one, two in pairs])


def _compared(name: str, common: np.ndarray, prunable: int) -> dict[str, np.ndarray]:
    """Distance and overlap over all layers, (R, S), from the counts of each, (R, S, L, 2)."""
    both, either = np.moveaxis(common.sum(axis=2), -1, 0)
    return {f"distance/{name}": (either - both) / prunable, f"overlap/{name}": both / either}


def _densities(masks: Sequence[Mask]) -> dict[str, np.ndarray]:
    """Densities of the masks, which are the same at every step, and the overlap that chance would give."""
    layers = np.array([list(mask.densities.values()) for mask in masks])
    sizes = np.array([array.size for array in masks[0].values()])
    return {
        "density": np.array([mask.density for mask in masks]),
        "density/layer": layers,
        "overlap/chance": chance_overlap(layers, sizes),
    }


def _stops(epochs: Sequence[Sequence[Mask]], every: int, measure: str) -> np.ndarray:
    """The step at which the rule stops, round by round; −1 where it never does."""
    found = [early_bird(masks, measure=measure) for masks in zip(*epochs, strict=True)]
    return np.array([-1 if index is None else every * index for index in found], np.int32)


def _check(
    snapshots: Mapping[int, Weights], rates: Mapping[str, float], rounds: Sequence[int], every: int
) -> list[int]:
    """Refuse what cannot be compared; return the steps."""
    steps = list(snapshots)
    check_positive_whole("every", every)
    if len(steps) < 2:
        raise ValueError(f"a trajectory needs the weights of at least two steps, got those of {len(steps)}")
    if any(later <= earlier for earlier, later in pairwise(steps)):
        raise ValueError(f"the steps of the snapshots must increase, got {', '.join(map(str, steps))}")
    missing = [step for step in range(0, steps[-1] + 1, every) if step not in snapshots]
    if missing:
        raise ValueError(f"no weights of step {', '.join(map(str, missing))}; the rule looks every {every} steps")
    if not len(rounds) or any(later <= earlier for earlier, later in pairwise((0, *rounds))):
        raise ValueError(f"rounds must be whole numbers >= 1 in increasing order, got {tuple(rounds)}")
    if not rates:
        raise ValueError("no pruning rates: nothing is prunable")
    for step in steps:
        _check_weights(snapshots[step], snapshots[steps[0]], tuple(rates), step)
    return steps


def _check_weights(weights: Weights, first: Weights, names: Sequence[str], step: int) -> None:
    for name in names:
        if name not in weights or name not in first:
            raise ValueError(f"there is a pruning rate for {name!r}, but no weights of that name at step {step}")
        if weights[name].shape != first[name].shape:
            raise ValueError(f"{name!r} has shape {weights[name].shape} at step {step}, {first[name].shape} at first")
        if not np.isfinite(weights[name]).all():
            raise ValueError(f"{name!r} is not finite at step {step}: the training has diverged, and has no masks")
