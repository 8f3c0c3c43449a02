"""A probe without a network, for tests that need no TensorFlow."""

from __future__ import annotations

from lthcore.pruning.criteria import Scores
from lthcore.pruning.weights import Weights


class FakeProbe:
    """Derivatives that are functions of the weights, and of how many examples were looked at."""

    examples = 50

    def gradient(self, weights: Weights, batch) -> Scores:
        return {name: array * batch[0] for name, array in weights.items()}

    def hessian_gradient(self, weights: Weights, batch, temperature: float) -> Scores:
        return {name: array * batch[-1] / temperature for name, array in weights.items()}

    def flow(self, weights: Weights) -> Scores:
        return {name: 1 + abs(array) for name, array in weights.items()}
