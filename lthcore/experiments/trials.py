"""One trial of an experiment: what is missing from the store is computed, round by round."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from lthcore import datasets, models
from lthcore.experiments.experiment import AnyExperiment, Control, Experiment, FilterExperiment
from lthcore.experiments.records import Record
from lthcore.experiments.store import Store, StoreError
from lthcore.experiments.store.lineage import is_complete, unfinished
from lthcore.experiments.trainers import trainer_for
from lthcore.files import environment
from lthcore.lottery import early_weights, find_tickets, train
from lthcore.pruning import budgets
from lthcore.pruning.criteria import Evidence, Scores
from lthcore.pruning.mask import Mask
from lthcore.pruning.prune import protected
from lthcore.pruning.seeds import Seeds
from lthcore.pruning.ticket import Ticket, reinit, rewind, shuffle
from lthcore.training.run import Run
from lthcore.training.schedules import SCHEDULES
from lthcore.training.trainer import Trainer


def check_registered(experiment: AnyExperiment) -> None:
    """Refuse to compute by names that nothing in this process has registered; to show results they need not be known.

    Raises:
        ValueError: naming them, and what to do.
    """
    unknown = [f"data set {experiment.dataset!r}"] if experiment.dataset not in datasets.NAMES else []
    unknown += [f"model {experiment.model!r}"] if experiment.model not in models.MODELS else []
    if experiment.train.schedule not in SCHEDULES:
        unknown.append(f"learning-rate schedule {str(experiment.train.schedule)!r}")
    if not isinstance(experiment, FilterExperiment) and experiment.prune.scored_by.missing:
        unknown.append(f"criterion {experiment.prune.scored_by.name!r}")
    if unknown:
        raise ValueError(
            f"this process does not know the {' and the '.join(unknown)} of {experiment.identity}: its results can be "
            f"shown, but to compute, import the module that registers it first, on the command line by --import MODULE"
        )


def complete(
    experiment: AnyExperiment,
    trial: int,
    store: Store,
    engine: str = "auto",
    part: Sequence[tuple[int, int]] | None = None,
) -> None:
    """Compute what the store lacks of one trial of an experiment. Doing it twice does nothing the second time.

    Args:
        experiment, trial: what to compute.
        store: where it goes.
        engine: what trains a search that begins; one that has begun goes on as it did.
        part: the networks, as (round, draw), to stop after; what they build on is stored. None computes all there are,
            and what they build on.

    Raises:
        ValueError: if it needs a name that is not known here.
        lthcore.training.run.DivergedError: naming trial, round and step; nothing of that run is stored.
        DatasetError: if the data cannot be had.
        lthcore.experiments.store.errors.StoreError: if one of its records, or one it builds on, cannot be read, or the
            disk is full.
    """
    check_registered(experiment)
    if isinstance(experiment, FilterExperiment) or (part is None and is_complete(store, experiment, trial)):
        return
    environment.describe()  # now: a commit made while this runs did not compute it
    if part is None and not experiment.is_chain and experiment.search.is_chain:
        complete(experiment.search, trial, store, engine)
    with store.lock(experiment, trial):
        if part is None:
            todo = unfinished(store, experiment, trial)
        else:
            todo = [key for key in part if not store.has(experiment, trial, *key)]
        for record in compute(experiment, trial, store, todo, engine):
            if not store.has(experiment, trial, record.round, record.draw):
                store.save(record)
            elif not _same(store.load(experiment, trial, record.round, record.draw), record):
                store.put_aside(store.path(experiment, trial, record.round, record.draw), "replaced")
                store.save(record)
            elif not store.missing(experiment, trial):
                break  # a stored round came out again, so those after it, which follow from it, would too
            if part and (record.round, record.draw) == part[-1]:
                break


def _same(stored: Record, again: Record) -> bool:
    """Whether a round came out as it is stored. On another kind of machine it may not; then the rest of the search is
    computed again from there, so that its masks follow from one another.
    """
    return stored.weights_sha256 == again.weights_sha256 and stored.pruned == again.pruned


def recompute(record: Record, store: Store) -> Record:
    """Train one network again from its identity, trial, round and draw; stores nothing.

    Raises:
        ValueError: if it needs a name that is not known here.
        lthcore.experiments.store.errors.StoreError: if the record whose mask it was trained with is missing.
    """
    check_registered(record.experiment)
    wanted = (record.round, record.draw)
    for again in compute(record.experiment, record.trial, store, [wanted]):
        if (again.round, again.draw) == wanted:
            return again
    raise AssertionError("a computation yields what it was asked for")


def compute(
    experiment: Experiment | Control,
    trial: int,
    store: Store,
    todo: Sequence[tuple[int, int]],
    engine: str = "auto",
) -> Iterator[Record]:
    """Train networks of one trial, given as (round, draw).

    A search yields the rounds that follow the first of them as well, one whose survivors train on all its rounds.
    """
    if not todo:
        return iter(())
    if isinstance(experiment, Experiment) and experiment.is_chain:
        return _chain(experiment, trial, store, trainer_for(experiment, trial, store, engine), first=todo[0][0])
    return _branches(experiment, trial, store, todo, engine)


def _chain(experiment: Experiment, trial: int, store: Store, trainer: Trainer, *, first: int) -> Iterator[Record]:
    """The search, from round `first` on; one whose survivors train on is walked from the start."""
    first = 0 if experiment.control == "continue" else first
    resume = (first, _next_mask(experiment, trial, first, store)) if first else None
    for done in find_tickets(trainer, experiment.prune, Seeds(trial), resume=resume):
        record = _record(experiment, trial, done.index, 0, done.ticket.mask, done.run, trainer)
        yield replace(record, pruned=done.pruned)


def _branches(
    experiment: Experiment | Control,
    trial: int,
    store: Store,
    todo: Sequence[tuple[int, int]],
    engine: str,
) -> Iterator[Record]:
    """Networks that hang off a list of masks: controls, and methods whose scores are fixed from the start."""
    seeds, trainer = Seeds(trial), trainer_for(experiment, trial, store, engine)
    mask_of = masks(experiment.search, trial, store, engine)
    k = experiment.prune.rewind_step
    theta_k = early_weights(trainer, trainer.fresh(seeds.init), k, seeds)
    for round, draw in todo:
        mask = mask_of(round)
        ticket = rewind(mask, to=theta_k, at_step=k)
        if experiment.control == "reinit":
            ticket = reinit(ticket, trainer.fresh, seeds.control(round, draw))
        elif experiment.control == "shuffle":
            ticket = shuffle(ticket, theta_k, seeds.control(round, draw))
        run = train(trainer, ticket, seeds, round, f"{experiment.control} {draw}")
        yield _record(experiment, trial, round, draw, mask, run, trainer)


def masks(source: Experiment, trial: int, store: Store, engine: str = "auto") -> Callable[[int], Mask]:
    """Round → mask, read from the search `source` as far as it is stored, or made from one network's weights."""
    if source.is_chain:
        return lambda round: _next_mask(source, trial, round, store)
    seeds, trainer = Seeds(trial), trainer_for(source, trial, store, engine)
    dense = Ticket.dense(trainer.fresh(seeds.init), trainer.prunable)
    how, final = source.prune, dense.weights
    if how.trained_scores:
        final = train(trainer, dense, seeds, 0, stop=how.prune_step).final

    def score(mask: Mask) -> Scores:
        evidence = Evidence(
            mask=mask,
            initial=dense.weights,
            final=final,
            varying=trainer.varying,
            rng=seeds.score(0),
            probe=trainer.probe,
        )
        return how.scored_by(evidence)

    rates = how.rates(trainer.prunable)
    wanted = budgets.counts(dense.mask, rates, how.rounds, how.budgets)
    return lambda round: budgets.prune_untrained(
        dense.mask, score, wanted[round], passes=how.passes, scope=how.scope, protect=protected(rates)
    )


def _next_mask(search: Experiment, trial: int, round: int, store: Store) -> Mask:
    """The mask of a round, as the round before it left it."""
    mask = store.load(search, trial, round - 1).pruned
    if mask is None:
        raise StoreError(
            f"{store.path(search, trial, round - 1)} lacks the mask of round {round}, which its training alone can "
            f"tell. It is kept as it is; to have it trained again, rename it and run the experiment again"
        )
    return mask


def _record(
    experiment: Experiment | Control, trial: int, round: int, draw: int, mask: Mask, run: Run, trainer: Trainer
) -> Record:
    """What is kept of a run; `mask` is that of the search, whose layers have as many survivors when it is shuffled."""
    return Record(
        experiment=experiment,
        trial=trial,
        round=round,
        draw=draw,
        kept={name: (int(array.sum()), array.size) for name, array in mask.items()},
        history=run.history,
        test=run.test,
        counts=run.counts,
        weights_sha256=run.final.digest(),
        seconds=run.seconds,
        compile_seconds=run.compile_seconds,
        machine={**run.machine, "break_even": trainer.break_even},
        embedding=trainer.embedding,
        mask_sha256=mask.digest(),
        environment=environment.describe(),
    )
