"""Keras layers of the text models, and what their tables start from."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from lthcore.models.layers.windows import distinct_words, window_max
from lthcore.text.tables import Table, drawn


class TableRows(keras.initializers.Initializer):
    """Initial word vectors: rows of the language model, and for words it does not know draws of their own."""

    def __init__(self, table: Table, seed: int = 0) -> None:
        self.table, self.seed = table, seed

    def __call__(self, shape: tuple[int, ...], dtype: object = None) -> object:
        """The vectors, a float32 tensor; `shape` must be the table's."""
        if tuple(shape) != self.table.vectors.shape:
            raise ValueError(f"the table has shape {self.table.vectors.shape}, not {tuple(shape)}")
        return keras.ops.convert_to_tensor(drawn(self.table, np.random.Generator(np.random.PCG64(self.seed))))

    def get_config(self) -> dict:
        """The arguments it was made with."""
        return {"table": self.table, "seed": self.seed}


@keras.saving.register_keras_serializable("lthcore")
class DistinctWords(keras.layers.Layer):
    """Documents (B, L) → distinct words (U,), their places (B, L), lengths (B,); see `layers.windows`."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.supports_jit = False  # how many words differ is not known before the minibatch is there

    def call(self, ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Find the distinct words."""
        return distinct_words(ids)

    def compute_output_spec(self, ids: keras.KerasTensor) -> tuple[keras.KerasTensor, ...]:
        """Shapes: how many words differ is open."""
        return (
            keras.KerasTensor((None,), "int32"),
            keras.KerasTensor(ids.shape, "int32"),
            keras.KerasTensor(ids.shape[:1], "int32"),
        )


@keras.saving.register_keras_serializable("lthcore")
class WordVectors(keras.layers.Embedding):
    """An embedding whose padding, word 0, is always the zero vector and never learns."""

    @property
    def redrawn(self) -> bool:
        """Whether each trial draws the table anew even if it is not trained: words without a vector are random."""
        return isinstance(self.embeddings_initializer, TableRows)

    def call(self, ids: tf.Tensor) -> tf.Tensor:
        """Vectors of words: (..., ) → (..., D)."""
        return super().call(ids) * tf.cast(tf.not_equal(ids, 0), tf.float32)[..., tf.newaxis]

    def get_config(self) -> dict:
        """The arguments it was made with; not the initial vectors, which a saved model has no use for."""
        return keras.layers.Layer.get_config(self) | {"input_dim": self.input_dim, "output_dim": self.output_dim}


@keras.saving.register_keras_serializable("lthcore")
class WindowMax(keras.layers.Layer):
    """Convolution over windows of words, ReLU, and the maximum over time, in one.

    The same as `keras.layers.Conv1D` with ``relu`` and `keras.layers.GlobalMaxPooling1D`, and several times as fast:
    ReLU grows with its input, so it may as well come after the maximum.

    Args:
        filters: number of filters.
        width: words in a window.
        kernel_initializer, bias_initializer: as in Keras.

    Source: {cite}`Kim14`, section 2.
    Book: chapter *Text*.
    """

    def __init__(
        self,
        filters: int,
        width: int,
        *,
        kernel_initializer: object = "glorot_uniform",
        bias_initializer: object = "zeros",
        **options: object,
    ) -> None:
        super().__init__(**options)
        self.filters, self.width = filters, width
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, shapes: list[tuple[int | None, ...]]) -> None:
        """Make kernel (width, D, filters) and bias (filters,)."""
        length = shapes[1][1]
        if length is not None and length < self.width:
            raise ValueError(f"documents of {length} words have no window of {self.width}; make them longer")
        shape = (self.width, shapes[0][-1], self.filters)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=self.kernel_initializer)
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer=self.bias_initializer)

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """Vectors of the distinct words, places, lengths → (B, filters)."""
        vectors, places, lengths = inputs
        return tf.nn.relu(window_max(vectors, places, lengths, tf.convert_to_tensor(self.kernel)) + self.bias)

    def compute_output_spec(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        """Shape: one number per document and filter."""
        return keras.KerasTensor((inputs[1].shape[0], self.filters), "float32")

    def get_config(self) -> dict:
        """The arguments it was made with."""
        initializers = {name: getattr(self, name) for name in ("kernel_initializer", "bias_initializer")}
        own = {name: keras.initializers.serialize(value) for name, value in initializers.items()}
        return super().get_config() | {"filters": self.filters, "width": self.width} | own
