"""The break-even: the density below which the sparse engine is the faster one on this machine, measured once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import perf_counter
from typing import Protocol

import numpy as np

from lthcore.files import environment, paths
from lthcore.kernels import compiled
from lthcore.pruning.mask import Mask
from lthcore.pruning.ticket import Ticket
from lthcore.pruning.weights import Weights
from lthcore.training.config import TrainConfig
from lthcore.training.engines.engine import Engine

# Trainings shorter than this are over before a measurement would have paid: the dense engine takes them.
WORTH_MEASURING = 1_500
# Where the sparse engine is timed; what it costs in between lies on a line.
_DENSITIES = (0.02, 0.3)
_STEPS, _REPEATS = 100, 3


class Described(Protocol):
    """A network's description; written out, it tells all that its speed depends on."""

    @property
    def kernels(self) -> tuple[str, ...]:
        """Names of its prunable weights."""


def measured(
    dense: Engine, sparse: Engine, network: Described, config: TrainConfig, examples: tuple[int, ...], weights: Weights
) -> float:
    """The density at which both engines take equally long, in [0, 1]; from a cache where this was measured before.

    Args:
        dense, sparse: the engines; the networks that they hold are overwritten.
        network: the model, as the sparse engine describes it.
        config: how often is scored, and how large minibatches are.
        examples: numbers of examples of the three parts of the data.
        weights: any weights of the model.
    """
    path = _path(dense.machine, network, config, examples)
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["break_even"])
    except (OSError, ValueError, KeyError, TypeError):  # not measured yet, or damaged: measured again
        pass
    found = _measure(dense, sparse, network.kernels, config, examples[0], weights)
    _keep(path, found)
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
    ways = [(dense, tickets[-1]), *((sparse, ticket) for ticket in tickets)]
    seconds: list[list[float]] = [[] for _ in ways]
    for engine, _ in ways:
        engine.prepare(evaluate=True)
    for _ in range(_REPEATS):
        for times, (engine, ticket) in zip(seconds, ways, strict=True):
            times.append(_step(engine, ticket, batches, config))
    whole, *line = map(min, seconds)
    slope, at_nothing = np.polyfit([ticket.mask.density for ticket in tickets], line, 1)
    crossing = (whole - at_nothing) / max(slope, 1e-12)
    return {
        "break_even": round(float(np.clip(crossing, 0.0, 1.0)), 3),
        "dense_step_seconds": whole,
        "sparse_step_seconds": float(at_nothing),
        "sparse_seconds_per_density": float(slope),
    }


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
    same = [here[key] for key in ("processor", "vectors", "cores", "tensorflow", "keras", "numpy")]
    asked = (network, config.batch_size, config.eval_every, config.test_every, config.optimizer, examples)
    text = repr((same, sorted(machine.items()), compiled.fingerprint(), asked))
    return paths.cache() / "break_even" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


def _keep(path: Path, found: Mapping[str, float]) -> None:
    """Write a measurement whole or not at all; where nothing can be written, each process measures for itself."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            json.dump(found, file)
        Path(file.name).replace(path)
    except OSError:
        return
