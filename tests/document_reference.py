"""Kim's network in float64 and plain NumPy: what the kernels are compared with."""

from __future__ import annotations

import dense_reference
import numpy as np

from lthcore.kernels.documents.network import DocumentNetwork
from lthcore.training.engines.sparse.rules import Rule


def gradients(network: DocumentNetwork, theta: dict, x: np.ndarray, y: np.ndarray) -> tuple[float, dict]:
    """The mean loss of a minibatch and its derivatives by all weights; word 0 is a vector of zeros."""
    table = theta[network.table].copy()
    table[0] = 0
    found = {name: np.zeros_like(array) for name, array in theta.items()}
    pooled, winners = [], []
    for layer in network.windows:
        kernel, windows = theta[layer.kernel], x.shape[1] - layer.width + 1
        parts = [table[x[:, offset : offset + windows]] @ kernel[offset] for offset in range(layer.width)]
        responses = np.sum(parts, axis=0)  # (B, windows, F)
        winners.append(responses.argmax(1))
        pooled.append(np.maximum(responses.max(1) + theta[layer.bias], 0))
    hidden = np.concatenate(pooled, 1)
    (output,) = network.stack.layers
    logits = hidden @ theta[output.kernel] + theta[output.bias]
    if y.ndim == 1:
        shifted = logits - logits.max(1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        loss, d = -logs[np.arange(len(y)), y].mean(), (np.exp(logs) - np.eye(logs.shape[1])[y]) / len(y)
    else:
        loss, d = (np.logaddexp(0, logits) - logits * y).mean(), (1 / (1 + np.exp(-logits)) - y) / y.size
    found[output.kernel], found[output.bias] = hidden.T @ d, d.sum(0)
    back, first = (d @ theta[output.kernel].T) * (hidden > 0), 0
    for layer, winner in zip(network.windows, winners, strict=True):
        upstream = back[:, first : first + layer.filters]
        first += layer.filters
        found[layer.bias] += upstream.sum(0)
        for document, filter in np.argwhere(upstream):
            value, begin = upstream[document, filter], winner[document, filter]
            for offset in range(layer.width):
                word = x[document, begin + offset]
                found[layer.kernel][offset, :, filter] += value * table[word]
                found[network.table][word] += value * theta[layer.kernel][offset, :, filter]
    found[network.table][0] = 0
    return float(loss), found


def train(network: DocumentNetwork, rule: Rule, mask, theta, x, y, batches) -> tuple[dict, dict, float]:
    """Train under a mask; the weights, their moving averages, and the mean loss."""
    theta = {name: np.array(array, np.float64) * mask.get(name, True) for name, array in theta.items()}
    slots = {name: [np.zeros_like(array), np.zeros_like(array)] for name, array in theta.items()}
    averages = {name: array.copy() for name, array in theta.items()}
    rates, losses = rule.rates(0, len(batches)), []
    (output,) = network.stack.layers
    for number, batch in enumerate(batches):
        loss, found = gradients(network, theta, x[batch], y[batch])
        losses.append(loss)
        for name, array in theta.items():
            if name == network.table and not network.trained:
                continue
            g = found[name] * mask.get(name, True)
            dense_reference.update(
                rule.number, rule.coefficients, rule.decay, rates[number], number + 1, array, g, slots[name]
            )
            share = rule.average if number and rule.average is not None else 0.0
            averages[name] = share * averages[name] + (1 - share) * array
        if output.max_norm < np.inf:
            dense_reference.cut(theta[output.kernel], output.max_norm)
    return theta, averages, float(np.mean(losses))
