"""What a step costs at each density, by both engines and by the choice between them, with and without evaluation.

Masks are drawn by chance with the proportions of pruned ones; one more comes from a stored search, where there is one,
because pruning leaves survivors in fewer rows and columns than chance does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np

from benchmarks import networks
from benchmarks.harness import Entry, Scale, Times, Way, interleaved, ratio
from lthcore.experiments import presets
from lthcore.experiments.store import Store
from lthcore.files import paths
from lthcore.pruning.mask import Mask
from lthcore.pruning.ticket import Ticket, rewind
from lthcore.training.engines.sparse.break_even import crossing
from lthcore.training.trainer import Trainer

PLAIN = {f"sparse_{percent}": percent / 100 for percent in (20, 10, 5, 2, 1)}
LADDER = (1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01)


def pruned_mask(density: float) -> tuple[float, Mask] | None:
    """The density and the mask nearest to a density in the stored search of the paper's length; None without one."""
    experiment, store = presets.preset("mnist-paper")[0], Store(paths.results())
    rounds = [number for number in range(experiment.prune.rounds + 1) if store.has(experiment, 0, number)]
    made = (store.load(experiment, 0, number).pruned for number in rounds)
    masks = [mask for mask in made if mask is not None]
    nearest = min(masks, key=lambda mask: abs(np.log(mask.density / density)), default=None)
    if nearest is None or abs(nearest.density / density - 1) > 0.15:
        return None
    return nearest.density, nearest


def measure(names: tuple[str, ...], scale: Scale) -> list[Entry]:
    """Those of the names that can be measured here."""
    ladder = LADDER if {"break_even", "auto_loss"} & {*names} else ()
    entries = _plain(names, ladder, scale)
    if ladder or "sparse_2_evaluated" in names:
        entries += _evaluated(names, ladder, entries, scale)
    return [each for each in entries if each.name in names]


def _plain(names: tuple[str, ...], ladder: Sequence[float], scale: Scale) -> list[Entry]:
    """Without evaluation; the curve of the ladder is handed on by an entry of the name ``curve``."""
    trainer = networks.trainer()
    both = {engine: trainer.by(engine) for engine in ("dense", "sparse")}
    whole = networks.dense(trainer)
    ways: dict[str, Way] = {"dense": lambda: networks.train(both["dense"], whole, scale.steps)}
    densities = {*ladder, *(PLAIN[name] for name in names if name in PLAIN)}
    for density in sorted(densities, reverse=True):
        ways[_named(density)] = _way(both["sparse"], networks.of_density(trainer, density), scale.steps)
    pruned = pruned_mask(0.02) if "sparse_2_pruned" in names else None
    if pruned:
        ways["pruned"] = _way(both["sparse"], rewind(pruned[1], to=whole.weights), scale.steps)
    if len(ways) == 1:
        return []
    times = interleaved(ways, scale.repeats)
    found = [
        ratio(
            name,
            times,
            "dense",
            _named(PLAIN[name]),
            f"dense step ÷ sparse step at {PLAIN[name]:.0%}, random mask, nothing evaluated",
            per=scale.steps,
        )
        for name in names
        if name in PLAIN
    ]
    if pruned:
        what = f"dense step ÷ sparse step, mask of an iterative search at {pruned[0]:.1%}, nothing evaluated"
        found.append(ratio("sparse_2_pruned", times, "dense", "pruned", what, per=scale.steps))
    if ladder:
        curve = {"density": [_of(trainer, density) for density in ladder]}
        curve |= _columns("sparse", [times[_named(density)] for density in ladder], scale.steps)
        curve |= _columns("dense", [times["dense"]] * len(ladder), scale.steps)
        found.append(Entry("curve", 0.0, "", "", (0.0, 0.0), scale.repeats, curve=curve))
    return found


