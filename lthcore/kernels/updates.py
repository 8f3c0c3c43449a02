"""Updates of the survivors, element by element and as Keras does them, in place.

`theta` and `gradient` hold the survivors and the biases of all layers, one after the other; `slots` are two arrays of
what the optimizer keeps of each of them. Rates and coefficients come in the precision of `theta`.
"""

from __future__ import annotations

import numpy as np

from lthcore.kernels.codes import ADAM, RMSPROP
from lthcore.kernels.compiled import kernel
from lthcore.kernels.functions import one


@kernel
def update(rule, coefficients, decay, rate, number, theta, gradient, slots):
    """One update.

    Args:
        rule: SGD, ADAM or RMSPROP.
        coefficients: three numbers, see `lthcore.kernels.codes.COEFFICIENTS`.
        decay: decoupled weight decay.
        rate: the learning rate of this step.
        number: how many updates there were since the optimizer began, this one included.
        theta, gradient, slots: see above.
    """
    if decay > 0:
        shrunk = one(theta) - theta.dtype.type(decay * rate)
        for p in range(theta.size):
            theta[p] *= shrunk
    if rule == ADAM:
        _adam(coefficients, rate, number, theta, gradient, slots[0], slots[1])
    elif rule == RMSPROP:
        _rmsprop(coefficients, rate, theta, gradient, slots[0], slots[1])
    else:
        _sgd(coefficients, rate, theta, gradient, slots[0])


@kernel
def follow(momentum, number, theta, average):
    """Let moving averages follow the parameters; before the first update there is nothing to average."""
    kind = theta.dtype.type
    kept = kind(momentum) if number > 1 else kind(0)
    added = one(theta) - kept
    for p in range(theta.size):
        average[p] = kept * average[p] + added * theta[p]


@kernel
def _adam(coefficients, rate, number, theta, gradient, mean, square):
    kind = theta.dtype.type
    first, second, epsilon = coefficients
    step = kind(rate * np.sqrt(1 - second**number) / (1 - first**number))
    left, right, small = kind(1 - first), kind(1 - second), kind(epsilon)
    for p in range(theta.size):
        g = gradient[p]
        mean[p] += (g - mean[p]) * left
        square[p] += (g * g - square[p]) * right
        theta[p] -= mean[p] * step / (np.sqrt(square[p]) + small)


@kernel
def _rmsprop(coefficients, rate, theta, gradient, square, velocity):
    kind = theta.dtype.type
    rho, momentum, small = kind(coefficients[0]), kind(coefficients[1]), kind(coefficients[2])
    step = kind(rate)
    for p in range(theta.size):
        g = gradient[p]
        square[p] = rho * square[p] + (one(theta) - rho) * g * g
        move = step * g / np.sqrt(square[p] + small)
        if momentum > 0:
            velocity[p] = momentum * velocity[p] + move
            move = velocity[p]
        theta[p] -= move


@kernel
def _sgd(coefficients, rate, theta, gradient, velocity):
    kind = theta.dtype.type
    momentum, nesterov, step = kind(coefficients[0]), coefficients[1] > 0, kind(rate)
    if momentum == 0:
        for p in range(theta.size):
            theta[p] -= step * gradient[p]
        return
    for p in range(theta.size):
        velocity[p] = momentum * velocity[p] - step * gradient[p]
        theta[p] += momentum * velocity[p] - step * gradient[p] if nesterov else velocity[p]
