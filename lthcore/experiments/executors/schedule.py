"""Run experiments on any executor: what to submit, in which order, how far it is, and what stops it.

A trial is a chain of rounds, each a task of its own. So a worker that dies, and an interruption, cost the round in
flight and no more, and what is known of a trial lies in one place, the store. The networks of a control need nothing of
each other; they are ready as soon as the search whose masks they train is complete.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
    wait,
)
from contextlib import contextmanager, suppress
from math import inf
from time import monotonic
from uuid import uuid4

from lthcore.experiments import trials
from lthcore.experiments.executors.processes import ENDED, WorkerError
from lthcore.experiments.executors.tasks import Origin, Part, away, in_place, mark, pack, receive, wait_for
from lthcore.experiments.experiment import AnyExperiment, Control, Experiment, Experiments, FilterExperiment
from lthcore.experiments.store import Store, UnreadableError, errors, lineage


def run(
    experiments: Experiments,
    store: Store,
    executor: Executor,
    engine: str = "auto",
    *,
    shared: bool = True,
    modules: Sequence[str] = (),
) -> Generator[int, None, None]:
    """Complete experiments, all trials of each; yields how many of their networks are stored, as that grows.

    Any executor will do: threads, a pool of processes, ``distributed.Client(…).get_executor()``. Killing it, or one of
    its workers, loses at most the trainings in flight.

    Args:
        experiments: what to compute.
        store: where the results go.
        executor: who computes. Threads of one process take turns.
        engine: what trains a search that begins; one that has begun goes on as it did.
        shared: whether all workers see the store's folder. If not, records travel with the tasks, and back.
        modules: what workers in other processes import first, for what it registers.

    Raises:
        ValueError: if an experiment needs a name that is not known here, before anything is computed.
        lthcore.experiments.store.errors.UnreadableError: in the end, naming all records that cannot be read; trials
            that do not need them are complete.
        lthcore.experiments.executors.processes.WorkerError: if workers are lost, or are others than they should be.
        Exception: whatever stopped a trial first; what is stored by then stays.
    """
    for experiment in experiments:
        trials.check_registered(experiment)
    store = Store(store.root.resolve(), store.waiting)  # workers have working folders of their own
    elsewhere = not isinstance(executor, ThreadPoolExecutor | ProcessPoolExecutor)
    origin = Origin.here(modules, mark(store) if shared and elsewhere else "")
    yield from _Schedule(experiments, store, executor, engine, shared, origin).run()


# Seconds between two looks at what workers have stored.
_LOOK = 1.0


def expected(experiments: Experiments) -> int:
    """How many networks the experiments train in all."""
    return sum(len(experiment.networks) * experiment.trials for experiment in experiments)


class _Trial:
    """One trial of an experiment: its parts that are still to be trained."""

    def __init__(self, experiment: Experiment | Control, number: int) -> None:
        self.experiment = experiment
        self.number = number
        self.search: _Trial | None = None  # whose masks it trains, where these are still being made
        self.todo: list[Part] = []
        self.running = 0
        self.stored = 0
        self.unreadable = False

    @property
    def ready(self) -> bool:
        """Whether a part of it can be trained now."""
        waits = self.search is not None and not self.search.complete
        in_order = self.experiment.is_chain and self.running > 0
        return bool(self.todo) and not waits and not in_order

    @property
    def complete(self) -> bool:
        return not (self.todo or self.running or self.unreadable)


def _parts(experiment: Experiment | Control, missing: Sequence[tuple[int, int]]) -> list[Part]:
    """What is missing of a trial, cut into the smallest parts that cost nothing twice."""
    if not missing:
        return []
    search = experiment.search
    stored = set(experiment.networks) - set(missing)
    holes = experiment.is_chain and stored and missing[0] < max(stored)  # what follows a hole is to be looked at again
    trains_on = experiment.is_chain and experiment.control == "continue"  # each round starts from the last weights
    from_one_network = not search.is_chain and search.prune.trained_scores  # trained for all masks at once
    if holes or trains_on or from_one_network:
        return [None]
    return [[key] for key in missing]


class _Schedule:
    """The trials of a run, in the order in which they are preferred, and the tasks that are under way."""

    def __init__(
        self, experiments: Experiments, store: Store, executor: Executor, engine: str, shared: bool, origin: Origin
    ) -> None:
        self.store, self.executor, self.engine, self.shared, self.origin = store, executor, engine, shared, origin
        self.pending: dict[Future, tuple[_Trial, Part]] = {}
        self.trials: dict[tuple[AnyExperiment, int], _Trial] = {}
        self.unreadable: list[str] = []
        masked = [experiment for experiment in experiments if not isinstance(experiment, FilterExperiment)]
        self.asked = [self._add(experiment, number) for experiment in masked for number in range(experiment.trials)]
        self.counted = monotonic()

    def run(self) -> Generator[int, None, None]:
        """Submit and collect, until nothing is missing; yields how many networks that were asked for are stored."""
        try:
            self._submit()
            while self.pending:
                yield self._count()
                done, _ = wait(self.pending, timeout=_LOOK, return_when=FIRST_COMPLETED)
                for future in done:
                    self._finish(future)
                self._submit()
            yield self._count()
        finally:
            self._leave()
        for trial in self.asked:
            with self._noting(trial):  # a search that was mended may have other masks than its controls
                lineage.unfinished(self.store, trial.experiment, trial.number)
        if self.unreadable:
            raise errors.together(self.unreadable)

    def _add(self, experiment: Experiment | Control, number: int) -> _Trial:
        """A trial; the search whose masks it trains comes before it."""
        if (experiment, number) not in self.trials:
            trial = _Trial(experiment, number)
            with self._noting(trial):
                if not lineage.is_complete(self.store, experiment, number):
                    if not experiment.is_chain and experiment.search.is_chain:
                        trial.search = self._add(experiment.search, number)
                    trial.todo = _parts(experiment, lineage.unfinished(self.store, experiment, number))
            trial.stored = self.store.finished(experiment, number)
            self.trials[experiment, number] = trial
        return self.trials[experiment, number]

    def _submit(self) -> None:
        """Submit what is ready, as much as can run at once, so that early trials are finished before others begin."""
        most = _at_once(self.executor)
        if len(self.pending) >= most:
            return
        for trial in self.trials.values():
            while trial.ready and len(self.pending) < most:
                with self._noting(trial):
                    self._start(trial, trial.todo.pop(0))

    def _start(self, trial: _Trial, part: Part) -> None:
        experiment, number = trial.experiment, trial.number
        common = self.engine, part, self.origin, uuid4().hex  # a number of its own, or Dask takes equal tasks for one
        with _told():
            if self.shared:
                future = self.executor.submit(in_place, experiment, number, self.store, *common)
            else:
                parcel = pack(experiment, number, self.store, part)
                future = self.executor.submit(away, experiment, number, parcel, *common)
        self.pending[future] = trial, part
        trial.running += 1

    def _finish(self, future: Future) -> None:
        trial, part = self.pending.pop(future)
        trial.running -= 1
        with self._noting(trial):
            with _told():
                parcel = future.result()
            receive(parcel, self.store, replace=part is None)
            wanted = trial.experiment.networks if part is None else part
            wait_for(self.store, trial.number, [(trial.experiment, key) for key in wanted])
        trial.stored = self.store.finished(trial.experiment, trial.number)

    @contextmanager
    def _noting(self, trial: _Trial) -> Iterator[None]:
        """Note that a record of a trial cannot be read, and go on with trials that do not need it."""
        try:
            yield
        except UnreadableError as error:
            trial.unreadable, trial.todo = True, []
            self.unreadable.append(str(error))

    def _count(self) -> int:
        """How many networks are stored, as it was known a moment ago: with many workers, looking takes a while."""
        if monotonic() - self.counted > _LOOK:
            for trial, _ in self.pending.values():
                trial.stored = self.store.finished(trial.experiment, trial.number)
            self.counted = monotonic()
        return sum(trial.stored for trial in self.asked)

    def _leave(self) -> None:
        """Cancel what has not begun. Without a common folder, wait for what has, and keep it.

        Futures of Dask do not tell whether they have begun; but no more is submitted than can.
        """
        begun = list(self.pending)
        if self.shared or _at_once(self.executor) == inf:
            begun = [future for future in begun if not future.cancel()]
        if self.shared:
            return
        for future in as_completed(begun):
            _, part = self.pending[future]
            with suppress(Exception):  # why all this ends is told already
                receive(future.result(), self.store, replace=part is None)


def _at_once(executor: Executor) -> float:
    """How many tasks an executor works on at once, as far as it tells: those of Dask count their workers' threads."""
    if client := getattr(executor, "_client", None):
        with _told():
            return max(sum(client.nthreads().values()), 1)
    return getattr(executor, "_max_workers", inf)


@contextmanager
def _told() -> Iterator[None]:
    """Say of workers that were lost what that means."""
    try:
        yield
    except BrokenExecutor as error:
        raise WorkerError(ENDED) from error
    except CancelledError as error:
        raise WorkerError(_LOST) from error
    except Exception as error:
        # Names, because this file imports nothing of a cluster.
        if type(error).__name__ == "KilledWorker":
            raise WorkerError(
                "several workers died one after another of the same task, most likely for lack of memory. Finished "
                "networks are kept: give each worker more memory and run again to go on"
            ) from error
        if type(error).__name__ == "CommClosedError":
            raise WorkerError(_LOST) from error
        raise


_LOST = (
    "the scheduler or its connection was lost while tasks were under way. Finished networks are kept: start it again, "
    "and run again to go on"
)
