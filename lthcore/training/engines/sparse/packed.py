"""`PackedEngine`: what the sparse engines share, parameters that lie survivor after survivor in one array."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from lthcore.datasets.base import Dataset
from lthcore.kernels.examples import room
from lthcore.pruning.mask import Mask
from lthcore.pruning.ticket import Ticket
from lthcore.pruning.weights import Weights
from lthcore.training import evaluation
from lthcore.training.engines.sparse.rules import Rule
from lthcore.training.evaluation import Report, Score


class Network(Protocol):
    """A model, as kernels need it described."""

    @property
    def kernels(self) -> tuple[str, ...]:
        """Names of its prunable weights."""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name → shape of all that is packed."""

    @property
    def head(self) -> str:
        """What it ends in."""


class Survivors(Protocol):
    """Where the survivors of a network are."""

    @property
    def mask(self) -> Mask:
        """The mask they survive."""

    @property
    def size(self) -> int:
        """Number of parameters, biases among them."""

    def pack(self, arrays: Mapping[str, np.ndarray], dtype: type = np.float32) -> np.ndarray:
        """The parameters among some arrays."""

    def unpack(self, packed: np.ndarray) -> dict[str, np.ndarray]:
        """The arrays of some parameters; zero where pruned."""


class PackedEngine(ABC):
    """An engine of kernels.

    It computes in one thread: a barrier between threads would cost more than they save. Dropout draws from streams of
    its own, so its noise is another than the dense engine's, of the same distribution. Where the optimizer keeps moving
    averages of the weights, these are the network.

    Args:
        network: the model's description.
        rule: how survivors are updated.
        data: what to train and to score on.
        order: names of all weights, in the model's order.
        threads: what is recorded of the process, whose dense engine may have several.
        dtype: precision of weights and activations; float64 is for comparisons.
    """

    # Steps of one call: between two calls the program can be interrupted.
    at_once = 1_000

    def __init__(
        self,
        network: Network,
        rule: Rule,
        data: Dataset,
        order: tuple[str, ...],
        *,
        threads: object = 1,
        dtype: type = np.float32,
    ) -> None:
        self._rule, self._names, self._dtype = rule, order, dtype
        self._outputs, self._classes = data.classes, not data.multilabel
        self._probabilities = network.head == "sigmoid"
        self._targets = targets(data.train.y)
        self._noise = np.ones((2, 64), np.uint32)
        self._kernels, self._shapes = network.kernels, network.shapes
        self.owner: object = None
        self.machine: Mapping[str, object] = {
            "engine": "sparse",
            "compiler": "numba",
            "device": "cpu",
            "threads": threads,
        }
        scorers = [self._scorer(self._examples(split.x), split.y) for split in (data.validation, data.test)]
        self._score = evaluation.evaluator_of(data, *scorers)
        self._compiled: set[str] = set()
        self._begun = self._step = 0
        self._shown: Any = None  # other parameters than the network's, while those are scored

    def prepare(self, *, evaluate: bool) -> float:
        """Compile the kernels, or load them from their cache, by training and scoring once; return the seconds."""
        wanted = {"training", *(["evaluation"] if evaluate else [])}
        if wanted <= self._compiled:
            return 0.0
        begin = perf_counter()
        zero = Weights({name: np.zeros(self._shapes[name]) for name in self._names})
        nothing = Mask({name: np.zeros(self._shapes[name], bool) for name in self._kernels})
        self.begin(Ticket(nothing, zero), np.random.default_rng(0))
        self.advance(np.zeros((1, 1), np.int32))
        if evaluate:
            self._score.validate()
        self._compiled |= wanted
        return perf_counter() - begin

    def begin(self, ticket: Ticket, noise: np.random.Generator) -> None:
        """Set weights, masks, optimizer state and random generators to those a run of the ticket begins with."""
        self._lay_out(self._survivors_of(ticket.mask), ticket.weights)
        self._begun, self._step, self._shown = 0, ticket.at_step, None
        self._noise[:] = noise.integers(1, 2**32, self._noise.shape, dtype=np.uint32)

    def _lay_out(self, found: Survivors, weights: Mapping[str, np.ndarray]) -> None:
        """Make room for a network, and fill it with weights; nothing is kept of them yet."""
        self._survivors: Any = found
        self._theta, self._gradient = (room(found.size, self._dtype) for _ in range(2))
        self._slots = self._slots_of(found.size)
        self._theta[:] = found.pack(weights, self._dtype)

    def _slots_of(self, size: int) -> np.ndarray:
        """What the optimizer keeps of so many parameters: two numbers and, where it takes any, moving averages."""
        kept = 2 if self._rule.average is None else 3
        return room(kept * size, self._dtype).reshape(kept, size)

    def advance(self, batches: np.ndarray) -> float:
        """Train one step per row of example numbers, int32 (steps, batch); return the mean loss."""
        rates, summed = self._rule.rates(self._step, self._step + len(batches)), 0.0
        for first in range(0, len(batches), self.at_once):
            these = slice(first, first + self.at_once)
            summed += self._train(batches[these], rates[these], self._begun + first)
        self._begun += len(batches)
        self._step += len(batches)
        return summed / len(batches)

    def weights(self) -> Weights:
        """The network's weights."""
        arrays = self._arrays()
        return Weights({name: arrays[name] for name in self._names})

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
            for averages in slots[2:]:  # they begin at the weights; all else that is kept, at zero
                averages[name] = np.where(added, weights[name], averages[name])
        self._lay_out(self._survivors_of(mask), weights)
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

    @contextmanager
    def _having(self, weights: Weights) -> Iterator[None]:
        """Score other weights for a moment."""
        self._shown = self._parameters_of(weights)
        try:
            yield
        finally:
            self._shown = None

    def _scorer(self, x: Any, y: np.ndarray) -> Callable[[], tuple]:
        """A function that scores the network on some examples, as `lthcore.training.evaluation` wants it."""
        if self._classes:
            classes = targets(y)

            def score() -> tuple[float, float]:
                loss, hits = self._hits(x, classes)
                return loss / len(y), hits / len(y)

            return score

        def outputs() -> tuple[float, np.ndarray]:
            out: np.ndarray = np.empty((len(y), self._outputs), self._dtype)
            self._logits(x, out)
            return evaluation.label_loss(out, y, probabilities=self._probabilities)

        return outputs

    @abstractmethod
    def _survivors_of(self, mask: Mask) -> Survivors:
        """The survivors of the network under a mask."""

    @abstractmethod
    def _examples(self, x: np.ndarray) -> Any:
        """Examples to be scored, as kernels read them."""

    @abstractmethod
    def _train(self, batches: np.ndarray, rates: np.ndarray, begun: int) -> float:
        """Train some steps at some rates, so many after the optimizer began; the sum of their losses."""

    @abstractmethod
    def _hits(self, x: Any, classes: np.ndarray) -> tuple[float, int]:
        """The summed loss on examples of one class each, and how many are right."""

    @abstractmethod
    def _logits(self, x: Any, out: np.ndarray) -> None:
        """Write the logits of examples."""

    @abstractmethod
    def _arrays(self) -> Mapping[str, np.ndarray]:
        """All weights of the network."""

    @abstractmethod
    def _parameters_of(self, weights: Weights) -> Any:
        """Other weights, as they are scored."""


def targets(y: np.ndarray) -> np.ndarray:
    """Classes, or the labels of one example after another's, as kernels read them."""
    return np.ascontiguousarray(y).reshape(-1).astype(np.int32)
