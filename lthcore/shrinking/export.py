"""Networks that plain Keras can load: the package's own layers replaced by Keras', and files written all or nothing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import keras
import numpy as np

from lthcore.models import variables
from lthcore.models.layers.patches import PatchMax
from lthcore.models.layers.words import DistinctWords, WindowMax, WordVectors
from lthcore.pruning.weights import Weights
from lthcore.shrinking import graph

SUFFIX = ".keras"


def plain(model: keras.Model, weights: Weights) -> tuple[keras.Model, Weights]:
    """The same network of nothing but Keras' own layers.

    Kim's network becomes embeddings whose row 0, the padding, is zero, and for each width a convolution with ReLU and
    its maximum over time. Trained further, that row would learn like any other. `PatchMax` becomes a convolution with
    ReLU and 2×2 maximum pooling.

    Args:
        model: a functional or Sequential model.
        weights: its weights, under the names they keep.

    Returns:
        A functional model that is not compiled, and its weights, which it also holds. The original stays as it is.

    Raises:
        ValueError: for weights that do not fit, a layer that is quantised, a layer, activation or other object that is
            neither of Keras nor known here, or a Lambda, which Keras does not load without being told to trust it.

    Example:
        >>> from lthcore import models
        >>> from lthcore.text.tables import Table
        >>> table = Table(np.zeros((9, 4), np.float32), np.arange(9) > 1, 0.25)
        >>> kim = models.build("kim_cnn", (12,), 3, table=table, widths=(5,))
        >>> model, _ = plain(kim, variables.read(kim))
        >>> [type(layer).__name__ for layer in model.layers]
        ['InputLayer', 'Embedding', 'Conv1D', 'GlobalMaxPooling1D', 'Concatenate', 'Dropout', 'Dense']

    Source: {cite}`Kim14`, section 2.
    Book: chapter *Early tickets*.
    """
    variables.variables(model)  # refuses what is quantised, of which a copy has no weights yet
    calls = graph.calls(model)
    _check_documents(model, calls)
    rebuilt = keras.models.clone_model(
        graph.functional(model), clone_function=_plain_layer, call_function=_plain_call(calls)
    )
    if strange := sorted(_strange(rebuilt)):
        raise ValueError(f"plain Keras cannot express model {model.name!r}: it knows nothing of {', '.join(strange)}")
    arrays = dict(weights)
    for call in calls:
        if isinstance(call.layer, WordVectors) and (name := call.names["embeddings"]) in arrays:
            arrays[name] = np.concatenate([np.zeros_like(arrays[name][:1]), arrays[name][1:]])
    variables.write(rebuilt, theta := Weights(arrays))
    return rebuilt, theta


def export(model: keras.Model, weights: Weights, path: Path | str) -> None:
    """Write a network to a file that `keras.models.load_model` reads without this package.

    It is written under another name and then renamed: no moment of a crash leaves half a file.

    Args:
        model: a functional or Sequential model.
        weights: its weights.
        path: where to, ending in ``.keras``; missing folders are made, an older file is replaced.

    Raises:
        ValueError: for another suffix, weights that are not finite, or a model that plain Keras cannot express.
        OSError: if the disk refuses; nothing is left behind, and an older file stays.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="output")])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     export(model, variables.read(model), Path(folder, "model.keras"))
        ...     keras.models.load_model(Path(folder, "model.keras")).count_params()
        15

    Book: chapter *Early tickets*.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise ValueError(f"Keras reads files whose names end in {SUFFIX}, not {path.name!r}")
    check_finite(weights)
    rebuilt, _ = plain(model, weights)
    partial = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=f".partial{SUFFIX}")
        partial = Path(name)
        with os.fdopen(handle, "rb+") as file:
            rebuilt.save(partial)
            os.fsync(file.fileno())
        partial.chmod(0o644)
        partial.replace(path)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror or error}") from error
    finally:  # also when interrupted
        if partial:
            partial.unlink(missing_ok=True)


