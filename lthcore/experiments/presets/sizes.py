"""The same experiments at another extent, at another length, or in seconds."""

from __future__ import annotations

from dataclasses import replace

from lthcore.experiments.experiment import Experiment, Preset


def adjusted(
    preset: Preset, *, trials: int | None = None, rounds: int | None = None, steps: int | None = None, **changes: object
) -> Preset:
    """The same experiments at another extent or length; what is None stays.

    Args:
        preset: the experiments.
        trials: number of trials.
        rounds: number of the last round; rungs beyond it are dropped, and experiments of which nothing is left.
        steps: training steps per network.
        changes: further fields of `Experiment`.

    Raises:
        ValueError: if a value is impossible.
    """
    changed = (_adjusted(experiment, trials, rounds, steps, changes) for experiment in preset)
    return tuple(experiment for experiment in changed if experiment)


def _adjusted(
    experiment: Experiment, trials: int | None, rounds: int | None, steps: int | None, changes: dict
) -> Experiment | None:
    train, prune, rungs = experiment.train, experiment.prune, experiment.rungs
    if steps is not None:
        train = replace(train, steps=steps)
    if rounds is not None:
        prune = replace(prune, rounds=rounds)
        rungs = tuple(rung for rung in rungs if rung <= rounds)
        nothing_left = experiment.rungs and not rungs
        if nothing_left or (rounds == 0 and not experiment.is_chain):
            return None
    trials = experiment.trials if trials is None else trials
    return replace(experiment, **{"train": train, "prune": prune, "rungs": rungs, "trials": trials} | changes)


def smoke(preset: Preset, dataset: str) -> Preset:
    """The same experiments at a size that takes seconds: what tests and a first try run.

    Those that differ in nothing but a length come out the same, and are kept once.
    """
    return tuple(dict.fromkeys(_smoke(experiment, dataset) for experiment in preset))


def _smoke(experiment: Experiment, dataset: str) -> Experiment:
    text, steps, rounds, options = experiment.text, 120, 4, experiment.train.optimizer_options
    if text:
        text, steps, rounds = replace(text, length=40, dimension=8, min_count=2, epochs=2), 40, 2
        options = tuple((name, 0.9 if name == "ema_momentum" else value) for name, value in options)
    last = min(experiment.prune.rounds, rounds)
    filters = experiment.filters and replace(experiment.filters, every=steps // (4 * experiment.filters.removals))
    return replace(
        experiment,
        dataset=dataset,
        text=text,
        train=replace(
            experiment.train,
            steps=steps,
            decay_every=min(experiment.train.decay_every, 50),
            eval_every=20,
            test_every=20,
            optimizer_options=options,
        ),
        prune=replace(
            experiment.prune,
            rounds=last,
            rewind_step=min(experiment.prune.rewind_step, 20),
            prune_step=experiment.prune.prune_step and (20 if experiment.prune.prune_step < 2_500 else 40),
            passes=min(experiment.prune.passes, 3),
        ),
        trials=1 if filters else 2,
        filters=filters,
        rungs=tuple(range(1, last + 1)[-len(experiment.rungs) :]) if experiment.rungs else (),  # as many, the last
    )
