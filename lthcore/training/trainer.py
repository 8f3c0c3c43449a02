"""The only training loop: `Trainer` takes a Keras model through run after run, with one compiled program."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import pairwise
from time import perf_counter

import keras
import numpy as np
import tensorflow as tf

from lthcore.datasets.base import Dataset
from lthcore.models import variables as keras_weights
from lthcore.pruning.ticket import Ticket
from lthcore.pruning.weights import Weights
from lthcore.training import compatibility, evaluation, optimizers
from lthcore.training.config import TrainConfig
from lthcore.training.engines import loop
from lthcore.training.gradients import LossProbe
from lthcore.training.run import COLUMNS, DivergedError, History, Run, best_row


class Trainer:
    """Trains tickets of one model on one data set.

    The model is the trainer's to write on: each run sets all its weights. What a run starts from is the ticket, a new
    optimizer state, and random generators seeded from the run's own stream; nothing leaks from one run to the next.

    Args:
        model: any built Keras model with named layers; it ends in logits, or in a softmax, for label sets in sigmoids.
        data: what to train on; shapes and labels must fit the model and the loss.
        config: how to train.
        optimizer: a Keras optimizer to use instead of the one `config` names; it must be element-wise.
        compiler: ``"xla"``, ``"graph"``, or ``"auto"`` for the one that is faster for this model and device. It is
            that of the model; the optimizer's update is XLA's in any case.
        embeddings: whether trained tables of word vectors are prunable too.
        fresh: draws initial weights, where the layers' own initializers are not what is wanted.

    Raises:
        ValueError: if model, data or optimizer cannot be used; the message says why.

    Example:
        >>> from lthcore import datasets, models
        >>> digits = datasets.load("digits")
        >>> trainer = Trainer(models.build("lenet_300_100", (8, 8, 1), 10), digits, TrainConfig(steps=20))
        >>> ticket = Ticket.dense(trainer.fresh(np.random.default_rng(0)), trainer.prunable)
        >>> run = trainer.train(ticket, order=np.random.default_rng(1))
        >>> int(run.history["step"][-1])
        20

    Source: {cite}`FC18`, section 2 and appendix B, the training between two prunings.
    Book: chapter *Reproduction*.
    """

    def __init__(
        self,
        model: keras.Model,
        data: Dataset,
        config: TrainConfig,
        *,
        optimizer: keras.Optimizer | None = None,
        compiler: str = "auto",
        embeddings: bool = False,
        fresh: Callable[[np.random.Generator], Weights] | None = None,
    ) -> None:
        compatibility.check(model, data, config)
        if compiler not in ("auto", "xla", "graph"):
            raise ValueError(f"unknown compiler {compiler!r}; known are auto, xla, graph")
        self.model, self.data, self.config = model, data, config
        self.prunable = keras_weights.prunable(model, embeddings=embeddings)
        optimizers.check(optimizer or optimizers.build(config))
        # Its settings only: an optimizer that was used before has momenta, and a run starts without.
        self.optimizer = type(optimizer).from_config(optimizer.get_config()) if optimizer else optimizers.build(config)
        self.optimizer.build(model.trainable_variables)
        self._blank = [variable.numpy() for variable in self.optimizer.variables]
        self._fresh = fresh
        on_gpu = bool(tf.config.list_physical_devices("GPU"))
        xla = compiler == "xla" or (compiler == "auto" and loop.prefers_xla(model, on_gpu=on_gpu))
        loss = loop.LOSSES[config.loss](from_logits=compatibility.head(model) == "linear")
        self._segment = loop.compile_segment(model, self.optimizer, loss, data.train, self.prunable, xla=xla)
        self._score = evaluation.evaluator(model, loss, data)
        self.probe = LossProbe(model, loss, data.train, self.prunable)
        self.machine = {
            "compiler": "xla" if xla else "graph",
            "device": "gpu" if on_gpu else "cpu",
            "threads": _threads(),
        }
        self._compiled = False

    @cached_property
    def varying(self) -> np.ndarray:
        """Which inputs differ between training examples: bool, shape of one example."""
        x = self.data.train.x
        return x.min(axis=0) < x.max(axis=0)

    @property
    def embedding(self) -> int:
        """Number of weights in embedding tables that are not pruned."""
        tables = {name: v for name, v in keras_weights.variables(self.model).items() if v.name == "embeddings"}
        return sum(int(np.prod(v.shape)) for name, v in tables.items() if name not in self.prunable)

    def fresh(self, rng: np.random.Generator) -> Weights:
        """New initial weights θ₀ ~ D of the model, drawn from `rng` alone."""
        return self._fresh(rng) if self._fresh else keras_weights.fresh(self.model, rng)

    def train(
        self, ticket: Ticket, *, order: np.random.Generator, keep: Iterable[int] = (), stop: int | None = None
    ) -> Run:
        """Train a ticket to the end.

        Args:
            ticket: where to start; a ticket rewound to step k trains the steps from k on.
            order: stream of the data order and of dropout noise.
            keep: steps k at which to keep θ_k, counted as the history counts.
            stop: end at this step instead of the configured one.

        Returns:
            The run: history, final weights, weights at the early stop, snapshots.

        Raises:
            ValueError: if the ticket does not fit the model or a step lies outside the run.
            DivergedError: at a loss or weight that is not finite.
        """
        start, stop, keep = _span(ticket.at_step, stop or self.config.steps, frozenset(keep))
        compile_seconds = self._compile()
        masks, batches = self._begin(ticket, order, stop)

        begin = perf_counter()
        rows, losses = [self._row(start)], []
        best = ticket.weights
        snapshots = {start: ticket.weights} if start in keep else {}
        for at, mark in pairwise(self._marks(start, stop, keep)):
            losses.append((mark - at, self._advance(batches, masks, at, mark)))
            with self._averaged():
                final = keras_weights.read(self.model)
                if mark in keep:
                    snapshots[mark] = final
                if mark % self.config.eval_every == 0 or mark == stop:
                    rows.append(self._row(mark, losses, last=mark == stop))
                    losses = []
                    # In the precision of the history, so that both find the same row.
                    scores = np.array([row[self.config.stop_by] for row in rows], np.float32)
                    if best_row(scores, self.config.stop_by) == len(rows) - 1:
                        best = final
        if not final.finite():
            raise DivergedError(f"a weight is not finite after step {stop}")
        keras_weights.write(self.model, best)
        report = self._score.report()
        return Run(
            history=_history(rows, self.config.stop_by),
            final=final,
            best=best,
            snapshots=snapshots,
            test=report.test,
            counts=report.counts,
            seconds=perf_counter() - begin,
            compile_seconds=compile_seconds,
            machine=self.machine,
        )

    def test(self, weights: Weights) -> dict[str, float]:
        """Loss and accuracy of `weights` on the test set; for several labels micro-F1 as well."""
        keras_weights.write(self.model, weights)
        return self._score.test()

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Give the model the moving averages of its weights, where the optimizer keeps any, and then take them back.

        Such a network *is* its average: that is scored, kept and pruned by. Training itself goes on from the weights.
        """
        averages = optimizers.averages(self.optimizer)
        raw = [variable.numpy() for variable in self.model.trainable_variables] if averages else []
        for variable, average in zip(self.model.trainable_variables, averages, strict=False):
            variable.assign(average)
        try:
            yield
        finally:
            for variable, value in zip(self.model.trainable_variables, raw, strict=False):
                variable.assign(value)

    def _begin(self, ticket: Ticket, order: np.random.Generator, stop: int) -> tuple[dict[str, tf.Tensor], np.ndarray]:
        """Set everything a run starts from; return the masks and the minibatches of its steps."""
        if tuple(ticket.mask) != self.prunable:
            raise ValueError(f"the mask names {', '.join(ticket.mask)}; the model prunes {', '.join(self.prunable)}")
        if not ticket.weights.finite():
            raise DivergedError("the ticket's weights contain NaN or infinite values; nothing was trained")
        noise, shuffle = order.spawn(2)
        keras_weights.write(self.model, ticket.mask.apply(ticket.weights))
        keras_weights.reseed(self.model, noise)
        for variable, value in zip(self.optimizer.variables, self._blank, strict=True):
            variable.assign(value)
        masks = {name: tf.constant(ticket.mask[name], tf.float32) for name in self.prunable}
        return masks, minibatches(shuffle, len(self.data.train), self.config.batch_size, stop)

    def _compile(self) -> float:
        """Compile all programs by running them once on whatever the variables hold; return the seconds it took.

        What that leaves behind is overwritten when the run begins. XLA compiles for a number of steps; a plain graph
        needs one only.
        """
        if self._compiled:
            return 0.0
        begin = perf_counter()
        nowhere = np.zeros((self.config.eval_every, self.config.batch_size), np.int32)
        shapes = keras_weights.read(self.model)
        masks = {name: tf.ones(shapes[name].shape) for name in self.prunable}
        steps = self.config.eval_every if self.machine["compiler"] == "xla" else 1
        self._segment(tf.constant(nowhere), tf.constant(steps), masks)
        self._score.validate()
        self._score.test()
        self._compiled = True
        return perf_counter() - begin

    def _advance(self, batches: np.ndarray, masks: dict[str, tf.Tensor], at: int, mark: int) -> float:
        """Train the steps from `at` to `mark`; return their mean loss."""
        loss = float(self._segment(self._window(batches, at, mark), tf.constant(mark - at), masks))
        if not np.isfinite(loss):
            raise DivergedError(f"the training loss became {loss} between steps {at} and {mark}")
        return loss

    def _window(self, batches: np.ndarray, at: int, mark: int) -> tf.Tensor:
        """Minibatches of the steps from `at` to `mark`, padded to the one shape that is compiled."""
        window = np.zeros((self.config.eval_every, self.config.batch_size), np.int32)
        window[: mark - at] = batches[at:mark]
        return tf.constant(window)

    def _marks(self, start: int, stop: int, keep: frozenset[int]) -> list[int]:
        """The steps at which training halts: to be evaluated, to be kept, or because it ends."""
        every = range(start - start % self.config.eval_every, stop, self.config.eval_every)
        return sorted({start, stop, *keep, *(step for step in every if step > start)})

    def _row(self, step: int, losses: list[tuple[int, float]] = (), *, last: bool = False) -> dict[str, float]:
        """Evaluate the current weights; `losses` are (steps, mean training loss) since the row before."""
        row = dict.fromkeys(COLUMNS, np.nan) | {"step": step}
        if losses:
            row["train_loss"] = np.average([loss for _, loss in losses], weights=[steps for steps, _ in losses])
        row |= {f"validation_{name}": value for name, value in self._score.validate().items()}
        if not np.isfinite(row["validation_loss"]):
            raise DivergedError(f"the validation loss became {row['validation_loss']} at step {step}")
        if step % self.config.test_every == 0 or last:
            row |= {f"test_{name}": value for name, value in self._score.test().items()}
        return row


