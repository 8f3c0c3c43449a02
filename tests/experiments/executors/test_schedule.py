"""What is submitted, and when."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from dataclasses import replace

import pytest

from lthcore.experiments.executors import schedule
from lthcore.experiments.executors.processes import WorkerError
from lthcore.experiments.experiment import Control, Experiment
from lthcore.experiments.store import Store
from lthcore.pruning.config import PruneConfig
from lthcore.training.config import TrainConfig

TICKETS = Experiment(
    dataset="digits",
    train=TrainConfig(steps=20, eval_every=10, test_every=10),
    prune=PruneConfig(rounds=2),
    trials=2,
)
REINIT = Control(of=TICKETS, kind="reinit", draws=2)
SHUFFLE = Control(of=TICKETS, kind="shuffle", rungs=(2,))


class Listed(Executor):
    """Computes in one thread, and lists what it is given beside what was stored by then."""

    def __init__(self, store: Store) -> None:
        self.store, self.threads, self.given = store, ThreadPoolExecutor(1), []

    def submit(self, function, experiment, trial, *rest):
        stored = {(record.experiment.control, record.trial) for record in self.store.records()}
        complete = [self.store.has(TICKETS, trial, round) for round in TICKETS.rounds]
        self.given.append((experiment.control, trial, all(complete), len(stored)))
        return self.threads.submit(function, experiment, trial, *rest)


@pytest.fixture
def listed(store):
    executor = Listed(store)
    yield executor
    executor.threads.shutdown()


def test_controls_of_all_kinds_wait_for_their_search_and_for_nothing_else(store, listed):
    list(schedule.run((REINIT, SHUFFLE, TICKETS), store, listed))
    assert len(listed.given) == schedule.expected((TICKETS, REINIT, SHUFFLE))
    controls = [task for task in listed.given if task[0] != "rewind"]
    assert all(complete for _, _, complete, _ in controls)
    for trial in (0, 1):  # given in one go, before any of them is computed
        kinds = [kind for kind, number, _, _ in controls if number == trial]
        assert kinds == ["reinit"] * 4 + ["shuffle"]


def test_the_rounds_of_trials_that_cannot_all_run_are_taken_trial_by_trial(store):
    with ThreadPoolExecutor(1) as executor:
        run = schedule.run((TICKETS,), store, executor)
        while next(run) < 3:
            pass
        run.close()
    assert [store.has(TICKETS, 0, round) for round in TICKETS.rounds] == [True, True, True]
    assert not store.has(TICKETS, 1, 1)


def test_it_tells_how_many_are_stored_from_the_first_moment_on(store):
    with ThreadPoolExecutor(1) as executor:
        *_, last = schedule.run((replace(TICKETS, trials=1),), store, executor)
        assert last == 3
        assert next(schedule.run((TICKETS,), store, executor)) == 3


class Broken(Executor):
    """Loses a process at once."""

    def submit(self, *_):
        future = Future()
        future.set_exception(BrokenExecutor())
        return future


def test_a_lost_process_is_told(store):
    with pytest.raises(WorkerError, match="most likely by the system for lack of memory"):
        list(schedule.run((TICKETS,), store, Broken()))
