"""Measure what records do not hold, and store the numbers.

Most of it is what the weights of a search's tickets tell: its networks are trained again. One kind describes the
documents a search is made on, and needs no network at all; one compares networks of other shapes, which it trains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, as_completed
from time import perf_counter

import numpy as np

from lthcore import datasets
from lthcore.analysis.measurements import corpus, filters, settling, shrunk, stability, survivors
from lthcore.experiments import trainers, trials
from lthcore.experiments.experiment import AnyExperiment, Control, Experiment, FilterExperiment
from lthcore.experiments.records import UNTRAINED, Measurement
from lthcore.experiments.store import Store, UnreadableError, errors
from lthcore.files import environment
from lthcore.lottery import early_weights, train
from lthcore.pruning.seeds import Seeds
from lthcore.pruning.ticket import Ticket, rewind, shuffle
from lthcore.training.trainer import Trainer

# The rung nearest to the 10.7 % at which FDRC19 measures LeNet's stability.
STABILITY_ROUND = 10
# Rounds near 51, 21, 7, 3.6 and 1.9 % density, at which masks are followed along one training.
SETTLING_ROUNDS = (3, 7, 12, 15, 18)
# Rounds near 7, 3.6, 1.9 and 1.2 %, whose trained tickets are shrunk.
SHRUNK_ROUNDS = (12, 15, 18, 20)


def measure_stability(trainer: Trainer, experiment: Experiment, trial: int, store: Store) -> dict[str, np.ndarray]:
    """A ticket, its shuffled mask and the dense network, each trained in two data orders.

    Values are those of `stability.compare` for the names ``dense``, ``ticket`` and ``shuffled``, and ``round``.

    Raises:
        ValueError: if the search's survivors train on: it has no tickets to start from.
    """
    if experiment.prune.between != "rewind":
        raise ValueError(f"{experiment.identity} never rewinds, so there is no ticket to train twice")
    round, seeds, k = min(STABILITY_ROUND, experiment.prune.rounds), Seeds(trial), experiment.prune.rewind_step
    theta_0 = trainer.fresh(seeds.init)
    theta_k = early_weights(trainer, theta_0, k, seeds)
    ticket = rewind(trials.masks(experiment, trial, store)(round), to=theta_k, at_step=k)
    tickets = {
        "dense": Ticket.dense(theta_0, trainer.prunable),
        "ticket": ticket,
        "shuffled": shuffle(ticket, theta_k, seeds.control(round)),
    }
    found = stability.compare(trainer, tickets, lambda number: seeds.order(round, number))
    return {**found, "round": np.array(round)}


def measure_anatomy(trainer: Trainer, experiment: Experiment, trial: int, store: Store) -> dict[str, np.ndarray]:
    """Where the survivors of every round started and how far the dense network's training moved them.

    Values are those of `survivors`; ``varying``, which inputs differ between training examples; ``still``, how
    many weights on the other inputs did not move, and of how many; ``same_as_stored``, whether the dense network came
    out as its record says, bit for bit.
    """
    seeds = Seeds(trial)
    theta_0 = trainer.fresh(seeds.init)
    dense = Ticket.dense(theta_0, trainer.prunable)
    theta_t = train(trainer, dense, seeds, 0).final
    mask_of = trials.masks(experiment, trial, store)
    rounds = [dense.mask, *(mask_of(round) for round in range(1, experiment.prune.rounds + 1))]
    return {
        **survivors.initial_values(theta_0, rounds),
        **survivors.movements(theta_0, theta_t, rounds),
        "varying": trainer.varying,
        "still": np.array(survivors.still(theta_0, theta_t, trainer.varying)),
        "same_as_stored": np.array(theta_t.digest() == store.load(experiment, trial, 0).weights_sha256),
    }


def measure_settling(trainer: Trainer, experiment: Experiment, trial: int, store: Store) -> dict[str, np.ndarray]:
    """The masks that the dense network's training would have given, had it been cut short.

    Values are those of `settling.trajectory`. Early-Bird's rule looks about once an epoch.
    """
    seeds, config = Seeds(trial), experiment.train
    grain = config.eval_every
    epoch = len(trainer.data.train) // config.batch_size
    every = grain * max(epoch // grain, 1)
    steps = settling.snapshot_steps(config.steps, every, grain=grain)
    dense = Ticket.dense(trainer.fresh(seeds.init), trainer.prunable)
    run = trainer.train(dense, order=seeds.order(0), keep=steps)
    rounds = _within(SETTLING_ROUNDS, experiment)
    return settling.trajectory(
        dict(sorted(run.snapshots.items())), experiment.prune.rates(trainer.prunable), rounds, every=every
    )


def measure_shrunk(trainer: Trainer, experiment: Experiment, trial: int, store: Store) -> dict[str, np.ndarray]:
    """Trained tickets as smaller dense networks; values are those of `shrunk.compare`, and ``rounds``."""
    seeds, k = Seeds(trial), experiment.prune.rewind_step
    theta_k = early_weights(trainer, trainer.fresh(seeds.init), k, seeds)
    mask_of, rounds = trials.masks(experiment, trial, store), _within(SHRUNK_ROUNDS, experiment)
    tickets = [rewind(mask_of(round), to=theta_k, at_step=k) for round in rounds]
    trained = [train(trainer, ticket, seeds, round).best for round, ticket in zip(rounds, tickets, strict=True)]
    masks = [ticket.mask for ticket in tickets]
    return {**shrunk.compare(trainer.model, trainer.data, masks, trained), "rounds": np.array(rounds, np.int32)}


def _within(rounds: tuple[int, ...], experiment: Experiment) -> list[int]:
    """Those of the rounds that the search reaches; the last, if it reaches none."""
    last = experiment.prune.rounds
    return [round for round in rounds if round <= last] or [max(last, 1)]


# Kinds that look at the tickets of a search, and train its networks again.
OF_TICKETS: dict[str, Callable[[Trainer, Experiment, int, Store], dict[str, np.ndarray]]] = {
    "stability": measure_stability,
    "anatomy": measure_anatomy,
    "settling": measure_settling,
    "shrunk": measure_shrunk,
}

# All kinds: besides, networks of fewer filters, as `filters.compare` has them, and documents, as `corpus.describe` has.
MEASUREMENTS = (*OF_TICKETS, "filters", "corpus")

# Kinds that look at weights on pixels, layer after dense layer.
_OF_PIXELS = ("anatomy", "shrunk")


def run(kind: str, experiment: AnyExperiment, store: Store, executor: Executor) -> Iterator[int]:
    """Take what is missing of a measurement, all trials; yields how many are done, as that grows.

    Raises:
        ValueError: for an unknown kind, or an experiment that is no search.
        UnreadableError: in the end, naming all files that cannot be read; trials that do not need them are complete.
        Exception: whatever stopped a trial first; what is stored by then stays.
    """
    check(kind, experiment)
    count = 1 if kind in UNTRAINED else experiment.trials
    futures = [executor.submit(complete, kind, experiment, trial, store) for trial in range(count)]
    done, unreadable = 0, []
    try:
        for future in as_completed(futures):
            try:
                future.result()
            except UnreadableError as error:
                unreadable.append(str(error))
            else:
                done += 1
                yield done
    finally:
        for future in futures:
            future.cancel()
    if unreadable:
        raise errors.together(unreadable)


def check(kind: str, experiment: AnyExperiment) -> Experiment | FilterExperiment:
    """Refuse what cannot be measured.

    Returns:
        The experiment, which is no control then.

    Raises:
        ValueError: for an unknown kind, an experiment that is no search, documents asked for where there are none, or a
            name that is not known here.
    """
    if kind not in MEASUREMENTS:
        raise ValueError(f"unknown measurement {kind!r}; known are {', '.join(MEASUREMENTS)}")
    if isinstance(experiment, FilterExperiment):
        if kind != "filters":
            raise ValueError(f"{experiment.identity} prunes filters, so 'filters' is what to measure")
        trials.check_registered(experiment)
        return experiment
    if kind == "filters":
        raise ValueError(f"{experiment.identity} has no filters to prune")
    if isinstance(experiment, Control) or not experiment.is_chain:
        raise ValueError(f"{experiment.identity} is no search, so it has no tickets of its own to measure")
    trials.check_registered(experiment)
    documents = experiment.dataset in datasets.TEXTS and experiment.text is not None
    if kind == "corpus" and not documents:
        raise ValueError(f"{experiment.identity} is not about documents, so there is no corpus to describe")
    if kind in _OF_PIXELS and documents:
        raise ValueError(f"{experiment.identity} reads documents; {kind} looks at weights on pixels")
    return experiment


def complete(kind: str, experiment: AnyExperiment, trial: int, store: Store) -> None:
    """Take one measurement, unless it is stored. Networks of the search that are missing are trained first.

    Raises:
        ValueError: for what `check` refuses.
    """
    measured = check(kind, experiment)
    if store.has_measurement(kind, measured, trial):
        return
    environment.describe()  # now: a commit made while this runs did not compute it
    if kind in OF_TICKETS:
        trials.complete(measured, trial, store)
    with store.lock(measured, trial, kind):
        if not store.has_measurement(kind, measured, trial):
            store.save_measurement(_taken(kind, measured, trial, store))


def _taken(kind: str, experiment: Experiment | FilterExperiment, trial: int, store: Store) -> Measurement:
    machine: Mapping[str, object] = {}
    begin = perf_counter()
    if isinstance(experiment, FilterExperiment):
        values = filters.compare(experiment, trial)
    elif kind in OF_TICKETS:
        trainer = trainers.trainer_for(experiment, trial, store)
        machine, begin = trainer.machine, perf_counter()
        values = OF_TICKETS[kind](trainer, experiment, trial, store)
    else:
        values = corpus.describe(experiment)
    return Measurement(
        kind=kind,
        experiment=experiment,
        trial=trial,
        values=values,
        seconds=perf_counter() - begin,
        machine=machine,
        environment=environment.describe(),
    )
