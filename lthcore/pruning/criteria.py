"""Criteria: evidence about a run → scores, higher means keep.

A criterion is one function; a new one costs three lines and an entry in `CRITERIA`. Those that prune at initialisation
ask a `Probe` for derivatives; what masks made then know, the controls of {cite}`FDRC21` and {cite}`SCC20` tell.
Source of the names: {cite}`ZLLY19`, section 2, where the letter i is the initial and f the final weight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lthcore.pruning.connectivity import effective
from lthcore.pruning.mask import Mask
from lthcore.pruning.weights import Weights

Scores = Mapping[str, np.ndarray]

# Training examples that SNIP and GraSP look at: one minibatch of their authors' protocols on ten classes.
PROBED = 100
# What GraSP divides the logits by, as its authors' code does.
TEMPERATURE = 200.0


class Probe(Protocol):
    """Derivatives of an untrained network; a trainer's `probe` is one. Names are the prunable ones."""

    examples: int

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


def large_final(evidence: Evidence) -> Scores:
    """|w_f|: keep the weights that training left large, the criterion of {cite}`FC18`."""
    return {name: np.abs(evidence.final[name]) for name in evidence.mask}


def inert_first(evidence: Evidence) -> Scores:
    """|w_f|, but a survivor that is on no path from a varying input to an output goes before all others.

    Weights on inputs that are always zero get no gradient and keep their initial size, so that magnitude alone keeps
    the large ones of them. For networks of consecutive dense layers.
    """
    useful = effective(evidence.mask, evidence.varying)
    return {name: np.where(useful[name], np.abs(evidence.final[name]), -1.0) for name in evidence.mask}


def small_final(evidence: Evidence) -> Scores:
    """−|w_f|: keep the small ones, a control that ought to fail."""
    return {name: -np.abs(evidence.final[name]) for name in evidence.mask}


def large_init(evidence: Evidence) -> Scores:
    """|w_i|: keep what was large before training; knows nothing of the data ({cite}`FC18`, appendix F.4)."""
    return {name: np.abs(evidence.initial[name]) for name in evidence.mask}


def magnitude_increase(evidence: Evidence) -> Scores:
    """|w_f| − |w_i|: keep what grew."""
    return {name: np.abs(evidence.final[name]) - np.abs(evidence.initial[name]) for name in evidence.mask}


def movement(evidence: Evidence) -> Scores:
    """|w_f − w_i|: keep what moved, in whichever direction."""
    return {name: np.abs(evidence.final[name] - evidence.initial[name]) for name in evidence.mask}


def random(evidence: Evidence) -> Scores:
    """Uniform scores: random pruning with the layer budgets of the schedule."""
    return {name: evidence.rng.random(array.shape) for name, array in evidence.mask.items()}


def snip(evidence: Evidence) -> Scores:
    """|g·w|, normalised: keep the weights whose removal would change the loss of one minibatch most.

    Source: {cite}`LAT19`, section 4, equations 5 and 6.
    """
    weights, probe = evidence.weights, evidence.asked("snip")
    gradient = probe.gradient(weights, _batch(evidence))
    scores = {name: np.abs(gradient[name] * weights[name]) for name in evidence.mask}
    total = sum(float(values.sum()) for values in scores.values())
    return {name: values / total for name, values in scores.items()}


def grasp(evidence: Evidence) -> Scores:
    """w·Hg: remove the weights without which the gradient flow would be largest, whichever sign that takes.

    Source: {cite}`WZG20`, section 3, equations 7 and 8; their score is −w·Hg, and the highest go.
    """
    weights, probe = evidence.weights, evidence.asked("grasp")
    product = probe.hessian_gradient(weights, _batch(evidence), TEMPERATURE)
    return {name: weights[name] * product[name] for name in evidence.mask}


def synflow(evidence: Evidence) -> Scores:
    """∂R/∂|w|·|w|: what flows through a weight when ones are sent through the sizes of all weights; needs no data.

    It is meant for many passes: in one, whole layers may go.
    Source: {cite}`TKYG20`, section 6, equation 4 and algorithm 1.
    """
    weights, probe = evidence.weights, evidence.asked("synflow")
    flow = probe.flow(weights)
    return {name: flow[name] * np.abs(weights[name]) for name in evidence.mask}


def _batch(evidence: Evidence) -> np.ndarray:
    """Numbers of the training examples a probe looks at."""
    examples = evidence.asked("batch").examples
    return evidence.rng.choice(examples, min(PROBED, examples), replace=False)


CRITERIA: dict[str, Callable[[Evidence], Scores]] = {
    "large_final": large_final,
    "inert_first": inert_first,
    "small_final": small_final,
    "large_init": large_init,
    "magnitude_increase": magnitude_increase,
    "movement": movement,
    "random": random,
    "snip": snip,
    "grasp": grasp,
    "synflow": synflow,
}