def _span(start: int, stop: int, keep: frozenset[int]) -> tuple[int, int, frozenset[int]]:
    if not start < stop or any(not start <= k <= stop for k in keep):
        raise ValueError(f"cannot train from step {start} to {stop} and keep the weights of steps {sorted(keep)}")
    return start, stop, keep


def minibatches(rng: np.random.Generator, examples: int, batch: int, steps: int) -> np.ndarray:
    """Example numbers of each step, shape (steps, batch): a new permutation every epoch, the odd rest dropped."""
    per_epoch = examples // batch
    epochs = -(-steps // per_epoch)
    orders = [rng.permutation(examples)[: per_epoch * batch] for _ in range(epochs)]
    return np.concatenate(orders).reshape(-1, batch)[:steps].astype(np.int32)


def _history(rows: list[dict[str, float]], stop_by: str) -> History:
    names = dict.fromkeys(name for row in rows for name in row if name != "step")
    columns = {name: np.array([row.get(name, np.nan) for row in rows], np.float32) for name in names}
    return History({"step": np.array([row["step"] for row in rows], np.int32), **columns}, stop_by)


def _threads() -> int | str:
    """How many threads share one operation: what was asked for in code, or in the environment, or all there are."""
    asked = tf.config.threading.get_intra_op_parallelism_threads()
    return asked or int(os.environ.get("TF_NUM_INTRAOP_THREADS", 0)) or "all"
