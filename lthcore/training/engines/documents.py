"""The engine of document networks: kernels that multiply distinct words by the survivors of filters alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import numpy as np

from lthcore.datasets.base import Dataset, Split
from lthcore.kernels import examples
from lthcore.kernels.documents import program, words
from lthcore.kernels.documents.network import DocumentNetwork
from lthcore.kernels.documents.survivors import Survivors, survivors
from lthcore.pruning.mask import Mask
from lthcore.pruning.ticket import Ticket
from lthcore.pruning.weights import Weights
from lthcore.training import evaluation
from lthcore.training.engines.rules import Rule
from lthcore.training.evaluation import Report, Score

# Steps of one call: between two calls the program can be interrupted.
_AT_ONCE = 100
_MULTIPLE = 16  # numbers that are read at once


class DocumentEngine:
    """Trains networks of word windows by the survivors of their filters.

    It computes in one thread. Dropout draws from streams of its own, so its noise is another than the dense engine's,
    of the same distribution. Where the optimizer keeps moving averages of the weights, these are the network.

    Args:
        network: the model's description.
        rule: how survivors are updated, and the table where it is trained.
        data: what to train and to score on.
        order: names of all weights, in the model's order.
        threads: what is recorded of the process, whose dense engine may have several.
        dtype: precision of weights and activations; float64 is for comparisons.
    """

    def __init__(
        self,
        network: DocumentNetwork,
        rule: Rule,
        data: Dataset,
        order: tuple[str, ...],
        *,
        threads: object = 1,
        dtype: type = np.float32,
    ) -> None:
        self._network, self._rule, self._names, self._dtype = network, rule, order, dtype
        self._documents, self._targets = data.train.x, _targets(data.train.y)
        self._outputs, self._classes = data.classes, not data.multilabel
        self._width = -(-network.dimension // _MULTIPLE) * _MULTIPLE
        self._noise = np.ones((2, 64), np.uint32)
        self._score = evaluation.evaluator_of(data, self._scorer(data.validation), self._scorer(data.test))
        self.owner: object = None
        self.machine: Mapping[str, object] = {
            "engine": "sparse",
            "compiler": "numba",
            "device": "cpu",
            "threads": threads,
        }
        self._ready = False
        self._begun = self._step = 0
        self._shown: tuple[np.ndarray, np.ndarray] | None = None

    def prepare(self, *, evaluate: bool) -> float:
        """Compile the kernels, or load them from their cache, by training and scoring once; return the seconds."""
        if self._ready:
            return 0.0
        begin, network = perf_counter(), self._network
        zero = {name: np.zeros(shape) for name, shape in network.shapes.items()}
        zero[network.table] = np.zeros((network.words, network.dimension))
        nothing = Mask({name: np.zeros(network.shapes[name], bool) for name in network.kernels})
        self.begin(Ticket(nothing, Weights({name: zero[name] for name in self._names})), np.random.default_rng(0))
        self.advance(np.zeros((1, 1), np.int32))
        if evaluate:
            self._score.validate()
        self._ready = evaluate
        return perf_counter() - begin

    def begin(self, ticket: Ticket, noise: np.random.Generator) -> None:
        """Set weights, masks, optimizer state and random generators to those a run of the ticket begins with."""
        self._lay_out(survivors(self._network, ticket.mask), ticket.weights)
        self._slots[:] = 0
        self._table = self._rows(ticket.weights)
        trained = self._table.size if self._network.trained else 0
        self._table_gradient = examples.room(trained, self._dtype)
        self._table_slots = self._slots_of(trained)
        self._begun, self._step, self._shown = 0, ticket.at_step, None
        self._noise[:] = noise.integers(1, 2**32, self._noise.shape, dtype=np.uint32)

    def _lay_out(self, found: Survivors, weights: Mapping[str, np.ndarray]) -> None:
        """Make room for a network, and fill it with weights."""
        self._survivors = found
        self._theta, self._gradient = (examples.room(found.size, self._dtype) for _ in range(2))
        self._slots = self._slots_of(found.size)
        self._theta[:] = found.pack(weights, self._dtype)
        self._room = words.room_for(found, self._width, self._documents.shape[1], self._dtype)

    def _slots_of(self, size: int) -> np.ndarray:
        """What the optimizer keeps of so many parameters: two numbers and, where it takes any, moving averages."""
        kept = 2 if self._rule.average is None else 3
        return examples.room(kept * size, self._dtype).reshape(kept, size)

    def _rows(self, weights: Mapping[str, np.ndarray]) -> np.ndarray:
        """The table as kernels read it: rows filled up, and one of zeros, the padding's, after them."""
        network = self._network
        table = examples.room((network.words + 1) * self._width, self._dtype)
        table.reshape(-1, self._width)[:-1, : network.dimension] = weights[network.table]
        return table

    def advance(self, batches: np.ndarray) -> float:
        """Train one step per row of document numbers, int32 (steps, batch); return the mean loss."""
        rule, summed = self._rule, 0.0
        rates = rule.rates(self._step, self._step + len(batches))
        for first in range(0, len(batches), _AT_ONCE):
            summed += program.train(
                self._survivors.structure,
                self._documents,
                self._targets,
                batches[first : first + _AT_ONCE],
                self._classes,
                (rule.number, rule.coefficients, rule.decay, rule.average or 0.0),
                rates[first : first + _AT_ONCE],
                self._begun + first,
                (self._theta, self._gradient, self._slots),
                (self._table, self._table_gradient, self._table_slots, self._width),
                self._room,
                self._noise,
                self._network.trained,
            )
        self._begun += len(batches)
        self._step += len(batches)
        return summed / len(batches)

    def weights(self) -> Weights:
        """The network's weights."""
        theta, table = self._scored()
        rows = table.reshape(-1, self._width)[:-1, : self._network.dimension]
        arrays = self._survivors.unpack(theta) | {self._network.table: rows}
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
        self._lay_out(survivors(self._network, mask), weights)
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

    def _scored(self) -> tuple[np.ndarray, np.ndarray]:
        """The parameters and the table of the network that is scored; an average of no steps is no network."""
        if self._shown is not None:
            return self._shown
        averaged = self._rule.average is not None and self._begun > 0
        theta = self._slots[2] if averaged else self._theta
        return theta, self._table_slots[2] if averaged and self._network.trained else self._table

    @contextmanager
    def _having(self, weights: Weights) -> Iterator[None]:
        """Have other weights for a moment."""
        self._shown = self._survivors.pack(weights, self._dtype), self._rows(weights)
        try:
            yield
        finally:
            self._shown = None

    def _scorer(self, split: Split) -> Any:
        """A function that scores the network on some documents, as `lthcore.training.evaluation` wants it."""
        if self._classes:
            targets = _targets(split.y)

            def score() -> tuple[float, float]:
                theta, table = self._scored()
                structure = self._survivors.structure
                loss, hits = program.score(
                    structure, split.x, targets, theta, table, self._width, self._room, self._noise
                )
                return loss / len(split), hits / len(split)

            return score

        def outputs() -> tuple[float, np.ndarray]:
            theta, table = self._scored()
            out: np.ndarray = np.empty((len(split), self._outputs), self._dtype)
            structure = self._survivors.structure
            program.logits(structure, split.x, theta, table, self._width, self._room, self._noise, out)
            return evaluation.label_loss(out, split.y, probabilities=self._network.head == "sigmoid")

        return outputs


def _targets(y: np.ndarray) -> np.ndarray:
    """Classes, or the labels of one document after another's, as kernels read them."""
    return np.ascontiguousarray(y).reshape(-1).astype(np.int32)
