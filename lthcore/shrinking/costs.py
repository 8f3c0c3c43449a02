"""What a network costs on paper: parameters, and floating-point operations of one example's forward pass.

A multiplication and an addition count as two operations. Only products with kernels are counted: biases, activations,
pooling and the look-up of word vectors are free, as is customary. Layers that take a short cut are counted as what they
stand for: `WindowMax` as a convolution over all windows of a document, padding included, `PatchMax` as one over all
positions of an image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import keras

from lthcore.models.patches import PatchMax
from lthcore.models.word_layers import WindowMax

Shape = Sequence[int | None]


def dense(inputs: Shape, kernel: Shape) -> int:
    """Operations of a dense layer, applied at each position before the last axis.

    Args:
        inputs: shape of its input, examples first.
        kernel: (in, out).

    Example:
        >>> dense((None, 784), (784, 300))
        470400
    """
    return 2 * math.prod(inputs[1:-1]) * math.prod(kernel)


def convolution(outputs: Shape, kernel: Shape) -> int:
    """Operations of a convolution.

    Args:
        outputs: shape of its responses before any pooling, (examples, positions …, filters).
        kernel: (size …, channels, filters).

    Example:
        >>> convolution((None, 24, 24, 20), (5, 5, 1, 20))
        576000
    """
    return 2 * math.prod(outputs[1:-1]) * math.prod(kernel)


def _window_max(layer: WindowMax) -> int:
    length = layer.input[1].shape[1]
    return convolution((None, length - layer.width + 1, layer.filters), layer.kernel.shape)


def _patch_max(layer: PatchMax) -> int:
    return convolution(layer.responses(layer.input.shape), layer.kernel.shape)


_COUNTED: dict[type, Callable[[keras.Layer], int]] = {
    keras.layers.Dense: lambda layer: dense(layer.input.shape, layer.kernel.shape),
    keras.layers.Conv1D: lambda layer: convolution(layer.output.shape, layer.kernel.shape),
    keras.layers.Conv2D: lambda layer: convolution(layer.output.shape, layer.kernel.shape),
    WindowMax: _window_max,
    PatchMax: _patch_max,
}


def flops(model: keras.Model) -> int:
    """Operations of the forward pass of one example.

    Args:
        model: a functional or Sequential model whose input shape is known.

    Raises:
        ValueError: for a layer with a kernel whose operations are not known here.

    Example:
        >>> from lthcore import models
        >>> flops(models.build("lenet_300_100", (28, 28, 1), 10)) == 2 * 266_200
        True

    Book: chapter *Early tickets*.
    """
    return sum(_operations(layer) for layer in _layers(model))


def _layers(model: keras.Model) -> Iterator[keras.Layer]:
    for layer in model.layers:
        yield from _layers(layer) if isinstance(layer, keras.Model) else [layer]


def _operations(layer: keras.Layer) -> int:
    if type(layer) in _COUNTED:
        return _COUNTED[type(layer)](layer)
    if any("kernel" in variable.name for variable in layer.variables):
        kind, known = type(layer).__name__, ", ".join(kind.__name__ for kind in _COUNTED)
        raise ValueError(f"operations of layer {layer.name!r}, a {kind}, are not known; known are {known}")
    return 0


def parameters(model: keras.Model) -> tuple[int, int]:
    """Numbers that make up the network: with tables of word vectors, trained or not, and without.

    Example:
        >>> from lthcore import models
        >>> parameters(models.build("lenet_5", (28, 28, 1), 10))
        (431080, 431080)

    Book: chapter *Early tickets*.
    """
    sizes = [
        (variable.name == "embeddings", math.prod(variable.shape))
        for variable in model.variables
        if keras.backend.is_float_dtype(variable.dtype)
    ]
    return sum(size for _, size in sizes), sum(size for embedding, size in sizes if not embedding)
