"""`Session`: one training that can be entered between any two of its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from time import perf_counter

import numpy as np

from lthcore.pruning.criteria import Criterion, Evidence, Probe, Score, Scores, named
from lthcore.pruning.mask import Mask
from lthcore.pruning.ticket import Ticket
from lthcore.pruning.weights import Weights
from lthcore.training.config import TrainConfig
from lthcore.training.engines.engine import Engine
from lthcore.training.run import COLUMNS, DivergedError, History, Run, best_row


class Session:
    """A training in the making: it halts at every step it is told to, and can go on under another mask.

    Made by `Trainer.start`. An engine belongs to its newest session alone; an older one cannot go on.

    Args:
        engine: what trains.
        config: how.
        ticket: where to start; a ticket rewound to step k trains the steps from k on.
        order: stream of the data order and of dropout noise.
        stop: the last step.
        examples: number of training examples.
        varying: which inputs differ between training examples, for criteria that ask.
        probe: derivatives of the network, for criteria that ask.
        compile_seconds: time spent compiling before it.

    Example:
        >>> import numpy as np
        >>> from lthcore import datasets, models
        >>> from lthcore.training.config import TrainConfig
        >>> from lthcore.training.trainer import Trainer
        >>> model = models.build("lenet_300_100", (8, 8, 1), 10)
        >>> trainer = Trainer(model, datasets.load("digits"), TrainConfig(steps=20, eval_every=10, test_every=10))
        >>> ticket = Ticket.dense(trainer.fresh(np.random.default_rng(0)), trainer.prunable)
        >>> with trainer.start(ticket, order=np.random.default_rng(1)) as session:
        ...     session.advance(to=10)
        ...     session.swap(Mask({name: array > 0 for name, array in session.weights.items() if name in session.mask}))
        ...     run = session.finish()
        >>> run.history["step"].tolist(), session.mask.density < 0.6
        ([0, 10, 20], True)
    """

    def __init__(
        self,
        engine: Engine,
        config: TrainConfig,
        ticket: Ticket,
        *,
        order: np.random.Generator,
        stop: int,
        examples: int,
        varying: Callable[[], np.ndarray],
        probe: Probe,
        compile_seconds: float = 0.0,
    ) -> None:
        self._engine, self._config, self._ticket, self._stop = engine, config, ticket, stop
        self._varying, self._probe = varying, probe
        self.compile_seconds = compile_seconds
        noise, shuffle = order.spawn(2)
        engine.begin(ticket, noise)
        engine.owner = self
        self._batches = minibatches(shuffle, examples, config.batch_size, stop)
        self._rows: list[dict[str, float]] = []
        self._losses: list[tuple[int, float]] = []
        self._best, self._read = ticket.weights, (ticket.at_step, ticket.weights)
        self._counted_from = 0
        self.step = ticket.at_step
        self.mask: Mask = ticket.mask
        self._begun = perf_counter()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def advance(self, to: int, *, evaluate: bool = True) -> None:
        """Train up to a step, and score the network wherever the configuration says.

        Args:
            to: the step at which to halt; no more than the last one.
            evaluate: False to score nothing on the way, so that no time goes to it.

        Raises:
            ValueError: for a step that lies behind, or beyond the last one.
            RuntimeError: if the engine has begun another session.
            DivergedError: at a loss that is not finite.
        """
        self._check_open()
        if not self.step <= to <= self._stop:
            raise ValueError(f"cannot advance from step {self.step} to {to}: this run ends at {self._stop}")
        if evaluate and not self._rows:
            self._measure()
        for mark in self._marks(to, evaluate):
            loss = self._engine.advance(self._batches[self.step : mark])
            if not np.isfinite(loss):
                raise DivergedError(f"the training loss became {loss} between steps {self.step} and {mark}")
            self._losses.append((mark - self.step, loss))
            self.step = mark
            if evaluate and (mark % self._config.eval_every == 0 or mark == self._stop):
                self._measure()

    @property
    def weights(self) -> Weights:
        """The network's weights; where the optimizer keeps moving averages of them, the averages."""
        self._check_open()
        if self._read[0] != self.step:
            self._read = self.step, self._engine.weights()
        return self._read[1]

    @property
    def momentum(self) -> Mapping[str, np.ndarray]:
        """The running mean of the gradients of all prunable weights, as the optimizer keeps it.

        Raises:
            ValueError: if it keeps none.
        """
        self._check_open()
        return self._engine.momentum()

    def scores(self, criterion: str | Criterion | Score, *, rng: np.random.Generator | None = None) -> Scores:
        """The scores of the weights as they are now, higher means keep.

        Args:
            criterion: as in `lthcore.pruning.config.PruneConfig`; its initial weights are those of the ticket.
            rng: stream of a criterion that is random.
        """
        weights = self.weights
        evidence = Evidence(
            mask=self.mask,
            initial=self._ticket.weights,
            final=weights,
            varying=self._varying(),
            rng=rng or np.random.default_rng(0),
            probe=self._probe,
        )
        with self._engine.borrowed():
            return named(criterion)(evidence)

    def swap(self, mask: Mask, *, grown: Mapping[str, np.ndarray] | None = None) -> None:
        """Go on under another mask.

        What both masks keep goes on as if nothing had happened. What the new one prunes is set to zero and forgotten by
        the optimizer. What it adds begins like a weight that was never trained. The early stop is sought after the last
        swap: it is that of the network whose mask this is.

        Args:
            mask: of the same names and shapes.
            grown: values for weights that it adds, name → array; zero where not given.

        Raises:
            ValueError: for other names or shapes, or values that are not finite.
        """
        self._check_open()
        grown = dict(grown or {})
        _check_fits(self.mask, mask, grown)
        if mask == self.mask:
            return
        self._engine.swap(mask, grown)
        self.mask, self._read = mask, (self.step, self._engine.weights())
        self._counted_from = self.step + 1  # what was measured at this step speaks of the mask before

    @property
    def history(self) -> History:
        """The measurements so far.

        Raises:
            ValueError: if nothing was evaluated yet.
        """
        if not self._rows:
            raise ValueError(f"nothing was evaluated up to step {self.step}: advance with evaluate=True")
        last = int(self._rows[-1]["step"])
        return _history(self._rows, self._config.stop_by, min(self._counted_from, last))

    def finish(self) -> Run:
        """Train to the last step, and report the network at its early stop.

        Raises:
            DivergedError: at a loss or weight that is not finite.
        """
        self.advance(self._stop)
        if self._rows[-1]["step"] < self.step or self._counted_from > self.step:
            self._rows = [row for row in self._rows if row["step"] < self.step]
            self._counted_from = min(self._counted_from, self.step)
            self._measure()
        final = self.weights
        if not final.finite():
            raise DivergedError(f"a weight is not finite after step {self._stop}")
        report = self._engine.report(self._best)
        self._close()
        return Run(
            history=self.history,
            final=final,
            best=self._best,
            snapshots={},
            test=report.test,
            counts=report.counts,
            seconds=perf_counter() - self._begun,
            compile_seconds=self.compile_seconds,
            machine=self._engine.machine,
        )

    def _marks(self, to: int, evaluate: bool) -> list[int]:
        """The steps after this one at which training halts on its way."""
        every, at = self._config.eval_every, self.step
        grid: Iterable[int] = range(at - at % every + every, to, every) if evaluate else ()
        return sorted({*grid, to} - {at})

    def _measure(self) -> None:
        """Score the network, and remember it if it is the best so far."""
        last = self.step == self._stop
        scores = self._engine.measure(test=self.step % self._config.test_every == 0 or last)
        row = dict.fromkeys(COLUMNS, np.nan) | {"step": self.step} | scores
        if self._losses:
            steps, losses = zip(*self._losses, strict=True)
            row["train_loss"] = np.average(losses, weights=steps)
        if not np.isfinite(row["validation_loss"]):
            raise DivergedError(f"the validation loss became {row['validation_loss']} at step {self.step}")
        self._rows.append(row)
        self._losses = []
        # In the precision of the history, so that both find the same row.
        counted = [row for row in self._rows if row["step"] >= self._counted_from]
        column = np.array([row[self._config.stop_by] for row in counted], np.float32)
        if best_row(column, self._config.stop_by) == len(counted) - 1:
            self._best = self.weights

    def _check_open(self) -> None:
        if self._engine.owner is not self:
            raise RuntimeError("this session is over: its trainer has begun another one, or it was closed")

    def _close(self) -> None:
        if self._engine.owner is self:
            self._engine.owner = None


