"""A Keras model as a list of calls, and what each layer does to the channels (the last axis) of its inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import keras

from lthcore.models import names
from lthcore.models.layers.patches import PatchMax
from lthcore.models.layers.words import WindowMax, WordVectors

layers = keras.layers

# What a layer does to channels. A layer of any other type counts as ``other``: it reads and gives them whole.
ROLES: dict[type, str] = {
    **dict.fromkeys((layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D, WindowMax, PatchMax), "kernel"),
    **dict.fromkeys((layers.Activation, layers.ReLU, layers.LeakyReLU, layers.ELU), "activation"),
    **dict.fromkeys((layers.Dropout, layers.SpatialDropout1D, layers.SpatialDropout2D, layers.Identity), "carry"),
    **dict.fromkeys((layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D), "carry"),
    **dict.fromkeys((layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D), "carry"),
    **dict.fromkeys((layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D, layers.GlobalMaxPooling3D), "carry"),
    **dict.fromkeys(
        (layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.GlobalAveragePooling3D), "carry"
    ),
    layers.BatchNormalization: "norm",
    layers.Flatten: "flatten",
    layers.Concatenate: "join",
    layers.Add: "merge",
}

# Activations that treat each unit for itself. The others, as softmax, mix the units of a layer.
ELEMENTWISE = tuple(
    getattr(keras.activations, name)
    for name in (
        "linear relu relu6 leaky_relu elu selu celu gelu silu mish sigmoid hard_sigmoid hard_silu log_sigmoid tanh "
        "hard_tanh tanh_shrink softplus softsign soft_shrink hard_shrink exponential squareplus threshold"
    ).split()
)


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer (or of a Keras operation) in a model.

    Args:
        layer: what is called.
        inputs: the symbolic tensors it reads; none for an Input. Where it does not matter, without a mask.
        outputs: the symbolic tensors it gives.
        names: the layer's own variables, as ``"kernel"`` → their names among the model's weights.
        role: what it does to channels, a value of `ROLES` or ``"other"``.
        reason: for a layer of a known type whose role is ``"other"``, what about it is not known.
    """

    layer: keras.Operation
    inputs: tuple[keras.KerasTensor, ...]
    outputs: tuple[keras.KerasTensor, ...]
    names: Mapping[str, str]
    role: str
    reason: str

    @property
    def name(self) -> str:
        """Name of the layer."""
        return self.layer.name

    @property
    def sizes(self) -> tuple[int, ...]:
        """Channels of each input."""
        return tuple(channels(tensor) for tensor in self.inputs)


def functional(model: keras.Model) -> keras.Model:
    """The same layers as a functional model that is not compiled.

    Raises:
        ValueError: for a model whose graph Keras does not know.
    """
    try:
        sequential = isinstance(model, keras.Sequential)
        inputs, outputs = (model.inputs[0], model.outputs[0]) if sequential else (model.input, model.output)
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise ValueError(
            f"model {model.name!r} ({type(model).__name__}) must be a functional or Sequential model with an Input: "
            f"of others Keras does not know what each layer reads"
        ) from error
    return keras.Model(inputs, outputs, name=model.name)


def calls(model: keras.Model) -> tuple[Call, ...]:
    """All calls of a model's layers, each after those whose outputs it reads.

    Args:
        model: a functional or Sequential model with an Input.

    Raises:
        ValueError: for a model whose graph Keras does not know.

    Example:
        >>> model = keras.Sequential([keras.Input((2, 2)), layers.Flatten(), layers.Dense(3, name="output")])
        >>> [(call.role, call.sizes) for call in calls(model)]
        [('other', ()), ('flatten', (2,)), ('kernel', (4,))]

    Book: chapter *Early tickets*.
    """
    by_depth = functional(model)._nodes_by_depth
    nodes = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]
    times = Counter(id(node.operation) for node in nodes)
    called = names.names(model)
    return tuple(_call(node, times[id(node.operation)], called) for node in nodes)


class _Node(Protocol):
    """What Keras remembers of a call; its class is not public."""

    operation: keras.Operation
    input_tensors: Sequence[keras.KerasTensor]
    outputs: Sequence[keras.KerasTensor]
    arguments: Any


