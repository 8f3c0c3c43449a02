"""The sparse engine trains what the formulas say: any depth, widths, activations, heads, penalties and optimizers."""

from __future__ import annotations

import dense_reference as reference
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthcore.datasets import Dataset
from lthcore.kernels.stacks import stack
from lthcore.models import variables
from lthcore.pruning.mask import Mask
from lthcore.pruning.ticket import Ticket
from lthcore.pruning.weights import Weights
from lthcore.training.engines.sparse import rules
from lthcore.training.engines.sparse.stacks import StackEngine

OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
    "nesterov": lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(1e-2),
    "adamw": lambda: keras.optimizers.AdamW(1e-2, weight_decay=0.1),
    "rmsprop": lambda: keras.optimizers.RMSprop(1e-3),
    "rmsprop with momentum": lambda: keras.optimizers.RMSprop(1e-3, momentum=0.5),
    "falling": lambda: keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 200)),
}


def data_of(inputs: int, classes: int, *, labels: bool = False, pixels: bool = False):
    rng = np.random.default_rng(7)
    x = rng.integers(0, 256, (300, inputs)) / 255 if pixels else rng.normal(size=(300, inputs))
    y = rng.integers(0, 2, (300, classes)) if labels else np.arange(300) % classes
    return Dataset.from_arrays(
        x.astype(np.float32), y, name="made", validation=100, test=70, classes=classes, multilabel=labels
    )


def model_of(widths, activations, *, bias=True, l2=0.0, head=None, dropout=0.0) -> keras.Model:
    made = [keras.Input((widths[0],))]
    for number, (units, activation) in enumerate(zip(widths[1:], [*activations, head], strict=True)):
        if dropout:
            made.append(keras.layers.Dropout(dropout))
        penalty = keras.regularizers.L2(l2) if l2 else None
        made.append(
            keras.layers.Dense(
                units,
                activation,
                use_bias=bias,
                kernel_regularizer=penalty,
                bias_regularizer=penalty if bias else None,
                name=f"layer_{number}",
            )
        )
    return keras.Sequential(made)


def engine_of(model, data, optimizer, dtype=np.float64) -> StackEngine:
    names = tuple(variables.variables(model))
    return StackEngine(stack.read(model), rules.read(optimizer), data, names, dtype=dtype)


def ticket_of(model, density, seed=3) -> Ticket:
    rng = np.random.default_rng(seed)
    shapes = {name: array.shape for name, array in variables.read(model).items()}
    weights = Weights({name: rng.normal(size=shape) / np.sqrt(shape[0]) for name, shape in shapes.items()})
    return Ticket(Mask({name: rng.random(shapes[name]) < density for name in variables.prunable(model)}), weights)


def batches_of(data, steps, size, seed=5):
    return np.random.default_rng(seed).integers(0, len(data.train), (steps, size)).astype(np.int32)


def trained(model, data, optimizer, ticket, batches, dtype=np.float64):
    engine = engine_of(model, data, optimizer, dtype)
    engine.begin(ticket, np.random.default_rng(0))
    loss = engine.advance(batches)
    return engine, loss, engine._survivors.unpack(engine._theta)


def wanted(model, data, optimizer, ticket, batches):
    rule = rules.read(optimizer)
    rates = rule.rates(ticket.at_step, ticket.at_step + len(batches))
    x, y = data.train.x, data.train.y
    description = stack.read(model)
    return reference.train(
        description, ticket.mask, ticket.weights, x, y, batches, rule.number, rule.coefficients, rule.decay, rates
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_two_hundred_steps_equal_those_of_a_reference(name):
    data, model = data_of(20, 5), model_of((20, 30, 17, 5), ("relu", "tanh"), l2=1e-3)
    ticket, batches = ticket_of(model, 0.3), batches_of(data, 200, 60)
    theta, loss = wanted(model, data, OPTIMIZERS[name](), ticket, batches)
    _, mean, found = trained(model, data, OPTIMIZERS[name](), ticket, batches)
    assert mean == pytest.approx(loss, rel=1e-9)
    for key, array in theta.items():
        np.testing.assert_allclose(found[key], array, rtol=1e-9, atol=1e-9)


def test_columns_are_cut_back_to_their_largest_norm_as_in_a_reference():
    data, model = data_of(20, 5), model_of((20, 30, 5), ("relu",))
    model.get_layer("layer_1").kernel_constraint = keras.constraints.MaxNorm(0.5, axis=0)
    ticket, batches = ticket_of(model, 0.3), batches_of(data, 50, 60)
    theta, _ = wanted(model, data, OPTIMIZERS["momentum"](), ticket, batches)
    _, _, found = trained(model, data, OPTIMIZERS["momentum"](), ticket, batches)
    for key, array in theta.items():
        np.testing.assert_allclose(found[key], array, rtol=1e-9, atol=1e-9)
    assert np.sqrt((found["layer_1/kernel"] ** 2).sum(0)).max() == pytest.approx(0.5)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    widths=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    activation=st.sampled_from(("relu", "tanh", "sigmoid", "linear")),
    bias=st.booleans(),
    labels=st.booleans(),
    pixels=st.booleans(),
    density=st.sampled_from((0.02, 0.2, 0.7, 1.0)),
    batch=st.sampled_from((1, 16, 60, 64, 65, 130)),
)
def test_any_stack_equals_a_reference(widths, activation, bias, labels, pixels, density, batch):
    data = data_of(9, 3, labels=labels, pixels=pixels)
    model = model_of((9, *widths, 3), (activation,) * len(widths), bias=bias)
    ticket, batches = ticket_of(model, density), batches_of(data, 20, batch)
    theta, loss = wanted(model, data, OPTIMIZERS["momentum"](), ticket, batches)
    _, mean, found = trained(model, data, OPTIMIZERS["momentum"](), ticket, batches)
    assert mean == pytest.approx(loss, rel=1e-9)
    for key, array in theta.items():
        np.testing.assert_allclose(found[key], array, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("pixels", [True, False])
def test_the_first_gradients_in_float32_are_right_to_a_millionth_of_the_largest(pixels):
    data, model = data_of(784, 10, pixels=pixels), model_of((784, 300, 100, 10), ("relu", "relu"))
    ticket, batches = ticket_of(model, 0.1), batches_of(data, 1, 60)
    engine, _, _ = trained(model, data, keras.optimizers.SGD(1.0), ticket, batches, np.float32)
    gradient = engine._survivors.unpack(engine._gradient)
    x, y = data.train.x[batches[0]], data.train.y[batches[0]]
    _, right = reference.gradients(stack.read(model), dict(ticket.weights), x, y)
    for name, array in right.items():
        expected = array * ticket.mask.get(name, True)
        assert np.abs(gradient[name] - expected).max() <= 1e-6 * np.abs(expected).max()
