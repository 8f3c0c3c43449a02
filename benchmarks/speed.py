"""Training speed of the compiled loop against ``model.fit``, in one run: ``python -m benchmarks.speed``.

LeNet-300-100, batch 60, Adam, examples of MNIST's shape. Repeats of both are interleaved, so a machine that slows down
slows both; the ratio of medians is what to quote. Compile times are measured apart.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from time import perf_counter
from typing import Annotated

import keras
import numpy as np
import typer

from lthcore import datasets, models, optimizers
from lthcore.datasets import Dataset, Split
from lthcore.presets import LENET
from lthcore.ticket import Ticket
from lthcore.train import Trainer


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
    masks, batches = trainer._begin(ticket, np.random.default_rng(1), steps)
    trainer._compile(masks, batches)
    begin = perf_counter()
    for at in range(0, steps, trainer.config.eval_every):
        trainer._advance(batches, masks, at, at + trainer.config.eval_every)
    return perf_counter() - begin


def fit(model: keras.Model, examples: Dataset, steps: int) -> float:
    """Seconds that ``model.fit`` takes for the same number of steps, the way most code calls it."""
    count = steps * LENET.train.batch_size
    x, y = examples.train.x[:count], examples.train.y[:count]
    begin = perf_counter()
    model.fit(x, y, batch_size=LENET.train.batch_size, epochs=1, verbose=0)
    return perf_counter() - begin


def rounds(trainer: Trainer) -> float:
    """Seconds of one whole round: training, with validation and test evaluated every 100 steps."""
    ticket = Ticket.dense(trainer.fresh(np.random.default_rng(0)), trainer.prunable)
    return trainer.train(ticket, order=np.random.default_rng(1)).seconds


def main(
    steps: Annotated[int, typer.Option(help="Steps per repeat, a multiple of 100, at most 900.")] = 800,
    repeats: Annotated[int, typer.Option(help="Interleaved repeats of each.")] = 9,
) -> None:
    """Print milliseconds per step and their ratios."""
    examples = data()
    config = replace(LENET.train, steps=steps)
    trainer = Trainer(models.build(LENET.model, examples.input_shape, 10), examples, config)
    plain = models.build(LENET.model, examples.input_shape, 10)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    plain.compile(optimizer=optimizers.build(config), loss=loss)

    begin = perf_counter()
    fit(plain, examples, steps)
    fit_first = perf_counter() - begin
    compile_seconds = trainer.train(
        Ticket.dense(trainer.fresh(np.random.default_rng(0)), trainer.prunable), order=np.random.default_rng(1)
    ).compile_seconds

    times = {"compiled loop": [], "compiled loop, evaluated": [], "model.fit": []}
    for _ in range(repeats):
        times["compiled loop"].append(ours(trainer, steps))
        times["model.fit"].append(fit(plain, examples, steps))
        times["compiled loop, evaluated"].append(rounds(trainer))
    per_step = {name: 1e3 * median(seconds) / steps for name, seconds in times.items()}
    for name, seconds in times.items():
        spread = f"{1e3 * min(seconds) / steps:.3f} to {1e3 * max(seconds) / steps:.3f}"
        typer.echo(f"{name:26} {per_step[name]:7.3f} ms/step, median of {repeats} ({spread})")
    speedup = per_step["model.fit"] / per_step["compiled loop"]
    evaluation = per_step["compiled loop, evaluated"] / per_step["compiled loop"]
    typer.echo(f"steps per second, compiled loop / model.fit: {speedup:.1f}×")
    typer.echo(f"a round with 15 000 examples evaluated every 100 steps / without: {evaluation:.2f}×")
    typer.echo(f"compiling, once per model: {compile_seconds:.1f} s; first call of model.fit: {fit_first:.1f} s")
    typer.echo(f"{trainer.machine}, data: {examples.name}")


if __name__ == "__main__":
    typer.run(main)
