"""`DenseStack`: a network of dense layers as a plain description, without Keras."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lthcore.checks import check_known

# What a network may end in.
HEADS = ("linear", "softmax", "sigmoid")


@dataclass(frozen=True)
class DenseLayer:
    """One dense layer, and what is dropped of its inputs in training.

    Args:
        kernel: name of its matrix, of shape (inputs, outputs).
        bias: name of its biases, if it has any.
        inputs, outputs: numbers of units.
        activation: what follows it.
        dropout: share of its inputs that is dropped in training.
        l2: added to the loss in training, times the sum of its squared weights.
        bias_l2: the same of its biases.
        max_norm: the largest Euclidean norm of a column of its matrix, to which it is cut back after each update.
    """

    kernel: str
    bias: str | None
    inputs: int
    outputs: int
    activation: str = "linear"
    dropout: float = 0.0
    l2: float = 0.0
    bias_l2: float = 0.0
    max_norm: float = math.inf


@dataclass(frozen=True)
class DenseStack:
    """Dense layers one after the other.

    Args:
        layers: the layers; the last one's activation is `head`.
        head: what the outputs are: ``linear`` for logits, ``softmax`` or ``sigmoid``.

    Raises:
        ValueError: if a layer does not take what the one before it gives, or for another head.
    """

    layers: tuple[DenseLayer, ...]
    head: str

    def __post_init__(self) -> None:
        check_known("head", self.head, HEADS)
        given = [layer.outputs for layer in self.layers[:-1]]
        taken = [layer.inputs for layer in self.layers[1:]]
        if not self.layers or given != taken:
            raise ValueError(f"layers that give {given} numbers are followed by layers that take {taken}")

    @property
    def kernels(self) -> tuple[str, ...]:
        """Names of the matrices."""
        return tuple(layer.kernel for layer in self.layers)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name → shape of all matrices and biases."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in self.layers:
            shapes[layer.kernel] = (layer.inputs, layer.outputs)
            if layer.bias:
                shapes[layer.bias] = (layer.outputs,)
        return shapes
