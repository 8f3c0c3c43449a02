"""Filters pruned before convergence, against training from scratch: sizes, accuracies and clocks."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

import keras
import numpy as np

from lthcore import datasets
from lthcore.datasets.base import Dataset
from lthcore.experiments import trainers
from lthcore.experiments.experiment import FilterExperiment
from lthcore.files.array_files import packed
from lthcore.models import variables as keras_weights
from lthcore.pruning.mask import Mask
from lthcore.pruning.seeds import Seeds
from lthcore.pruning.ticket import Ticket
from lthcore.pruning.weights import Weights
from lthcore.shrinking import costs, graph, timing
from lthcore.shrinking.filters import Removed, prunable_layers, train_and_remove
from lthcore.training.config import TrainConfig
from lthcore.training.evaluation import DOCUMENT_BATCH
from lthcore.training.run import Run
from lthcore.training.trainer import Trainer

# How often the test set is scored by each network to time it.
REPEATS = 7


def compare(experiment: FilterExperiment, trial: int) -> dict[str, np.ndarray]:
    """Train the dense network, the pruned one, and what is left of it from scratch, one after the other, and time them.

    All in one process, so that their clocks compare. All read the training examples in one order.

    Args:
        experiment: which filters are removed from which network.
        trial: number of the trial.

    Returns:
        ``metrics`` and ``layers``, names as `array_files.packed` has them. For each of `NETWORKS`, behind its
        name and a slash: ``steps``, how many it was trained for; ``test``, float64 (metrics,), at the early stop;
        ``seconds``, of training with its evaluations; ``compile_seconds``, besides, of building, removing, compiling;
        ``parameters``, with tables of word vectors and without; ``flops``, of an example's forward pass; ``units``,
        (layers,), filters of each layer; ``inference_seconds``, median time to score the test set; ``history/…``, the
        columns of its history, which for the pruned network begins at the last removal. And ``pruned/early``, (3,):
        steps before the last removal, their seconds, and those of compiling; the numbers before contain them.

    Raises:
        DivergedError: if a training diverges.

    Source: Scratch-E and Scratch-B are those of {cite}`LSZ18`.
    Book: chapter *Early tickets*.
    """
    data = datasets.load(experiment.dataset, experiment.text)
    dense, early, runs = _runs(experiment, data, Seeds(trial))
    batch = timing.BATCH if data.table is None else DOCUMENT_BATCH
    timed = timing.seconds([dense, early.model], data.test.x, batch=batch, repeats=REPEATS)
    found = {"metrics": packed(list(runs["dense"].test)), "layers": packed(prunable_layers(dense))}
    for name, run in runs.items():
        model, seconds = (dense, timed[0]) if name == "dense" else (early.model, timed[1])
        values = _numbers(model, run) | {"inference_seconds": np.array(seconds)}
        found |= {f"{name}/{what}": value for what, value in values.items()}
    return found | {"pruned/early": np.array([early.step, early.seconds, early.compile_seconds])}


def _runs(experiment: FilterExperiment, data: Dataset, seeds: Seeds) -> tuple[keras.Model, Removed, dict[str, Run]]:
    """The dense model, what was left of it when the last filters had gone, and all trainings."""
    config, begin = experiment.train, perf_counter()
    dense = trainers.model_of(experiment, data)
    build = perf_counter() - begin
    theta_0 = keras_weights.fresh(dense, seeds.init)
    whole = _train(dense, theta_0, data, config, seeds)
    early = train_and_remove(dense, theta_0, data, config, experiment.filters, seeds)
    small = early.model
    pruned = _train(small, early.weights, data, config, seeds, at_step=early.step)
    as_long, longer = (keras_weights.fresh(small, seeds.control(0, draw)) for draw in (0, 1))
    more = lengthened(config, costs.flops(dense) / costs.flops(small))
    runs = {
        "dense": _with(whole, 0.0, build),
        "pruned": _with(pruned, early.seconds, build + early.compile_seconds),
        "scratch_e": _with(_train(small, as_long, data, config, seeds), 0.0, build),
        "scratch_b": _with(_train(small, longer, data, more, seeds), 0.0, build),
    }
    return dense, early, runs


def lengthened(config: TrainConfig, factor: float) -> TrainConfig:
    """The same training with so many times the steps, evaluated as often.

    Example:
        >>> longer = lengthened(TrainConfig(steps=1_000, eval_every=100, test_every=500), 2.5)
        >>> (longer.steps, longer.eval_every, longer.test_every)
        (2500, 250, 1250)
    """
    every = max(round(config.eval_every * factor), 1)
    times = config.test_every // config.eval_every
    return replace(config, steps=max(round(config.steps * factor), 1), eval_every=every, test_every=every * times)


def _train(
    model: keras.Model, weights: Weights, data: Dataset, config: TrainConfig, seeds: Seeds, *, at_step: int = 0
) -> Run:
    """Train to the end, with a trainer of its own: each network pays for compiling."""
    begin = perf_counter()
    trainer = Trainer(model, data, config)
    setup = perf_counter() - begin
    ticket = Ticket(Mask.dense(weights, trainer.prunable), weights, at_step)
    return _with(trainer.train(ticket, order=seeds.order(0)), 0.0, setup)


def _with(run: Run, seconds: float, compile_seconds: float) -> Run:
    """A run that took longer."""
    return replace(run, seconds=run.seconds + seconds, compile_seconds=run.compile_seconds + compile_seconds)


def _numbers(model: keras.Model, run: Run) -> dict[str, np.ndarray]:
    """What is kept of a network besides its inference time."""
    units = [graph.channels(call.outputs[0]) for call in graph.calls(model) if graph.has_units(call.layer)]
    return {
        "steps": np.array(run.history["step"][-1], np.int32),
        "test": np.array(list(run.test.values())),
        "seconds": np.array(run.seconds),
        "compile_seconds": np.array(run.compile_seconds),
        "parameters": np.array(costs.parameters(model), np.int64),
        "flops": np.array(costs.flops(model), np.int64),
        "units": np.array(units[:-1], np.int32),
        **{f"history/{name}": column for name, column in run.history.columns.items()},
    }
