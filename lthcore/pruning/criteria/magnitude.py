"""Criteria by the size of weights: trained, initial, or the way between them; and the random control.

Source of the names: {cite}`ZLLY19`, section 2, where the letter i is the initial and f the final weight.
"""

from __future__ import annotations

import numpy as np

from lthcore.pruning.connectivity import effective
from lthcore.pruning.criteria.criterion import register
from lthcore.pruning.criteria.evidence import Evidence, Scores


@register
def large_final(evidence: Evidence) -> Scores:
    """|w_f|: keep the weights that training left large, the criterion of {cite}`FC18`."""
    return {name: np.abs(evidence.final[name]) for name in evidence.mask}


@register(documents=False)
def inert_first(evidence: Evidence) -> Scores:
    """|w_f|, but a survivor that is on no path from a varying input to an output goes before all others.

    Weights on inputs that are always zero get no gradient and keep their initial size, so that magnitude alone keeps
    the large ones of them. For networks of consecutive dense layers.
    """
    useful = effective(evidence.mask, evidence.varying)
    return {name: np.where(useful[name], np.abs(evidence.final[name]), -1.0) for name in evidence.mask}


@register
def small_final(evidence: Evidence) -> Scores:
    """−|w_f|: keep the small ones, a control that ought to fail."""
    return {name: -np.abs(evidence.final[name]) for name in evidence.mask}


@register(reads="initial")
def large_init(evidence: Evidence) -> Scores:
    """|w_i|: keep what was large before training; knows nothing of the data ({cite}`FC18`, appendix F.4)."""
    return {name: np.abs(evidence.initial[name]) for name in evidence.mask}


@register
def magnitude_increase(evidence: Evidence) -> Scores:
    """|w_f| − |w_i|: keep what grew."""
    return {name: np.abs(evidence.final[name]) - np.abs(evidence.initial[name]) for name in evidence.mask}


@register
def movement(evidence: Evidence) -> Scores:
    """|w_f − w_i|: keep what moved, in whichever direction."""
    return {name: np.abs(evidence.final[name] - evidence.initial[name]) for name in evidence.mask}


@register(reads="nothing")
def random(evidence: Evidence) -> Scores:
    """Uniform scores: random pruning with the layer budgets of the schedule."""
    return {name: evidence.rng.random(array.shape) for name, array in evidence.mask.items()}
