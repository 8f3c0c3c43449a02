"""A stack of dense layers in float64 and plain NumPy: what the kernels are compared with."""

from __future__ import annotations

import numpy as np

from lthcore.kernels import codes
from lthcore.kernels.stacks.layers import DenseStack


def gradients(stack: DenseStack, theta: dict, x: np.ndarray, y: np.ndarray) -> tuple[float, dict]:
    """The mean loss of a minibatch, penalties included, and its derivatives by all weights."""
    given, outputs = [], x.reshape(len(x), -1).astype(np.float64)
    for layer in stack.layers:
        given.append(outputs)
        z = outputs @ theta[layer.kernel] + (theta[layer.bias] if layer.bias else 0)
        outputs = {
            "linear": lambda z: z,
            "relu": lambda z: np.maximum(z, 0),
            "tanh": np.tanh,
            "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
        }[layer.activation](z)
    if y.ndim == 1:
        shifted = outputs - outputs.max(1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        loss = -logs[np.arange(len(y)), y].mean()
        d = (np.exp(logs) - np.eye(outputs.shape[1])[y]) / len(y)
    else:
        loss = (np.logaddexp(0, outputs) - outputs * y).mean()
        d = (1 / (1 + np.exp(-outputs)) - y) / y.size
    found = {}
    for number in reversed(range(len(stack.layers))):
        layer = stack.layers[number]
        if number < len(stack.layers) - 1:
            a = given[number + 1]
            d = d * {"linear": 1, "relu": a > 0, "tanh": 1 - a * a, "sigmoid": a * (1 - a)}[layer.activation]
        found[layer.kernel] = given[number].T @ d + 2 * layer.l2 * theta[layer.kernel]
        loss += layer.l2 * (theta[layer.kernel] ** 2).sum()
        if layer.bias:
            found[layer.bias] = d.sum(0) + 2 * layer.bias_l2 * theta[layer.bias]
            loss += layer.bias_l2 * (theta[layer.bias] ** 2).sum()
        d = d @ theta[layer.kernel].T
    return float(loss), found


def update(rule: int, coefficients, decay: float, rate: float, number: int, w, g, slots) -> None:
    """One update, as the papers and Keras write it, in place."""
    w *= 1 - decay * rate
    first, second, third = coefficients
    if rule == codes.ADAM:
        slots[0][...] = first * slots[0] + (1 - first) * g
        slots[1][...] = second * slots[1] + (1 - second) * g * g
        step = rate * np.sqrt(1 - second**number) / (1 - first**number)
        w -= step * slots[0] / (np.sqrt(slots[1]) + third)
    elif rule == codes.RMSPROP:
        slots[0][...] = first * slots[0] + (1 - first) * g * g
        move = rate * g / np.sqrt(slots[0] + third)
        slots[1][...] = second * slots[1] + move
        w -= slots[1] if second else move
    else:
        slots[0][...] = first * slots[0] - rate * g
        w += first * slots[0] - rate * g if second else slots[0]


def cut(w, most: float) -> None:
    """Cut columns back to a largest norm as Keras does, in place."""
    norms = np.sqrt((w**2).sum(0))
    w *= np.minimum(norms, most) / (1e-7 + norms)


def train(stack: DenseStack, mask, theta, x, y, batches, rule, coefficients, decay, rates) -> tuple[dict, float]:
    """Train under a mask; the weights and the mean loss."""
    theta = {name: np.array(array, np.float64) * mask.get(name, True) for name, array in theta.items()}
    slots = {name: [np.zeros_like(array), np.zeros_like(array)] for name, array in theta.items()}
    losses = []
    for number, batch in enumerate(batches):
        loss, found = gradients(stack, theta, x[batch], y[batch])
        losses.append(loss)
        for name, array in theta.items():
            g = found[name] * mask.get(name, True)
            update(rule, coefficients, decay, rates[number], number + 1, array, g, slots[name])
        for layer in stack.layers:
            if layer.max_norm < np.inf:
                cut(theta[layer.kernel], layer.max_norm)
    return theta, float(np.mean(losses))
