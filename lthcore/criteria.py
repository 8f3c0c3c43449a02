"""Criteria: evidence about a run → scores, higher means keep.

A criterion is one function; a new one costs three lines and an entry in `CRITERIA`.
Source of the names: {cite}`ZLLY19`, section 2, where the letter i is the initial and f the final weight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from lthcore.connectivity import effective
from lthcore.mask import Mask, Weights

Scores = Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a criterion may look at after a run.

    Args:
        mask: the mask the run was trained with.
        initial: the weights the ticket of this trial started from, θ₀, all of them.
        final: the weights at the end of the run, θ_T.
        varying: bool, shape of one example: which inputs differ between training examples.
        rng: stream for criteria that are themselves random.
    """

    mask: Mask
    initial: Weights
    final: Weights
    varying: np.ndarray
    rng: np.random.Generator


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


CRITERIA: dict[str, Callable[[Evidence], Scores]] = {
    "large_final": large_final,
    "inert_first": inert_first,
    "small_final": small_final,
    "large_init": large_init,
    "magnitude_increase": magnitude_increase,
    "movement": movement,
    "random": random,
}
