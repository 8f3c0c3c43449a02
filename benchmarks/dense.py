"""A step of the compiled loop, side by side with what one would use instead: Keras' own `fit`, and eager PyTorch.

LeNet-300-100, minibatches of 60, Adam, nothing evaluated. `fit` is timed bare; with what it needs to train a ticket at
all, a callback that puts pruned weights back to zero after each batch; and compiled by XLA with a hundred steps a call.
"""

from __future__ import annotations

from importlib.util import find_spec
from time import perf_counter

import keras
import numpy as np
import tensorflow as tf

from benchmarks import networks
from benchmarks.harness import Entry, Scale, Way, interleaved, ratio
from lthcore import models
from lthcore.experiments.presets.mnist import LENET
from lthcore.models import variables
from lthcore.training import optimizers

LOOP = "compiled loop"
WAYS = {
    "dense_vs_fit": "model.fit ÷ compiled loop, a step of the dense network",
    "dense_vs_fit_mask": "model.fit with a callback that holds the mask ÷ compiled loop",
    "dense_vs_fit_spe_jit": "model.fit with steps_per_execution=100 and jit_compile=True ÷ compiled loop",
    "dense_vs_eager_torch": "eager PyTorch ÷ compiled loop, the same step",
}


class KeepMask(keras.callbacks.Callback):
    """Puts pruned weights back to zero after each batch: how a ticket is trained with ``model.fit``."""

    def __init__(self, masks: dict[str, tf.Tensor]) -> None:
        super().__init__()
        self.masks = masks

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        for variable in self.model.trainable_variables:
            name = variables.name_of(self.model, variable)
            if name in self.masks:
                variable.assign(variable * self.masks[name])


def fit(steps: int, *, masked: bool = False, **compiled: object) -> Way:
    """Training by ``model.fit``, with further arguments of ``model.compile``."""
    examples, config = networks.data(), LENET.train
    model = models.build(LENET.model, examples.input_shape, examples.classes)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizers.build(config), loss=loss, **compiled)
    ones = {name: tf.ones(variables.read(model)[name].shape) for name in variables.prunable(model)}
    callbacks = [KeepMask(ones)] if masked else []
    x, y = (part[: steps * config.batch_size] for part in (examples.train.x, examples.train.y))

    def way() -> float:
        begin = perf_counter()
        model.fit(x, y, batch_size=config.batch_size, epochs=1, verbose=0, callbacks=callbacks)
        return perf_counter() - begin

    return way


def eager_torch(steps: int) -> Way:
    """Training by PyTorch as its tutorials write it, minibatch by minibatch, the data in memory as tensors."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    examples, config = networks.data(), LENET.train
    model = nn.Sequential(nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, eps=1e-8)
    loss_of = nn.CrossEntropyLoss()
    x = torch.from_numpy(np.array(examples.train.x).reshape(len(examples.train.x), -1))
    y = torch.from_numpy(np.array(examples.train.y).astype(np.int64))

    def way() -> float:
        order = torch.randperm(len(x))
        begin = perf_counter()
        for step in range(steps):
            batch = order[step * config.batch_size : (step + 1) * config.batch_size]
            optimizer.zero_grad()
            loss = loss_of(model(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
        return perf_counter() - begin

    return way


def measure(names: tuple[str, ...], scale: Scale) -> list[Entry]:
    """Those of the names that can be measured here."""
    steps, trainer = min(scale.steps, 900), networks.trainer().by("dense")
    ticket = networks.dense(trainer)
    ways: dict[str, Way] = {LOOP: lambda: networks.train(trainer, ticket, steps)}
    makers = {
        "dense_vs_fit": lambda: fit(steps),
        "dense_vs_fit_mask": lambda: fit(steps, masked=True),
        "dense_vs_fit_spe_jit": lambda: fit(steps, steps_per_execution=100, jit_compile=True),
        "dense_vs_eager_torch": lambda: eager_torch(steps),
    }
    if not find_spec("torch"):
        del makers["dense_vs_eager_torch"]
    wanted = [name for name in names if name in makers]
    ways |= {name: makers[name]() for name in wanted}
    times = interleaved(ways, scale.repeats) if wanted else {}
    return [ratio(name, times, name, LOOP, WAYS[name], per=steps) for name in wanted]
