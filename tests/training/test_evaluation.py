"""Label sets are scored whole: in order, over all documents, and with nothing learned from the test set."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from lthcore.datasets.base import Dataset, Split
from lthcore.models import variables
from lthcore.pruning.ticket import Ticket
from lthcore.text import metrics
from lthcore.training import evaluation
from lthcore.training.config import TrainConfig
from lthcore.training.run import DivergedError
from lthcore.training.trainer import Trainer

CLASSES, BATCH = 5, 8
CONFIG = TrainConfig(
    steps=10,
    batch_size=10,
    learning_rate=0.05,
    loss="binary_crossentropy",
    eval_every=5,
    test_every=5,
    stop_by="validation_micro_f1",
)
LOGITS = keras.losses.BinaryCrossentropy(from_logits=True)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    """No split is a multiple of these."""
    monkeypatch.setattr(evaluation, "DOCUMENT_BATCH", BATCH)


def split(rng: np.random.Generator, size: int) -> Split:
    """Examples whose labels follow from them; each has one or more."""
    x = rng.normal(size=(size, 4)).astype(np.float32)
    y = x @ np.linspace(-1, 1, 4 * CLASSES).reshape(4, CLASSES) > 0.3
    y[np.arange(size), np.abs(x).argmax(axis=1)] = True
    return Split(x, y.astype(np.float32))


@pytest.fixture(scope="module")
def data() -> Dataset:
    rng = np.random.default_rng(0)
    train, validation, test = (split(rng, size) for size in (43, 21, 3 * BATCH + 5))
    return Dataset(name="made-up", train=train, validation=validation, test=test, classes=CLASSES)


def with_test_labels(data: Dataset, y: np.ndarray) -> Dataset:
    return replace(data, test=Split(data.test.x, y))


def model(activation: str | None = None, seed: int = 0) -> keras.Model:
    inputs = keras.Input((4,), name="numbers")
    hidden = keras.layers.Dense(7, "relu", kernel_initializer=keras.initializers.GlorotNormal(seed), name="hidden")
    output = keras.layers.Dense(
        CLASSES, activation, kernel_initializer=keras.initializers.GlorotNormal(seed + 1), name="output"
    )
    return keras.Model(inputs, output(hidden(inputs)), name="made_up")


def logits(model: keras.Model, split: Split) -> np.ndarray:
    return np.array(model(split.x, training=False))


@pytest.mark.parametrize("size", [1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH + 5])
def test_loss_and_probabilities_are_those_of_all_documents_in_their_order(size):
    part, made = split(np.random.default_rng(size), size), model()
    other = split(np.random.default_rng(0), 7)
    _, outputs = evaluation.compile_outputs(made, LOGITS, (other, part))
    loss, probabilities = outputs()
    assert isinstance(loss, float)
    assert loss == pytest.approx(float(LOGITS(part.y, logits(made, part))), rel=1e-6)
    assert probabilities.shape == (size, CLASSES)
    np.testing.assert_allclose(probabilities, tf.sigmoid(logits(made, part)), rtol=1e-5)


def test_outputs_are_those_of_the_current_weights(data):
    made = model()
    (outputs,) = evaluation.compile_outputs(made, LOGITS, (data.validation,))
    before = outputs()[1]
    variables.write(made, variables.fresh(made, np.random.default_rng(1)))
    assert not np.allclose(outputs()[1], before)
    np.testing.assert_allclose(outputs()[1], tf.sigmoid(logits(made, data.validation)), rtol=1e-5)


def test_dropout_is_off_while_scoring(data):
    inputs = keras.Input((4,), name="numbers")
    dropped = keras.layers.Dropout(0.5, name="dropout")(inputs)
    made = keras.Model(inputs, keras.layers.Dense(CLASSES, name="output")(dropped))
    (outputs,) = evaluation.compile_outputs(made, LOGITS, (data.test,))
    np.testing.assert_array_equal(outputs()[1], outputs()[1])


def test_scores_are_those_of_the_metrics(data):
    made = model()
    evaluator = evaluation.evaluator(made, LOGITS, data)
    for score, part in ((evaluator.validate(), data.validation), (evaluator.test(), data.test)):
        predicted = metrics.predict(np.array(tf.sigmoid(logits(made, part))), 0.5)
        assert list(score) == ["loss", "accuracy", "micro_f1"]
        assert score["loss"] == pytest.approx(float(LOGITS(part.y, logits(made, part))), rel=1e-6)
        assert score["micro_f1"] == metrics.micro_f1(metrics.counts(part.y, predicted))
        assert score["accuracy"] == metrics.exact_match(part.y, predicted)


def test_one_class_per_example_is_scored_by_loss_and_accuracy_alone(digits):
    inputs = keras.Input(digits.input_shape, name="pixels")
    made = keras.Model(inputs, keras.layers.Dense(10, name="output")(keras.layers.Flatten(name="flat")(inputs)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    evaluator = evaluation.evaluator(made, loss, digits)
    report = evaluator.report()
    assert report.counts is None
    assert report.test == evaluator.test()
    found = logits(made, digits.test)
    assert report.test["loss"] == pytest.approx(float(loss(digits.test.y, found)), rel=1e-5)
    assert report.test["accuracy"] == pytest.approx(np.mean(found.argmax(axis=1) == digits.test.y))
    assert list(evaluator.validate()) == ["loss", "accuracy"]


def test_the_report_holds_both_thresholds_and_the_counts_behind_them(data):
    made = model()
    report = evaluation.evaluator(made, LOGITS, data).report()
    probabilities = np.array(tf.sigmoid(logits(made, data.test)))
    threshold = report.test["threshold"]
    assert report.counts.shape == (2, CLASSES, 3)
    assert report.counts.dtype == np.int32
    for counts, prefix, level in zip(report.counts, ("", "tuned_"), (0.5, threshold), strict=True):
        predicted = metrics.predict(probabilities, level)
        np.testing.assert_array_equal(counts, metrics.counts(data.test.y, predicted))
        assert report.test[f"{prefix}micro_f1"] == metrics.micro_f1(counts)
        assert report.test[f"{prefix}accuracy"] == metrics.exact_match(data.test.y, predicted)
    assert report.test["first_label"] == metrics.first_label_accuracy(data.test.y, probabilities, threshold)


def test_the_threshold_is_chosen_on_validation_and_never_on_test(data):
    made = model()
    found = evaluation.evaluator(made, LOGITS, data).report().test
    expected = metrics.best_threshold(data.validation.y, np.array(tf.sigmoid(logits(made, data.validation))))
    assert found["threshold"] == expected != 0.5, "otherwise nothing was chosen and nothing is tested"
    for y in (1 - data.test.y, np.ones_like(data.test.y), data.test.y[::-1].copy()):
        other = evaluation.evaluator(made, LOGITS, with_test_labels(data, y)).report().test
        assert other["threshold"] == expected
        assert other["loss"] != found["loss"]
    moved = replace(data, validation=Split(data.validation.x, 1 - data.validation.y))
    assert evaluation.evaluator(made, LOGITS, moved).report().test["threshold"] != expected


def test_where_a_document_has_no_label_there_is_no_first_one(data):
    y = data.test.y.copy()
    y[3] = 0
    made = model()
    report = evaluation.evaluator(made, LOGITS, with_test_labels(data, y)).report()
    whole = evaluation.evaluator(made, LOGITS, data).report()
    assert set(whole.test) - set(report.test) == {"first_label"}


def test_a_model_that_ends_in_a_sigmoid_is_scored_like_one_that_ends_in_logits(data):
    ends = [Trainer(model(activation), data, CONFIG) for activation in (None, "sigmoid")]
    theta = ends[0].fresh(np.random.default_rng(0))
    runs = [trainer.train(Ticket.dense(theta, trainer.prunable), order=np.random.default_rng(1)) for trainer in ends]
    first, second = (run.test for run in runs)
    assert first == pytest.approx(second, abs=1e-4)
    np.testing.assert_array_equal(runs[0].counts, runs[1].counts)
    for name in runs[0].final:
        np.testing.assert_allclose(runs[0].final[name], runs[1].final[name], atol=1e-4, err_msg=name)
    best = runs[1].best
    variables.write(ends[1].model, best)
    assert second["loss"] == pytest.approx(
        float(keras.losses.BinaryCrossentropy()(data.test.y, logits(ends[1].model, data.test))), rel=1e-5
    )


def test_weights_that_are_no_numbers_give_scores_that_are_none(data):
    made = model()
    evaluator = evaluation.evaluator(made, LOGITS, data)
    theta = variables.read(made)
    variables.write(made, type(theta)({name: np.full_like(array, np.nan) for name, array in theta.items()}))
    for score in (evaluator.validate(), evaluator.test()):
        assert list(score) == ["loss", "accuracy", "micro_f1"]
        assert np.isnan(list(score.values())).all()


@pytest.mark.parametrize("stop_by", ["validation_loss", "validation_micro_f1"])
@pytest.mark.parametrize("rate", [float("inf"), 1e38], ids=["infinite steps", "steps that overflow"])
def test_a_training_that_diverges_is_told_and_returns_nothing(data, rate, stop_by):
    sgd = keras.optimizers.SGD(rate)
    trainer = Trainer(model(), data, replace(CONFIG, stop_by=stop_by), optimizer=sgd)
    ticket = Ticket.dense(trainer.fresh(np.random.default_rng(0)), trainer.prunable)
    with pytest.raises(DivergedError, match=r"became (nan|inf)|not finite"):
        trainer.train(ticket, order=np.random.default_rng(1))


def test_a_trainer_goes_on_after_a_run_that_diverged(data):
    trainer = Trainer(model(), data, CONFIG)
    theta = trainer.fresh(np.random.default_rng(0))
    ticket = Ticket.dense(theta, trainer.prunable)
    before = trainer.train(ticket, order=np.random.default_rng(1))
    huge = type(theta)({name: np.full_like(array, 3e38) for name, array in theta.items()})
    with pytest.raises(DivergedError):
        trainer.train(Ticket.dense(huge, trainer.prunable), order=np.random.default_rng(1))
    after = trainer.train(ticket, order=np.random.default_rng(1))
    assert after.final == before.final
    assert after.test == before.test
    np.testing.assert_array_equal(after.counts, before.counts)
