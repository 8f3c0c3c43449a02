"""Memory over many rounds: ``python -m benchmarks.memory``.

A search that kept graphs, optimizers or histories alive would grow by every round. The resident set after the last
round is compared with that after round 2, when everything has been compiled and touched once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.speed import data
from lthcore import models
from lthcore.experiments.presets.mnist import LENET
from lthcore.lottery import find_tickets
from lthcore.pruning.config import PruneConfig
from lthcore.pruning.seeds import Seeds
from lthcore.training.config import TrainConfig
from lthcore.training.trainer import Trainer


def resident() -> float:
    """Resident set of this process in MiB, as Linux counts it now (not its peak)."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def main(
    rounds: Annotated[int, typer.Option(help="Number of the last round.")] = 25,
    steps: Annotated[int, typer.Option(help="Training steps per round.")] = 300,
) -> None:
    """Print the resident set after each round and the growth from round 2 to the last."""
    examples = data()
    trainer = Trainer(models.build(LENET.model, examples.input_shape, 10), examples, TrainConfig(steps=steps))
    config = PruneConfig(rounds=rounds, layer_rates=LENET.prune.layer_rates)
    sizes = []
    for found in find_tickets(trainer, config, Seeds(0)):
        sizes.append(resident())
        typer.echo(f"round {found.index:2}: {sizes[-1]:7.1f} MiB")
    typer.echo(f"round {rounds} / round 2: {sizes[-1] / sizes[2]:.4f}")


if __name__ == "__main__":
    typer.run(main)
