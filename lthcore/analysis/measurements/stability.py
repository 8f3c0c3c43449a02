"""Is a subnetwork stable: do trainings that differ in chance alone end in the same place?

Two trainings of one {term}`ticket` in different data orders end in two points. Their distance, and the test error on
the straight line between them, tell whether chance or the ticket decided where training goes.
Source: {cite}`FDRC19` for the distances; the error on the line is the measure of the paper that followed it, on linear
mode connectivity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from lthcore.pruning.mask import Mask
from lthcore.pruning.ticket import Ticket
from lthcore.pruning.weights import Weights
from lthcore.training.run import Run

ALPHAS = np.linspace(0.0, 1.0, 30)


class Trains(Protocol):
    """What a comparison needs of a trainer; `lthcore.training.trainer.Trainer` is one."""

    def train(self, ticket: Ticket, *, order: np.random.Generator) -> Run:
        """Train a ticket to the end."""

    def test(self, weights: Weights) -> Mapping[str, float]:
        """Loss and accuracy on the test set."""


def distance(left: Weights, right: Weights, mask: Mask) -> float:
    """L2 distance of two points over the weights a mask keeps.

    Example:
        >>> mask = Mask({"w": [True, True, False]})
        >>> distance(Weights({"w": [3.0, 0.0, 9.0]}), Weights({"w": [0.0, 4.0, 0.0]}), mask)
        5.0
    """
    gaps = [(left[name].astype(np.float64) - right[name])[kept] for name, kept in mask.items()]
    return float(np.linalg.norm(np.concatenate(gaps)))


def interpolate(left: Weights, right: Weights, alpha: float) -> Weights:
    """The point (1 − α)·left + α·right on the straight line between two points."""
    return Weights({name: (1 - alpha) * left[name] + alpha * right[name] for name in left})


def barrier(errors: np.ndarray) -> float:
    """How far the error on the line rises above the mean of its two ends, at most.

    Args:
        errors: test error at each α from 0 to 1; fractions.
    """
    return float(np.max(errors) - (errors[0] + errors[-1]) / 2)


def compare(
    trainer: Trains, tickets: Mapping[str, Ticket], orders: Callable[[int], np.random.Generator]
) -> dict[str, np.ndarray]:
    """Train each ticket in two data orders and say how far apart it ends.

    Args:
        trainer: trains tickets.
        tickets: name → ticket; the first is the dense network the others are compared with.
        orders: number of the order, 0 or 1 → its stream.

    Returns:
        For each name: ``name/order_distance``, the L2 distance over its mask between its two ends;
        ``name/pruning_distance``, shape (2,), that between it and the dense network in the same order; and
        ``name/errors``, the test error at each of `ALPHAS` on the line between its two ends.
    """
    found: dict[str, np.ndarray] = {}
    dense: tuple[Weights, Weights] | None = None
    for name, ticket in tickets.items():
        left, right = (trainer.train(ticket, order=orders(number)).final for number in (0, 1))
        dense = dense or (left, right)
        errors = [1 - trainer.test(interpolate(left, right, alpha))["accuracy"] for alpha in ALPHAS]
        found |= {
            f"{name}/order_distance": np.array(distance(left, right, ticket.mask)),
            f"{name}/pruning_distance": np.array(
                [distance(end, other, ticket.mask) for end, other in zip((left, right), dense, strict=True)]
            ),
            f"{name}/errors": np.array(errors),
        }
    return found
