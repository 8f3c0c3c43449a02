"""The only reader and writer of Keras variables: model ↔ `Weights`, prunable names, fresh initial weights."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np

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
        ValueError: for a model that is not built, two variables of one name, or weights that are not float32.
    """
    if not model.built:
        raise ValueError(f"model {model.name!r} has no weights yet; call it on data or give it an Input first")
    found: dict[str, keras.Variable] = {}
    for variable in model.variables:
        if not keras.backend.is_float_dtype(variable.dtype):
            continue  # the state of random generators: not a weight
        name = name_of(model, variable)
        if name in found:
            raise ValueError(f"two variables are called {name!r}; give each layer a name of its own")
        if variable.dtype != "float32":
            raise ValueError(f"{name!r} is {variable.dtype}; only float32 models can be trained here")
        found[name] = variable
    return found


def name_of(model: keras.Model, variable: keras.Variable) -> str:
    """Name of a variable: its path, without the model's own name, which Keras numbers when it is not given one."""
    return variable.path.removeprefix(f"{model.name}/")


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


def prunable(model: keras.Model, *, embeddings: bool = False) -> tuple[str, ...]:
    """Names of the model's prunable weights: the trainable kernels of its layers, in their order.

    Args:
        model: a built model.
        embeddings: whether trained embedding tables count as well.
    """
    kinds = (*_KERNELS, "embeddings") if embeddings else _KERNELS
    names = tuple(name_of(model, variable) for variable in model.trainable_variables if variable.name in kinds)
    if embeddings and not any(name.endswith("embeddings") for name in names):
        raise ValueError(f"model {model.name!r} has no trained embedding to prune: use embeddings=False")
    if not names:
        raise ValueError(f"model {model.name!r} has no trainable kernel to prune")
    return names


def fresh(model: keras.Model, rng: np.random.Generator) -> Weights:
    """New initial weights θ₀ ~ D, from each layer's own initializers and this stream alone.

    The model itself is not touched. An initializer with a fixed seed of its own is reseeded too: otherwise all
    trials would start from one point.

    Raises:
        ValueError: for a layer whose initializers cannot be found.
    """
    drawn: dict[str, np.ndarray] = {}
    for layer in _layers(model):
        for variable in layer._trainable_variables + layer._non_trainable_variables:
            initializer = _seeded(_initializer(layer, variable), rng)
            value = np.array(initializer(variable.shape, dtype=variable.dtype))
            if variable.name == "bias" and getattr(layer, "unit_forget_bias", False):
                value[layer.units : 2 * layer.units] = 1.0  # an LSTM cell wraps its bias initializer to do this
            drawn[name_of(model, variable)] = value
    return Weights({name: drawn[name] for name in variables(model)})


def reseed(model: keras.Model, rng: np.random.Generator) -> None:
    """Start the model's own random generators (dropout, noise) from this stream."""
    for variable in model.variables:
        if not keras.backend.is_float_dtype(variable.dtype):
            variable.assign(rng.integers(0, 2**31, size=variable.shape).astype(variable.dtype))


def _layers(model: keras.Model) -> Iterator[keras.Layer]:
    return iter(model._flatten_layers(include_self=True, recursive=True))


def _initializer(layer: keras.Layer, variable: keras.Variable) -> keras.initializers.Initializer:
    for attribute in (f"{variable.name}_initializer", f"{variable.name.removesuffix('_kernel')}_initializer"):
        if (found := getattr(layer, attribute, None)) is not None:
            return keras.initializers.get(found)
    raise ValueError(
        f"layer {layer.name!r} has no initializer for {variable.name!r}; give the trainer a function "
        f"`fresh(rng) -> Weights` that draws initial weights for your model"
    )


def _seeded(initializer: keras.initializers.Initializer, rng: np.random.Generator) -> keras.initializers.Initializer:
    config = initializer.get_config()
    if "seed" not in config:
        return initializer
    return type(initializer).from_config({**config, "seed": int(rng.integers(2**31))})
