"""The compiled loop: equal to a plain eager one, equal to masking the forward pass, nothing leaking between runs."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import everything, small_model

from lthcore import models
from lthcore.models import variables
from lthcore.pruning.mask import Mask
from lthcore.pruning.ticket import Ticket, rewind
from lthcore.pruning.weights import Weights
from lthcore.training import evaluation
from lthcore.training.config import TrainConfig
from lthcore.training.run import COLUMNS, DivergedError
from lthcore.training.session import minibatches
from lthcore.training.trainer import Trainer

OPTIMIZERS = {
    "sgd": TrainConfig(steps=40, eval_every=20, test_every=20, optimizer="sgd", learning_rate=0.1),
    "momentum": TrainConfig(
        steps=40,
        eval_every=20,
        test_every=20,
        optimizer="sgd",
        learning_rate=0.1,
        optimizer_options=(("momentum", 0.9),),
    ),
    "adam": TrainConfig(steps=40, eval_every=20, test_every=20),
}


def half_mask(trainer: Trainer, theta: Weights, seed: int = 7) -> Mask:
    rng = np.random.default_rng(seed)
    return Mask({name: rng.random(theta[name].shape) < 0.5 for name in trainer.prunable})


def order(seed: int = 3) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))


def eager(model, data, config, ticket, *, project: bool):
    """The loop as a textbook writes it: mask the weights after each update, or else mask them in each forward pass."""
    settings = {"learning_rate": config.learning_rate, **dict(config.optimizer_options)}
    optimizer = keras.optimizers.get({"class_name": config.optimizer, "config": settings})
    variables.write(model, ticket.weights)
    trainable = model.trainable_variables
    masks = [
        tf.constant(ticket.mask[v.path], tf.float32) if v.path in ticket.mask else tf.ones(v.shape) for v in trainable
    ]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for batch in minibatches(order().spawn(2)[1], len(data.train), config.batch_size, config.steps):
        x, y = data.train.x[batch], data.train.y[batch]
        with tf.GradientTape() as tape:
            seen = list(trainable) if project else [v.value * mask for v, mask in zip(trainable, masks, strict=True)]
            logits, _, penalties = model.stateless_call(
                seen, model.non_trainable_variables, x, training=True, return_losses=True
            )
            value = loss(y, logits) + sum(penalties)
        optimizer.apply_gradients(zip(tape.gradient(value, [v.value for v in trainable]), trainable, strict=True))
        if project:
            for variable, mask in zip(trainable, masks, strict=True):
                variable.assign(variable * mask)
    return ticket.mask.apply(variables.read(model))


@pytest.mark.parametrize("compiler", ["xla", "graph"])
@pytest.mark.parametrize("project", [True, False], ids=["projection", "forward masking"])
@pytest.mark.parametrize("config", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_compiled_loop_equals_a_plain_eager_loop(digits, config, project, compiler):
    trainer = Trainer(small_model(l2=1e-3), digits, config, compiler=compiler)
    theta = trainer.fresh(np.random.default_rng(0))
    ticket = rewind(half_mask(trainer, theta), to=theta)
    ours = trainer.train(ticket, order=order()).final
    # Where the forward pass is masked, pruned weights may be anything: they start from θ₀ unmasked.
    start = ticket if project else Ticket(ticket.mask, theta)
    plain = eager(small_model(l2=1e-3), digits, config, start, project=project)
    for name in theta:
        np.testing.assert_allclose(ours[name], plain[name], atol=2e-5, err_msg=name)
        moved = np.abs(ours[name] - ticket.weights[name]).max()
        assert moved > 1e-2, f"{name} hardly moved, so the comparison says nothing"


def trained(trainer: Trainer, seed: int = 0, **options):
    theta = trainer.fresh(np.random.default_rng(seed))
    return trainer.train(rewind(half_mask(trainer, theta), to=theta), order=order(), **options)


SHORT = TrainConfig(steps=50, batch_size=32, eval_every=20, test_every=40)


@pytest.fixture(scope="module")
def leaky(digits) -> Trainer:
    return Trainer(everything(), digits, SHORT)


def test_the_same_run_twice_is_bit_identical_whatever_happened_between(leaky):
    first = trained(leaky)
    trained(leaky, seed=9)
    again = trained(leaky)
    assert first.final == again.final
    assert first.best == again.best
    assert first.history == again.history


def test_a_second_trainer_of_the_same_model_gives_the_same_bits(leaky, digits):
    assert trained(Trainer(everything(), digits, SHORT)).final == trained(leaky).final


def test_dropout_noise_belongs_to_the_order_stream(leaky):
    theta = leaky.fresh(np.random.default_rng(0))
    ticket = rewind(half_mask(leaky, theta), to=theta)
    assert leaky.train(ticket, order=order(3)).final != leaky.train(ticket, order=order(4)).final


def test_batchnorm_statistics_move_and_are_part_of_the_weights(leaky):
    run = trained(leaky)
    assert np.abs(run.final["norm/moving_mean"]).max() > 0
    assert np.all(leaky.fresh(np.random.default_rng(0))["norm/moving_mean"] == 0)


class Idle(keras.layers.Layer):
    """Has a bias and makes no use of it."""

    bias_initializer = "ones"

    def build(self, shape):
        self.bias = self.add_weight(name="bias", shape=(3,), initializer=self.bias_initializer)

    def call(self, inputs):
        return inputs


def test_a_variable_that_does_not_enter_the_loss_stays_where_it_is(digits):
    layers = [keras.layers.Flatten(name="flatten"), Idle(name="idle"), keras.layers.Dense(10, name="output")]
    trainer = Trainer(keras.Sequential([keras.Input((8, 8, 1)), *layers], name="partly"), digits, SHORT)
    with pytest.warns(UserWarning, match="Gradients do not exist for variables .*idle/bias"):
        final = trained(trainer).final
    assert final["idle/bias"].tolist() == [1.0, 1.0, 1.0]
    assert np.abs(final["output/kernel"]).max() > 0


def test_one_program_serves_all_rounds_and_trials(leaky):
    trained(leaky)
    assert [trained(leaky, seed=seed).compile_seconds for seed in range(3)] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("config", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_pruned_weights_stay_exactly_zero(digits, config):
    trainer = Trainer(small_model(), digits, config)
    theta = trainer.fresh(np.random.default_rng(0))
    mask = half_mask(trainer, theta)
    final = trainer.train(rewind(mask, to=theta), order=order()).final
    for name in mask:
        assert np.all(final[name][~mask[name]] == 0)
        assert np.all(final[name][mask[name]] != 0)


def test_a_kept_snapshot_equals_a_run_that_stops_there(leaky):
    run = trained(leaky, keep=(0, 13, 50))
    assert sorted(run.snapshots) == [0, 13, 50]
    assert run.snapshots[13] == trained(leaky, stop=13).final
    assert run.snapshots[50] == run.final


def test_a_ticket_of_step_k_trains_only_the_rest(leaky):
    run = trained(leaky, keep=(20,))
    theta = run.snapshots[20]
    rest = leaky.train(rewind(half_mask(leaky, theta), to=theta, at_step=20), order=order())
    assert rest.history["step"].tolist() == [20, 40, 50]


def test_rows_are_evaluations_and_the_end_is_always_one(leaky):
    history = trained(leaky).history
    assert history["step"].tolist() == [0, 20, 40, 50]
    assert np.isnan(history["test_accuracy"]).tolist() == [False, True, False, False]
    assert np.isfinite(history["validation_loss"]).all()


def test_the_early_stop_is_read_from_the_weights_kept_there(digits):
    config = TrainConfig(steps=400, eval_every=10, test_every=10, learning_rate=0.02)
    trainer = Trainer(small_model(), digits, config)
    run = trained(trainer)
    row = run.history.early_stop
    assert 0 < row < len(run.history["step"]) - 1, "the minimum should lie inside for this test to say anything"
    assert run.test["accuracy"] == pytest.approx(float(run.history["test_accuracy"][row]), abs=1e-6)
    assert trainer.test(run.best)["loss"] == run.test["loss"]


def test_evaluation_counts_every_example_once(digits, monkeypatch):
    monkeypatch.setattr(evaluation, "EVALUATION_BATCH", 33)  # 400 test examples leave a rest of 4
    trainer = Trainer(small_model(), digits, SHORT)
    theta = trainer.fresh(np.random.default_rng(0))
    variables.write(trainer.model, theta)
    logits = trainer.model.predict(digits.test.x, verbose=0)
    shifted = logits - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(logits)), digits.test.y]
    measured = trainer.test(theta)
    assert measured["accuracy"] == pytest.approx(np.mean(logits.argmax(axis=1) == digits.test.y), abs=1e-6)
    assert measured["loss"] == pytest.approx(losses.mean(), rel=1e-5)


def test_a_softmax_at_the_end_trains_like_logits(digits):
    def model(activation):
        pixels = keras.Input((8, 8, 1))
        flat = keras.layers.Flatten(name="flatten")(pixels)
        return keras.Model(pixels, keras.layers.Dense(10, activation=activation, name="output")(flat))

    plain, soft = (trained(Trainer(model(activation), digits, SHORT)) for activation in (None, "softmax"))
    for name in plain.final:
        np.testing.assert_allclose(plain.final[name], soft.final[name], atol=1e-4)


def test_minibatches_visit_every_example_once_per_epoch():
    batches = minibatches(np.random.default_rng(0), examples=11, batch=3, steps=7)
    assert batches.shape == (7, 3)
    for epoch in (batches[:3], batches[3:6]):
        assert len(set(epoch.reshape(-1))) == 9


def test_nan_in_the_ticket_stops_before_the_first_step(leaky):
    theta = dict(leaky.fresh(np.random.default_rng(0)))
    theta["output/bias"] = np.full(10, np.nan)
    with pytest.raises(DivergedError, match="ticket's weights contain NaN"):
        leaky.train(Ticket.dense(Weights(theta), leaky.prunable), order=order())


def test_a_loss_that_explodes_names_the_steps(digits):
    trainer = Trainer(small_model(), digits, TrainConfig(steps=60, eval_every=20, test_every=20, learning_rate=1e30))
    with pytest.raises(DivergedError, match=r"loss became .* step"):
        trained(trainer)


def test_xla_is_chosen_for_dense_models_only(digits):
    assert Trainer(small_model(), digits, SHORT).machine["compiler"] == "xla"
    assert Trainer(everything(), digits, SHORT).machine["compiler"] == "graph"


BAD = {
    "unbuilt": (lambda: keras.Sequential([keras.layers.Dense(3)]), SHORT, "no weights yet"),
    "wrong input": (lambda: models.build("lenet_300_100", (28, 28, 1), 10), SHORT, "cannot take examples of shape"),
    "wrong output": (lambda: models.build("lenet_300_100", (8, 8, 1), 7), SHORT, "has outputs of shape"),
    "batch too large": (small_model, TrainConfig(batch_size=5_000), "batch_size 5000 exceeds"),
    "coupled optimizer": (small_model, TrainConfig(optimizer_options=(("clipnorm", 1.0),)), "clipnorm"),
}


@pytest.mark.parametrize(("model", "config", "message"), BAD.values(), ids=BAD)
def test_what_cannot_be_trained_is_refused(digits, model, config, message):
    with pytest.raises(ValueError, match=message):
        Trainer(model(), digits, config)


def test_impossible_spans_and_foreign_masks_are_refused(leaky):
    theta = leaky.fresh(np.random.default_rng(0))
    ticket = Ticket.dense(theta, leaky.prunable)
    with pytest.raises(ValueError, match="cannot train from step 0 to 50"):
        leaky.train(ticket, order=order(), keep=(51,))
    with pytest.raises(ValueError, match="the mask names"):
        leaky.train(Ticket.dense(theta, leaky.prunable[:1]), order=order())
    with pytest.raises(ValueError, match="unknown compiler"):
        Trainer(leaky.model, leaky.data, SHORT, compiler="tvm")


def test_columns_of_a_history_are_complete(leaky):
    assert set(trained(leaky).history.columns) == set(COLUMNS)


def test_a_used_optimizer_starts_without_its_momenta(digits):
    used = keras.optimizers.Adam(SHORT.learning_rate)
    model = small_model()
    model.compile(optimizer=used, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(digits.train.x, digits.train.y, verbose=0)
    fresh = Trainer(small_model(), digits, SHORT, optimizer=keras.optimizers.Adam(SHORT.learning_rate))
    assert trained(Trainer(small_model(), digits, SHORT, optimizer=used)).final == trained(fresh).final


class Subclassed(keras.Model):
    """A model without a graph of layers: Keras knows its shapes only once it has been called."""

    def __init__(self) -> None:
        super().__init__(name="subclassed")
        self.flatten, self.output_layer = keras.layers.Flatten(), keras.layers.Dense(10, name="output")

    def call(self, x):
        return self.output_layer(self.flatten(x))


def test_a_subclassed_model_trains_once_it_is_built(digits):
    model = Subclassed()
    with pytest.raises(ValueError, match="no weights yet"):
        Trainer(model, digits, SHORT)
    model(digits.train.x[:1])
    trainer = Trainer(model, digits, SHORT, head="logits")
    assert trainer.prunable == ("output/kernel",)
    assert np.isfinite(trained(trainer).history["validation_loss"]).all()


def test_what_is_frozen_stays_as_it_is_in_every_trial(digits):
    frozen = keras.layers.Dense(12, activation="relu", trainable=False, name="frozen")
    layers = [keras.layers.Flatten(name="flatten"), frozen, keras.layers.Dense(10, name="output")]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    pretrained = frozen.kernel.numpy()
    trainer = Trainer(model, digits, SHORT)
    for seed in range(2):
        theta = trainer.fresh(np.random.default_rng(seed))
        final = trainer.train(Ticket.dense(theta, trainer.prunable), order=order()).final
        assert np.array_equal(theta["frozen/kernel"], pretrained)
        assert np.array_equal(final["frozen/kernel"], pretrained)
    assert trainer.prunable == ("output/kernel",)


class Softmaxed(keras.Model):
    """A model of which Keras does not know what it ends in."""

    def __init__(self) -> None:
        super().__init__(name="own")
        self.flatten, self.output_layer = keras.layers.Flatten(), keras.layers.Dense(10, name="output")

    def call(self, x):
        return keras.ops.softmax(self.output_layer(self.flatten(x)))


def test_a_subclassed_model_trains_once_its_head_is_told(digits):
    model = Softmaxed()
    model(digits.train.x[:1])
    with pytest.raises(ValueError, match="pass head= with one of logits, softmax, sigmoid"):
        Trainer(model, digits, SHORT)
    with pytest.raises(ValueError, match="its outputs are probabilities of classes"):
        Trainer(model, digits, SHORT, head="logits")
    trainer = Trainer(model, digits, SHORT, head="softmax")
    run = trained(trainer)
    assert run.history["validation_loss"][-1] < run.history["validation_loss"][0]
