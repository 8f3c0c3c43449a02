"""Optimizers: only those that treat each weight by itself, shown by doing it."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
from small_models import small_model

from lthcore.experiments.presets import PRESETS
from lthcore.pruning.ticket import Ticket
from lthcore.training import optimizers
from lthcore.training.config import TrainConfig
from lthcore.training.trainer import Trainer

ELEMENTWISE = {
    "adam": (),
    "sgd": (("momentum", 0.9), ("nesterov", True)),
    "rmsprop": (),
    "adamw": (("weight_decay", 0.01),),
    "nadam": (),
    "adagrad": (),
    "adadelta": (),
    "adamax": (),
    "ftrl": (),
    "lion": (),
}


def after(optimizer: keras.Optimizer, gradients: np.ndarray) -> np.ndarray:
    """A variable after one step for each gradient."""
    variable = keras.Variable(np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4), name="w")
    optimizer.build([variable])
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    return variable.numpy()


def is_elementwise(make) -> bool:
    """Whether another gradient of one weight leaves the steps of all others as they are."""
    gradients = np.random.default_rng(0).standard_normal((3, 3, 4)).astype(np.float32)
    changed = gradients.copy()
    changed[1, 1, 2] *= -20
    others = np.ones((3, 4), bool)
    others[1, 2] = False
    return np.array_equal(after(make(), gradients)[others], after(make(), changed)[others])


def config(name: str, *options) -> TrainConfig:
    return TrainConfig(optimizer=name, learning_rate=0.01, optimizer_options=options)


@pytest.mark.parametrize(("name", "options"), ELEMENTWISE.items(), ids=ELEMENTWISE)
def test_an_accepted_optimizer_treats_each_weight_by_itself(name, options):
    assert is_elementwise(lambda: optimizers.build(config(name, *options)))


COUPLED = {
    "Adafactor": lambda: keras.optimizers.Adafactor(0.01),
    "Lamb": lambda: keras.optimizers.Lamb(0.01),
    "Muon": lambda: keras.optimizers.Muon(0.01),
    "clipnorm": lambda: keras.optimizers.SGD(0.01, clipnorm=1.0),
    "global_clipnorm": lambda: keras.optimizers.SGD(0.01, global_clipnorm=1.0),
}


@pytest.mark.parametrize(("name", "make"), COUPLED.items(), ids=COUPLED)
def test_an_optimizer_that_couples_weights_is_refused_by_name(name, make):
    assert not is_elementwise(make), "there is a reason to refuse it"
    with pytest.raises(ValueError, match=rf"{name} does not treat each weight by itself.*clipvalue is fine"):
        optimizers.check(make())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("adafactor", (), "Adafactor does not treat each weight by itself"),
        ("muon", (), "Muon does not treat each weight by itself"),
        ("adam", (("clipnorm", 1.0),), "Adam with clipnorm does not treat each weight by itself"),
        ("sgd", (("global_clipnorm", 1.0),), "SGD with global_clipnorm does not treat each weight by itself"),
    ],
)
def test_a_configuration_of_one_is_refused_too(name, options, message):
    with pytest.raises(ValueError, match=message):
        optimizers.build(config(name, *options))


class MyLamb(keras.optimizers.Lamb):
    pass


@pytest.mark.parametrize(
    "make",
    [lambda: MyLamb(0.01), lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.01))],
    ids=["a subclass", "a wrapper that scales the loss"],
)
def test_a_coupled_optimizer_is_refused_in_any_disguise(make):
    with pytest.raises(ValueError, match=r"does not treat each weight by itself|is for mixed precision"):
        optimizers.check(make())


def test_clipping_each_value_is_fine():
    build = lambda: optimizers.build(config("adam", ("clipvalue", 0.5)))  # noqa: E731
    assert build().clipvalue == 0.5
    assert is_elementwise(build)


def test_name_rate_and_options_reach_the_optimizer():
    optimizer = optimizers.build(config("adam", ("epsilon", 1e-8), ("beta_1", 0.8)))
    assert isinstance(optimizer, keras.optimizers.Adam)
    assert float(optimizer.learning_rate) == pytest.approx(0.01)
    assert (optimizer.epsilon, optimizer.beta_1) == (1e-8, 0.8)
    assert isinstance(optimizers.build(config("Adam")), keras.optimizers.Adam), "in either spelling"


def test_every_preset_names_an_optimizer_there_is():
    for experiments in PRESETS.values():
        for experiment in experiments:
            assert isinstance(optimizers.build(experiment.train), keras.Optimizer)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("adma", (), "no Keras optimizer 'adma' .* Use a name such as 'adam', 'sgd' or 'rmsprop'"),
        ("", (), "no Keras optimizer ''"),
        ("Dense", (), "no Keras optimizer 'Dense'"),
        ("adam", (("momentun", 0.9),), "no Keras optimizer 'adam' with the options .*momentun.* the arguments of its"),
        ("LossScaleOptimizer", (), "no Keras optimizer 'LossScaleOptimizer'"),
    ],
)
def test_an_unknown_optimizer_or_option_is_one_clear_error(name, options, message):
    with pytest.raises(ValueError, match=message):
        optimizers.build(config(name, *options))


def test_the_learning_rate_falls_in_steps():
    config = TrainConfig(optimizer="sgd", learning_rate=0.5, decay=0.1, decay_every=100)
    rates = [float(optimizers.build(config)._learning_rate(step)) for step in (0, 99, 100, 199, 200)]
    assert rates == pytest.approx([0.5, 0.5, 0.05, 0.05, 0.005])
    assert float(optimizers.build(TrainConfig(optimizer="sgd", learning_rate=0.5)).learning_rate) == 0.5


def test_each_run_starts_with_the_whole_learning_rate(digits):
    """Three plain steps at falling rates, done twice by one trainer, equal those done by hand."""
    config = TrainConfig(
        steps=3, batch_size=20, optimizer="sgd", learning_rate=0.5, decay=0.1, decay_every=1, eval_every=1, test_every=1
    )
    trainer = Trainer(small_model(), digits, config)
    ticket = Ticket.dense(trainer.fresh(np.random.default_rng(0)), trainer.prunable)
    first, again = (trainer.train(ticket, order=np.random.default_rng(1)) for _ in range(2))
    assert first.final == again.final
    constant = Trainer(small_model(), digits, replace(config, decay_every=0))
    unchanged = constant.train(ticket, order=np.random.default_rng(1), keep=[1])
    one = trainer.train(ticket, order=np.random.default_rng(1), keep=[1])
    assert one.snapshots[1] == unchanged.snapshots[1], "the first step has the whole rate"
    assert one.final != unchanged.final


def test_a_decay_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"decay must lie in \(0, 1\]"):
        TrainConfig(decay=0.0)
    with pytest.raises(ValueError, match="decay_every must be a whole number >= 0"):
        TrainConfig(decay_every=-1)


def final_of(digits, optimizer, seed: int = 0):
    trainer = Trainer(small_model(), digits, TrainConfig(steps=20, eval_every=10), optimizer=optimizer)
    ticket = Ticket.dense(trainer.fresh(np.random.default_rng(seed)), trainer.prunable)
    return ticket.weights, trainer.train(ticket, order=np.random.default_rng(1)).final


def test_settings_that_no_configuration_holds_are_kept(digits):
    """Weight decay that shrinks kernels to nothing, but not the biases that are left out of it."""
    model = small_model()
    decayed = keras.optimizers.AdamW(0.01, weight_decay=100.0)
    decayed.exclude_from_weight_decay(var_list=[v for v in model.trainable_variables if v.name == "kernel"])
    for used in (False, True):
        if used:
            decayed.build(model.trainable_variables)
        trainer = Trainer(model, digits, TrainConfig(steps=20, eval_every=10), optimizer=decayed)
        ticket = Ticket.dense(trainer.fresh(np.random.default_rng(0)), trainer.prunable)
        final = trainer.train(ticket, order=np.random.default_rng(1)).final
        assert np.abs(final["hidden/kernel"]).max() > 0.2


class Backwards(keras.optimizers.SGD):
    """An optimizer of somebody's own, which keeps its argument to itself."""

    def __init__(self, factor: float) -> None:
        super().__init__(0.1)
        self.factor = factor

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(self.factor * gradient, variable, learning_rate)


