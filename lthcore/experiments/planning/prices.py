"""`Prices`: what a training step costs by each engine at each density, fitted to stored trainings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from lthcore.experiments.experiment import Control, Experiment
from lthcore.experiments.records import Record
from lthcore.pruning import budgets
from lthcore.pruning.mask import Mask


@dataclass(frozen=True)
class Prices:
    """Seconds of a training step, its share of the evaluations included.

    The dense engine multiplies zeros like any number, so its step costs the same at every density. A step of the sparse
    engine costs something for the examples and something for each survivor.

    Args:
        dense: seconds of a dense step.
        fixed: seconds of a sparse step without any survivor.
        per_survivor: what each survivor adds to it.
        break_even: the density up to which the sparse engine trains; 0 where it never does.

    Example:
        >>> prices = Prices(dense=2e-3, fixed=1e-4, per_survivor=1e-8, break_even=0.5)
        >>> round(prices.step(10_000, of=20_000) * 1e6), round(prices.step(15_000, of=20_000) * 1e6)
        (200, 2000)
    """

    dense: float
    fixed: float = 0.0
    per_survivor: float = 0.0
    break_even: float = 0.0

    def step(self, survivors: int, *, of: int) -> float:
        """Seconds of a step of a network that keeps so many of its weights."""
        return self.fixed + self.per_survivor * survivors if survivors / of <= self.break_even else self.dense


def fitted(records: Iterable[Record]) -> Prices:
    """Prices that come nearest to what trainings took, relative errors counting alike at all densities.

    Args:
        records: trainings of one network, with one configuration, on one kind of machine.

    Raises:
        ValueError: if no dense network is among them, if they are not alike, or if only one density was trained by the
            sparse engine.

    Example:
        >>> from lthcore.experiments.store import Store
        >>> fitted(Store("data/engines").records()).dense  # doctest: +SKIP
        0.0025
    """
    steps: dict[str, list[tuple[int, float]]] = {"dense": [], "sparse": []}
    kinds, decides = set(), set()
    for record in records:
        experiment = record.experiment
        kinds.add((experiment.dataset, experiment.model, experiment.train, record.environment["processor"]))
        trained = experiment.train.steps - (experiment.prune.rewind_step if record.round else 0)
        engine = str(record.machine.get("engine", "dense"))
        steps[engine].append((_survivors(record), record.seconds / trained))
        if engine == "sparse":
            decides.add(record.density)
    if len(kinds) > 1:
        raise ValueError(f"prices are those of one network on one kind of machine; these records are of {len(kinds)}")
    if not steps["dense"]:
        raise ValueError("no record tells what a dense step costs: give those of a whole search")
    if len(decides) == 1:
        raise ValueError("the sparse engine trained one density only; its price needs two or more")
    dense = float(np.mean([seconds for _, seconds in steps["dense"]]))
    if not decides:
        return Prices(dense)
    survivors, seconds = (np.array(column, float) for column in zip(*steps["sparse"], strict=True))
    relative = np.column_stack([np.ones_like(survivors), survivors]) / seconds[:, None]
    (fixed, per_survivor), _ = nnls(relative, np.ones_like(seconds))
    return Prices(dense, float(fixed), float(per_survivor), max(decides))


def networks(experiment: Experiment | Control, sizes: Mapping[str, int], prices: Prices) -> list[float]:
    """Seconds of each network of one trial of an experiment, in the order of its `networks`.

    Args:
        experiment: what is to be computed; compiling and loading data come on top, once per process.
        sizes: name → number of weights of each prunable layer.
        prices: what steps cost.
    """
    whole = sum(sizes.values())
    rounds = max(experiment.rounds)
    dense = Mask({name: np.ones(size, bool) for name, size in sizes.items()})
    counts = budgets.counts(dense, experiment.prune.rates(tuple(sizes)), rounds, experiment.prune.budgets)
    kept = [sum(layers.values()) for layers in counts]
    steps = [experiment.train.steps - (experiment.prune.rewind_step if round else 0) for round in range(rounds + 1)]
    return [steps[round] * prices.step(kept[round], of=whole) for round, _ in experiment.networks]


def turns(chains: Collection[Sequence[float]], processes: int) -> float:
    """Seconds until all chains are trained by processes that take one chain after another, in their order.

    The rounds of a chain follow from one another, so no process can help another one with its chain.

    Example:
        >>> turns([[3.0, 2.0], [5.0], [1.0, 1.0]], 2)
        7.0
    """
    busy = np.zeros(processes)
    for chain in chains:
        busy[busy.argmin()] += sum(chain)
    return float(busy.max())


def _survivors(record: Record) -> int:
    return sum(kept for kept, _ in record.kept.values())
