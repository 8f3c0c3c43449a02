"""Criteria that prune an untrained network by derivatives of its loss or of its outputs.

What masks made then know, the controls of {cite}`FDRC21` and {cite}`SCC20` tell.
"""

from __future__ import annotations

import numpy as np

from lthcore.pruning.criteria.criterion import register
from lthcore.pruning.criteria.evidence import Evidence, Scores

# Training examples that SNIP and GraSP look at: one minibatch of their authors' protocols on ten classes.
PROBED = 100
# What GraSP divides the logits by, as its authors' code does.
TEMPERATURE = 200.0


@register(reads="gradients")
def snip(evidence: Evidence) -> Scores:
    """|g·w|, normalised: keep the weights whose removal would change the loss of one minibatch most.

    Source: {cite}`LAT19`, section 4, equations 5 and 6.
    """
    weights, probe = evidence.weights, evidence.asked("snip")
    gradient = probe.gradient(weights, _batch(evidence))
    scores = {name: np.abs(gradient[name] * weights[name]) for name in evidence.mask}
    total = sum(float(values.sum()) for values in scores.values())
    return {name: values / total for name, values in scores.items()}


@register(reads="gradients")
def grasp(evidence: Evidence) -> Scores:
    """w·Hg: remove the weights without which the gradient flow would be largest, whichever sign that takes.

    Source: {cite}`WZG20`, section 3, equations 7 and 8; their score is −w·Hg, and the highest go.
    """
    weights, probe = evidence.weights, evidence.asked("grasp")
    product = probe.hessian_gradient(weights, _batch(evidence), TEMPERATURE)
    return {name: weights[name] * product[name] for name in evidence.mask}


@register(reads="gradients", documents=False)
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
