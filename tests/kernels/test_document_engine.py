"""The engine of document networks trains what the formulas and Keras say, however short or alike documents are."""

from __future__ import annotations

from dataclasses import replace

import document_reference as reference
import keras
import numpy as np
import pytest
import tensorflow as tf

from lthcore.datasets import Dataset, Split
from lthcore.kernels.documents import network as networks
from lthcore.kernels.stacks.stack import UnsupportedError
from lthcore.models import text_networks, variables
from lthcore.pruning.mask import Mask
from lthcore.pruning.ticket import Ticket
from lthcore.pruning.weights import Weights
from lthcore.text.tables import Table
from lthcore.training.config import TrainConfig
from lthcore.training.engines.sparse import rules
from lthcore.training.engines.sparse.documents import DocumentEngine
from lthcore.training.trainer import Trainer

OPTIMIZERS = {
    "momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(1e-2),
    "averaged adam": lambda: keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.9),
    "averaged adamw": lambda: keras.optimizers.AdamW(1e-2, weight_decay=0.1, use_ema=True),
    "rmsprop": lambda: keras.optimizers.RMSprop(1e-3, momentum=0.5),
}
WORDS, DIMENSION, LENGTH = 40, 10, 12


def data_of(*, words=WORDS, length=LENGTH, classes=None, documents=120):
    """Documents of any length: some empty, some shorter than a window, some of one word over and over, some full."""
    rng = np.random.default_rng(7)
    x = rng.integers(1, words, (documents, length))
    lengths = rng.integers(0, length + 1, documents)
    lengths[:8] = (0, 1, 2, 3, length, length - 1, length - 2, 0)
    x[4] = x[9] = 5
    x[np.arange(length) >= lengths[:, None]] = 0
    y = rng.integers(0, classes, documents) if classes else rng.integers(0, 2, (documents, 6)).astype(np.float32)
    parts = {"train": slice(0, 80), "validation": slice(80, 100), "test": slice(100, None)}
    splits = {name: Split(x[part].astype(np.int32), y[part]) for name, part in parts.items()}
    table = Table(rng.normal(size=(words, DIMENSION)).astype(np.float32), np.arange(words) > 1, 0.25)
    return Dataset(name="made", **splits, classes=classes or 6, table=table)


def model_of(data, variant="static", **options) -> keras.Model:
    options = {"filters": 19, "dropout": 0.0, **options}
    return text_networks.kim_cnn(data.input_shape, data.classes, table=data.table, variant=variant, **options)


def engine_of(model, data, optimizer, dtype=np.float64) -> DocumentEngine:
    order = tuple(variables.variables(model))
    return DocumentEngine(networks.read(model), rules.read(optimizer), data, order, dtype=dtype)


def ticket_of(model, density, seed=3) -> Ticket:
    rng = np.random.default_rng(seed)
    weights = Weights({name: rng.normal(size=a.shape) * 0.3 for name, a in variables.read(model).items()})
    kept = {name: rng.random(weights[name].shape) < density for name in variables.prunable(model)}
    kept["conv_4/kernel"][:, :, 2] = False  # a filter without survivors
    return Ticket(Mask(kept), weights)


def batches_of(data, steps, size, seed=5):
    return np.random.default_rng(seed).integers(0, len(data.train), (steps, size)).astype(np.int32)


def compare(model, data, optimizer, ticket, batches):
    rule, network = rules.read(optimizer), networks.read(model)
    theta, averages, loss = reference.train(
        network, rule, ticket.mask, ticket.weights, data.train.x, data.train.y, batches
    )
    engine = engine_of(model, data, optimizer)
    engine.begin(ticket, np.random.default_rng(0))
    assert engine.advance(batches) == pytest.approx(loss, rel=1e-9)
    for name, array in engine._survivors.unpack(engine._theta).items():
        np.testing.assert_allclose(array, theta[name], rtol=1e-9, atol=1e-9)
    right = theta if rule.average is None else averages
    for name, array in engine._survivors.unpack(engine._scored()[0]).items():
        np.testing.assert_allclose(array, right[name], rtol=1e-9, atol=1e-9)
    rows = engine._scored()[1].reshape(network.words + 1, -1)
    np.testing.assert_allclose(rows[:-1, :DIMENSION], right[network.table], rtol=1e-9, atol=1e-9)
    assert not rows[-1].any()


