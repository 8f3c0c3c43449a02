"""What a network costs on paper: parameters, and floating-point operations of one example's forward pass.

A multiplication and an addition count as two operations. Only products with kernels are counted: biases, activations,
pooling and the look-up of word vectors are free, as is customary. Layers that take a short cut are counted as what they
stand for: `WindowMax` as a convolution over all windows of a document, padding included, `PatchMax` as one over all
positions of an image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import keras

from lthcore.models import names, variables
from lthcore.models.layers.patches import PatchMax
from lthcore.models.layers.words import WindowMax
from lthcore.shrinking import graph

# Of a batch: examples, of which the number may be open; positions …; channels.
Shape = tuple[int | None, *tuple[int, ...], int]


def dense(inputs: Shape, kernel: Sequence[int]) -> int:
    """Operations of a dense layer, applied at each position before the last axis.

    Args:
        inputs: shape of its input, examples first.
        kernel: (in, out).

    Example:
        >>> dense((None, 784), (784, 300))
        470400
    """
    _, *positions, _ = inputs
    return 2 * math.prod(positions) * math.prod(kernel)


def convolution(outputs: Shape, kernel: Sequence[int]) -> int:
    """Operations of a convolution.

    Args:
        outputs: shape of its responses before any pooling, (examples, positions …, filters).
        kernel: (size …, channels, filters).

    Example:
        >>> convolution((None, 24, 24, 20), (5, 5, 1, 20))
        576000
    """
    _, *positions, _ = outputs
    return 2 * math.prod(positions) * math.prod(kernel)


def _window_max(call: graph.Call) -> int:
    return convolution(
        (None, call.inputs[1].shape[1] - call.layer.width + 1, call.layer.filters), call.layer.kernel.shape
    )


def _dense(call: graph.Call) -> int:
    return dense(call.inputs[0].shape, call.layer.kernel.shape)


def _convolution(call: graph.Call) -> int:
    return convolution(call.outputs[0].shape, call.layer.kernel.shape)


def _patch_max(call: graph.Call) -> int:
    return convolution(call.layer.responses(call.inputs[0].shape), call.layer.kernel.shape)


_COUNTED: dict[type, Callable[[graph.Call], int]] = {
    keras.layers.Dense: _dense,
    keras.layers.Conv1D: _convolution,
    keras.layers.Conv2D: _convolution,
    WindowMax: _window_max,
    PatchMax: _patch_max,
}


def flops(model: keras.Model) -> int:
    """Operations of the forward pass of one example.

    Args:
        model: a functional or Sequential model whose input shape is known.

    Raises:
        ValueError: for a layer with a kernel whose operations are not known here, or a model whose graph Keras does not
            know.

    Example:
        >>> from lthcore import models
        >>> flops(models.build("lenet_300_100", (28, 28, 1), 10)) == 2 * 266_200
        True

    Book: chapter *Early tickets*.
    """
    return sum(_operations(call) for call in graph.calls(model))


def _operations(call: graph.Call) -> int:
    """Operations of one call: a layer that is called twice computes twice."""
    layer, kind = call.layer, type(call.layer)
    if names.is_graph(layer):
        return flops(layer)
    if kind in _COUNTED and not getattr(layer, "lora_enabled", False):
        return _COUNTED[kind](call)
    if any("kernel" in variable.name for variable in getattr(layer, "variables", ())):
        known = ", ".join(kind.__name__ for kind in _COUNTED)
        raise ValueError(f"operations of layer {layer.name!r}, a {kind.__name__}, are not known; known are {known}")
    return 0


def parameters(model: keras.Model) -> tuple[int, int]:
    """Numbers that make up the network: with tables of word vectors, trained or not, and without.

    Example:
        >>> from lthcore import models
        >>> parameters(models.build("lenet_5", (28, 28, 1), 10))
        (431080, 431080)

    Book: chapter *Early tickets*.
    """
    sizes = [(v.name == "embeddings", math.prod(v.shape)) for v in variables.variables(model).values()]
    return sum(size for _, size in sizes), sum(size for embedding, size in sizes if not embedding)
