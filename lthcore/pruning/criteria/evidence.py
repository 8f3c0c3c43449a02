"""`Evidence`: what a criterion may look at after a run, the derivatives of a `Probe` among it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lthcore.pruning.mask import Mask
from lthcore.pruning.weights import Weights

Scores = Mapping[str, np.ndarray]


class Probe(Protocol):
    """Derivatives of an untrained network; a trainer's `probe` is one. Names are the prunable ones."""

    @property
    def examples(self) -> int:
        """Number of training examples."""

    def gradient(self, weights: Weights, batch: np.ndarray) -> Scores:
        """∂L/∂w of the mean loss over the training examples numbered in `batch`."""

    def hessian_gradient(self, weights: Weights, batch: np.ndarray, temperature: float) -> Scores:
        """H·g, the Hessian of that loss times its gradient, logits divided by `temperature`."""

    def flow(self, weights: Weights) -> Scores:
        """∂R/∂|w| of R, the sum of the outputs at an input of ones, every weight taken by its size."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a criterion may look at after a run.

    Args:
        mask: the mask the run was trained with.
        initial: the weights the ticket of this trial started from, θ₀, all of them.
        final: the weights at the end of the run, θ_T.
        varying: bool, shape of one example: which inputs differ between training examples.
        rng: stream for criteria that are themselves random, and for the examples a probe looks at.
        probe: derivatives of the network, for criteria that need them.
    """

    mask: Mask
    initial: Weights
    final: Weights
    varying: np.ndarray
    rng: np.random.Generator
    probe: Probe | None = None

    @property
    def weights(self) -> Weights:
        """The initial weights under the mask."""
        return self.mask.apply(self.initial)

    def asked(self, criterion: str) -> Probe:
        """The probe.

        Raises:
            ValueError: if there is none.
        """
        if self.probe is None:
            raise ValueError(f"criterion {criterion!r} needs derivatives of the loss: give the evidence a probe")
        return self.probe
