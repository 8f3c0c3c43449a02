"""Two workers of a Dask cluster against one: real processes of this machine, a folder that both see."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from importlib.util import find_spec
from time import perf_counter

from benchmarks.harness import Entry, Scale, environment, interleaved, ratio
from lthcore.experiments.executors import schedule
from lthcore.experiments.experiment import Experiment
from lthcore.experiments.presets.mnist import LENET
from lthcore.experiments.store import Store

TRIALS = 4


def measure_apart(scale: Scale) -> list[Entry]:
    """The ratio, or nothing where Dask is not installed."""
    if find_spec("distributed") is None:
        return []
    from distributed import LocalCluster

    train = replace(LENET.train, steps=200 if scale.quick else 1_000, test_every=200 if scale.quick else 500)
    study = replace(LENET, trials=TRIALS, train=train, prune=replace(LENET.prune, rounds=0 if scale.quick else 2))
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0", "env": environment()}
    with LocalCluster(**settings) as both, LocalCluster(**{**settings, "n_workers": 1}) as one:
        for cluster in (both, one):
            _seconds(cluster, replace(study, prune=replace(study.prune, rounds=0)))  # every worker compiles its program
        ways = {"one worker": lambda: _seconds(one, study), "two workers": lambda: _seconds(both, study)}
        times = interleaved(ways, 1 if scale.quick else min(scale.repeats, 3))
    networks = TRIALS * (study.prune.rounds + 1)
    what = f"{TRIALS} searches of {study.prune.rounds + 1} networks on a Dask cluster of this machine: one worker ÷ two"
    return [ratio("dask_two_workers", times, *ways, what, per=networks)]


def _seconds(cluster, study: Experiment) -> float:
    """How long a study takes that begins with an empty folder."""
    from distributed import Client

    with tempfile.TemporaryDirectory() as folder, Client(cluster, set_as_default=False) as client:
        begin = perf_counter()
        for _ in schedule.run([study], Store(folder), client.get_executor()):
            pass
        return perf_counter() - begin
