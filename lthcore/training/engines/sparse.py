"""The sparse engine: kernels that touch the survivors alone, so that a step costs what its ticket weighs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import numpy as np

from lthcore.datasets.base import Dataset
from lthcore.kernels import examples
from lthcore.kernels.stacks import program
from lthcore.kernels.stacks.layers import DenseStack
from lthcore.kernels.stacks.survivors import Survivors, survivors
from lthcore.pruning.mask import Mask
from lthcore.pruning.ticket import Ticket
from lthcore.pruning.weights import Weights
from lthcore.training import evaluation
from lthcore.training.engines.rules import Rule
from lthcore.training.evaluation import Report, Score

# Steps of one call: between two calls the program can be interrupted.
_AT_ONCE = 1_000


class SparseEngine:
    """Trains stacks of dense layers by their survivors.

    It computes in one thread: a barrier between threads would cost more than they save. Dropout draws from streams of
    its own, so its noise is another than the dense engine's, of the same distribution.

    Args:
        stack: the model's layers.
        rule: how survivors are updated.
        data: what to train and to score on.
        order: names of all weights, in the model's order.
        threads: what is recorded of the process, whose dense engine may have several.
        dtype: precision of weights and activations; float64 is for comparisons.
    """

    def __init__(
        self,
        stack: DenseStack,
        rule: Rule,
        data: Dataset,
        order: tuple[str, ...],
        *,
        threads: object = 1,
        dtype: type = np.float32,
    ) -> None:
        self._stack, self._rule, self._names, self._dtype = stack, rule, order, dtype
        self._outputs, self._classes = data.classes, not data.multilabel
        divisor = examples.common_divisor(data.train.x, data.validation.x, data.test.x)
        self._rows = examples.rows(data.train.x, divisor)
        self._targets = _targets(data.train.y)
        self._columns = examples.room(64 * self._rows.width, self._rows.numbers.dtype)
        self._noise = np.ones((2, 64), np.uint32)
        splits = (data.validation, data.test)
        scored = [(examples.blocks(split.x, divisor), split.y) for split in splits]
        self._score = evaluation.evaluator_of(data, *(self._scorer(*part) for part in scored))
        self.owner: object = None
        self.machine: Mapping[str, object] = {
            "engine": "sparse",
            "compiler": "numba",
            "device": "cpu",
            "threads": threads,
        }
        self._ready = False
        self._begun = self._step = 0

    def prepare(self, *, evaluate: bool) -> float:
        """Compile the kernels, or load them from their cache, by training and scoring once; return the seconds."""
        if self._ready:
            return 0.0
        begin = perf_counter()
        shapes = self._stack.shapes
        zero = Weights({name: np.zeros(shapes[name]) for name in self._names})
        nothing = Mask({name: np.zeros(shapes[name], bool) for name in self._stack.kernels})
        self.begin(Ticket(nothing, zero), np.random.default_rng(0))
        self.advance(np.zeros((1, 1), np.int32))
        self._score.validate()
        self._ready = True
        return perf_counter() - begin

    def begin(self, ticket: Ticket, noise: np.random.Generator) -> None:
        """Set weights, masks, optimizer state and random generators to those a run of the ticket begins with."""
        self._lay_out(survivors(self._stack, ticket.mask), ticket.weights)
        self._slots[:] = 0
        self._begun, self._step = 0, ticket.at_step
        self._noise[:] = noise.integers(1, 2**32, self._noise.shape, dtype=np.uint32)

    def _lay_out(self, found: Survivors, weights: Mapping[str, np.ndarray]) -> None:
        """Make room for a network, and fill it with weights."""
        self._survivors = found
        self._theta, self._gradient = (examples.room(found.size, self._dtype) for _ in range(2))
        self._slots = examples.room(2 * found.size, self._dtype).reshape(2, found.size)
        self._theta[:] = found.pack(weights, self._dtype)
        units = (examples.room(64 * found.units, self._dtype) for _ in range(3))
        self._room = (*units, examples.room(192, self._dtype))

    def advance(self, batches: np.ndarray) -> float:
        """Train one step per row of example numbers, int32 (steps, batch); return the mean loss."""
        rule, rows, summed = self._rule, self._rows, 0.0
        rates = rule.rates(self._step, self._step + len(batches))
        for first in range(0, len(batches), _AT_ONCE):
            part = batches[first : first + _AT_ONCE]
            summed += program.train(
                self._survivors.structure,
                (rows.numbers, rows.width, rows.divisor),
                self._targets,
                part,
                self._classes,
                (rule.number, rule.coefficients, rule.decay),
                rates[first : first + _AT_ONCE],
                self._begun + first,
                self._theta,
                self._gradient,
                self._slots,
                self._room,
                self._columns,
                self._noise,
            )
        self._begun += len(batches)
        self._step += len(batches)
        return summed / len(batches)

    def weights(self) -> Weights:
        """The network's weights."""
        return self._full(self._theta)

    def measure(self, *, test: bool) -> Score:
        """The network's scores on the validation set, and on the test set if asked for."""
        return self._score.both(test=test)

    def report(self, weights: Weights) -> Report:
        """What is kept of some weights of the network: their scores on the test set."""
        with self._having(weights):
            return self._score.report()

    def test(self, weights: Weights) -> Score:
        """The scores of some weights of the network on the test set."""
        with self._having(weights):
            return self._score.test()

    def swap(self, mask: Mask, grown: Mapping[str, np.ndarray]) -> None:
        """Train on under another mask; weights that it adds begin at the values of `grown`, or at zero."""
        before = self._survivors
        weights, *slots = (before.unpack(packed) for packed in (self._theta, *self._slots))
        for name, kept in mask.items():
            added = kept & ~before.mask[name]
            weights[name] = np.where(added, np.asarray(grown.get(name, 0.0), self._dtype), weights[name])
        self._lay_out(survivors(self._stack, mask), weights)
        # What was not kept all along is zero in what was unpacked, so it has no history.
        for packed, arrays in zip(self._slots, slots, strict=True):
            packed[:] = self._survivors.pack(arrays, self._dtype)

    def momentum(self) -> dict[str, np.ndarray]:
        """The running mean of the gradients of all prunable weights."""
        if self._rule.momentum is None:
            raise ValueError(f"{self._rule.name} keeps no momentum; use Adam, or SGD or RMSprop with momentum")
        arrays = self._survivors.unpack(self._slots[self._rule.momentum])
        return {name: arrays[name] for name in self._survivors.mask}

    @contextmanager
    def borrowed(self) -> Iterator[None]:
        """Let somebody write on the model's variables: the network of the run is not kept there."""
        yield

    def _full(self, packed: np.ndarray) -> Weights:
        arrays = self._survivors.unpack(packed)
        return Weights({name: arrays[name] for name in self._names})

    @contextmanager
    def _having(self, weights: Weights) -> Iterator[None]:
        """Have other weights for a moment."""
        own = self._theta.copy()
        self._theta[:] = self._survivors.pack(weights, self._dtype)
        try:
            yield
        finally:
            self._theta[:] = own

    def _scorer(self, blocks: examples.Blocks, y: np.ndarray) -> Any:
        """A function that scores the network on some examples, as `lthcore.training.evaluation` wants it."""
        given = (blocks.numbers, blocks.width, blocks.divisor, blocks.count)
        if self._classes:
            targets = _targets(y)

            def score() -> tuple[float, float]:
                loss, hits = program.score(
                    self._survivors.structure, given, targets, self._theta, self._room, self._noise
                )
                return loss / blocks.count, hits / blocks.count

            return score

        def outputs() -> tuple[float, np.ndarray]:
            out: np.ndarray = np.empty((blocks.count, self._outputs), self._dtype)
            program.logits(self._survivors.structure, given, self._theta, self._room, self._noise, out)
            return evaluation.label_loss(out, y, probabilities=self._stack.head == "sigmoid")

        return outputs


def _targets(y: np.ndarray) -> np.ndarray:
    """Classes, or the labels of one example after another's, as kernels read them."""
    return np.ascontiguousarray(y).reshape(-1).astype(np.int32)
