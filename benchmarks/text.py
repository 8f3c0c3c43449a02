"""A training step of Kim's network against the plain way, in one run: ``python -m benchmarks.text``.

Word vectors of 300 numbers, 256 words a document, minibatches of 50, dropout off so that gradients compare. The plain
way is `keras.layers.Conv1D` and `keras.layers.GlobalMaxPooling1D` on `keras.layers.Embedding`, differentiated by
TensorFlow; everything else, loop, loss and optimizer, is the same. Documents are Reuters-21578's where it is at hand,
otherwise words drawn by Zipf's law at its lengths. Repeats are interleaved; ratios of medians are what to quote.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from time import perf_counter
from typing import Annotated

import keras
import numpy as np
import tensorflow as tf
import typer

from lthcore import datasets
from lthcore.datasets import Dataset, Split
from lthcore.experiments.presets.reuters import KIM
from lthcore.models import text_networks, variables
from lthcore.pruning.ticket import Ticket
from lthcore.text.tables import Table
from lthcore.training.trainer import Trainer

LENGTH, DIMENSION, BATCH = 256, 300, 50
# Of Reuters-21578's documents with one of its 90 topics, in tokens.
MEDIAN, SPREAD = 95, 0.85


def data() -> Dataset:
    """Real documents with drawn word vectors, or drawn documents: speed does not depend on what the words mean."""
    rng = np.random.default_rng(0)
    if datasets.available("reuters-r90"):
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
        "distinct words": text_networks.kim_cnn(shape, classes, table=table, variant=variant, dropout=0.0),
        "plain": plain(shape, classes, table, variant),
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
    """Seconds of `steps` training steps, compiled beforehand."""
    ticket = Ticket.dense(variables.read(trainer.model), trainer.prunable)
    with trainer.start(ticket, order=np.random.default_rng(1), stop=steps, evaluate=False) as session:
        begin = perf_counter()
        session.advance(to=steps, evaluate=False)
        return perf_counter() - begin


def main(
    steps: Annotated[int, typer.Option(help="Steps per repeat.")] = 20,
    repeats: Annotated[int, typer.Option(help="Interleaved repeats of each.")] = 7,
    threads: Annotated[int, typer.Option(help="Threads of one operation; 0 for all there are.")] = 0,
) -> None:
    """Print milliseconds per step, their ratio, and how far the gradients differ."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    examples = data()
    for variant, what in (("static", "embedding frozen"), ("nonstatic", "embedding trained")):
        both = trainers(examples, variant, steps)
        theta = both["distinct words"].fresh(np.random.default_rng(0))
        for trainer in both.values():
            variables.write(trainer.model, theta)
        difference = worst_gradient(both, examples)
        times = {name: [] for name in both}
        for repeat in range(repeats + 1):
            for name, trainer in both.items():
                spent = seconds(trainer, steps)
                if repeat:  # the first pass compiles and warms up
                    times[name].append(1e3 * spent / steps)
        for name, each in times.items():
            line = f"{median(each):7.1f} ms/step, median of {repeats} ({min(each):.1f} to {max(each):.1f})"
            typer.echo(f"{what}, {name:15} {line}")
        ratio = median(times["plain"]) / median(times["distinct words"])
        typer.echo(f"{what}: plain / distinct words {ratio:.1f}×, gradients differ by at most {difference:.0e}")
    typer.echo(f"D {DIMENSION}, L {LENGTH}, batch {BATCH}, {trainer.machine}, documents: {examples.name}")


if __name__ == "__main__":
    typer.run(main)
