"""The same experiments at another extent, at another length, or in seconds."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from lthcore.experiments.experiment import AnyExperiment, Control, Experiment, Experiments, FilterExperiment
from lthcore.pruning.config import PruneConfig
from lthcore.text.config import TextConfig
from lthcore.training.config import TrainConfig

_Trained = TypeVar("_Trained", bound=Experiment | FilterExperiment)


def adjusted(
    preset: Experiments, *, trials: int | None = None, rounds: int | None = None, steps: int | None = None
) -> tuple[AnyExperiment, ...]:
    """The same experiments at another extent or length; what is None stays.

    Args:
        preset: the experiments.
        trials: number of trials.
        rounds: number of the last round; rungs beyond it are dropped, and experiments of which nothing is left.
        steps: training steps per network.

    Raises:
        ValueError: if a value is impossible.
    """
    resized = (_resized(experiment, trials, rounds, steps) for experiment in preset)
    return tuple(experiment for experiment in resized if experiment)


def _resized(
    experiment: AnyExperiment, trials: int | None, rounds: int | None, steps: int | None
) -> AnyExperiment | None:
    resized: AnyExperiment
    if isinstance(experiment, Control):
        resized = replace(experiment, of=_longer(experiment.of, trials, steps))
    else:
        resized = _longer(experiment, trials, steps)
    return resized if rounds is None else _up_to(resized, rounds)


def _longer(experiment: _Trained, trials: int | None, steps: int | None) -> _Trained:
    """The same with so many trials, each of so many steps."""
    train = experiment.train if steps is None else replace(experiment.train, steps=steps)
    return replace(experiment, trials=experiment.trials if trials is None else trials, train=train)


def _up_to(experiment: AnyExperiment, last: int) -> AnyExperiment | None:
    """The same down to a round; None where nothing is left to train."""
    if isinstance(experiment, FilterExperiment):
        raise ValueError(f"{experiment.label!r} removes filters and has no rounds: leave their number out")
    prune = replace(experiment.prune, rounds=last)  # an impossible number is refused even where nothing would be left
    rungs = tuple(rung for rung in experiment.rungs if rung <= last)
    nothing_left = experiment.rungs and not rungs
    if nothing_left or (last == 0 and not experiment.is_chain):
        return None
    return _extent(experiment, prune, rungs)


def _extent(experiment: Experiment | Control, prune: PruneConfig, rungs: tuple[int, ...]) -> Experiment | Control:
    if isinstance(experiment, Control):
        return replace(experiment, of=replace(experiment.of, prune=prune), rungs=rungs)
    return replace(experiment, prune=prune, rungs=rungs)


def smoke(preset: Experiments, dataset: str) -> tuple[AnyExperiment, ...]:
    """The same experiments at a size that takes seconds: what tests and a first try run.

    Those that differ in nothing but a length come out the same, and are kept once.
    """
    return tuple(dict.fromkeys(_smoke(experiment, dataset) for experiment in preset))


def _smoke(experiment: AnyExperiment, dataset: str) -> AnyExperiment:
    text, train = _brief(experiment.text, experiment.train)
    if isinstance(experiment, FilterExperiment):
        filters = replace(experiment.filters, every=train.steps // (4 * experiment.filters.removals))
        return replace(experiment, dataset=dataset, text=text, train=train, trials=1, filters=filters)
    last = min(experiment.prune.rounds, 2 if experiment.text else 4)
    rungs = tuple(range(1, last + 1)[-len(experiment.rungs) :]) if experiment.rungs else ()  # as many, the last
    shorter = _extent(experiment, replace(experiment.prune, rounds=last), rungs)
    tickets = shorter.of if isinstance(shorter, Control) else shorter
    tickets = replace(tickets, dataset=dataset, text=text, train=train, trials=2, prune=_soon(tickets.prune))
    return replace(shorter, of=tickets) if isinstance(shorter, Control) else tickets


def _brief(text: TextConfig | None, train: TrainConfig) -> tuple[TextConfig | None, TrainConfig]:
    """Small word vectors, few steps."""
    options = train.optimizer_options
    if text:
        text = replace(text, length=40, dimension=8, min_count=2, epochs=2)
        options = tuple((name, 0.9 if name == "ema_momentum" else value) for name, value in options)
    train = replace(
        train,
        steps=40 if text else 120,
        decay_every=min(train.decay_every, 50),
        warmup=min(train.warmup, 20),
        schedule_steps=0,
        eval_every=20,
        test_every=20,
        optimizer_options=options,
    )
    return text, train


def _soon(prune: PruneConfig) -> PruneConfig:
    """The same with every step among the first of a short training."""
    return replace(
        prune,
        rewind_step=min(prune.rewind_step, 20),
        prune_step=prune.prune_step and (20 if prune.prune_step < 2_500 else 40),
        passes=min(prune.passes, 3),
    )
