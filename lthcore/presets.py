"""The experiments of the book, as constants: each value with its source.

A preset is a tuple of experiments in the order they are computed. The first is the chain of tickets the others are
compared with; controls read their masks from it.
"""

from __future__ import annotations

from dataclasses import replace

from lthcore.config import Experiment, PruneConfig, TrainConfig

Preset = tuple[Experiment, ...]

# LeNet-300-100 on MNIST as FC18 trains it (section 2 and appendix G): Adam at 1.2e-3 with TensorFlow's epsilon of
# that time, minibatches of 60, evaluation every 100 steps; 20 % of each layer go per round, 10 % of the output layer.
LENET = Experiment(
    dataset="mnist",
    model="lenet_300_100",
    train=TrainConfig(steps=50_000, optimizer="adam", learning_rate=1.2e-3, optimizer_options=(("epsilon", 1e-8),)),
    prune=PruneConfig(rounds=16, rate=0.2, layer_rates=(("output/kernel", 0.1),)),
    trials=5,
)

# Rounds of the 20 %/10 % schedule near 51, 21, 13.5, 7, 3.6, 1.9 and 1.2 % density.
PAPER_RUNGS = (3, 7, 9, 12, 15, 18, 20)


def with_controls(tickets: Experiment) -> Preset:
    """The tickets and everything the reproduction compares them with, on the same data and schedule."""
    return (
        tickets,
        replace(tickets, control="reinit"),
        replace(tickets, control="shuffle"),
        replace(tickets, prune=replace(tickets.prune, criterion="large_init")),
        replace(tickets, prune=replace(tickets.prune, schedule="oneshot")),
    )


def smoke(preset: Preset, dataset: str) -> Preset:
    """The same experiments at a size that takes seconds: what tests and a first try run."""
    return tuple(
        replace(
            experiment,
            dataset=dataset,
            train=replace(experiment.train, steps=120, eval_every=20, test_every=20),
            prune=replace(experiment.prune, rounds=4),
            trials=2,
            rungs=tuple(rung for rung in experiment.rungs if rung <= 4),
        )
        for experiment in preset
    )


MNIST_SHORT = with_controls(replace(LENET, trials=3, train=replace(LENET.train, steps=5_000)))

PRESETS: dict[str, Preset] = {
    "mnist-short": MNIST_SHORT,
    "mnist-smoke": smoke(MNIST_SHORT, "mnist"),
    "digits-smoke": smoke(MNIST_SHORT, "digits"),
}


def preset(name: str) -> Preset:
    """The experiments of a preset.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
    """
    try:
        return PRESETS[name]
    except KeyError:
        raise ValueError(f"unknown preset {name!r}; known are {', '.join(PRESETS)}") from None
