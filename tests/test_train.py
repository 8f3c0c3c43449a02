"""The compiled loop: equal to a plain eager one, equal to masking the forward pass, nothing leaking between runs."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import small_model

from lthcore import weights
from lthcore.config import TrainConfig
from lthcore.mask import Mask, Weights
from lthcore.ticket import rewind
from lthcore.train import Trainer, minibatches

OPTIMIZERS = {
    "sgd": TrainConfig(steps=40, eval_every=20, test_every=20, optimizer="sgd", learning_rate=0.1),
    "momentum": TrainConfig(
        steps=40,
        eval_every=20,
        test_every=20,
        optimizer="sgd",
        learning_rate=0.1,
        optimizer_options=(("momentum", 0.9),),
    ),
    "adam": TrainConfig(steps=40, eval_every=20, test_every=20),
}


def half_mask(trainer: Trainer, theta: Weights, seed: int = 7) -> Mask:
    rng = np.random.default_rng(seed)
    return Mask({name: rng.random(theta[name].shape) < 0.5 for name in trainer.prunable})


def order(seed: int = 3) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))


def eager(model, data, config, ticket, *, project: bool):
    """The loop as a textbook writes it; `project` masks after the update, otherwise the forward pass is masked."""
    optimizer = keras.optimizers.get(
        {
            "class_name": config.optimizer,
            "config": {"learning_rate": config.learning_rate, **dict(config.optimizer_options)},
        }
    )
    weights.write(model, ticket.weights)
    masks = {name: tf.constant(mask, tf.float32) for name, mask in ticket.mask.items()}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    batches = minibatches(order().spawn(2)[1], len(data.train), config.batch_size, config.steps)
    for batch in batches:
        with tf.GradientTape() as tape:
            value = loss(data.train.y[batch], model(data.train.x[batch], training=True))
            value += sum(model.losses)
        gradients = tape.gradient(value, model.trainable_variables)
        if not project:  # d loss / d w = mask · d loss / d (mask · w)
            gradients = [
                gradient * masks[variable.path] if variable.path in masks else gradient
                for gradient, variable in zip(gradients, model.trainable_variables, strict=True)
            ]
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        if project:
            for variable in model.trainable_variables:
                if variable.path in masks:
                    variable.assign(variable * masks[variable.path])
    return weights.read(model)


@pytest.mark.parametrize("compiler", ["xla", "graph"])
@pytest.mark.parametrize("project", [True, False], ids=["projection", "forward masking"])
@pytest.mark.parametrize("config", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_compiled_loop_equals_a_plain_eager_loop(digits, config, project, compiler):
    trainer = Trainer(small_model(l2=1e-3), digits, config, compiler=compiler)
    theta = trainer.fresh(np.random.default_rng(0))
    ticket = rewind(half_mask(trainer, theta), to=theta)
    ours = trainer.train(ticket, order=order()).final
    plain = eager(small_model(l2=1e-3), digits, config, ticket, project=project)
    for name in theta:
        np.testing.assert_allclose(ours[name], plain[name], atol=2e-5, err_msg=name)
        moved = np.abs(ours[name] - ticket.weights[name]).max()
        assert moved > 1e-2, f"{name} hardly moved, so the comparison says nothing"
