"""The sparse engine of document networks: kernels that multiply distinct words by the survivors of filters alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lthcore.datasets.base import Dataset
from lthcore.kernels import examples
from lthcore.kernels.documents import program, words
from lthcore.kernels.documents.network import DocumentNetwork
from lthcore.kernels.documents.survivors import Survivors, survivors
from lthcore.pruning.mask import Mask
from lthcore.pruning.ticket import Ticket
from lthcore.pruning.weights import Weights
from lthcore.training.engines.sparse.packed import PackedEngine
from lthcore.training.engines.sparse.rules import Rule

_MULTIPLE = 16  # numbers that are read at once


class DocumentEngine(PackedEngine):
    """Trains networks of word windows by the survivors of their filters, and the table of words where it is trained.

    Args:
        network: the model's description.
        rule, data, order, options: as for a `PackedEngine`; inputs are word numbers.
    """

    at_once = 100

    def __init__(
        self, network: DocumentNetwork, rule: Rule, data: Dataset, order: tuple[str, ...], **options: Any
    ) -> None:
        self._network, self._documents = network, data.train.x
        self._width = -(-network.dimension // _MULTIPLE) * _MULTIPLE
        super().__init__(network, rule, data, order, **options)
        self._shapes = self._shapes | {network.table: (network.words, network.dimension)}

    def begin(self, ticket: Ticket, noise: np.random.Generator) -> None:
        """Set weights, masks, optimizer state and random generators to those a run of the ticket begins with."""
        super().begin(ticket, noise)
        self._table = self._rows(ticket.weights)
        trained = self._table.size if self._network.trained else 0
        self._table_gradient = examples.room(trained, self._dtype)
        self._table_slots = self._slots_of(trained)

    def _survivors_of(self, mask: Mask) -> Survivors:
        return survivors(self._network, mask)

    def _lay_out(self, found: Any, weights: Mapping[str, np.ndarray]) -> None:
        super()._lay_out(found, weights)
        self._room = words.room_for(found, self._width, self._documents.shape[1], self._dtype)

    def _rows(self, weights: Mapping[str, np.ndarray]) -> np.ndarray:
        """The table as kernels read it: rows filled up, and one of zeros, the padding's, after them."""
        network = self._network
        table = examples.room((network.words + 1) * self._width, self._dtype)
        table.reshape(-1, self._width)[:-1, : network.dimension] = weights[network.table]
        return table

    def _examples(self, x: np.ndarray) -> np.ndarray:
        return x

    def _train(self, batches: np.ndarray, rates: np.ndarray, begun: int) -> float:
        rule = self._rule
        return program.train(
            self._survivors.structure,
            self._documents,
            self._targets,
            batches,
            self._classes,
            (rule.number, rule.coefficients, rule.decay, rule.average or 0.0),
            rates,
            begun,
            (self._theta, self._gradient, self._slots),
            (self._table, self._table_gradient, self._table_slots, self._width),
            self._room,
            self._noise,
            self._network.trained,
        )

    def _hits(self, x: np.ndarray, classes: np.ndarray) -> tuple[float, int]:
        theta, table = self._scored()
        structure = self._survivors.structure
        return program.score(structure, x, classes, theta, table, self._width, self._room, self._noise)

    def _logits(self, x: np.ndarray, out: np.ndarray) -> None:
        theta, table = self._scored()
        structure = self._survivors.structure
        program.logits(structure, x, theta, table, self._width, self._room, self._noise, out)

    def _arrays(self) -> Mapping[str, np.ndarray]:
        theta, table = self._scored()
        rows = table.reshape(-1, self._width)[:-1, : self._network.dimension]
        return self._survivors.unpack(theta) | {self._network.table: rows}

    def _parameters_of(self, weights: Weights) -> tuple[np.ndarray, np.ndarray]:
        packed = examples.room(self._survivors.size, self._dtype)
        packed[:] = self._survivors.pack(weights, self._dtype)
        return packed, self._rows(weights)

    def _scored(self) -> tuple[np.ndarray, np.ndarray]:
        """The parameters and the table of the network that is scored; an average of no steps is no network."""
        if self._shown is not None:
            return self._shown
        averaged = self._rule.average is not None and self._begun > 0
        theta = self._slots[2] if averaged else self._theta
        return theta, self._table_slots[2] if averaged and self._network.trained else self._table
