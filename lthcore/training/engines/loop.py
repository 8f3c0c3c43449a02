"""The compiled program: hundreds of training steps in one call.

Model and optimizer are Keras objects whose variables live outside; masks and data order are inputs. So one program
serves every round and every trial of a model. Loops are written out as ``tf.while_loop``: AutoGraph, which would turn
Python loops into them, does not know every Python version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras
import tensorflow as tf

from lthcore.datasets.base import Split
from lthcore.models.names import names as names_of
from lthcore.training.evaluation import tensor

Segment = Callable[[tf.Tensor, tf.Tensor, Mapping[str, tf.Tensor]], tf.Tensor]


def compile_segment(
    model: keras.Model, optimizer: keras.Optimizer, loss: keras.Loss, data: Split, names: tuple[str, ...], *, xla: bool
) -> Segment:
    """Compile ``segment(order, steps, masks) -> mean training loss``.

    ``order`` holds the example numbers of each step, shape (longest segment, batch); its first ``steps`` rows are
    used. Rows are taken by index, ``order[i]``: slicing a flat permutation inside an XLA loop gives wrong batches.

    Pruned weights are held at zero twice over. Their gradients are masked, which is what masking the forward pass
    does and keeps them out of optimizer state and constraints; and the weights are projected after each update, which
    no optimizer can escape.
    """
    x, y = tensor(data.x), tf.constant(data.y)
    variables = list(model.trainable_variables)
    called = names_of(model)
    places = {called[id(variable)]: place for place, variable in enumerate(variables)}

    def step(i: tf.Tensor, order: tf.Tensor, masks: Mapping[str, tf.Tensor]) -> tf.Tensor:
        batch = order[i]  # (B,)
        with tf.GradientTape() as tape:
            value = loss(tf.gather(y, batch), model(tf.gather(x, batch), training=True))
            if model.losses:  # regularisation
                value += tf.add_n(model.losses)
            scaled = optimizer.scale_loss(value)
        # Those of word vectors come as a list of rows; the optimizer moves all rows, as momentum asks. A variable that
        # does not enter the loss has none.
        # Scaled, where the optimizer will divide the gradients by the same factor.
        gradients = tape.gradient(scaled, variables)
        update([None if gradient is None else tf.convert_to_tensor(gradient) for gradient in gradients], masks)
        return value

    # Where the model itself is a plain graph, the element-wise work on all weights is still XLA's to fuse.
    @tf.function(jit_compile=True, autograph=False)
    def update(gradients: list[tf.Tensor | None], masks: Mapping[str, tf.Tensor]) -> None:
        gradients = list(gradients)
        for name in names:
            if gradients[places[name]] is not None:
                gradients[places[name]] *= masks[name]
        optimizer.apply(gradients, variables)
        for name in names:
            variables[places[name]].assign(variables[places[name]] * masks[name])

    @tf.function(jit_compile=xla, autograph=False)
    def segment(order: tf.Tensor, steps: tf.Tensor, masks: Mapping[str, tf.Tensor]) -> tf.Tensor:
        # This is `for i in tf.range(steps)` as AutoGraph writes it out. The range tells XLA the number of steps when it
        # compiles, so a segment of another length costs another compilation. A loop bounded by `steps` itself would
        # not, is no slower and gives the same weights, but it rounds the mean loss elsewhere, and the histories that
        # are published would not come out to the last bit.
        start, limit, one = tf.range(steps).op.inputs

        def body(i: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            total += step(i, order, masks)
            return i + one, total

        def goes_on(i: tf.Tensor, total: tf.Tensor) -> tf.Tensor:
            return tf.logical_or(tf.logical_and(one >= 0, i < limit), tf.logical_and(one < 0, i > limit))

        _, total = tf.while_loop(goes_on, body, (start, tf.constant(0.0)))
        return total / tf.cast(steps, tf.float32)

    return segment


# Layers whose work is matrix products and element-wise maps. XLA fuses these to advantage on a CPU; convolutions,
# recurrences and gathers it makes slower there, by up to ten times.
_FUSIBLE = (
    keras.layers.InputLayer,
    keras.layers.Dense,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.Softmax,
    keras.layers.Dropout,
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.Rescaling,
    keras.layers.Add,
    keras.layers.Concatenate,
)


def prefers_xla(model: keras.Model, *, on_gpu: bool = False) -> bool:
    """Whether XLA is the faster compiler for this model: on a GPU wherever it can be, on a CPU a rule by layer type.

    A layer the rule does not know counts against XLA, which is the safer error: plain graphs are never far behind.
    """
    layers = list(model._flatten_layers(include_self=False, recursive=True))
    if on_gpu:
        return all(layer.supports_jit for layer in layers)
    return all(isinstance(layer, (*_FUSIBLE, keras.Model)) for layer in layers)
