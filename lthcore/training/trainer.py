"""`Trainer`: takes a Keras model through run after run, with one compiled program."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property

import keras
import numpy as np
import tensorflow as tf

from lthcore.checks import check_known
from lthcore.datasets.base import Dataset
from lthcore.models import variables
from lthcore.pruning.ticket import Ticket
from lthcore.pruning.weights import Weights
from lthcore.training import compatibility, optimizers
from lthcore.training.config import TrainConfig
from lthcore.training.engines.choice import Engines
from lthcore.training.engines.dense import DenseEngine
from lthcore.training.engines.loop import prefers_xla
from lthcore.training.gradients import LossProbe
from lthcore.training.run import DivergedError, Run
from lthcore.training.session import Session

COMPILERS = ("auto", "xla", "graph")


class Trainer:
    """Trains tickets of one model on one data set.

    The model is the trainer's to write on: each run sets all its weights. What a run starts from is the ticket, a new
    optimizer state, and random generators seeded from the run's own stream; nothing leaks from one run to the next.

    Args:
        model: any built Keras model with named layers; it ends in logits, or in a softmax, for label sets in sigmoids.
        data: what to train on; shapes and labels must fit the model and the loss.
        config: how to train.
        optimizer: a Keras optimizer to use instead of the one `config` names; it must be element-wise. Its settings
            are taken over; it is left alone itself.
        compiler: ``"xla"``, ``"graph"``, or ``"auto"`` for the one that is faster for this model and device. The
            model's forward and backward pass use it; the optimizer's update is always compiled by XLA.
        engine: what executes the steps: ``"dense"``, the compiled loop; ``"sparse"``, kernels that touch survivors
            alone, for stacks of dense layers and for Kim's network of documents; or ``"auto"`` for the kernels
            wherever they can and a ticket is light enough for them to be faster, and the loop otherwise.
        break_even: the density up to which ``"auto"`` takes the kernels, where it is known; else it is measured once
            per machine, when it is first needed, for trainings of 1 500 steps or more.
        embeddings: whether trained tables of word vectors are prunable too.
        fresh: draws initial weights, where the layers' own initializers are not what is wanted. Otherwise what is
            frozen in the model keeps the value that it has now.
        head: what the model ends in, ``"logits"``, ``"softmax"`` or ``"sigmoid"``, where its layers do not tell.

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
        engine: str = "auto",
        break_even: float | None = None,
        embeddings: bool = False,
        fresh: Callable[[np.random.Generator], Weights] | None = None,
        head: str | None = None,
    ) -> None:
        ends_in = compatibility.check(model, data, config, head=head)
        check_known("compiler", compiler, COMPILERS)
        optimizer = optimizers.build(config) if optimizer is None else optimizer
        optimizers.check(optimizer)
        self.model, self.data, self.config = model, data, config
        self.prunable = variables.prunable(model, embeddings=embeddings)
        self._fresh, self._kept = fresh, variables.kept(model)
        on_gpu = bool(tf.config.list_physical_devices("GPU"))
        xla = compiler == "xla" or (compiler == "auto" and prefers_xla(model, on_gpu=on_gpu))
        loss = compatibility.loss(config, head=ends_in)
        dense = DenseEngine(
            model,
            optimizer,
            loss,
            data,
            self.prunable,
            window=config.eval_every,
            batch_size=config.batch_size,
            xla=xla,
        )
        self._engines = Engines(dense, model, optimizer, data, config, engine=engine, break_even=break_even)
        self.probe = LossProbe(model, loss, data.train, self.prunable)

    @property
    def machine(self) -> dict[str, object]:
        """What computes dense networks: engine, compiler, device, threads."""
        return dict(self._engines.dense.machine)

    @property
    def break_even(self) -> float:
        """The density up to which the sparse engine trains, 0 where it never does.

        It is measured when it is first asked for, unless it was given.

        Warns:
            RuntimeWarning: if kernels would serve this model, but cannot be compiled here.
        """
        return self._engines.break_even

    def deciding_by(self, break_even: float) -> Trainer:
        """The same trainer, engines and all, with a break-even that was fixed before."""
        made = copy.copy(self)
        made._engines = self._engines.deciding_by(break_even)
        return made

    def by(self, engine: str) -> Trainer:
        """The same trainer, with another choice of the engine.

        Raises:
            ValueError: for a sparse engine that cannot train this model.
        """
        made = copy.copy(self)
        made._engines = self._engines.named(engine)
        return made

    @cached_property
    def varying(self) -> np.ndarray:
        """Which inputs differ between training examples: bool, shape of one example."""
        x = self.data.train.x
        return x.min(axis=0) < x.max(axis=0)

    @property
    def embedding(self) -> int:
        """Number of weights in embedding tables that are not pruned."""
        tables = {name: v for name, v in variables.variables(self.model).items() if v.name == "embeddings"}
        return sum(int(np.prod(v.shape)) for name, v in tables.items() if name not in self.prunable)

    def fresh(self, rng: np.random.Generator) -> Weights:
        """New initial weights θ₀ ~ D of the model, drawn from `rng` alone."""
        return self._fresh(rng) if self._fresh else variables.fresh(self.model, rng, self._kept)

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
        start, last, kept = ticket.at_step, stop or self.config.steps, frozenset(keep)
        if any(not start <= k <= last for k in kept):
            raise ValueError(f"cannot train from step {start} to {last} and keep the weights of steps {sorted(kept)}")
        snapshots = {start: ticket.weights} if start in kept else {}
        with self.start(ticket, order=order, stop=last) as session:
            for step in sorted(kept - {start}):
                session.advance(to=step)
                snapshots[step] = session.weights
            run = session.finish()
        return replace(run, snapshots=snapshots)

    def start(
        self, ticket: Ticket, *, order: np.random.Generator, stop: int | None = None, evaluate: bool = True
    ) -> Session:
        """Begin a training that can be entered between any two of its steps.

        Args:
            ticket: where to start; a ticket rewound to step k trains the steps from k on.
            order: stream of the data order and of dropout noise.
            stop: end at this step instead of the configured one.
            evaluate: False where nothing will be scored, so that only the training is compiled.

        Returns:
            The session, at the ticket's step; the one before it is over.

        Raises:
            ValueError: if the ticket does not fit the model, or the training would end before it begins.
            DivergedError: if the ticket's weights are not finite.
        """
        last = stop or self.config.steps
        if not ticket.at_step < last:
            raise ValueError(f"cannot train from step {ticket.at_step} to {last}")
        if tuple(ticket.mask) != self.prunable:
            raise ValueError(f"the mask names {', '.join(ticket.mask)}; the model prunes {', '.join(self.prunable)}")
        if not ticket.weights.finite():
            raise DivergedError("the ticket's weights contain NaN or infinite values; nothing was trained")
        engine = self._engines.of(ticket.mask.density)
        compile_seconds = engine.prepare(evaluate=evaluate)
        self._engines.close()
        return Session(
            engine,
            self.config,
            ticket,
            order=order,
            stop=last,
            examples=len(self.data.train),
            varying=lambda: self.varying,
            probe=self.probe,
            compile_seconds=compile_seconds,
        )

    def test(self, weights: Weights) -> dict[str, float]:
        """Loss and accuracy of `weights` on the test set; for several labels micro-F1 as well."""
        self._engines.dense.owner = None  # the weights of its session are overwritten
        return self._engines.dense.test(weights)
