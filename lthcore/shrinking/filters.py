"""Filters removed before convergence: train a little, rank, remove, go on; and the same network from scratch.

Per removal: train some steps, rank the filters of each layer by the norm of their kernels, physically remove the lowest
ones, go on from the trained weights. What is left trains to the end. This is in the style of IPLT ({cite}`LZS19`), of
which the abstract alone could be had: steps, share, number of removals and norm are settings of `FilterConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

import keras
import numpy as np

from lthcore.datasets.base import Dataset
from lthcore.pruning.mask import Mask
from lthcore.pruning.prune import removals
from lthcore.pruning.seeds import Seeds
from lthcore.pruning.ticket import Ticket
from lthcore.pruning.weights import Weights
from lthcore.shrinking import graph, surgery
from lthcore.shrinking.config import FilterConfig
from lthcore.training.config import TrainConfig
from lthcore.training.trainer import Trainer


@dataclass(frozen=True, kw_only=True)
class Removed:
    """A network whose filters were removed.

    Args:
        model: what is left.
        weights: its weights.
        step: the training step they belong to.
        seconds: time the steps up to there took.
        compile_seconds: time spent compiling them, and removing filters.
    """

    model: keras.Model
    weights: Weights
    step: int
    seconds: float
    compile_seconds: float


def prunable_layers(model: keras.Model) -> tuple[str, ...]:
    """Layers whose filters or units can be removed: all that have any, but the last, which gives the outputs."""
    return tuple(call.name for call in graph.calls(model) if graph.has_units(call.layer))[:-1]


def rank(kernel: np.ndarray, norm: str) -> np.ndarray:
    """Norm of each filter: the L1 or L2 norm of all weights that lead into it.

    Args:
        kernel: filters along its last axis; a unit of a dense layer is a filter of size one.
        norm: ``"l1"`` or ``"l2"``.

    Returns:
        float64 (filters,).

    Example:
        >>> rank(np.array([[3.0, 1.0], [-4.0, 1.0]]), "l1").tolist()
        [7.0, 2.0]
        >>> rank(np.array([[3.0, 0.0], [-4.0, 1.0]]), "l2").tolist()
        [5.0, 1.0]

    Book: chapter *Early tickets*.
    """
    flat = np.abs(np.reshape(kernel, (-1, kernel.shape[-1])).astype(np.float64))
    return flat.sum(axis=0) if norm == "l1" else np.sqrt((flat**2).sum(axis=0))


def survivors(weights: Weights, rates: Mapping[str, float], norm: str) -> dict[str, np.ndarray]:
    """Which filters of each layer stay: of n, the n − round(rate · n) of largest norm, and at least one.

    Args:
        weights: of the network.
        rates: layer name → share of its filters that goes.
        norm: ``"l1"`` or ``"l2"``.

    Returns:
        Layer name → indices that stay, in rising order. Of equal norms the lower index goes first, as with masks.

    Raises:
        ValueError: for a layer without a kernel or a rate outside [0, 1).

    Example:
        >>> theta = Weights({"hidden/kernel": [[1.0, -3.0, 2.0, 0.5]]})
        >>> survivors(theta, {"hidden": 0.5}, "l1")["hidden"].tolist()
        [1, 2]

    Book: chapter *Early tickets*.
    """
    found = {}
    for name, rate in rates.items():
        if f"{name}/kernel" not in weights:
            raise ValueError(
                f"layer {name!r} has no kernel to rank its filters by; the weights are {', '.join(weights)}"
            )
        norms = rank(weights[f"{name}/kernel"], norm)
        order = np.argsort(norms, kind="stable")
        found[name] = np.sort(order[removals(len(norms), rate) :])
    return found


def remove(model: keras.Model, weights: Weights, filters: FilterConfig) -> tuple[keras.Model, Weights]:
    """One removal: a smaller model and what is left of the weights; the original stays as it is.

    Raises:
        ValueError: if `layer_rates` speaks of a layer whose filters cannot be removed.

    Book: chapter *Early tickets*.
    """
    rates = filters.rates(prunable_layers(model))
    smaller, left = surgery.keep_units(model, weights, survivors(weights, rates, filters.norm))
    for layer in smaller.layers if filters.dropout == "scale" else ():
        if isinstance(layer, keras.layers.Dropout):
            layer.rate *= (layer.output.shape[-1] / model.get_layer(layer.name).output.shape[-1]) ** 0.5
    return smaller, left


def train_and_remove(
    model: keras.Model, weights: Weights, data: Dataset, config: TrainConfig, filters: FilterConfig, seeds: Seeds
) -> Removed:
    """Train, remove, go on, until the last filters are removed.

    The data order is that of round 0. Nothing is evaluated, so that no time goes to it. The optimizer's state starts
    anew after each removal, and so does dropout noise. No moving average is taken of the weights: training goes on from
    the weights themselves, which are also what is ranked.

    Args:
        model, weights: the dense network, whose own weights are overwritten, and where it starts.
        data, config: what to train on, and how.
        filters: when to remove how many filters.
        seeds: the random streams of the trial.

    Raises:
        DivergedError: naming the steps.

    Source: in the style of {cite}`LZS19`.
    Book: chapter *Early tickets*.
    """
    seconds = compile_seconds = 0.0
    for removal in range(filters.removals):
        start = removal * filters.every
        weights, compiling, training = _advance(model, weights, data, config, seeds, (start, start + filters.every))
        begin = perf_counter()
        model, weights = remove(model, weights, filters)
        seconds, compile_seconds = seconds + training, compile_seconds + compiling + perf_counter() - begin
    step = filters.removals * filters.every
    return Removed(model=model, weights=weights, step=step, seconds=seconds, compile_seconds=compile_seconds)


def _advance(
    model: keras.Model, weights: Weights, data: Dataset, config: TrainConfig, seeds: Seeds, span: tuple[int, int]
) -> tuple[Weights, float, float]:
    """Train the steps of a span and do nothing else; return weights, seconds of compiling, seconds of training."""
    begin, (start, stop) = perf_counter(), span
    # A network is trained on from its weights, not from an average that lags behind them.
    trainer = Trainer(model, data, config.without_average())
    ticket = Ticket(Mask.dense(weights, trainer.prunable), weights, start)
    with trainer.start(ticket, order=seeds.order(0), stop=stop, evaluate=False) as session:
        compiled = perf_counter()
        session.advance(to=stop, evaluate=False)
        return session.weights, compiled - begin, perf_counter() - compiled