def check_finite(weights: Weights) -> None:
    """Refuse weights that are NaN or infinite.

    Raises:
        ValueError: naming the first of them.
    """
    for name, array in weights.items():
        if count := int((~np.isfinite(array)).sum()):
            raise ValueError(f"{count} of the weights {name!r} are NaN or infinite: training has diverged?")


def _check_documents(model: keras.Model, calls: Sequence[graph.Call]) -> None:
    """Refuse what reads distinct words in another way than Kim's network.

    Its layers see each word of a minibatch once, the plain ones see whole documents: only these take both.
    """
    distinct: set[int] = set()
    for call in calls:
        reads = [id(tensor) in distinct for tensor in call.inputs]
        fits = all(reads) and isinstance(call.layer, (WordVectors, keras.layers.Add, WindowMax))
        if isinstance(call.layer, WindowMax):
            reads.append(True)  # it reads nothing else
        elif isinstance(call.layer, DistinctWords) or (any(reads) and fits):
            distinct |= {id(tensor) for tensor in call.outputs}
        if any(reads) and not fits:
            raise ValueError(
                f"plain Keras cannot express model {model.name!r}: known between DistinctWords and WindowMax are "
                f"WordVectors and Add, and layer {call.name!r} is a {type(call.layer).__name__}"
            )
    if not distinct.isdisjoint(id(tensor) for tensor in model.outputs):
        raise ValueError(f"plain Keras cannot express model {model.name!r}: its outputs are those of distinct words")


def _plain_layer(layer: keras.Operation) -> keras.Operation:
    """A new layer of Keras that has the weights of the given one."""
    common = {"name": layer.name, "trainable": getattr(layer, "trainable", True)}
    if isinstance(layer, DistinctWords):
        return keras.layers.Identity(**common)  # never called
    if isinstance(layer, WordVectors):
        return keras.layers.Embedding(layer.input_dim, layer.output_dim, **common)
    if isinstance(layer, WindowMax):
        initializers = {name: getattr(layer, name) for name in ("kernel_initializer", "bias_initializer")}
        return keras.layers.Conv1D(layer.filters, layer.width, activation="relu", **initializers, **common)
    if isinstance(layer, PatchMax):
        initializers = {name: getattr(layer, name) for name in ("kernel_initializer", "bias_initializer")}
        options = {"padding": layer.padding, "activation": "relu", **initializers, **common}
        return keras.layers.Conv2D(layer.filters, layer.size, **options)
    return graph.clone(layer)


def _plain_call(calls: Sequence[graph.Call]) -> Callable[..., object]:
    """How the new layers are called, so that they give what the old ones give."""
    kinds = {call.name: type(call.layer) for call in calls}

    def call(
        layer: keras.Operation, *args: keras.KerasTensor | Sequence[keras.KerasTensor], **options: object
    ) -> object:
        kind = kinds[layer.name]
        if kind is DistinctWords:
            return args[0], args[0], args[0]
        if kind is WindowMax:
            responses = layer(args[0][0])
            return keras.layers.GlobalMaxPooling1D(name=f"{layer.name}_max")(responses)
        if kind is PatchMax:
            return keras.layers.MaxPooling2D(2, name=f"{layer.name}_max")(layer(*args, **options))
        return layer(*args, **options)

    return call


def _strange(model: keras.Model) -> set[str]:
    """Names of all objects of a model that plain Keras does not load."""
    try:
        config = keras.saving.serialize_keras_object(model)
    except (TypeError, ValueError) as error:
        raise ValueError(f"plain Keras cannot express model {model.name!r}: {error}") from error
    return {
        f"{entry['module']}.{entry['class_name']}" if entry["class_name"] != "function" else f"{entry['config']}"
        for entry in _entries(config)
        if str(entry["module"]).split(".")[0] != "keras"
    }


def _entries(config: object) -> Iterator[dict]:
    """All descriptions of objects anywhere in a configuration."""
    if isinstance(config, dict):
        if {"module", "class_name"} <= set(config):
            yield config
        for value in config.values():
            yield from _entries(value)
    elif isinstance(config, (list, tuple)):
        for value in config:
            yield from _entries(value)
