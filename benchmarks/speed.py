"""Training speed of the compiled loop against ``model.fit``, in one run: ``python -m benchmarks.speed``.

LeNet-300-100, batch 60, Adam, examples of MNIST's shape. ``model.fit`` is timed three times: bare; with the training
accuracy most people ask for; and with what it needs to train a ticket at all, a callback that puts pruned weights back
to zero after each batch. Repeats of all are interleaved, so a machine that slows down slows all; ratios of medians are
what to quote. Compile times are measured apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import median
from time import perf_counter
from typing import Annotated

import keras
import numpy as np
import tensorflow as tf
import typer

from lthcore import datasets, models
from lthcore.datasets import Dataset, Split
from lthcore.experiments.presets.mnist import LENET
from lthcore.models import variables
from lthcore.pruning.ticket import Ticket
from lthcore.training import optimizers
from lthcore.training.config import TrainConfig
from lthcore.training.trainer import Trainer


def data() -> Dataset:
    """MNIST where it is at hand, otherwise noise of its shape: speed does not depend on the pixels."""
    if datasets.available("mnist"):
        return datasets.load("mnist")
    rng = np.random.default_rng(0)

    def noise(count: int) -> Split:
        return Split(rng.random((count, 28, 28, 1), np.float32), rng.integers(0, 10, count).astype(np.int32))

    return Dataset(name="noise", train=noise(55_000), validation=noise(5_000), test=noise(10_000), classes=10)


def ours(trainer: Trainer, steps: int) -> float:
    """Seconds of `steps` training steps without evaluation, compiled beforehand."""
    ticket = Ticket.dense(trainer.fresh(np.random.default_rng(0)), trainer.prunable)
    with trainer.start(ticket, order=np.random.default_rng(1), stop=steps, evaluate=False) as session:
        begin = perf_counter()
        session.advance(to=steps, evaluate=False)
        return perf_counter() - begin


class KeepMask(keras.callbacks.Callback):
    """Puts pruned weights back to zero after each batch: how a ticket is trained with ``model.fit``."""

    def __init__(self, masks: dict[str, tf.Tensor]) -> None:
        super().__init__()
        self.masks = masks

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        for variable in self.model.trainable_variables:
            name = variables.name_of(self.model, variable)
            if name in self.masks:
                variable.assign(variable * self.masks[name])


def fitter(
    examples: Dataset, config: TrainConfig, *, accuracy: bool = False, masked: bool = False
) -> Callable[[int], float]:
    """A function that trains by ``model.fit`` for some steps and returns the seconds it took."""
    model = models.build(LENET.model, examples.input_shape, examples.classes)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizers.build(config), loss=loss, metrics=["accuracy"] if accuracy else None)
    ones = {name: tf.ones(variables.read(model)[name].shape) for name in variables.prunable(model)}
    callbacks = [KeepMask(ones)] if masked else []

    def fit(steps: int) -> float:
        x, y = (part[: steps * config.batch_size] for part in (examples.train.x, examples.train.y))
        begin = perf_counter()
        model.fit(x, y, batch_size=config.batch_size, epochs=1, verbose=0, callbacks=callbacks)
        return perf_counter() - begin

    return fit


def rounds(trainer: Trainer) -> float:
    """Seconds of one whole round: training, with validation and test evaluated every 100 steps."""
    ticket = Ticket.dense(trainer.fresh(np.random.default_rng(0)), trainer.prunable)
    return trainer.train(ticket, order=np.random.default_rng(1)).seconds


def main(
    steps: Annotated[int, typer.Option(help="Steps per repeat, a multiple of 100, at most 900.")] = 900,
    repeats: Annotated[int, typer.Option(help="Interleaved repeats of each.")] = 9,
) -> None:
    """Print milliseconds per step and their ratios."""
    examples = data()
    config = replace(LENET.train, steps=steps)
    trainer = Trainer(models.build(LENET.model, examples.input_shape, 10), examples, config)
    ticket = Ticket.dense(trainer.fresh(np.random.default_rng(0)), trainer.prunable)
    ways: dict[str, Callable[[int], float]] = {
        "compiled loop": lambda steps: ours(trainer, steps),
        "compiled loop, evaluated": lambda steps: rounds(trainer),
        "model.fit": fitter(examples, config),
        "model.fit, accuracy": fitter(examples, config, accuracy=True),
        "model.fit, mask callback": fitter(examples, config, masked=True),
    }
    compile_seconds = trainer.train(ticket, order=np.random.default_rng(1)).compile_seconds
    first_fit = ways["model.fit"](steps)
    times = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, way in ways.items():
            seconds = way(steps)
            if repeat:  # the first pass warms up
                times[name].append(1e3 * seconds / steps)
    for name, each in times.items():
        typer.echo(f"{name:25} {median(each):6.3f} ms/step, median of {repeats} ({min(each):.3f} to {max(each):.3f})")
    loop = median(times["compiled loop"])
    for name in list(ways)[2:]:
        typer.echo(f"steps per second, compiled loop / {name}: {median(times[name]) / loop:.1f}×")
    evaluated = median(times["compiled loop, evaluated"]) / loop
    typer.echo(f"a round with 15 000 examples evaluated every 100 steps / without: {evaluated:.2f}×")
    typer.echo(f"compiling, once per model: {compile_seconds:.1f} s; first call of model.fit: {first_fit:.1f} s")
    typer.echo(f"{trainer.machine}, data: {examples.name}")


if __name__ == "__main__":
    typer.run(main)
