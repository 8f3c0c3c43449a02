"""Reads a Keras model as a plain description of dense layers, if it is no more than that."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import keras
from keras.src.models.functional import Functional  # Keras has no public name for it

from lthcore.kernels.codes import ACTIVATIONS
from lthcore.kernels.stacks.layers import HEADS, DenseLayer, DenseStack
from lthcore.models.names import is_graph
from lthcore.models.names import names as names_of

KNOWN = (*ACTIVATIONS, "softmax")


class UnsupportedError(ValueError):
    """What the kernels do not compute; the dense engine does."""


def read(model: keras.Model) -> DenseStack:
    """Describe a model.

    Args:
        model: a built model whose layers follow one another.

    Raises:
        UnsupportedError: for a model that is more than a stack of trained dense layers; the message says what it has.

    Example:
        >>> dense = keras.layers.Dense
        >>> model = keras.Sequential([keras.Input((4,)), dense(8, "relu", name="hidden"), dense(3, name="output")])
        >>> [layer.activation for layer in read(model).layers], read(model).head
        (['relu', 'linear'], 'linear')
    """
    return stack_of(_in_line(model), names_of(model), axes=len(model.input_shape) - 1)


def stack_of(layers: Iterable[keras.Layer], called: dict[int, str], *, axes: int) -> DenseStack:
    """Describe layers that follow one another.

    Args:
        layers: the layers in their order.
        called: the id of each variable → its name.
        axes: axes of what the first layer is given, without that of the examples.

    Raises:
        UnsupportedError: as in `read`.
    """
    made: list[DenseLayer] = []
    dropout = 0.0
    for layer in layers:
        if isinstance(layer, keras.layers.Flatten) and layer.data_format != "channels_first":
            axes = 1
        elif isinstance(layer, (keras.layers.InputLayer, keras.layers.Identity)):
            continue
        elif made and made[-1].activation == "softmax":
            raise UnsupportedError(f"layer {layer.name!r} follows a softmax")
        elif type(layer) is keras.layers.Dropout and axes == 1 and not dropout and layer.noise_shape is None:
            dropout = float(layer.rate)
        elif isinstance(layer, keras.layers.Dense) and axes == 1:
            made.append(_dense(layer, called, dropout))
            dropout = 0.0
        elif (name := _activation(layer)) and made and made[-1].activation == "linear" and not dropout:
            made[-1] = replace(made[-1], activation=name)
        else:
            raise UnsupportedError(f"layer {layer.name!r} is a {type(layer).__name__} that the kernels do not know")
    if not made or dropout:
        raise UnsupportedError("it does not end in a dense layer")
    head = made[-1].activation
    if head not in HEADS:
        raise UnsupportedError(f"it ends in {head}")
    made[-1] = replace(made[-1], activation="linear")  # the loss takes the head's place
    return DenseStack(tuple(made), head)


def _in_line(model: keras.Model) -> list[keras.Layer]:
    """The layers of a model in their order, those of models within it too."""
    if not is_graph(model):
        raise UnsupportedError(f"{type(model).__name__} is a class of its own, whose layers cannot be followed")
    layers = list(model.layers)
    if isinstance(model, Functional):
        for before, layer in pairwise(layers):
            nodes = layer._inbound_nodes
            inputs = [tensor._keras_history.operation for node in nodes for tensor in node.input_tensors]
            if [id(operation) for operation in inputs] != [id(before)]:
                raise UnsupportedError(f"layer {layer.name!r} does not follow {before.name!r} alone")
        if len(model.operations) != len(layers) or len(model.outputs) != 1:
            raise UnsupportedError("it is more than layers one after the other")
    inner = [_in_line(layer) if isinstance(layer, keras.Model) else [layer] for layer in layers]
    return [layer for line in inner for layer in line]


def _activation(layer: keras.Layer) -> str:
    """The name of the activation that a layer applies and nothing else; empty if it does more."""
    if type(layer) is keras.layers.Activation:
        name = _name(layer.activation)
        return name if name in KNOWN else ""
    if type(layer) is keras.layers.ReLU:
        plain = layer.max_value is None and not layer.negative_slope and not layer.threshold
        return "relu" if plain else ""
    if type(layer) is keras.layers.Softmax:
        return "softmax" if layer.axis in (-1, 1) else ""
    return ""


def _name(function: object) -> str:
    """The name of one of Keras' own activations; empty for any other function."""
    name = getattr(function, "__name__", "")
    return name if getattr(keras.activations, name, None) is function else ""


def _dense(layer: keras.layers.Dense, called: dict[int, str], dropout: float) -> DenseLayer:
    if type(layer) is not keras.layers.Dense or layer.lora_enabled or layer.quantization_mode:
        raise UnsupportedError(f"layer {layer.name!r} is a {type(layer).__name__} of its own kind")
    if layer.bias_constraint:
        raise UnsupportedError(f"layer {layer.name!r} has a constraint on its biases")
    if layer.activity_regularizer:
        raise UnsupportedError(f"layer {layer.name!r} has a penalty on what it gives")
    if not layer.trainable:
        raise UnsupportedError(f"layer {layer.name!r} is frozen")
    name = _name(layer.activation)
    if name not in KNOWN:
        raise UnsupportedError(f"layer {layer.name!r} has the activation {name or layer.activation!r}")
    inputs, outputs = layer.kernel.shape
    return DenseLayer(
        kernel=called[id(layer.kernel)],
        bias=called[id(layer.bias)] if layer.use_bias else None,
        inputs=inputs,
        outputs=outputs,
        activation=name,
        dropout=dropout,
        l2=_l2(layer, layer.kernel_regularizer),
        bias_l2=_l2(layer, layer.bias_regularizer),
        max_norm=_max_norm(layer, layer.kernel_constraint),
    )


def _max_norm(layer: keras.Layer, constraint: Any) -> float:
    if constraint is None:
        return math.inf
    if type(constraint) is keras.constraints.MaxNorm and constraint.axis == 0:
        return float(constraint.max_value)
    raise UnsupportedError(f"layer {layer.name!r} has a constraint other than the largest norm of its columns")


def _l2(layer: keras.Layer, regularizer: Any) -> float:
    if regularizer is None:
        return 0.0
    if type(regularizer) is keras.regularizers.L2:
        return float(regularizer.l2)
    if type(regularizer) is keras.regularizers.L1L2 and not regularizer.l1:
        return float(regularizer.l2)
    raise UnsupportedError(f"layer {layer.name!r} has a penalty other than L2")
