"""Models of documents: Kim's network in four variants, an LSTM, and training them on label sets."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from lthcore import datasets, models
from lthcore.lottery import find_tickets
from lthcore.models import variables
from lthcore.models.text_networks import VARIANTS
from lthcore.pruning.config import PruneConfig
from lthcore.pruning.seeds import Seeds
from lthcore.pruning.ticket import Ticket
from lthcore.text import metrics
from lthcore.text.config import TextConfig
from lthcore.training import evaluation
from lthcore.training.config import TrainConfig
from lthcore.training.run import best_row
from lthcore.training.trainer import Trainer

TINY = TextConfig(length=40, dimension=6, min_count=1, epochs=1)
LABELS = TrainConfig(
    steps=60,
    batch_size=20,
    learning_rate=1e-2,
    loss="binary_crossentropy",
    eval_every=20,
    test_every=60,
    stop_by="validation_micro_f1",
)


@pytest.fixture(scope="module")
def news() -> datasets.Dataset:
    return datasets.load("newswire", TINY)


def kim(news: datasets.Dataset, variant: str = "nonstatic", **options) -> keras.Model:
    options = {"filters": 7, "variant": variant} | options
    return models.build("kim_cnn", news.input_shape, news.classes, table=news.table, **options)


@pytest.fixture(scope="module")
def trainer(news) -> Trainer:
    return Trainer(kim(news), news, LABELS)


def test_kims_network_has_the_layers_of_the_paper(news):
    model = kim(news, filters=100)
    shapes = {name: variables.read(model)[name].shape for name in variables.prunable(model)}
    assert shapes == {
        **{f"conv_{width}/kernel": (width, 6, 100) for width in (3, 4, 5)},
        "output/kernel": (300, news.classes),
    }
    assert model.get_layer("dropout").rate == 0.5
    assert model.get_layer("output").kernel_constraint.max_value == 3
    assert model.get_layer("output").activation is keras.activations.linear


def plainly(model: keras.Model, ids: np.ndarray) -> np.ndarray:
    """The same network of Keras' own convolution and pooling."""
    theta = variables.read(model)
    tables = [theta[name] for name in theta if name.endswith("/embeddings")]
    vectors = sum(table[ids] * (ids != 0)[..., None] for table in tables)
    pooled = []
    for width in (3, 4, 5):
        convolution = keras.layers.Conv1D(7, width, activation="relu")
        convolution.build(vectors.shape)
        convolution.set_weights([theta[f"conv_{width}/kernel"], theta[f"conv_{width}/bias"]])
        pooled.append(keras.layers.GlobalMaxPooling1D()(convolution(vectors)))
    return np.concatenate(pooled, axis=1) @ theta["output/kernel"] + theta["output/bias"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_computes_what_keras_layers_compute(news, variant):
    model = kim(news, variant)
    variables.write(model, variables.fresh(model, np.random.default_rng(0)))
    ids = news.test.x[:20]
    np.testing.assert_allclose(np.array(model(ids, training=False)), plainly(model, ids), atol=1e-4)


@pytest.mark.parametrize(
    ("variant", "trained", "pretrained"),
    [
        ("rand", {"words"}, set()),
        ("static", set(), {"words"}),
        ("nonstatic", {"words"}, {"words"}),
        ("multichannel", {"words"}, {"words", "words_static"}),
    ],
)
def test_variants_differ_in_what_their_vectors_start_from_and_whether_they_learn(news, variant, trained, pretrained):
    model, known = kim(news, variant), news.table.known
    first, second = (variables.fresh(model, np.random.default_rng(seed)) for seed in (0, 1))
    tables = {name.split("/")[0]: name for name in first if name.endswith("/embeddings")}
    assert {layer.name for layer in model.layers if layer.name in tables and layer.trainable} == trained
    for layer, name in tables.items():
        same = np.array_equal(first[name][known], news.table.vectors[known])
        assert same == (layer in pretrained)
        assert not np.array_equal(first[name], second[name]), "words the language model does not know are drawn anew"
        if layer not in pretrained:
            assert 0.2 < np.abs(first[name]).max() <= 0.25


def test_static_vectors_never_move_and_trained_ones_do_but_not_the_padding(news):
    trainer = Trainer(kim(news, "multichannel"), news, LABELS)
    theta = trainer.fresh(np.random.default_rng(0))
    final = trainer.train(Ticket.dense(theta, trainer.prunable), order=np.random.default_rng(1)).final
    assert np.array_equal(final["words_static/embeddings"], theta["words_static/embeddings"])
    moved = np.abs(final["words/embeddings"] - theta["words/embeddings"]).max(axis=1)
    assert moved[0] == 0
    assert np.mean(moved[1:] > 1e-3) > 0.9


def test_embeddings_are_prunable_if_asked_for_and_counted_either_way(news):
    table = int(np.prod(news.table.vectors.shape))
    without = Trainer(kim(news), news, LABELS)
    within = Trainer(kim(news), news, LABELS, embeddings=True)
    assert set(within.prunable) - set(without.prunable) == {"words/embeddings"}
    assert (without.embedding, within.embedding) == (table, 0)
    assert Trainer(kim(news, "multichannel"), news, LABELS, embeddings=True).embedding == table, "the static one"


def test_tickets_are_found_for_documents_and_their_embedding_may_be_pruned(news):
    trainer = Trainer(kim(news), news, LABELS, embeddings=True)
    *_, last = find_tickets(trainer, PruneConfig(rounds=2, layer_rates=(("output/kernel", 0.1),)), Seeds(0))
    assert last.ticket.mask.densities["words/embeddings"] == pytest.approx(0.64, abs=0.01)
    assert last.ticket.mask.densities["output/kernel"] == pytest.approx(0.81, abs=0.01)
    for name, array in last.ticket.mask.items():
        assert not last.run.final[name][~array].any()


def test_a_run_on_label_sets_is_scored_by_them(trainer, news):
    theta = trainer.fresh(np.random.default_rng(0))
    run = trainer.train(Ticket.dense(theta, trainer.prunable), order=np.random.default_rng(1))
    history = run.history
    assert history.early_stop == best_row(history["validation_micro_f1"], "validation_micro_f1")
    assert history["validation_micro_f1"].max() > 0.7, "otherwise nothing was learned and nothing is tested"
    variables.write(trainer.model, run.best)

    def probabilities(split):
        return tf.sigmoid(trainer.model(split.x, training=False)).numpy()

    threshold = metrics.best_threshold(news.validation.y, probabilities(news.validation))
    assert run.test["threshold"] == threshold
    for place, (prefix, level) in enumerate((("", 0.5), ("tuned_", threshold))):
        predicted = metrics.predict(probabilities(news.test), level)
        counts = metrics.counts(news.test.y, predicted)
        assert np.array_equal(run.counts[place], counts)
        assert run.test[f"{prefix}micro_f1"] == metrics.micro_f1(counts)
        assert run.test[f"{prefix}accuracy"] == metrics.exact_match(news.test.y, predicted)


def test_the_network_may_be_the_average_of_its_weights(news):
    averaging = (("use_ema", True), ("ema_momentum", 0.9))
    plain, averaged = (
        Trainer(kim(news), news, TrainConfig(**{**vars(LABELS), "steps": 20, "test_every": 20, "optimizer_options": o}))
        for o in ((), averaging)
    )
    theta = plain.fresh(np.random.default_rng(0))
    ticket = Ticket.dense(theta, plain.prunable)
    every = range(1, 21)
    path = plain.train(ticket, order=np.random.default_rng(1), keep=every).snapshots
    run = averaged.train(ticket, order=np.random.default_rng(1), keep=every)
    expected = path[1]["conv_3/kernel"]
    for step in range(2, 21):
        expected = 0.9 * expected + 0.1 * path[step]["conv_3/kernel"]
    np.testing.assert_allclose(run.final["conv_3/kernel"], expected, atol=1e-5)
    assert run.snapshots[20] == run.final
    assert run.history["validation_loss"][-1] == pytest.approx(float(_scored(averaged, run.final)["loss"]), rel=1e-4), (
        "it is the average that is scored"
    )


def _scored(trainer: Trainer, theta) -> dict[str, float]:
    variables.write(trainer.model, theta)
    return evaluation.evaluator(
        trainer.model, keras.losses.BinaryCrossentropy(from_logits=True), trainer.data
    ).validate()


def test_the_same_trial_twice_is_bit_identical(trainer):
    theta = trainer.fresh(np.random.default_rng(3))
    first, second = (
        trainer.train(Ticket.dense(theta, trainer.prunable), order=np.random.default_rng(4)) for _ in range(2)
    )
    assert first.final == second.final
    assert first.history == second.history


def test_an_lstm_trains_by_the_same_loop(news):
    model = models.build("bilstm", news.input_shape, news.classes, table=news.table, units=4)
    trainer = Trainer(model, news, LABELS)
    assert sum("recurrent_kernel" in name for name in trainer.prunable) == 2, "one each way"
    theta = trainer.fresh(np.random.default_rng(0))
    run = trainer.train(Ticket.dense(theta, trainer.prunable), order=np.random.default_rng(1))
    assert run.history["train_loss"][-1] < run.history["train_loss"][1]


def test_a_saved_model_is_loaded_by_keras(news, tmp_path):
    model = kim(news)
    variables.write(model, variables.fresh(model, np.random.default_rng(0)))
    model.save(tmp_path / "kim.keras")
    again = keras.models.load_model(tmp_path / "kim.keras")
    ids = news.test.x[:5]
    np.testing.assert_array_equal(np.array(again(ids, training=False)), np.array(model(ids, training=False)))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("kim_cnn", {"variant": "dynamic"}, "unknown variant 'dynamic'; known are rand, static, nonstatic"),
        ("kim_cnn", {"layers": 3}, "model 'kim_cnn' has no option layers; it has table, variant"),
        ("kim_cnn", {"table": None}, "needs their word vectors: pass table=data.table"),
        ("lenet_300_100", {}, "has no option table"),
        ("kim_cnn", {"widths": (3, 50)}, "documents of 40 words have no window of 50"),
    ],
)
def test_what_cannot_be_built_is_refused(news, name, options, message):
    with pytest.raises(ValueError, match=message):
        models.build(name, news.input_shape, news.classes, **{"table": news.table} | options)


