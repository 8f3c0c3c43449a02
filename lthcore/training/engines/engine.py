"""`Engine`: what executes training steps, and what a session asks of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np

from lthcore.pruning.mask import Mask
from lthcore.pruning.ticket import Ticket
from lthcore.pruning.weights import Weights
from lthcore.training.evaluation import Report, Score


class Engine(Protocol):
    """Trains one network at a time, from a ticket on, and scores it.

    The weights of a network are those it is scored by: where an optimizer keeps moving averages of them, the averages.

    Args:
        machine: what it computes with, as it is recorded.
        owner: whose network it trains, the session that began last; None if that is over.
    """

    machine: Mapping[str, object]
    owner: object

    def prepare(self, *, evaluate: bool) -> float:
        """Compile what there is to compile, once; return the seconds it took."""

    def begin(self, ticket: Ticket, noise: np.random.Generator) -> None:
        """Set weights, masks, optimizer state and random generators to those a run of the ticket begins with."""

    def advance(self, batches: np.ndarray) -> float:
        """Train one step per row of example numbers, int32 (steps, batch); return the mean loss."""

    def weights(self) -> Weights:
        """The network's weights."""

    def measure(self, *, test: bool) -> Score:
        """The network's scores on the validation set, and on the test set if asked for."""

    def report(self, weights: Weights) -> Report:
        """What is kept of some weights of the network: their scores on the test set."""

    def test(self, weights: Weights) -> Score:
        """The scores of some weights of the network on the test set."""

    def swap(self, mask: Mask, grown: Mapping[str, np.ndarray]) -> None:
        """Train on under another mask; weights that it adds begin at the values of `grown`, or at zero."""

    def borrowed(self) -> AbstractContextManager[None]:
        """Let somebody write on the model's variables, and then take the network of the run back."""

    def momentum(self) -> dict[str, np.ndarray]:
        """The running mean of the gradients of all prunable weights."""
