"""A training step of Kim's network on the sparse kernels against the compiled loop: ``python -m benchmarks.kim``.

Word vectors of 300 numbers that stand still, 256 words a document, minibatches of 50, three times 100 filters; Adam
with moving averages, dropout and the norms of the output layer as published. Both engines run in one thread. Repeats
are interleaved; ratios of medians are what to quote.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from time import perf_counter
from typing import Annotated

import numpy as np
import tensorflow as tf
import typer

from benchmarks.text import BATCH, data
from lthcore.experiments.presets.reuters import KIM
from lthcore.models import text_networks
from lthcore.pruning.mask import Mask
from lthcore.pruning.ticket import Ticket
from lthcore.training.trainer import Trainer

DENSITIES = (0.2, 0.1, 0.05, 0.02)
STEPS = 20


def measure(repeats: int, variant: str = "static") -> dict[str, list[float]]:
    """Seconds per step, interleaved, of the dense engine and of the sparse one at each density.

    Args:
        repeats: how often each is timed, after a pass that compiles and warms up.
        variant: of the network; see `lthcore.models.text_networks.kim_cnn`.
    """
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    examples, rng = data(), np.random.default_rng(0)
    config = replace(KIM.train, steps=STEPS, batch_size=BATCH, eval_every=STEPS, test_every=STEPS)
    model = text_networks.kim_cnn(examples.input_shape, examples.classes, table=examples.table, variant=variant)
    dense = Trainer(model, examples, config, engine="dense")
    theta, sparse = dense.fresh(rng), dense.by("sparse")
    ways = {"dense": (dense, Ticket.dense(theta, dense.prunable))}
    for density in DENSITIES:
        mask = Mask({name: rng.random(theta[name].shape) < density for name in dense.prunable})
        ways[f"sparse {density:.0%}"] = sparse, Ticket(mask, theta)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, way in ways.items():
            spent = _seconds(*way)
            if repeat:
                times[name].append(spent)
    return times


def _seconds(trainer: Trainer, ticket: Ticket) -> float:
    """Seconds of one step without evaluation."""
    with trainer.start(ticket, order=np.random.default_rng(1), stop=STEPS, evaluate=False) as session:
        begin = perf_counter()
        session.advance(to=STEPS, evaluate=False)
        return (perf_counter() - begin) / STEPS


def main(
    repeats: Annotated[int, typer.Option(help="Interleaved repeats of each.")] = 7,
    variant: Annotated[str, typer.Option(help="static or nonstatic: whether word vectors are trained.")] = "static",
) -> None:
    """Print milliseconds per step, and how many times as long the dense engine takes."""
    times = {name: [1e3 * spent for spent in each] for name, each in measure(repeats, variant).items()}
    whole = median(times["dense"])
    for name, each in times.items():
        line = f"{name:12} {median(each):6.2f} ms/step, median of {repeats} ({min(each):.2f} to {max(each):.2f})"
        typer.echo(f"{line}; dense / this {whole / median(each):.1f}×")


if __name__ == "__main__":
    typer.run(main)
