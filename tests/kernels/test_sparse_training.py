"""The sparse engine behind a trainer: the same API, repeatable to the last bit, and clear where it cannot go."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
from small_models import everything, small_model

from lthcore import datasets
from lthcore.datasets import Dataset
from lthcore.files import array_files
from lthcore.kernels import compiled
from lthcore.models import variables
from lthcore.pruning.mask import Mask
from lthcore.pruning.ticket import Ticket, rewind
from lthcore.pruning.weights import Weights
from lthcore.training.config import TrainConfig
from lthcore.training.engines.sparse import break_even
from lthcore.training.run import DivergedError
from lthcore.training.trainer import Trainer

CONFIG = TrainConfig(steps=60, eval_every=20, test_every=40)


def order() -> np.random.Generator:
    return np.random.default_rng(1)


def ticket_of(trainer: Trainer, density: float = 0.3) -> Ticket:
    theta, rng = trainer.fresh(np.random.default_rng(0)), np.random.default_rng(2)
    return rewind(Mask({name: rng.random(theta[name].shape) < density for name in trainer.prunable}), to=theta)


@pytest.fixture(scope="module")
def sparse(digits) -> Trainer:
    return Trainer(small_model(), digits, CONFIG, engine="sparse")


def test_both_engines_learn_the_same_and_say_who_they_are(digits, sparse):
    dense = Trainer(small_model(), digits, CONFIG, engine="dense")
    runs = [trainer.train(ticket_of(trainer), order=order()) for trainer in (dense, sparse)]
    assert [run.machine["engine"] for run in runs] == ["dense", "sparse"]
    assert runs[1].machine["compiler"] == "numba"
    for name in ("train_loss", "validation_loss", "test_loss"):
        np.testing.assert_allclose(runs[0].history[name], runs[1].history[name], rtol=1e-3)
    for name, array in runs[0].final.items():
        np.testing.assert_allclose(runs[1].final[name], array, atol=1e-3)


def test_a_run_repeats_to_the_last_bit_and_halting_changes_nothing(sparse):
    first, again = (sparse.train(ticket_of(sparse), order=order()) for _ in range(2))
    assert (first.final, first.history, first.test) == (again.final, again.history, again.test)
    with sparse.start(ticket_of(sparse), order=order()) as session:
        for step in (7, 20, 33):
            session.advance(to=step)
        assert session.finish().final == first.final


def test_pruned_weights_stay_zero_and_a_swap_prunes_and_grows(sparse):
    ticket = ticket_of(sparse)
    other = ticket_of(sparse, 0.2).mask
    grown = {name: np.full(array.shape, 0.25, np.float32) for name, array in other.items()}
    with sparse.start(ticket, order=order()) as session:
        session.advance(to=20)
        before, momentum = session.weights, session.momentum
        for name, kept in ticket.mask.items():
            assert not before[name][~kept].any()
            assert momentum[name][kept].any()
            assert not momentum[name][~kept].any()
        session.swap(other, grown=grown)
        after = session.weights
        for name, kept in other.items():
            stayed, added = kept & ticket.mask[name], kept & ~ticket.mask[name]
            assert np.array_equal(after[name][stayed], before[name][stayed])
            assert np.array_equal(session.momentum[name][stayed], momentum[name][stayed])
            assert (after[name][added] == 0.25).all()
            assert not session.momentum[name][added].any()
            assert not after[name][~kept].any()
        run = session.finish()
    assert all(not run.final[name][~kept].any() for name, kept in other.items())


def test_an_optimizer_without_momentum_says_so(digits):
    trainer = Trainer(small_model(), digits, replace(CONFIG, optimizer="sgd"), engine="sparse")
    with trainer.start(ticket_of(trainer), order=order()) as session, pytest.raises(ValueError, match="no momentum"):
        session.momentum  # noqa: B018


def test_a_schedule_counts_the_steps_of_the_whole_training(digits):
    config = replace(CONFIG, optimizer="sgd", learning_rate=0.1, decay=1e-6, decay_every=30)
    trainer = Trainer(small_model(), digits, config, engine="sparse")
    late = replace(ticket_of(trainer), at_step=30)
    run = trainer.train(late, order=order())
    for name, array in run.final.items():
        np.testing.assert_allclose(array, late.weights[name], atol=1e-5)


def test_dropout_drops_the_share_it_should_and_repeats(digits):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.4, name="drop"),
            keras.layers.Dense(10, name="output"),
        ]
    )
    config = replace(CONFIG, optimizer="sgd", learning_rate=1.0, steps=200, eval_every=200, test_every=200)
    trainer = Trainer(model, digits, config, engine="sparse")
    ticket = Ticket.dense(trainer.fresh(np.random.default_rng(0)), trainer.prunable)
    with trainer.start(ticket, order=order()) as session:
        session.advance(to=1, evaluate=False)
        engine = session._engine
        kept = engine._room[2].reshape(-1, 64)
        kept = kept[kept.any(axis=1)]
        assert set(np.unique(kept)) == {np.float32(0), np.float32(1 / 0.6)}
        assert kept.astype(bool).mean() == pytest.approx(0.6, abs=0.03)
        one = session.finish().final
    assert trainer.train(ticket, order=order()).final == one


def labels_of(x: np.ndarray) -> Dataset:
    y = np.stack([x[:, 0] > 0, x[:, 1] > 0, np.ones(len(x), bool)], axis=1)
    return Dataset.from_arrays(x, y, classes=3, multilabel=True, name="labels")


@pytest.mark.parametrize("head", [None, "sigmoid"])
def test_label_sets_are_scored_as_the_dense_engine_scores_them(head):
    data = labels_of(np.random.default_rng(0).normal(size=(400, 6)).astype(np.float32))
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, head, name="output")])
    config = replace(CONFIG, loss="binary_crossentropy", stop_by="validation_micro_f1", learning_rate=0.05)
    runs = []
    for engine in ("dense", "sparse"):
        trainer = Trainer(model, data, config, engine=engine)
        runs.append(trainer.train(ticket_of(trainer, 0.7), order=order()))
    for name in runs[0].test:
        assert runs[1].test[name] == pytest.approx(runs[0].test[name], abs=0.02), name
    np.testing.assert_allclose(runs[1].history["validation_loss"], runs[0].history["validation_loss"], rtol=1e-3)


def test_a_softmax_head_teaches_as_in_keras(digits):
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax", name="output")]
    )
    runs = []
    for engine in ("dense", "sparse"):
        trainer = Trainer(model, digits, CONFIG, engine=engine)
        runs.append(trainer.train(ticket_of(trainer, 0.5), order=order()))
    np.testing.assert_allclose(runs[1].history["validation_loss"], runs[0].history["validation_loss"], rtol=1e-3)


@pytest.mark.parametrize("kept", ["none", "one"])
def test_layers_of_no_survivor_or_one(sparse, kept):
    theta = sparse.fresh(np.random.default_rng(0))
    mask = {name: np.zeros(theta[name].shape, bool) for name in sparse.prunable}
    if kept == "one":
        for array in mask.values():
            array[3, 1] = True
    run = sparse.train(rewind(Mask(mask), to=theta), order=order())
    assert run.final.finite()
    assert run.final["output/bias"].any(), "biases are no survivors, and learn"


@pytest.mark.parametrize("batch", [1, 16, 64, 100, 200])
def test_minibatches_of_any_size(digits, batch):
    config = replace(CONFIG, batch_size=batch, steps=10, eval_every=10, test_every=10)
    runs = []
    for engine in ("dense", "sparse"):
        trainer = Trainer(small_model(), digits, config, engine=engine)
        runs.append(trainer.train(ticket_of(trainer), order=order()))
    np.testing.assert_allclose(runs[1].history["train_loss"], runs[0].history["train_loss"], rtol=1e-4)


def test_what_is_not_finite_is_told_as_the_dense_engine_tells_it(digits, sparse):
    theta = sparse.fresh(np.random.default_rng(0))
    broken = Weights({name: np.where(array > 0.1, np.nan, array) for name, array in theta.items()})
    with pytest.raises(DivergedError, match="NaN or infinite"):
        sparse.train(Ticket.dense(broken, sparse.prunable), order=order())
    wild = Trainer(small_model(), digits, replace(CONFIG, optimizer="sgd", learning_rate=1e30), engine="sparse")
    with pytest.raises(DivergedError, match="loss became"):
        wild.train(ticket_of(wild), order=order())


@pytest.mark.parametrize(
    ("model", "settings", "why"),
    [
        (everything, {}, "Conv2D"),
        (small_model, {"optimizer": "adagrad"}, "Adagrad"),
        (small_model, {"optimizer_options": (("clipvalue", 1.0),)}, "clipvalue"),
        (small_model, {"optimizer_options": (("use_ema", True),)}, "moving averages"),
        (small_model, {"optimizer_options": (("amsgrad", True),)}, "amsgrad"),
    ],
)
def test_what_the_kernels_do_not_know_goes_to_the_dense_engine(digits, model, settings, why):
    config = replace(CONFIG, **settings)
    with pytest.raises(ValueError, match=why):
        Trainer(model(), digits, config, engine="sparse")
    trainer = Trainer(model(), digits, config, break_even=0.9)
    assert trainer.break_even == 0
    assert trainer.train(ticket_of(trainer, 0.1), order=order()).machine["engine"] == "dense"


def branching() -> keras.Model:
    pixels = keras.Input((8, 8, 1))
    flat = keras.layers.Flatten()(pixels)
    both = [keras.layers.Dense(5, name=name)(flat) for name in ("left", "right")]
    return keras.Model(pixels, keras.layers.Dense(10, name="output")(keras.layers.Add()(both)))


def constrained() -> keras.Model:
    layer = keras.layers.Dense(10, kernel_constraint="non_neg", name="output")
    return keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), layer])


def frozen() -> keras.Model:
    hidden = keras.layers.Dense(5, trainable=False, name="hidden")
    return keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), hidden, keras.layers.Dense(10, name="output")]
    )


def by_rows() -> keras.Model:
    rows = keras.layers.Dense(3, name="rows")
    return keras.Sequential([keras.Input((8, 8)), rows, keras.layers.Flatten(), keras.layers.Dense(10, name="output")])


def shared() -> keras.Model:
    layer = keras.layers.Dense(64, name="shared")
    pixels = keras.Input((8, 8, 1))
    twice = layer(layer(keras.layers.Flatten()(pixels)))
    return keras.Model(pixels, keras.layers.Dense(10, name="output")(twice))


@pytest.mark.parametrize("model", [branching, constrained, frozen, by_rows, shared])
def test_models_that_are_more_than_a_stack_are_recognised(model):
    from lthcore.kernels.stacks import stack

    with pytest.raises(stack.UnsupportedError):
        stack.read(model())


def test_a_stack_within_a_stack_is_a_stack(digits):
    from lthcore.kernels.stacks import stack

    inner = keras.Sequential([keras.Input((64,)), keras.layers.Dense(5, "tanh", name="inner")])
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            inner,
            keras.layers.Dense(10, name="output"),
            keras.layers.Softmax(),
        ]
    )
    found = stack.read(model)
    assert ([layer.activation for layer in found.layers], found.head) == (["tanh", "linear"], "softmax")
    assert found.kernels == variables.prunable(model)


def test_without_numba_the_dense_engine_trains_and_says_why(digits, monkeypatch):
    monkeypatch.setattr(compiled, "missing", lambda: "numba is not installed: pip install numba")
    with pytest.raises(ValueError, match="numba is not installed"):
        Trainer(small_model(), digits, CONFIG, engine="sparse")
    trainer = Trainer(small_model(), digits, CONFIG, break_even=0.5)
    with pytest.warns(RuntimeWarning, match="price of the dense network, because numba is not installed"):
        run = trainer.train(ticket_of(trainer), order=order())
    assert run.machine["engine"] == "dense"


def test_a_break_even_is_a_density(digits):
    with pytest.raises(ValueError, match="between 0, never, and 1, always; got 2"):
        Trainer(small_model(), digits, CONFIG, break_even=2)
    with pytest.raises(ValueError, match=r"unknown engine 'fast'.*sparse"):
        Trainer(small_model(), digits, CONFIG, engine="fast")


def test_auto_chooses_by_density(digits):
    trainer = Trainer(small_model(), digits, CONFIG, break_even=0.5)
    engines = [trainer.train(ticket_of(trainer, density), order=order()).machine["engine"] for density in (0.3, 0.8)]
    assert engines == ["sparse", "dense"]
    assert trainer.deciding_by(0.1).train(ticket_of(trainer), order=order()).machine["engine"] == "dense"


def test_short_trainings_are_not_worth_a_measurement_and_long_ones_are_measured_once(digits, monkeypatch, tmp_path):
    monkeypatch.setattr(break_even.paths, "cache", lambda: tmp_path)
    assert Trainer(small_model(), digits, CONFIG).break_even == 0
    long = replace(CONFIG, steps=break_even.WORTH_MEASURING)
    found = Trainer(small_model(), digits, long).break_even
    assert 0 <= found <= 1
    (file,) = (tmp_path / "break_even").iterdir()
    assert float(array_files.read(file)["break_even"]) == found
    array_files.write(file, {"break_even": np.float64(0.123)})
    assert Trainer(small_model(), digits, long).break_even == 0.123
    for damage in (lambda: file.write_text("damaged"), lambda: array_files.write(file, {"other": np.array(["a"])})):
        damage()
        assert 0 <= Trainer(small_model(), digits, long).break_even <= 1


def test_where_no_cache_can_be_written_each_trainer_measures(digits, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(break_even.paths, "cache", lambda: tmp_path / "file")
    long = replace(CONFIG, steps=break_even.WORTH_MEASURING)
    assert 0 <= Trainer(small_model(), digits, long).break_even <= 1


def test_the_whole_network_is_the_dense_engines_whatever_is_measured(monkeypatch):
    """A search trains it before anything is measured, and a verification after: both must take the same engine."""
    monkeypatch.setattr(break_even, "_step", lambda engine, *_: 9.0 if engine.machine["engine"] == "dense" else 1.0)
    monkeypatch.setattr(break_even.array_files, "read", lambda _: {})
    monkeypatch.setattr(break_even.array_files, "write", lambda *_: None)
    data = datasets.load("digits")
    trainer = Trainer(small_model(), data, replace(CONFIG, steps=break_even.WORTH_MEASURING))
    assert 0.9 < trainer.break_even < 1
    for known in (trainer, trainer.deciding_by(trainer.break_even)):
        with known.start(ticket_of(known, 1.0), order=order(), evaluate=False) as session:
            assert session._engine.machine["engine"] == "dense"


def test_subnormal_numbers_count_as_zero_as_they_do_in_tensorflow(digits):
    last = keras.layers.Dense(10, activation="softmax", kernel_regularizer=keras.regularizers.L2(0.5))
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), last])
    # The first pixel of all digits is black: only the penalty moves its weights. It halves them at each step, until
    # half of them is subnormal and counts as nothing.
    config = TrainConfig(steps=140, eval_every=70, test_every=140, optimizer="sgd", learning_rate=0.5)
    for engine in ("dense", "sparse"):
        trainer = Trainer(model, digits, config, engine=engine)
        ticket = Ticket.dense(trainer.fresh(np.random.default_rng(0)), trainer.prunable)
        (kernel,) = trainer.prunable
        smallest = np.abs(trainer.train(ticket, order=order()).final[kernel][0])
        assert ((smallest == 0) | (smallest >= np.finfo(np.float32).tiny)).all()