def _evaluated(names: tuple[str, ...], ladder: Sequence[float], before: Sequence[Entry], scale: Scale) -> list[Entry]:
    """With 15 000 examples scored every 100 steps."""
    trainer = networks.trainer()
    both = {engine: trainer.by(engine) for engine in ("dense", "sparse")}
    whole = networks.dense(trainer)
    ways: dict[str, Way] = {"dense": _way(both["dense"], whole, scale.steps, evaluate=True)}
    for density in {0.02: None} | dict.fromkeys(ladder):
        ticket = networks.of_density(trainer, density)
        ways[_named(density)] = _way(both["sparse"], ticket, scale.steps, evaluate=True)
    times = interleaved(ways, scale.repeats)
    scored = "15 000 examples scored every 100 steps"
    what = f"dense step ÷ sparse step at 2%, random mask, {scored}"
    found = [ratio("sparse_2_evaluated", times, "dense", _named(0.02), what, per=scale.steps)]
    if ladder:
        curve = dict(next(each.curve for each in before if each.name == "curve"))
        curve |= _columns("sparse_evaluated", [times[_named(density)] for density in ladder], scale.steps)
        curve |= _columns("dense_evaluated", [times["dense"]] * len(ladder), scale.steps)
        found.append(_break_even(curve, times, ladder, trainer.break_even, scale))
        found.append(_auto_loss(curve, times, ladder, trainer.break_even, scale))
    return found


def _break_even(
    curve: dict[str, list[float]], times: Times, ladder: Sequence[float], decides: float, scale: Scale
) -> Entry:
    """Where the line of the sparse engine crosses that of the dense one."""
    each = [
        _crossing(curve["density"], [times[_named(density)][turn] for density in ladder], times["dense"][turn])
        for turn in range(scale.repeats)
    ]
    return Entry(
        name="break_even",
        value=_crossing(curve["density"], curve["sparse_evaluated"], curve["dense_evaluated"][0]),
        unit="density",
        compared="where both engines take equally long, 15 000 examples scored every 100 steps",
        spread=(min(each), max(each)),
        repeats=scale.repeats,
        medians={"dense": curve["dense_evaluated"][0]},
        median_unit="ms",
        further={"auto decides at": decides},
        curve=curve,
    )


def _auto_loss(
    curve: dict[str, list[float]], times: Times, ladder: Sequence[float], decides: float, scale: Scale
) -> Entry:
    """The worst density of the ladder for the choice: the chosen engine's time by the better engine's."""

    def loss(density: float, kept: float, turns: slice) -> float:
        dense, sparse = (median(times[way][turns]) for way in ("dense", _named(density)))
        return (sparse if kept <= decides else dense) / min(sparse, dense)

    kept = dict(zip(ladder, curve["density"], strict=True))
    losses = {density: loss(density, kept[density], slice(None)) for density in ladder}
    worst = max(losses, key=losses.__getitem__)
    each = [loss(worst, kept[worst], slice(turn, turn + 1)) for turn in range(scale.repeats)]
    return Entry(
        name="auto_loss",
        value=losses[worst],
        unit="×",
        compared=f"worst of {len(ladder)} densities, {worst:.0%}: time of the engine that is chosen ÷ the better one's",
        spread=(min(each), max(each)),
        repeats=scale.repeats,
        medians={f"{density:.0%}": loss for density, loss in losses.items()},
        median_unit="×",
    )


def _crossing(falling: Sequence[float], sparse: Sequence[float], dense: float) -> float:
    """The break-even of a ladder."""
    return crossing(falling[::-1], sparse[::-1], dense)


def _way(trainer: Trainer, ticket: Ticket, steps: int, *, evaluate: bool = False) -> Way:
    return lambda: networks.train(trainer, ticket, steps, evaluate=evaluate)


def _columns(name: str, turns: Sequence[Sequence[float]], steps: int) -> Mapping[str, list[float]]:
    """Medians, least and most of some ways, in milliseconds a step."""
    return {
        f"{name}{ending}": [1e3 * of(seconds) / steps for seconds in turns]
        for ending, of in (("", median), ("_min", min), ("_max", max))
    }


def _of(trainer: Trainer, density: float) -> float:
    """The density of the whole network, of which the output layer keeps a larger share."""
    return networks.of_density(trainer, density).mask.density


def _named(density: float) -> str:
    return f"sparse at {density:.0%}"
