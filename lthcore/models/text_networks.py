"""Keras models of documents, with explicit layer names; they take word numbers and end in logits."""

from __future__ import annotations

import keras

from lthcore.models.layers.words import DistinctWords, TableRows, WindowMax, WordVectors
from lthcore.text.tables import Table

# Which tables a variant reads: (name, starts from the language model, trained).
VARIANTS: dict[str, tuple[tuple[str, bool, bool], ...]] = {
    "rand": (("words", False, True),),
    "static": (("words", True, False),),
    "nonstatic": (("words", True, True),),
    "multichannel": (("words_static", True, False), ("words", True, True)),
}


def kim_cnn(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    table: Table,
    variant: str = "nonstatic",
    widths: tuple[int, ...] = (3, 4, 5),
    filters: int = 100,
    dropout: float = 0.5,
    max_norm: float = 3.0,
) -> keras.Model:
    """The convolutional network of Kim for documents of several labels.

    Word vectors; filters over windows of 3, 4 and 5 words; ReLU; the maximum over time; dropout; one logit per
    category, to be read through a sigmoid. After every step the columns of the output layer are cut back to Euclidean
    norm 3; a moving average of the weights is taken before that, as Keras does, and may exceed it a little.

    Args:
        input_shape: (L,), words of a document.
        classes: number of categories.
        table: initial word vectors, one row per word of the vocabulary.
        variant: ``"rand"`` starts from random vectors, ``"static"`` keeps those of the language model,
            ``"nonstatic"`` trains them, ``"multichannel"`` adds a static and a trained copy: every filter reads both
            and its responses are summed, which equals reading the sum of the vectors.
        widths: words per window, one layer each.
        filters: filters per width.
        dropout: share of the penultimate layer dropped in training.
        max_norm: largest norm of an output column.

    Raises:
        ValueError: for an unknown variant, or documents shorter than a window.

    Source: {cite}`Kim14`, sections 2 and 3.
    Book: chapter *Text*.
    """
    documents = keras.Input(input_shape, dtype="int32", name="documents")
    distinct, places, lengths = DistinctWords(name="distinct")(documents)
    vectors = _vectors(distinct, table, variant)
    pooled = [
        WindowMax(
            filters,
            width,
            kernel_initializer="glorot_normal",
            name=f"conv_{width}",
        )([vectors, places, lengths])
        for width in widths
    ]
    hidden = keras.layers.Concatenate(name="pooled")(pooled)
    hidden = keras.layers.Dropout(dropout, name="dropout")(hidden)
    logits = keras.layers.Dense(
        classes,
        kernel_initializer="glorot_normal",
        kernel_constraint=keras.constraints.MaxNorm(max_norm, axis=0),
        name="output",
    )(hidden)
    return keras.Model(documents, logits, name="kim_cnn")


def _vectors(words: keras.KerasTensor, table: Table, variant: str) -> keras.KerasTensor:
    """Vectors of words as a variant of Kim's network reads them."""
    if variant not in VARIANTS:
        raise ValueError(f"unknown variant {variant!r}; known are {', '.join(VARIANTS)}")
    tables = []
    for name, pretrained, trained in VARIANTS[variant]:
        rows = TableRows(table) if pretrained else keras.initializers.RandomUniform(-0.25, 0.25)
        layer = WordVectors(*table.vectors.shape, embeddings_initializer=rows, trainable=trained, name=name)
        tables.append(layer(words))
    return tables[0] if len(tables) == 1 else keras.layers.Add(name="channels")(tables)


def bilstm(
    input_shape: tuple[int, ...], classes: int, *, table: Table, units: int = 64, dropout: float = 0.5
) -> keras.Model:
    """A bidirectional LSTM over word vectors, its states maximised over time, then dropout and one logit per category.

    A reduction of LSTM-reg ({cite}`ARTL19`): one layer of 64 units each way instead of 512, dropout as the only
    regularisation. Words of the language model are trained further. The padding is read like words, as zero vectors.

    Args:
        input_shape: (L,), words of a document.
        classes: number of categories.
        table: initial word vectors.
        units: units of each direction.
        dropout: share of the pooled states dropped in training.

    Book: chapter *Text*.
    """
    documents = keras.Input(input_shape, dtype="int32", name="documents")
    vectors = WordVectors(*table.vectors.shape, embeddings_initializer=TableRows(table), name="words")(documents)
    recurrent = keras.layers.LSTM(units, return_sequences=True, use_cudnn=False, name="lstm")
    states = keras.layers.Bidirectional(recurrent, name="bilstm")(vectors)
    hidden = keras.layers.GlobalMaxPooling1D(name="pooled")(states)
    hidden = keras.layers.Dropout(dropout, name="dropout")(hidden)
    logits = keras.layers.Dense(classes, kernel_initializer="glorot_normal", name="output")(hidden)
    return keras.Model(documents, logits, name="bilstm")