@pytest.mark.parametrize(
    "changes", [{"loss": "sparse_categorical_crossentropy", "stop_by": "validation_loss"}], ids=["loss of one class"]
)
def test_label_sets_need_their_own_loss(news, changes):
    with pytest.raises(ValueError, match="newswire has label sets: use loss='binary_crossentropy'"):
        Trainer(kim(news), news, TrainConfig(**{**vars(LABELS), **changes}))


def ending(activation: str | None, outputs: int) -> keras.Model:
    return keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(outputs, activation=activation, name="output")], name="head"
    )


@pytest.mark.parametrize(("activation", "multilabel"), [("softmax", True), ("sigmoid", False), ("relu", True)])
def test_a_head_that_does_not_fit_the_labels_is_refused(activation, multilabel):
    rng = np.random.default_rng(0)
    y = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 40)] if multilabel else rng.integers(0, 3, 40).astype(np.int32)
    split = datasets.Split(rng.random((40, 4), np.float32), y)
    data = datasets.Dataset(name="made", train=split, validation=split, test=split, classes=3)
    loss = "binary_crossentropy" if multilabel else "sparse_categorical_crossentropy"
    with pytest.raises(ValueError, match=f"model 'head' ends in {activation}; for made it must be linear or"):
        Trainer(
            ending(activation, 3), data, TrainConfig(steps=20, loss=loss, eval_every=20, test_every=20, batch_size=10)
        )


def test_a_model_without_embedding_has_none_to_prune(digits):
    model = models.build("lenet_300_100", digits.input_shape, digits.classes)
    with pytest.raises(ValueError, match="has no trained embedding to prune"):
        variables.prunable(model, embeddings=True)


def test_digits_have_no_micro_f1_to_stop_by(digits):
    model = models.build("lenet_300_100", digits.input_shape, digits.classes)
    with pytest.raises(ValueError, match="digits has one class per example"):
        Trainer(model, digits, TrainConfig(steps=20, eval_every=20, test_every=20, stop_by="validation_micro_f1"))