def _call(node: _Node, times: int, called: Mapping[int, str]) -> Call:
    layer, inputs, outputs = node.operation, tuple(node.input_tensors), tuple(node.outputs)
    role = ROLES.get(type(layer), "other")
    if role in ("norm", "carry"):  # which words are masked changes nothing between channels
        masks = {id(mask) for mask in keras.tree.flatten(node.arguments.kwargs.get("mask"))}
        inputs = tuple(tensor for tensor in inputs if id(tensor) not in masks)
    reason = "" if role == "other" else _reason(layer, (*inputs, *outputs), times)
    own = names.own_variables(layer) if isinstance(layer, keras.Layer) else ()
    own_names = {names.own_name(layer, variable): called[id(variable)] for variable in own}
    return Call(layer, inputs, outputs, own_names, "other" if reason else role, reason)


def _reason(layer: keras.Layer, tensors: tuple[keras.KerasTensor, ...], times: int) -> str:
    """Why the rule for layers of this type does not hold for this one with these inputs and output, or nothing."""
    role, last = ROLES[type(layer)], (-1, len(tensors[0].shape) - 1)
    if times > 1:
        return f"it is called {times} times"
    if getattr(layer, "lora_enabled", False):
        return "its kernel is the sum of two (LoRA)"
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return "its data_format is not channels_last"
    if getattr(layer, "groups", 1) != 1:
        return f"it has {layer.groups} groups"
    if getattr(layer, "axis", -1) not in last:
        return f"its axis is {layer.axis}, not the last one"
    if getattr(layer, "noise_shape", None) is not None:
        return "it has a noise_shape"
    if role == "activation" and not elementwise(layer):
        return "its activation mixes channels"
    if role in ("join", "merge", "flatten") and any(tensor.shape[-1] is None for tensor in tensors):
        return "how many channels it has is not known"
    if role == "merge" and len({tensor.shape[-1] for tensor in tensors}) > 1:
        return "it broadcasts"
    return ""


def elementwise(layer: keras.Layer) -> bool:
    """Whether a layer's activation, if it has one, is known to treat each unit for itself."""
    return any(getattr(layer, "activation", ELEMENTWISE[0]) is known for known in ELEMENTWISE)


def has_units(layer: keras.Operation) -> bool:
    """Whether a layer is of a kind whose units or filters can be removed."""
    return ROLES.get(type(layer)) == "kernel"


def channels(tensor: keras.KerasTensor) -> int:
    """Length of a tensor's last axis; 1 where it is not known or is that of the examples."""
    return (tensor.shape[-1] or 1) if len(tensor.shape) > 1 else 1


# What a layer is given as an object of the user's own, perhaps, which Keras could not make again from a description.
_OBJECTS = ("_initializer", "_regularizer", "_constraint", "activation")
# What a layer of word vectors is given. Describing it takes as long as writing its table, and `WordVectors` does not.
_TABLE = (
    "input_dim output_dim embeddings_initializer embeddings_regularizer embeddings_constraint mask_zero lora_rank "
    "lora_alpha"
).split()


def clone(layer: keras.Operation, **changes: object) -> keras.Operation:
    """A new layer of the same configuration, or of a changed one; its weights are not copied.

    Initializers and the like are those of the original: a table of word vectors is not part of any configuration. The
    vocabulary that a look-up was adapted to is copied, for it is not among the weights.

    Raises:
        ValueError: for a layer that Keras cannot make again, such as a Lambda of a function without a name.
    """
    if names.is_graph(layer):
        return keras.models.clone_model(layer, clone_function=clone)
    try:
        if type(layer) in (layers.Embedding, WordVectors):
            config = layers.Layer.get_config(layer) | {name: getattr(layer, name) for name in _TABLE}
            return type(layer)(**config | changes)
        config = layer.get_config()
        objects = {name: getattr(layer, name, config[name]) for name in config if name.endswith(_OBJECTS)}
        # A layer without a get_config of its own leaves its name out.
        config |= objects | _vocabulary(layer) | {"name": layer.name} | changes
        return type(layer).from_config(config)
    except (NotImplementedError, TypeError, ValueError) as error:
        kind = type(layer).__name__
        raise ValueError(
            f"layer {layer.name!r}, a {kind}, cannot be made again from its configuration; write a layer with a "
            f"get_config that returns all arguments of its __init__"
        ) from error


def _vocabulary(layer: keras.Operation) -> dict[str, object]:
    """What a look-up was adapted to; Keras' configuration of one has only what it was made with."""
    table = getattr(layer, "_lookup_layer", layer)
    if not isinstance(table, (layers.IntegerLookup, layers.StringLookup)) or table.vocabulary_size() == 0:
        return {}
    words = layer.get_vocabulary(include_special_tokens=False)
    if not len(words):
        return {}
    weights = table.idf_weights_const.numpy()[-len(words) :] if table.output_mode == "tf_idf" else None
    return {"vocabulary": list(words), "idf_weights": weights}
