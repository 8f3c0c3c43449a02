"""Keras models by name, with explicit layer names; every model ends in logits."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import keras

from lthcore.models import text_networks
from lthcore.models.lenet import lenet_5, lenet_300_100

MODELS: dict[str, Callable[..., keras.Model]] = {
    "lenet_300_100": lenet_300_100,
    "lenet_5": lenet_5,
    "kim_cnn": text_networks.kim_cnn,
    "bilstm": text_networks.bilstm,
}


def build(name: str, input_shape: tuple[int, ...], classes: int, **options: object) -> keras.Model:
    """A model by name.

    Args:
        name: a key of `MODELS`.
        input_shape: shape of one example.
        classes: number of logits.
        options: further arguments of the model; those of documents need `table`, their initial word vectors.

    Raises:
        ValueError: for an unknown name or option; the message lists the known ones.
    """
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}; known are {', '.join(MODELS)}")
    known = list(inspect.signature(MODELS[name]).parameters)[2:]
    if wrong := sorted(set(options) - set(known)):
        raise ValueError(f"model {name!r} has no option {', '.join(wrong)}; it has {', '.join(known) or 'none'}")
    if "table" in known and options.get("table") is None:
        raise ValueError(f"model {name!r} reads documents and needs their word vectors: pass table=data.table")
    return MODELS[name](input_shape, classes, **options)
