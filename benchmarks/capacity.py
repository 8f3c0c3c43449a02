"""What a large study costs: prices fitted to one search and held against another, and a cluster of 256 simulated.

The study is a hundred trials of six methods with 25 rounds each, every network trained as the paper trains it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks import simulated
from benchmarks.harness import Entry, Scale
from lthcore.experiments.executors import schedule
from lthcore.experiments.experiment import Experiment
from lthcore.experiments.planning.prices import Prices, fitted, networks, turns
from lthcore.experiments.presets import preset
from lthcore.experiments.records import Record
from lthcore.experiments.store import Store
from lthcore.files import paths
from lthcore.pruning.mask import Mask

# Six searches: five criteria, and one of them comparing all layers at once.
METHODS: tuple[dict[str, Any], ...] = (
    {"criterion": "large_final"},
    {"criterion": "large_final", "scope": "global"},
    {"criterion": "small_final"},
    {"criterion": "inert_first"},
    {"criterion": "magnitude_increase"},
    {"criterion": "movement"},
)
TRIALS, ROUNDS, CORES = 100, 25, (1, 16, 256)
# Of these, the simulation has as many as give each of its workers something to do.
SIMULATED = 50
# Where the stored searches lie that both engines trained, and which of them tell the prices: of one kind of machine,
# which nothing else was busy on.
ENGINES, FITTED, HELD_OUT = "data/engines", 0, 1
# What an hour of a core is taken to cost, in dollars: an assumption, not anybody's offer.
CORE_HOUR = 0.05


def measure(names: tuple[str, ...], scale: Scale) -> list[Entry]:
    """Those of the names for which there are stored searches."""
    store, search = Store(paths.project_root() / ENGINES), preset("mnist-paper")[0]
    stored = [
        [store.load(search, trial, round) for round in search.rounds if store.has(search, trial, round)]
        for trial in (FITTED, HELD_OUT)
    ]
    if not all(len(records) == len(search.rounds) for records in stored):
        return []
    prices = fitted(stored[0])
    sizes = {name: size for name, (_, size) in stored[0][0].kept.items()}
    entries = []
    if "plan_error" in names:
        entries.append(_error(prices, sizes, stored[1]))
    if "sweep_hours" in names:
        entries.append(_sweep(prices, sizes))
    if "scheduling_overhead" in names:
        entries.append(_simulation(prices, sizes, stored[0][0], 5 if scale.quick else SIMULATED))
    return entries


def study(trials: int = TRIALS) -> list[Experiment]:
    """One search for each method."""
    search = preset("mnist-paper")[0]
    prune = replace(search.prune, rounds=ROUNDS - 1)
    return [replace(search, trials=trials, prune=replace(prune, **method)) for method in METHODS]


def _error(prices: Prices, sizes: Mapping[str, int], held_out: list[Record]) -> Entry:
    """How far a search that the prices know nothing of is from what they predict."""
    predicted = networks(held_out[0].experiment, sizes, prices)
    took = [record.seconds for record in held_out]
    each = [abs(guess / seconds - 1) for guess, seconds in zip(predicted, took, strict=True)]
    return Entry(
        name="plan_error",
        value=abs(sum(predicted) / sum(took) - 1),
        unit="fraction",
        compared=f"the {len(took)} networks of a search, predicted by prices that were fitted to another one",
        spread=(min(each), max(each)),
        repeats=1,
        medians={"predicted": sum(predicted) / 60, "took": sum(took) / 60},
        median_unit="minutes",
        further={
            "median of a network, %": 100 * median(each),
            "dense step, ms": 1e3 * prices.dense,
            "sparse step without survivors, ms": 1e3 * prices.fixed,
            "each survivor, ns": 1e9 * prices.per_survivor,
        },
    )


def _sweep(prices: Prices, sizes: Mapping[str, int]) -> Entry:
    """Hours and money of the study."""
    chains = [networks(experiment, sizes, prices) for experiment in study() for _ in range(TRIALS)]
    dense = [networks(experiment, sizes, Prices(prices.dense)) for experiment in study() for _ in range(TRIALS)]
    hours = {cores: turns(chains, cores) / 3600 for cores in CORES}
    total = sum(map(sum, chains)) / 3600
    return Entry(
        name="sweep_hours",
        value=hours[16],
        unit="hours",
        compared=f"{len(chains)} searches of {ROUNDS} networks on 16 cores, a search each, as the prices predict",
        spread=(hours[max(CORES)], hours[min(CORES)]),
        repeats=1,
        medians={f"{cores} cores" if cores > 1 else "1 core": value for cores, value in hours.items()},
        median_unit="hours",
        further={
            "core hours": total,
            "core hours by the dense engine": sum(map(sum, dense)) / 3600,
            "dollars": CORE_HOUR * total,
            "dollars by the dense engine": CORE_HOUR * sum(map(sum, dense)) / 3600,
            "256 cores in use, %": 100 * total / (max(CORES) * hours[max(CORES)]),
            "dollars an hour of a core": CORE_HOUR,
        },
    )


def _simulation(prices: Prices, sizes: Mapping[str, int], like: Record, trials: int) -> Entry:
    """Trials of the study through the scheduling code, on 256 workers of which some are slow and some die."""
    experiments = study(trials)
    price = cache(lambda experiment: networks(experiment, sizes, prices))
    # A network of a few weights: what is simulated is the schedule, not the disk.
    like = replace(like, kept={"kernel": (8, 8)}, pruned=Mask({"kernel": np.ones(8, bool)}), mask_sha256="")
    cluster = simulated.SimulatedCluster(max(CORES), lambda experiment, round: price(experiment)[round], like)
    with tempfile.TemporaryDirectory() as folder:
        own = simulated.run(schedule.run(experiments, Store(folder), cluster), cluster, perf_counter)
    chains = [sum(price(experiment)) for experiment in experiments for _ in range(trials)]
    each = own / len(chains)
    least = simulated.smallest(chains, max(CORES))
    return Entry(
        name="scheduling_overhead",
        value=each / (sum(chains) / len(chains)),
        unit="fraction",
        compared=f"seconds of the scheduling code for a search ÷ seconds of the search; {len(chains)} searches on "
        f"{max(CORES)} simulated workers",
        spread=(each / max(chains), each / min(chains)),
        repeats=1,
        medians={"scheduling of a search": 1e3 * each},
        median_unit="ms",
        further={
            "networks": float(cluster.finished),
            "workers lost": float(cluster.lost),
            "slow workers": float(cluster.slow),
            "hours": float(cluster.now) / 3600,
            "hours without trouble": turns([[chain] for chain in chains], max(CORES)) / 3600,
            "hours at least": least / 3600,
        },
    )
