"""A training step of Kim's network against the plain way.

Word vectors of 300 numbers, 256 words a document, minibatches of 50, dropout off so that gradients compare. The plain
way is `keras.layers.Conv1D` and `keras.layers.GlobalMaxPooling1D` on `keras.layers.Embedding`, differentiated by
TensorFlow; everything else, loop, loss and optimizer, is the same. Documents are Reuters-21578's where it is at hand,
otherwise words drawn by Zipf's law at its lengths.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from time import perf_counter

import keras
import numpy as np
import tensorflow as tf

from benchmarks.harness import Entry, Scale, interleaved, ratio
from lthcore import datasets
from lthcore.datasets import Dataset, Split
from lthcore.experiments.presets.reuters import KIM
from lthcore.models import text_networks, variables
from lthcore.pruning.ticket import Ticket
from lthcore.text.tables import Table
from lthcore.training.trainer import Trainer

LENGTH, DIMENSION, BATCH = 256, 300, 50
OURS, PLAIN = "distinct words", "Keras' own layers"
# Name → variant of the word vectors, and what that means.
VARIANTS = {
    "kim_vs_keras_static": ("static", "word vectors frozen"),
    "kim_vs_keras_trained": ("nonstatic", "word vectors trained"),
}
# Of Reuters-21578's documents with one of its 90 topics, in tokens.
MEDIAN, SPREAD = 95, 0.85


def data(*, drawn: bool = False) -> Dataset:
    """Real documents with drawn word vectors, or drawn documents: speed does not depend on what the words mean."""
    rng = np.random.default_rng(0)
    if not drawn and datasets.available("reuters-r90"):
        found = datasets.load("reuters-r90", replace(KIM.text, length=LENGTH))
    else:
        found = _drawn(rng)
    vectors = rng.normal(0, 0.2, (len(found.table.vectors), DIMENSION)).astype(np.float32)
    vectors[0] = 0
    return replace(found, table=Table(vectors, found.table.known.copy(), 0.25))


def _drawn(rng: np.random.Generator, words: int = 10_000, documents: int = 2_000) -> Dataset:
    ids = 1 + np.minimum(rng.zipf(1.1, (documents, LENGTH)) - 1, words - 2).astype(np.int32)
    lengths = np.clip(rng.lognormal(np.log(MEDIAN), SPREAD, documents), 1, LENGTH).astype(int)
    ids[np.arange(LENGTH) >= lengths[:, None]] = 0
    split = Split(ids, (rng.random((documents, 90)) < 0.014).astype(np.float32))
    table = Table(np.zeros((words, 1), np.float32), np.arange(words) > 1, 0.25)
    return Dataset(name="drawn words", train=split, validation=split, test=split, classes=90, table=table)


def plain(input_shape: tuple[int, ...], classes: int, table: Table, variant: str) -> keras.Model:
    """Kim's network of Keras' own layers, under the names of ours."""
    documents = keras.Input(input_shape, dtype="int32", name="documents")
    vectors = keras.layers.Embedding(*table.vectors.shape, trainable=variant != "static", name="words")(documents)
    pooled = []
    for width in (3, 4, 5):
        responses = keras.layers.Conv1D(100, width, activation="relu", name=f"conv_{width}")(vectors)
        pooled.append(keras.layers.GlobalMaxPooling1D()(responses))
    logits = keras.layers.Dense(classes, kernel_constraint=keras.constraints.MaxNorm(3, axis=0), name="output")
    return keras.Model(documents, logits(keras.layers.Concatenate()(pooled)), name="plain")


def trainers(examples: Dataset, variant: str, steps: int) -> dict[str, Trainer]:
    """The same training of both models, from the same weights."""
    train = replace(KIM.train, steps=steps, batch_size=BATCH, eval_every=steps, test_every=steps, optimizer_options=())
    shape, classes, table = examples.input_shape, examples.classes, examples.table
    models = {
        OURS: text_networks.kim_cnn(shape, classes, table=table, variant=variant, dropout=0.0),
        PLAIN: plain(shape, classes, table, variant),
    }
    return {name: Trainer(model, examples, train, compiler="graph") for name, model in models.items()}


def worst_gradient(both: dict[str, Trainer], examples: Dataset) -> float:
    """The largest difference of any gradient between the two models, in units of its variable's largest gradient."""
    x, y = tf.constant(examples.train.x[:BATCH]), tf.constant(examples.train.y[:BATCH])
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    gradients = []
    for trainer in both.values():
        with tf.GradientTape() as tape:
            value = loss(y, trainer.model(x, training=True))
        trainable = trainer.model.trainable_variables
        found = zip(trainable, tape.gradient(value, trainable), strict=True)
        gradients.append({variables.name_of(trainer.model, v): tf.convert_to_tensor(g).numpy() for v, g in found})
    ours, theirs = gradients
    for name in theirs:
        if name.endswith("embeddings"):
            theirs[name][0] = 0  # the padding's row, which never learns here
    return max(float(np.abs(ours[name] - theirs[name]).max() / np.abs(theirs[name]).max()) for name in theirs)


def seconds(trainer: Trainer, steps: int) -> float:
    """Seconds of some training steps, compiled beforehand."""
    ticket = Ticket.dense(variables.read(trainer.model), trainer.prunable)
    with trainer.start(ticket, order=np.random.default_rng(1), stop=steps, evaluate=False) as session:
        begin = perf_counter()
        session.advance(to=steps, evaluate=False)
        return perf_counter() - begin


def measure(names: tuple[str, ...], scale: Scale) -> list[Entry]:
    """Those of the names that are asked for."""
    examples = data(drawn=scale.quick)
    return [_entry(name, examples, scale) for name in names if name in VARIANTS]


def _entry(name: str, examples: Dataset, scale: Scale) -> Entry:
    steps, (variant, what) = 2 if scale.quick else 20, VARIANTS[name]
    both = trainers(examples, variant, steps)
    theta = both[OURS].fresh(np.random.default_rng(0))
    for trainer in both.values():
        variables.write(trainer.model, theta)
    difference = worst_gradient(both, examples)
    ways = {way: partial(seconds, trainer, steps) for way, trainer in both.items()}
    return ratio(
        name,
        interleaved(ways, scale.repeats),
        PLAIN,
        OURS,
        f"a step of Kim's network of Keras' own layers ÷ of ours, {what}",
        per=steps,
        further={"largest difference of gradients": difference},
    )
