"""Keras models by name, in an open registry; those of the package have explicit layer names and end in logits."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import keras

from lthcore.models import text_networks
from lthcore.models.lenet import lenet_5, lenet_300_100
from lthcore.registry import Registry

Build = Callable[..., keras.Model]

MODELS: Registry[Build] = Registry(
    "model",
    "lth.models.register(name, build)",
    values={
        "lenet_300_100": lenet_300_100,
        "lenet_5": lenet_5,
        "kim_cnn": text_networks.kim_cnn,
        "bilstm": text_networks.bilstm,
    },
)
MODELS.seal()


def register(name: str, build: Build, *, replace: bool = False) -> Build:
    """Give a model a name that an experiment can store.

    Args:
        name: the name.
        build: a function of the shape of one example, the number of classes, and options, which gives a built model.
        replace: take a name that is taken, unless it is one of the package's own.

    Returns:
        The function.

    Raises:
        ValueError: if the name is taken or no word.

    Example:
        >>> def linear(input_shape, classes):
        ...     layers = [keras.layers.Flatten(), keras.layers.Dense(classes, name="output")]
        ...     return keras.Sequential([keras.Input(input_shape), *layers])
        >>> register("linear", linear)((8, 8, 1), 10).count_params()
        650
        >>> MODELS.remove("linear")
    """
    return MODELS.register(name, build, replace=replace)


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
    known = list(inspect.signature(MODELS[name]).parameters)[2:]
    if wrong := sorted(set(options) - set(known)):
        raise ValueError(f"model {name!r} has no option {', '.join(wrong)}; it has {', '.join(known) or 'none'}")
    if "table" in known and options.get("table") is None:
        raise ValueError(f"model {name!r} reads documents and needs their word vectors: pass table=data.table")
    return MODELS[name](input_shape, classes, **options)
