"""Filters removed before convergence: train a little, rank, remove, go on; and the same network from scratch.

Per removal: train some steps, rank the filters of each layer by the norm of their kernels, physically remove the lowest
ones, go on from the trained weights. What is left trains to the end. This is in the style of IPLT ({cite}`LZS19`), of
which the abstract alone could be had: steps, share, number of removals and norm are settings of `FilterConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import perf_counter

import keras
import numpy as np
import tensorflow as tf

from lthcore import costs, datasets, fit, graph, inference, loop, models, optimizers, surgery, trials
from lthcore import weights as keras_weights
from lthcore.archive import packed
from lthcore.config import FilterConfig, TrainConfig
from lthcore.datasets.base import Dataset
from lthcore.experiment import Experiment
from lthcore.history import DivergedError, Run
from lthcore.mask import Mask, Weights
from lthcore.prune import removals
from lthcore.seeds import Seeds
from lthcore.ticket import Ticket
from lthcore.train import Trainer, minibatches

# The networks compared: dense; pruned before convergence; and what is left of that one, trained from scratch for as
# many steps (E) or for as many operations (B) as the dense one.
NETWORKS = ("dense", "pruned", "scratch_e", "scratch_b")
# How often the test set is scored by each network to time it.
REPEATS = 7


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
    optimizer = optimizers.build(config.without_average())
    optimizer.build(model.trainable_variables)
    blank = [variable.numpy() for variable in optimizer.variables]
    loss = loop.LOSSES[config.loss](from_logits=fit.head(model) == "linear")
    xla = models.prefers_xla(model, on_gpu=bool(tf.config.list_physical_devices("GPU")))
    segment = loop.compile_segment(model, optimizer, loss, data.train, (), xla=xla)
    noise, shuffle = seeds.order(0).spawn(2)
    order = tf.constant(minibatches(shuffle, len(data.train), config.batch_size, stop)[start:])
    # A plain graph is compiled by one step as well as by all; XLA compiles for their number.
    segment(order, tf.constant(stop - start if xla else 1), {})

    keras_weights.write(model, weights)
    keras_weights.reseed(model, noise)
    for variable, value in zip(optimizer.variables, blank, strict=True):
        variable.assign(value)
    compiled = perf_counter()
    if not np.isfinite(float(segment(order, tf.constant(stop - start), {}))):
        raise DivergedError(f"the training loss is not finite between steps {start} and {stop}")
    return keras_weights.read(model), compiled - begin, perf_counter() - compiled


def compare(experiment: Experiment, trial: int) -> dict[str, np.ndarray]:
    """Train the dense network, the pruned one, and what is left of it from scratch, one after the other, and time them.

    All in one process, so that their clocks compare. All read the training examples in one order.

    Args:
        experiment: with `filters`.
        trial: number of the trial.

    Returns:
        ``metrics`` and ``layers``, names as `lthcore.archive.packed` has them. For each of `NETWORKS`, behind its
        name and a slash: ``steps``, how many it was trained for; ``test``, float64 (metrics,), at the early stop;
        ``seconds``, of training with its evaluations; ``compile_seconds``, besides, of building, removing, compiling;
        ``parameters``, with tables of word vectors and without; ``flops``, of an example's forward pass; ``units``,
        (layers,), filters of each layer; ``inference_seconds``, median time to score the test set; ``history/…``, the
        columns of its history, which for the pruned network begins at the last removal. And ``pruned/early``, (3,):
        steps before the last removal, their seconds, and those of compiling; the numbers before contain them.

    Raises:
        ValueError: for an experiment without filters.
        DivergedError: if a training diverges.

    Source: Scratch-E and Scratch-B are those of {cite}`LSZ18`.
    Book: chapter *Early tickets*.
    """
    if experiment.filters is None:
        raise ValueError(f"{experiment.identity} removes no filters: give it filters=FilterConfig(…)")
    data = datasets.load(experiment.dataset, experiment.text)
    dense, early, runs = _runs(experiment, data, Seeds(trial))
    batch = inference.BATCH if data.table is None else loop.DOCUMENT_BATCH
    timed = inference.seconds([dense, early.model], data.test.x, batch=batch, repeats=REPEATS)
    found = {"metrics": packed(list(runs["dense"].test)), "layers": packed(prunable_layers(dense))}
    for name, run in runs.items():
        model, seconds = (dense, timed[0]) if name == "dense" else (early.model, timed[1])
        values = _numbers(model, run) | {"inference_seconds": np.array(seconds)}
        found |= {f"{name}/{what}": value for what, value in values.items()}
    return found | {"pruned/early": np.array([early.step, early.seconds, early.compile_seconds])}


def _runs(experiment: Experiment, data: Dataset, seeds: Seeds) -> tuple[keras.Model, Removed, dict[str, Run]]:
    """The dense model, what was left of it when the last filters had gone, and all trainings."""
    config, begin = experiment.train, perf_counter()
    dense = trials.model_of(experiment, data)
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
