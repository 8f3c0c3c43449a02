"""`DocumentNetwork`: a Keras model of word windows as a plain description, if it is no more than that."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from lthcore.kernels.stacks.stack import DenseStack, UnsupportedError, stack_of
from lthcore.models.layers.words import DistinctWords, WindowMax, WordVectors
from lthcore.models.names import is_graph
from lthcore.models.names import names as names_of


@dataclass(frozen=True)
class Windows:
    """Filters over windows of one width.

    Args:
        kernel: name of the filters, of shape (width, numbers of a vector, filters).
        bias: name of their biases.
        width: words in a window.
        filters: number of filters.
    """

    kernel: str
    bias: str
    width: int
    filters: int


@dataclass(frozen=True)
class DocumentNetwork:
    """Word vectors, the largest response of each filter over all windows of a document, and dense layers.

    Args:
        table: name of the table of word vectors.
        words: its rows; word 0 is the padding, a vector of zeros.
        dimension: numbers in a vector.
        trained: whether the vectors are trained.
        windows: the filters, in the order in which the dense layers are given their responses.
        stack: the dense layers.
    """

    table: str
    words: int
    dimension: int
    trained: bool
    windows: tuple[Windows, ...]
    stack: DenseStack

    @property
    def kernels(self) -> tuple[str, ...]:
        """Names of the filters and matrices."""
        return (*(layer.kernel for layer in self.windows), *self.stack.kernels)

    @property
    def head(self) -> str:
        """What the outputs are, as `DenseStack` says it."""
        return self.stack.head

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name → shape of all weights but the table."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in self.windows:
            shapes[layer.kernel] = (layer.width, self.dimension, layer.filters)
            shapes[layer.bias] = (layer.filters,)
        return shapes | self.stack.shapes


def read(model: keras.Model) -> DocumentNetwork:
    """Describe a model.

    Args:
        model: a built model of documents, like `lthcore.models.text_networks.kim_cnn`.

    Raises:
        UnsupportedError: for a model of another kind; the message says where it differs.

    Example:
        >>> import numpy as np
        >>> from lthcore.models.text_networks import kim_cnn
        >>> from lthcore.text.tables import Table
        >>> table = Table(np.zeros((9, 4), np.float32), np.arange(9) > 1, 0.25)
        >>> network = read(kim_cnn((20,), 3, table=table, variant="static", filters=5))
        >>> [layer.width for layer in network.windows], network.stack.layers[0].inputs, network.trained
        ([3, 4, 5], 15, False)

    Source: {cite}`Kim14`, section 2.
    """
    if not is_graph(model) or len(model.inputs) != 1 or len(model.outputs) != 1:
        raise UnsupportedError("its layers cannot be followed from one input to one output")
    called, rest = names_of(model), []
    layer = model.outputs[0]._keras_history.operation
    while not isinstance(layer, (keras.layers.Concatenate, WindowMax)):
        rest.append(layer)
        layer, *others = _before(layer)
        if others or isinstance(layer, keras.layers.InputLayer):
            raise UnsupportedError("it has no layers of word windows that dense layers follow")
    windows = [layer] if isinstance(layer, WindowMax) else _before(layer)
    sources = {tuple(map(id, _before(layer))): _before(layer) for layer in windows if type(layer) is WindowMax}
    if len(sources) != 1 or any(type(layer) is not WindowMax for layer in windows):
        raise UnsupportedError("its word windows are not all of one table")
    ((vectors, *distinct),) = sources.values()
    if type(vectors) is not WordVectors or any(type(layer) is not DistinctWords for layer in distinct):
        raise UnsupportedError(f"its windows read {getattr(vectors, 'name', 'something')!r}, not one table of words")
    if _before(vectors) != distinct[:1] or not isinstance(_before(distinct[0])[0], keras.layers.InputLayer):
        raise UnsupportedError("its words are not those of the documents it is given")
    for layer in (vectors, *windows):
        _check_plain(layer)
    return DocumentNetwork(
        table=called[id(vectors.embeddings)],
        words=vectors.input_dim,
        dimension=vectors.output_dim,
        trained=vectors.trainable,
        windows=tuple(_windows(layer, called) for layer in windows),
        stack=stack_of(reversed(rest), called, axes=1),
    )


def _before(layer: keras.Layer) -> list[keras.Layer]:
    """The layers whose outputs a layer is given, in its order."""
    if len(layer._inbound_nodes) != 1:
        raise UnsupportedError(f"layer {layer.name!r} is used {len(layer._inbound_nodes)} times")
    return [tensor._keras_history.operation for tensor in layer._inbound_nodes[0].input_tensors]


def _check_plain(layer: keras.Layer) -> None:
    """Refuse options that the kernels do not know."""
    if layer.activity_regularizer:
        raise UnsupportedError(f"layer {layer.name!r} has a penalty on what it gives")
    if isinstance(layer, WindowMax) and not layer.trainable:
        raise UnsupportedError(f"layer {layer.name!r} is frozen")
    options = ("embeddings_constraint", "embeddings_regularizer", "lora_enabled", "quantization_mode")
    if other := [name for name in options if getattr(layer, name, None)]:
        raise UnsupportedError(f"layer {layer.name!r} has {other[0]}")


def _windows(layer: WindowMax, called: dict[int, str]) -> Windows:
    return Windows(called[id(layer.kernel)], called[id(layer.bias)], layer.width, layer.filters)