def test_arguments_of_a_class_of_one_s_own_are_kept(digits):
    start, still = final_of(digits, Backwards(0.0))
    assert still == start
    _, twice = final_of(digits, Backwards(2.0))
    _, plain = final_of(digits, keras.optimizers.SGD(0.2))
    for name in plain:
        np.testing.assert_allclose(twice[name], plain[name], atol=1e-6)


def test_a_loss_scale_changes_nothing_but_the_size_of_numbers_on_the_way(digits):
    _, scaled = final_of(digits, keras.optimizers.SGD(0.1, loss_scale_factor=1024.0))
    _, plain = final_of(digits, keras.optimizers.SGD(0.1))
    for name in plain:
        np.testing.assert_allclose(scaled[name], plain[name], atol=1e-5)


def test_slots_that_copy_weights_begin_with_those_of_the_run(digits):
    """With a rate of zero schedule-free Adam stays where it starts, in whatever weights its model was built."""
    optimizer = keras.optimizers.ScheduleFreeAdamW(learning_rate=1e-12)
    for seed in (0, 1):
        start, final = final_of(digits, optimizer, seed)
        for name in start:
            np.testing.assert_allclose(final[name], start[name], atol=1e-6)


def test_the_optimizer_that_is_given_is_left_alone(digits):
    optimizer = keras.optimizers.Adam(0.1)
    final_of(digits, optimizer)
    assert not optimizer.built
    assert int(optimizer.iterations) == 0


@pytest.mark.parametrize(
    ("optimizer", "told"),
    [
        ("adam", "an optimizer is a Keras optimizer such as .*got 'adam'; one is named by TrainConfig"),
        (keras.optimizers.SGD, "an optimizer is a Keras optimizer"),
        (keras.optimizers.SGD(lambda: 0.1), "the learning rate of SGD is a plain function"),
    ],
)
def test_what_is_no_optimizer_or_cannot_be_compiled_is_refused(digits, optimizer, told):
    with pytest.raises(ValueError, match=told):
        Trainer(small_model(), digits, TrainConfig(), optimizer=optimizer)


class Counting(keras.optimizers.SGD):
    def __init__(self) -> None:
        super().__init__(0.1)
        self.count = keras.Variable(0.0)


def test_a_variable_that_would_outlive_a_run_is_refused(digits):
    with pytest.raises(ValueError, match="keeps a variable of its own, 'count'"):
        Trainer(small_model(), digits, TrainConfig(), optimizer=Counting())
