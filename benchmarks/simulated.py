"""A cluster that only pretends to train: its clock is virtual, its workers die and dawdle, its records are real files.

It stands where the executor of a cluster stands, so what gives it work, and collects, is the code that does so in
earnest. Tasks take as long as the prices say; nothing is trained.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import numpy as np

from lthcore.experiments.experiment import Experiment
from lthcore.experiments.records import Record
from lthcore.experiments.store import Store

Seconds = Callable[[Experiment, int], float]


@dataclass(frozen=True)
class Troubles:
    """What goes wrong on a cluster.

    Args:
        life_hours: mean time until a worker is lost, with the training that it was at.
        restart_seconds: until another worker stands in its place.
        slow: share of workers that are stragglers.
        slowness: how many times as long these take.
    """

    life_hours: float = 4.0
    restart_seconds: float = 60.0
    slow: float = 0.05
    slowness: float = 2.0


@dataclass
class SimulatedCluster(Executor):
    """An executor whose tasks end when `advance` says so.

    Args:
        workers: how many.
        seconds: of the network of a round.
        like: the record that each result is a copy of, with another identity.
        troubles: what goes wrong.
        seed: of the random numbers by which it does.
    """

    workers: int
    seconds: Seconds
    like: Record
    troubles: Troubles = Troubles()
    seed: int = 0
    now: float = 0.0
    lost: int = 0
    finished: int = 0
    _running: list[tuple[float, int, int, Future, Store, list[Record]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        slow = self._rng.random(self.workers) < self.troubles.slow
        self._pace = np.where(slow, self.troubles.slowness, 1.0)
        self._idle = list(range(self.workers))
        self._number = count()

    @property
    def slow(self) -> int:
        """How many of its workers are stragglers."""
        return int((self._pace > 1).sum())

    @property
    def _max_workers(self) -> int:
        """What a schedule asks an executor of the standard library for."""
        return self.workers

    def submit(self, task: Callable, /, experiment: Experiment, trial: int, store: Store, *more: Any) -> Future:  # type: ignore[override]
        """Let an idle worker begin; it writes the records of the rounds that the task is to train."""
        _, part = more[:2]
        records = [
            replace(self.like, experiment=experiment, trial=trial, round=round, draw=draw) for round, draw in part
        ]
        worker = self._idle.pop()
        future: Future = Future()
        ends = self.now + self._takes(worker, sum(self.seconds(experiment, record.round) for record in records))
        heapq.heappush(self._running, (ends, next(self._number), worker, future, store, records))
        return future

    def advance(self) -> None:
        """Go on to the moment when the next task ends."""
        if not self._running:
            return
        self.now, _, worker, future, store, records = heapq.heappop(self._running)
        for record in records:
            store.save(record)
        self.finished += len(records)
        self._idle.append(worker)
        future.set_result({})

    def _takes(self, worker: int, seconds: float) -> float:
        """Until a task is done whose worker may be lost, once or several times, and begins anew."""
        spent, work = 0.0, seconds * self._pace[worker]
        while (lives := self._rng.exponential(3600 * self.troubles.life_hours)) < work:
            self.lost += 1
            spent += lives + self.troubles.restart_seconds
        return spent + work


def run(schedule: Any, cluster: SimulatedCluster, clock: Callable[[], float]) -> float:
    """Let a schedule give a cluster its work until nothing is left; returns the seconds the schedule itself took."""
    own, begin = 0.0, clock()
    for _ in schedule:
        own += clock() - begin
        cluster.advance()
        begin = clock()
    return own + clock() - begin


def smallest(values: Sequence[float], machines: int) -> float:
    """No schedule can be shorter: all work shared out evenly, or the longest chain."""
    return max(sum(values) / machines, max(values))
