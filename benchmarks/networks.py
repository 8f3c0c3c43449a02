"""LeNet-300-100 as the benchmarks train it: data, trainers, masks, and the seconds of some steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from time import perf_counter

import numpy as np

from lthcore import datasets, models
from lthcore.datasets import Dataset, Split
from lthcore.experiments.presets.mnist import LENET
from lthcore.pruning.mask import Mask
from lthcore.pruning.ticket import Ticket, rewind
from lthcore.training.trainer import Trainer

OUTPUT = "output/kernel"


@cache
def data() -> Dataset:
    """MNIST where it is at hand, otherwise noise of its shape: speed does not depend on the pixels."""
    if datasets.available("mnist"):
        return datasets.load("mnist")
    rng = np.random.default_rng(0)

    def noise(count: int) -> Split:
        # Grey values are bytes, as those of images are.
        x = rng.integers(0, 256, (count, 28, 28, 1)).astype(np.float32) / np.float32(255)
        return Split(x, rng.integers(0, 10, count).astype(np.int32))

    return Dataset(name="noise", train=noise(55_000), validation=noise(5_000), test=noise(10_000), classes=10)


@cache
def trainer(test_every: int = 100) -> Trainer:
    """The trainer of the paper's experiment, one for all that ask, so that its program is compiled once."""
    model = models.build(LENET.model, data().input_shape, data().classes)
    return Trainer(model, data(), replace(LENET.train, test_every=test_every))


def dense(of: Trainer) -> Ticket:
    """The whole network at its initial values."""
    return Ticket.dense(of.fresh(np.random.default_rng(0)), of.prunable)


def random(of: Trainer, densities: Mapping[str, float]) -> Ticket:
    """A ticket whose survivors are drawn by chance, a fixed number of each layer."""
    weights, rng = of.fresh(np.random.default_rng(0)), np.random.default_rng(1)
    mask = {}
    for name in of.prunable:
        flat = np.arange(weights[name].size) < max(1, round(densities[name] * weights[name].size))
        mask[name] = rng.permutation(flat).reshape(weights[name].shape)
    return rewind(Mask(mask), to=weights)


def of_density(of: Trainer, density: float) -> Ticket:
    """A random ticket with the proportions of pruned ones: the output layer keeps five times as much, at most all."""
    hidden = dict.fromkeys(of.prunable, density)
    return random(of, hidden | {OUTPUT: min(1.0, 5 * density)})


def train(of: Trainer, ticket: Ticket, steps: int, *, evaluate: bool = False) -> float:
    """Seconds of some steps, with the evaluations on the way if asked for; compiling and beginning are not counted."""
    with of.start(ticket, order=np.random.default_rng(1), stop=steps + 1, evaluate=evaluate) as session:
        if evaluate:
            session.advance(to=ticket.at_step)  # scores the network before its first step
        begin = perf_counter()
        session.advance(to=steps, evaluate=evaluate)
        return perf_counter() - begin