@pytest.mark.parametrize("variant", ["static", "nonstatic"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_sixty_steps_equal_those_of_a_reference(name, variant):
    data = data_of()
    model = model_of(data, variant, max_norm=1.0)
    compare(model, data, OPTIMIZERS[name](), ticket_of(model, 0.3), batches_of(data, 60, 20))


@pytest.mark.parametrize("density", [0.0, 0.05, 1.0])
def test_any_density_equals_a_reference(density):
    data = data_of()
    model = model_of(data)
    compare(model, data, OPTIMIZERS["averaged adam"](), ticket_of(model, density), batches_of(data, 50, 20))


def test_more_words_and_documents_than_are_taken_together_equal_a_reference():
    data = data_of(words=900, length=30)
    model = model_of(data, "nonstatic", widths=(2, 7), filters=5)
    rng = np.random.default_rng(3)
    weights = Weights({name: rng.normal(size=a.shape) * 0.3 for name, a in variables.read(model).items()})
    ticket = Ticket(Mask({name: rng.random(weights[name].shape) < 0.3 for name in variables.prunable(model)}), weights)
    compare(model, data, OPTIMIZERS["adam"](), ticket, batches_of(data, 20, 70))


def test_documents_of_one_class_each_equal_a_reference():
    data = data_of(classes=4)
    model = model_of(data)
    compare(model, data, OPTIMIZERS["momentum"](), ticket_of(model, 0.3), batches_of(data, 50, 20))


@pytest.mark.parametrize("variant", ["static", "nonstatic"])
def test_the_first_gradients_in_float32_are_those_of_tensorflow_to_a_millionth_of_the_largest(variant):
    data = data_of()
    model = model_of(data, variant)
    ticket, batch = ticket_of(model, 0.3), batches_of(data, 1, 50)
    engine = engine_of(model, data, keras.optimizers.SGD(1.0), np.float32)
    engine.begin(ticket, np.random.default_rng(0))
    engine.advance(batch)
    found = engine._survivors.unpack(engine._gradient)
    variables.write(model, ticket.weights)
    for name, array in variables.variables(model).items():
        if name in ticket.mask:
            array.assign(array * ticket.mask[name].astype(np.float32))
    with tf.GradientTape() as tape:
        given = model(tf.constant(data.train.x[batch[0]]), training=True)
        value = keras.losses.BinaryCrossentropy(from_logits=True)(tf.constant(data.train.y[batch[0]]), given)
    trainable = model.trainable_variables
    for variable, gradient in zip(trainable, tape.gradient(value, trainable), strict=True):
        name, right = variables.name_of(model, variable), tf.convert_to_tensor(gradient).numpy()
        if name == "words/embeddings":
            moved = ticket.weights[name] - engine.weights()[name]
            assert np.abs(moved - right).max() <= 1e-6 * np.abs(ticket.weights[name]).max()
        else:
            right = right * ticket.mask.get(name, True)
            assert np.abs(found[name] - right).max() <= 1e-6 * np.abs(right).max()


def trainer_of(data, model, engine, **options) -> Trainer:
    config = TrainConfig(
        steps=40,
        batch_size=20,
        optimizer="adam",
        learning_rate=4e-3,
        optimizer_options=(("use_ema", True), ("ema_momentum", 0.9)),
        loss="binary_crossentropy",
        eval_every=10,
        test_every=20,
        stop_by="validation_micro_f1",
    )
    return Trainer(model, data, config, engine=engine, **options)


@pytest.mark.parametrize("variant", ["static", "nonstatic"])
def test_both_engines_train_alike_and_say_the_same_of_a_network(variant):
    data = data_of()
    model = model_of(data, variant, max_norm=1.0)
    ticket = ticket_of(model, 0.3)
    runs = [
        trainer_of(data, model, engine).train(ticket, order=np.random.default_rng(1)) for engine in ("dense", "sparse")
    ]
    assert [run.machine["engine"] for run in runs] == ["dense", "sparse"]
    for name, array in runs[0].final.items():
        np.testing.assert_allclose(runs[1].final[name], array, rtol=1e-3, atol=1e-4)
    for column in ("train_loss", "validation_loss", "test_loss"):
        np.testing.assert_allclose(runs[1].history[column], runs[0].history[column], rtol=1e-4)


@pytest.mark.parametrize("variant", ["static", "nonstatic"])
def test_both_engines_go_on_alike_under_another_mask(variant):
    data = data_of()
    model = model_of(data, variant, max_norm=1.0)
    ticket, other = ticket_of(model, 0.5), ticket_of(model, 0.4, seed=8).mask
    rng, finals = np.random.default_rng(2), []
    grown = {name: rng.normal(size=array.shape).astype(np.float32) * 0.1 for name, array in other.items()}
    for engine in ("dense", "sparse"):
        with trainer_of(data, model, engine).start(ticket, order=np.random.default_rng(1)) as session:
            session.advance(to=10)
            session.swap(other, grown=grown)
            finals.append(session.weights)
            session.advance(to=20)
            finals.append(session.weights)
    for dense, sparse in zip(finals[:2], finals[2:], strict=True):
        for name, array in dense.items():
            np.testing.assert_allclose(sparse[name], array, rtol=1e-3, atol=1e-4)


def test_a_run_repeats_to_the_last_bit():
    data = data_of()
    trainer = trainer_of(data, model_of(data, "nonstatic", dropout=0.5), "sparse")
    ticket = ticket_of(trainer.model, 0.3)
    runs = [trainer.train(ticket, order=np.random.default_rng(1)) for _ in range(2)]
    assert all(np.array_equal(runs[0].final[name], runs[1].final[name]) for name in runs[0].final)
    other = trainer.train(ticket, order=np.random.default_rng(2))
    assert not np.array_equal(other.final["output/kernel"], runs[0].final["output/kernel"])


def test_the_break_even_decides_which_engine_trains_a_document_network():
    data = data_of()
    trainer = trainer_of(data, model_of(data), "auto", break_even=0.5)
    machines = [
        trainer.train(ticket_of(trainer.model, density), order=np.random.default_rng(1)).machine["engine"]
        for density in (0.3, 0.8)
    ]
    assert machines == ["sparse", "dense"]


def test_models_that_are_more_than_kims_network_are_refused():
    data = data_of()
    with pytest.raises(UnsupportedError, match="'channels'"):
        networks.read(model_of(data, "multichannel"))
    with pytest.raises(UnsupportedError, match="no layers of word windows"):
        networks.read(text_networks.bilstm(data.input_shape, 6, table=data.table, units=4))
    with pytest.raises(ValueError, match="what is pruned"):
        trainer_of(data, model_of(data, "nonstatic"), "sparse", embeddings=True)
    frozen = model_of(data)
    frozen.get_layer("conv_4").trainable = False
    with pytest.raises(UnsupportedError, match="'conv_4' is frozen"):
        networks.read(frozen)


def test_words_beyond_the_table_are_refused():
    data = data_of()
    beyond = replace(data, train=Split(data.train.x + np.int32(WORDS) * (data.train.x == 5), data.train.y))
    with pytest.raises(ValueError, match="not among the 40"):
        trainer_of(beyond, model_of(data), "sparse")
