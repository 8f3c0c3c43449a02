"""The break-even: the density below which the sparse engine is the faster one on this machine, measured once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Protocol

import numpy as np

from lthcore.files import array_files, environment, paths
from lthcore.kernels import compiled
from lthcore.pruning.mask import Mask
from lthcore.pruning.ticket import Ticket
from lthcore.pruning.weights import Weights
from lthcore.training.config import TrainConfig
from lthcore.training.engines.engine import Engine

# Trainings shorter than this are over before a measurement would have paid: the dense engine takes them.
WORTH_MEASURING = 1_500
# Where the sparse engine is timed; what it costs in between lies on straight lines. Where most weights survive, each
# costs more than where few do: what a step reads no longer fits into fast memory.
_DENSITIES = (0.02, 0.3, 0.6, 1.0)
_STEPS, _REPEATS = 100, 3
_MOST = 0.999


class Described(Protocol):
    """A network's description; written out, it tells all that its speed depends on."""

    @property
    def kernels(self) -> tuple[str, ...]:
        """Names of its prunable weights."""


def measured(
    dense: Engine, sparse: Engine, network: Described, config: TrainConfig, examples: tuple[int, ...], weights: Weights
) -> float:
    """The density at which both engines take equally long; from a cache where this was measured before.

    It is less than 1: the whole network is the dense engine's, whatever is measured. So what is trained before the
    break-even is known is trained alike when it is known.

    Args:
        dense, sparse: the engines; the networks that they hold are overwritten.
        network: the model, as the sparse engine describes it.
        config: how often is scored, and how large minibatches are.
        examples: numbers of examples of the three parts of the data.
        weights: any weights of the model.
    """
    path = _path(dense.machine, network, config, examples)
    with suppress(Exception):  # not measured yet, or damaged in whatever way: measured again
        return float(array_files.read(path)["break_even"])
    found = _measure(dense, sparse, network.kernels, config, examples[0], weights)
    with suppress(OSError):  # where nothing can be written, each process measures for itself
        array_files.write(path, {name: np.asarray(value) for name, value in found.items()})
    return found["break_even"]


def _measure(
    dense: Engine, sparse: Engine, kernels: tuple[str, ...], config: TrainConfig, examples: int, weights: Weights
) -> dict[str, float]:
    rng = np.random.default_rng(0)
    shapes = {name: weights[name].shape for name in kernels}
    tickets = [
        Ticket(Mask({name: rng.random(shape) < density for name, shape in shapes.items()}), weights)
        for density in _DENSITIES
    ]
    batches = rng.integers(0, examples, (_STEPS, config.batch_size)).astype(np.int32)
    ways = [(dense, tickets[0]), *((sparse, ticket) for ticket in tickets)]
    seconds: list[list[float]] = [[] for _ in ways]
    for engine, _ in ways:
        engine.prepare(evaluate=True)
    for _ in range(_REPEATS):
        for times, (engine, ticket) in zip(seconds, ways, strict=True):
            times.append(_step(engine, ticket, batches, config))
    whole, *each = map(min, seconds)
    densities = [ticket.mask.density for ticket in tickets]
    return {
        "break_even": min(round(crossing(densities, each, whole), 3), _MOST),
        "dense_step_seconds": whole,
        **{f"sparse_step_seconds_at_{density:.3f}": step for density, step in zip(densities, each, strict=True)},
    }


def crossing(densities: Sequence[float], sparse: Sequence[float], dense: float) -> float:
    """The density up to which the sparse engine is the faster one, on the straight lines between points.

    Args:
        densities: rising.
        sparse: the sparse engine's times at them.
        dense: the dense engine's time.

    Returns:
        The last density of all where the sparse engine is always faster, 0 where it is slower at the first.

    Example:
        >>> crossing([0.1, 0.5, 1.0], [1.0, 3.0, 8.0], 4.0)
        0.6
    """
    if sparse[0] > dense:
        return 0.0
    for place in range(1, len(densities)):
        fast, slow = sparse[place - 1], sparse[place]
        if slow > dense:
            share = (dense - fast) / (slow - fast)
            return float(densities[place - 1] + share * (densities[place] - densities[place - 1]))
    return float(densities[-1])


def _step(engine: Engine, ticket: Ticket, batches: np.ndarray, config: TrainConfig) -> float:
    """Seconds of one step, with its share of the evaluations."""
    engine.owner = None
    engine.begin(ticket, np.random.default_rng(0))
    begin = perf_counter()
    engine.advance(batches)
    trained = perf_counter()
    engine.measure(test=False)
    validated = perf_counter()
    engine.measure(test=True)
    scored = perf_counter()
    training, validation = (trained - begin) / len(batches), (validated - trained) / config.eval_every
    return training + validation + (scored - 2 * validated + trained) / config.test_every


def _path(machine: Mapping[str, object], network: Described, config: TrainConfig, examples: tuple[int, ...]) -> Path:
    """Where a measurement is kept; its name tells of all that may change it."""
    here = environment.describe()
    same = [here[key] for key in ("processor", "vectors", "cores", "tensorflow", "keras", "numpy", "numba")]
    asked = (network, config.batch_size, config.eval_every, config.test_every, config.optimizer, examples)
    text = repr((same, sorted(machine.items()), compiled.fingerprint(), asked))
    return paths.cache() / "break_even" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.npz"
