"""Which variables start anew in each trial, and from which initializer."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from lthcore.models import names

layers = keras.layers

# Statistics of Keras' own layers that start from an initializer: those of any other layer are none of ours to redraw.
_STATISTICS = (layers.BatchNormalization, layers.SpectralNormalization)

# What Keras' layers start from without keeping it in an attribute of the variable's name; subclasses first.
_UNDECLARED: tuple[tuple[type, str, Callable[[keras.Layer], object]], ...] = (
    (layers.AdditiveAttention, "scale", lambda layer: "glorot_uniform"),
    (layers.Attention, "scale", lambda layer: "ones"),
    (layers.Attention, "concat_score_weight", lambda layer: "ones"),
    (layers.RMSNormalization, "scale", lambda layer: "ones"),
    (layers.DepthwiseConv1D, "kernel", lambda layer: layer.depthwise_initializer),
    (layers.DepthwiseConv2D, "kernel", lambda layer: layer.depthwise_initializer),
    (layers.ReversibleEmbedding, "reverse_embeddings", lambda layer: layer.embeddings_initializer),
    (layers.SpectralNormalization, "vector_u", lambda layer: keras.initializers.TruncatedNormal(stddev=0.02)),
    (layers.BatchNormalization, "renorm_mean", lambda layer: layer.moving_mean_initializer),
    (layers.BatchNormalization, "moving_stddev", lambda layer: layer.moving_variance_initializer),
    (layers.BatchNormalization, "renorm_stddev", lambda layer: layer.moving_variance_initializer),
    (layers.STFTSpectrogram, "real_kernel", lambda layer: _transform(layer, "real")),
    (layers.STFTSpectrogram, "imag_kernel", lambda layer: _transform(layer, "imag")),
    # Those that `enable_lora` was given are not kept anywhere: its defaults.
    *((layers.Layer, f"lora_{kind}_a", lambda layer: "he_uniform") for kind in ("kernel", "embeddings")),
    *((layers.Layer, f"lora_{kind}_b", lambda layer: "zeros") for kind in ("kernel", "embeddings")),
)


def starts_anew(place: names.Place, variable: keras.Variable) -> bool:
    """Whether a variable is drawn in each trial; the others keep the value they have.

    What the user froze stays: layers that are not trainable, the layers in them, and single weights. So do statistics
    of layers that are not Keras' own, and what a `Normalization` was adapted to. A layer whose attribute ``redrawn`` is
    true is drawn nevertheless: a table of word vectors that is not trained has words with random vectors.
    """
    layer = place.layer
    if getattr(layer, "redrawn", False):
        return True
    if place.frozen:
        return False
    if any(variable is weight for weight in layer._trainable_variables):
        return variable.trainable
    return isinstance(layer, _STATISTICS)


def draw(layer: keras.Layer, variable: keras.Variable, rng: np.random.Generator) -> np.ndarray:
    """A new initial value, from the layer's own initializer and this stream alone.

    Raises:
        ValueError: if the initializer is not known, or a function, which takes no seed.
    """
    name = names.own_name(layer, variable)
    value = np.array(_seeded(_initializer(layer, name), rng)(variable.shape, dtype=variable.dtype))
    if name == "bias" and getattr(layer, "unit_forget_bias", False):
        units = value.size // 4
        value[units : 2 * units] = 1.0  # an LSTM cell wraps its bias initializer to do this
    return np.sqrt(value) if name in ("moving_stddev", "renorm_stddev") else value


def _initializer(layer: keras.Layer, name: str) -> keras.initializers.Initializer:
    for attribute in (f"{name}_initializer", f"{name.removesuffix('_kernel')}_initializer"):
        if (given := getattr(layer, attribute, None)) is not None:
            return _with_seed(layer, name, keras.initializers.get(given))
    for kind, known, start in _UNDECLARED:
        if isinstance(layer, kind) and name == known:
            return keras.initializers.get(start(layer))
    if hasattr(layer, "init_values") and len(names.own_variables(layer)) == 1:  # a LayerScale, of which there are many
        return keras.initializers.Constant(layer.init_values)
    raise ValueError(f"layer {layer.name!r} has no initializer for {name!r}; {_REMEDY}")


def _transform(layer: keras.layers.STFTSpectrogram, side: str) -> keras.initializers.Initializer:
    return keras.initializers.STFT(side, layer.window, layer.scaling, layer.periodic)


_REMEDY = "give the trainer a function `fresh(rng) -> Weights` that draws initial weights for your model"


def _with_seed(layer: keras.Layer, name: str, initializer: object) -> keras.initializers.Initializer:
    if isinstance(initializer, keras.initializers.Initializer):
        return initializer
    raise ValueError(
        f"layer {layer.name!r} starts {name!r} from a function, which cannot be told a seed; pass a keras initializer, "
        f"or {_REMEDY}"
    )


def _seeded(initializer: keras.initializers.Initializer, rng: np.random.Generator) -> keras.initializers.Initializer:
    config = initializer.get_config()
    if "seed" not in config:
        return initializer
    return type(initializer).from_config({**config, "seed": int(rng.integers(2**31))})