def _check_fits(mask: Mask, other: Mask, grown: Mapping[str, np.ndarray]) -> None:
    """Refuse a mask, or values, of other names or shapes."""
    if {name: array.shape for name, array in mask.items()} != {name: array.shape for name, array in other.items()}:
        raise ValueError(f"the mask {other!r} does not fit the network, which has {mask!r}")
    for name, values in grown.items():
        if name not in mask or np.shape(values) != mask[name].shape:
            raise ValueError(f"grown weights {name!r} of shape {np.shape(values)} do not fit the network: {mask!r}")
        if not np.isfinite(np.asarray(values)[other[name]]).all():
            raise ValueError(f"grown weights {name!r} are not finite")


def minibatches(rng: np.random.Generator, examples: int, batch: int, steps: int) -> np.ndarray:
    """Example numbers of each step, shape (steps, batch): a new permutation every epoch, the odd rest dropped."""
    per_epoch = examples // batch
    epochs = -(-steps // per_epoch)
    orders = [rng.permutation(examples)[: per_epoch * batch] for _ in range(epochs)]
    return np.concatenate(orders).reshape(-1, batch)[:steps].astype(np.int32)


def _history(rows: list[dict[str, float]], stop_by: str, counted_from: int) -> History:
    names = dict.fromkeys(name for row in rows for name in row if name != "step")
    columns = {name: np.array([row.get(name, np.nan) for row in rows], np.float32) for name in names}
    return History({"step": np.array([row["step"] for row in rows], np.int32), **columns}, stop_by, counted_from)
