"""A simulated cluster gives work to the schedule that real ones get, and its clock adds up."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import pytest
from records import RECORD

from benchmarks import capacity, simulated
from benchmarks.harness import Scale
from benchmarks.simulated import SimulatedCluster, Troubles
from lthcore.experiments.executors import schedule
from lthcore.experiments.experiment import Control
from lthcore.experiments.planning.prices import turns
from lthcore.experiments.presets.mnist import LENET
from lthcore.experiments.store import Store

SEARCH = replace(LENET, trials=6, prune=replace(LENET.prune, rounds=3))
CHAIN = [4.0, 3.0, 2.0, 1.0]
CALM = Troubles(life_hours=1e9, slow=0.0)


def simulate(store: Store, experiments, workers: int, troubles: Troubles) -> SimulatedCluster:
    cluster = SimulatedCluster(workers, lambda experiment, round: CHAIN[round], RECORD, troubles)
    simulated.run(schedule.run(experiments, store, cluster), cluster, time.perf_counter)
    return cluster


def test_without_trouble_it_takes_the_turns_that_are_predicted(tmp_path):
    store = Store(tmp_path)
    cluster = simulate(store, [SEARCH], 4, CALM)
    assert cluster.now == turns([CHAIN] * 6, 4) == 20.0
    assert cluster.finished == len(list(store.records())) == 24
    assert cluster.lost == 0


def test_workers_that_are_lost_cost_time_and_nothing_else(tmp_path):
    store = Store(tmp_path)
    cluster = simulate(store, [SEARCH], 4, Troubles(life_hours=5 / 3600, restart_seconds=1.0, slow=0.5))
    assert cluster.lost > 0
    assert cluster.now > 20.0
    assert cluster.finished == len(list(store.records())) == 24


def test_controls_wait_for_their_search_and_then_run_side_by_side(tmp_path):
    search = replace(SEARCH, trials=1)
    control = Control(of=search, kind="reinit", draws=4)
    cluster = simulate(Store(tmp_path), [search, control], 12, CALM)
    assert cluster.now == sum(CHAIN) + max(CHAIN[1:])
    assert cluster.finished == 4 + 12


def test_a_study_that_was_interrupted_is_gone_on_with(tmp_path):
    store = Store(tmp_path)
    cluster = SimulatedCluster(2, lambda experiment, round: CHAIN[round], RECORD, CALM)
    running = schedule.run([SEARCH], store, cluster)
    for _ in itertools.islice(running, 9):
        cluster.advance()
    running.close()
    assert cluster.finished == 9
    assert simulate(store, [SEARCH], 2, CALM).finished == 24 - 9


def test_the_page_has_its_numbers():
    entries = {entry.name: entry for entry in capacity.measure(("plan_error", "sweep_hours"), Scale(quick=True))}
    assert set(entries) == {"plan_error", "sweep_hours"}
    assert entries["plan_error"].value < 0.1
    hours = entries["sweep_hours"].medians
    assert hours["1 core"] == pytest.approx(entries["sweep_hours"].further["core hours"])
    assert hours["1 core"] / 256 <= hours["256 cores"] <= hours["16 cores"]
