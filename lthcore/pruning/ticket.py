"""Tickets: a mask and the weights its survivors start from. One verb, `rewind`, makes them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lthcore.pruning.mask import Mask
from lthcore.pruning.weights import Weights


@dataclass(frozen=True)
class Ticket:
    """A subnetwork ready to train.

    Args:
        mask: which weights exist.
        weights: where they start; pruned weights are set to zero, whatever they are given as.
        at_step: the training step these weights belong to; training goes on from there. 0 for θ₀.
    """

    mask: Mask
    weights: Weights
    at_step: int = 0

    def __post_init__(self) -> None:
        # A ticket that kept pruned values could be scored as the network it was taken from.
        if any(np.any(self.weights[name][~kept]) for name, kept in self.mask.items() if name in self.weights):
            object.__setattr__(self, "weights", self.mask.apply(self.weights))

    @classmethod
    def dense(cls, weights: Weights, prunable: tuple[str, ...]) -> Ticket:
        """The whole network at `weights`: the ticket of round 0."""
        return cls(Mask.dense(weights, prunable), weights)


def rewind(mask: Mask, *, to: Weights, at_step: int = 0) -> Ticket:
    """Give the survivors the values they have in `to`.

    Args:
        mask: the survivors.
        to: θ₀ for the tickets of {cite}`FC18`, θ_k for late rewinding ({cite}`FDRC19`), fresh weights for the
            random reinitialisation.
        at_step: the k of θ_k.

    Example:
        >>> mask = Mask({"w": [True, False]})
        >>> rewind(mask, to=Weights({"w": [3.0, 4.0], "b": [5.0]})).weights["w"].tolist()
        [3.0, 0.0]
    """
    return Ticket(mask, mask.apply(to), at_step)


def reinit(ticket: Ticket, fresh: Callable[[np.random.Generator], Weights], rng: np.random.Generator) -> Ticket:
    """Control: the same mask, new initial weights. What remains is the ticket's structure."""
    return rewind(ticket.mask, to=fresh(rng))


def shuffle(ticket: Ticket, theta: Weights, rng: np.random.Generator) -> Ticket:
    """Control: the same initial weights and layer densities, the kept positions drawn anew in each layer."""
    return rewind(ticket.mask.shuffled(rng), to=theta, at_step=ticket.at_step)
