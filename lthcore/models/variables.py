"""The only reader and writer of Keras variables: model ↔ `Weights`, prunable names, fresh initial weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import keras
import numpy as np

from lthcore.models import initial, names
from lthcore.pruning.weights import Weights

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"lthcore needs Keras on TensorFlow, but it runs on {keras.backend.backend()}: unset KERAS_BACKEND"
    )

# Kernels of these names are prunable: matrices and filters. Biases and normalisation are neither counted nor pruned
# (FC18, figure 2), and embedding tables are not by default: there a weight belongs to one word only.
_KERNELS = ("kernel", "recurrent_kernel", "depthwise_kernel", "pointwise_kernel")


def variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Name → variable, for all that makes up a point of weight space: weights and running statistics.

    Raises:
        ValueError: for a model that is not built, two variables of one name, weights that are not float32, or a layer
            that is quantised.
    """
    if not model.built:
        raise ValueError(f"model {model.name!r} has no weights yet; call it on data or give it an Input first")
    for layer in _layers(model):
        if layer.quantization_mode is not None:
            raise ValueError(
                f"layer {layer.name!r} is quantised ({layer.quantization_mode}); only float32 models can be trained, "
                f"shrunk and exported here: quantise the result instead"
            )
    called = names.names(model)
    named: dict[str, keras.Variable] = {}
    for variable in model.variables:
        if not keras.backend.is_float_dtype(variable.dtype):
            continue  # the state of random generators and counters: not a weight
        name = called[id(variable)]
        if name in named:
            raise ValueError(f"two variables are called {name!r}; give each layer a name of its own")
        if variable.dtype != "float32":
            raise ValueError(f"{name!r} is {variable.dtype}; only float32 models can be trained here")
        named[name] = variable
    return named


def name_of(model: keras.Model, variable: keras.Variable) -> str:
    """Name of a variable; see `lthcore.models.names.names`."""
    return names.names(model)[id(variable)]


def read(model: keras.Model) -> Weights:
    """A copy of the model's current weights."""
    return Weights({name: variable.numpy() for name, variable in variables(model).items()})


def write(model: keras.Model, weights: Weights) -> None:
    """Set the model's weights.

    Raises:
        ValueError: if names or shapes differ from the model's.
    """
    targets = variables(model)
    if set(targets) != set(weights):
        raise ValueError(
            f"the weights do not fit model {model.name!r}: missing {sorted(set(targets) - set(weights))}, "
            f"unknown {sorted(set(weights) - set(targets))}"
        )
    for name, variable in targets.items():
        if tuple(variable.shape) != weights[name].shape:
            raise ValueError(f"{name!r} has shape {tuple(variable.shape)} in the model, {weights[name].shape} here")
    for name, variable in targets.items():
        variable.assign(weights[name])
    for layer in _layers(model):
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # it computes with copies of its variables


def prunable(model: keras.Model, *, embeddings: bool = False) -> tuple[str, ...]:
    """Names of the model's prunable weights: the trainable kernels of its layers, in their order.

    Args:
        model: a built model.
        embeddings: whether trained embedding tables count as well.
    """
    kinds = (*_KERNELS, "embeddings") if embeddings else _KERNELS
    called = names.names(model)
    trained = [called[id(variable)] for variable in model.trainable_variables]
    kernels = tuple(name for name in trained if name.split("/")[-1] in kinds)
    if embeddings and not any(name.endswith("embeddings") for name in kernels):
        raise ValueError(f"model {model.name!r} has no trained embedding to prune: use embeddings=False")
    if not kernels:
        raise ValueError(f"model {model.name!r} has no trainable kernel to prune")
    return kernels


def fresh(model: keras.Model, rng: np.random.Generator, keep: Weights | None = None) -> Weights:
    """New initial weights θ₀ ~ D, from each layer's own initializers and this stream alone.

    The model itself is not touched. An initializer with a fixed seed of its own is reseeded too: otherwise all
    trials would start from one point. What the user froze keeps its value, and so do statistics of layers that are not
    Keras' own; see `lthcore.models.initial.starts_anew`.

    Args:
        model: a built model.
        rng: the stream; each random initializer takes one number of it.
        keep: what `kept` gave before anything was trained. Without it the model's present values are taken: the same
            for what is frozen, but a running statistic may have moved.

    Raises:
        ValueError: for a layer whose initializers cannot be found.
    """
    places, called = names.places(model), names.names(model)
    given: Mapping[str, np.ndarray] = keep or {}
    arrays = {name: given.get(name, present) for name, present in kept(model).items()}
    # The order of the layers and of their variables is part of what a seed means: stored results depend on it.
    for layer in _layers(model):
        for variable in names.own_variables(layer):
            place, name = places[id(variable)], called[id(variable)]
            # A wrapper also holds the variables of the layer in it: each is drawn once, where it belongs.
            drawn = place.layer is layer and keras.backend.is_float_dtype(variable.dtype)
            if drawn and initial.starts_anew(place, variable):
                arrays[name] = initial.draw(layer, variable, rng)
    return Weights({name: arrays[name] for name in variables(model)})


def kept(model: keras.Model) -> Weights:
    """The weights and statistics that `fresh` does not draw, as they are now: its argument `keep`.

    Example:
        >>> frozen = keras.layers.Dense(3, trainable=False, name="frozen")
        >>> model = keras.Sequential([keras.Input((4,)), frozen, keras.layers.Dense(2, name="output")])
        >>> list(kept(model))
        ['frozen/kernel', 'frozen/bias']
    """
    places = names.places(model)
    anew = {name: initial.starts_anew(places[id(variable)], variable) for name, variable in variables(model).items()}
    return Weights({name: variable.numpy() for name, variable in variables(model).items() if not anew[name]})


def reseed(model: keras.Model, rng: np.random.Generator) -> None:
    """Start the model's own random generators (dropout, noise) from this stream; counters and tables stay."""
    states = {id(generator.state) for layer in _layers(model) for generator in layer._seed_generators}
    for variable in model.variables:
        if id(variable) in states:
            variable.assign(rng.integers(0, 2**31, size=variable.shape).astype(variable.dtype))


def _layers(model: keras.Model) -> Iterator[keras.Layer]:
    return iter(model._flatten_layers(include_self=True, recursive=True))
