"""What the outputs of a model are: logits, probabilities of classes, or probabilities of labels."""

from __future__ import annotations

import keras
import numpy as np
from keras.src.ops import core, numpy  # the operations that a graph consists of have no public names

from lthcore.models.names import is_graph

layers = keras.layers

# What a caller says of a model whose head cannot be read from its layers → what `head` calls it.
HEADS = {"logits": "linear", "softmax": "softmax", "sigmoid": "sigmoid"}

# The outputs are the inputs, perhaps in another shape or fewer of them.
_SAME = (
    *(layers.Reshape, layers.Flatten, layers.Identity, layers.RepeatVector, layers.Masking),
    *(layers.Dropout, layers.AlphaDropout, layers.GaussianDropout, layers.GaussianNoise, layers.ActivityRegularization),
    *(layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D),
    *(layers.Cropping1D, layers.Cropping2D, layers.Cropping3D),
    *(numpy.Reshape, numpy.Ravel, numpy.Squeeze, numpy.ExpandDims, numpy.GetItem, numpy.Copy),
    *(core.Cast, core.StopGradient),
)
# Means of probabilities are probabilities.
_MEANS = (
    *(layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.GlobalAveragePooling3D),
    *(layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D, layers.Average),
)
# Activation functions by what the classes of layers and operations are called that compute them.
_ACTIVATIONS = {name.replace("_", ""): name for name in dir(keras.activations) if not name.startswith("_")}


def head(model: keras.Model) -> str:
    """What a model ends in: ``linear`` for logits, or the name of the last activation.

    The output is followed back through its own history: into models within the model, and past what changes its shape
    alone.

    Args:
        model: a functional or Sequential model with one output.

    Raises:
        ValueError: if it cannot be told, as for a subclassed model or a layer of the user's own. The caller then has to
            say it: see `check_head`.

    Example:
        >>> logits = keras.layers.Dense(3, name="output")
        >>> model = keras.Sequential([keras.Input((4,)), logits, keras.layers.Softmax(), keras.layers.Reshape((3,))])
        >>> head(model)
        'softmax'
    """
    if not is_graph(model) or not (outputs := getattr(model, "outputs", None)):
        raise _untold(model, "Keras does not know which layers its outputs come from")
    if len(outputs) > 1:
        raise ValueError(f"model {model.name!r} has {len(outputs)} outputs; only models with one can be trained here")
    return _behind(model, outputs[0], ())


def _behind(model: keras.Model, tensor: keras.KerasTensor, around: tuple[dict[int, keras.KerasTensor], ...]) -> str:
    """What a symbolic tensor is the output of.

    Args:
        model: for messages.
        tensor: a tensor of the model, or of one within it.
        around: for each model within a model that was entered, the id of its input → the tensor it is called on.
    """
    operation, number, place = tensor._keras_history
    inputs = operation._inbound_nodes[number].input_tensors
    if isinstance(operation, layers.InputLayer):
        return _behind(model, around[-1][id(tensor)], around[:-1]) if around else "linear"
    if is_graph(operation):
        entered = {id(inner): outer for inner, outer in zip(operation.inputs, inputs, strict=False)}
        return _behind(model, operation.outputs[place], (*around, entered))
    if (own := _activation(operation)) != "linear":
        if own == "softmax" and getattr(operation, "axis", -1) not in (-1, len(tensor.shape) - 1):
            raise _untold(model, f"{operation.name!r} is a softmax over axis {operation.axis}, not the last one")
        return own
    if isinstance(operation, layers.Lambda) or not _known(operation):
        raise _untold(model, f"{operation.name!r} is of class {type(operation).__name__}, which may give anything")
    if getattr(operation, "weights", ()):
        return "linear"
    behind = [_behind(model, given, around) for given in inputs]
    same = isinstance(operation, _SAME) or type(operation) is layers.Activation
    if same and behind[0] == "softmax" and inputs[0].shape[-1] != tensor.shape[-1]:
        raise _untold(model, f"{operation.name!r} puts the probabilities of a softmax into another order")
    if same or (isinstance(operation, _MEANS) and len(set(behind)) == 1):
        return behind[0]
    if probable := sorted({"sigmoid", "softmax"}.intersection(behind)):
        raise _untold(model, f"{operation.name!r} changes what a {probable[0]} gives")
    return "linear"


def _activation(operation: keras.Operation) -> str:
    """The name of the activation that an operation ends in; ``linear`` if it has none."""
    if isinstance(operation, layers.Wrapper):
        return head(operation.layer) if is_graph(operation.layer) else _activation(operation.layer)
    if isinstance(operation, layers.Bidirectional):
        return _activation(operation.forward_layer)
    function = getattr(operation, "activation", None)
    if function is None:
        return _ACTIVATIONS.get(type(operation).__name__.lower(), "linear")
    return _activation(function) if isinstance(function, keras.Operation) else getattr(function, "__name__", "linear")


def _known(operation: keras.Operation) -> bool:
    """Whether what an operation computes is known here; a layer of the user's own tells by its `activation`."""
    own = type(operation).__module__.split(".")[0] not in ("keras", "lthcore")
    return not own or getattr(operation, "activation", None) is not None


def _untold(model: keras.Model, why: str) -> ValueError:
    return ValueError(
        f"what model {model.name!r} ends in cannot be told: {why}; pass head= with one of {', '.join(HEADS)}"
    )


def check_head(model: keras.Model, x: np.ndarray, head: str) -> str:
    """Check on some examples what a caller says that a model's outputs are.

    Args:
        model: a built model of any kind.
        x: a minibatch of examples.
        head: ``"logits"``, ``"softmax"`` (probabilities of classes) or ``"sigmoid"`` (one probability per label).

    Returns:
        The same in the words of `head`: ``linear``, ``softmax`` or ``sigmoid``.

    Raises:
        ValueError: for another word, or outputs that cannot be what it says.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "softmax", name="output")])
        >>> check_head(model, np.ones((2, 4)), "softmax")
        'softmax'
    """
    if head not in HEADS:
        raise ValueError(f"unknown head {head!r}; known are {', '.join(HEADS)}")
    outputs = np.asarray(keras.ops.convert_to_numpy(model(x, training=False)), np.float64)
    within = bool(np.all((outputs >= 0) & (outputs <= 1)))
    sums = within and outputs.shape[-1] > 1 and bool(np.allclose(outputs.sum(axis=-1), 1, atol=1e-3))
    # Logits may lie between 0 and 1 by chance, but not all that differ from one another.
    squeezed = within and outputs.size >= 20 and bool(np.all((outputs > 0) & (outputs < 1)) and np.ptp(outputs) > 0)
    wrong = {
        "logits": "are probabilities of classes" if sums else "all lie between 0 and 1" if squeezed else "",
        "softmax": "" if sums else "do not sum to 1" if within else "are not all between 0 and 1",
        "sigmoid": "" if within else "are not all between 0 and 1",
    }[head]
    if wrong:
        raise ValueError(f"model {model.name!r} cannot have head={head!r}: its outputs {wrong}")
    return HEADS[head]
