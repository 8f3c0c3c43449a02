"""Filters ranked, removed before convergence, and compared with training from scratch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from surgery_models import kim

from lthcore import models
from lthcore.models import variables
from lthcore.pruning.seeds import Seeds
from lthcore.pruning.ticket import Ticket
from lthcore.pruning.weights import Weights
from lthcore.shrinking import filters
from lthcore.shrinking.config import FilterConfig
from lthcore.training.config import TrainConfig
from lthcore.training.run import DivergedError
from lthcore.training.trainer import Trainer

TRAIN = TrainConfig(steps=40, eval_every=10, test_every=20)
FILTERS = FilterConfig(every=8, rate=0.5, removals=2)

# Kernel of three filters (columns), norm, rate → which stay.
ROWS = [[1.0, -2.0, 1.5], [1.0, 0.0, -0.5]]
TABLE = [
    (ROWS, "l1", 0.0, [0, 1, 2]),
    (ROWS, "l1", 0.34, [1, 2]),  # all are 2: the lowest index goes first
    (ROWS, "l2", 0.34, [1, 2]),  # √2, 2, √2.5
    (ROWS, "l2", 0.67, [1]),
    (ROWS, "l1", 0.67, [2]),
    (ROWS, "l1", 0.99, [2]),  # one always stays
    ([[3.0, 1.0, 2.0]], "l1", 0.34, [0, 2]),
]


@pytest.mark.parametrize(("kernel", "norm", "rate", "expected"), TABLE)
def test_the_filters_of_smallest_norm_go(kernel, norm, rate, expected):
    found = filters.survivors(Weights({"hidden/kernel": kernel}), {"hidden": rate}, norm)
    assert found["hidden"].tolist() == expected


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 2**31),
    shape=st.sampled_from([(5, 7), (3, 4, 9), (2, 2, 3, 8)]),
    rate=st.floats(0, 0.99),
    norm=st.sampled_from(["l1", "l2"]),
)
def test_counts_are_exact_and_those_that_stay_outrank_those_that_go(seed, shape, rate, norm):
    kernel = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    kept = filters.survivors(Weights({"conv/kernel": kernel}), {"conv": rate}, norm)["conv"]
    count = shape[-1]
    assert len(kept) == max(count - round(rate * count), 1)
    assert kept.tolist() == sorted(set(kept.tolist()))
    norms = filters.rank(kernel, norm)
    gone = np.setdiff1d(np.arange(count), kept)
    assert not len(gone) or norms[kept].min() >= norms[gone].max()


def test_a_filter_is_ranked_by_all_weights_that_lead_into_it():
    kernel = np.random.default_rng(0).normal(size=(5, 5, 3, 4)).astype(np.float32)
    np.testing.assert_allclose(filters.rank(kernel, "l1"), np.abs(kernel).sum(axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(filters.rank(kernel, "l2"), np.sqrt((kernel**2).sum(axis=(0, 1, 2))), rtol=1e-6)


def test_the_output_layer_and_the_word_vectors_are_never_cut():
    assert filters.prunable_layers(models.build("lenet_5", (8, 8, 1), 10)) == ("conv_1", "conv_2", "hidden")
    assert filters.prunable_layers(models.build("lenet_300_100", (8, 8, 1), 10)) == ("hidden_1", "hidden_2")
    assert filters.prunable_layers(kim("multichannel")) == ("conv_3", "conv_4", "conv_5")


@pytest.mark.parametrize(("dropout", "rate"), [("keep", 0.5), ("scale", 0.5 * (6 / 15) ** 0.5)])
def test_dropout_may_shrink_with_the_units_it_drops_from(dropout, rate):
    model = kim(filters=5)
    smaller, left = filters.remove(
        model, variables.read(model), FilterConfig(rate=0.4, layer_rates=(("conv_5", 0.99),), dropout=dropout)
    )
    assert [len(left[f"conv_{width}/bias"]) for width in (3, 4, 5)] == [3, 3, 1]
    expected = rate if dropout == "keep" else 0.5 * (7 / 15) ** 0.5
    assert smaller.get_layer("dropout").rate == pytest.approx(expected)
    assert model.get_layer("dropout").rate == 0.5


def small(digits) -> tuple:
    model = models.build("lenet_5", digits.input_shape, digits.classes, filters=(4, 6), units=20)
    return model, variables.fresh(model, Seeds(0).init)


def test_what_is_left_has_the_filters_asked_for_and_trains_on(digits):
    model, theta = small(digits)
    done = filters.train_and_remove(model, theta, digits, TRAIN, FILTERS, Seeds(0))
    assert done.step == 16
    assert {name: array.shape for name, array in done.weights.items() if name.endswith("kernel")} == {
        "conv_1/kernel": (5, 5, 1, 1),
        "conv_2/kernel": (5, 5, 1, 1),  # 6 → 3 → 1: half of three, rounded to an even number, is two
        "hidden/kernel": (4, 5),
        "output/kernel": (5, 10),
    }
    assert min(done.seconds, done.compile_seconds) > 0
    trainer = Trainer(done.model, digits, TRAIN)
    ticket = replace(Ticket.dense(done.weights, trainer.prunable), at_step=done.step)
    run = trainer.train(ticket, order=Seeds(0).order(0))
    assert run.history["step"].tolist() == [16, 20, 30, 40]


def test_a_removal_of_nothing_is_the_plain_training_up_to_there(digits):
    model, theta = small(digits)
    averaging = replace(TRAIN, optimizer_options=(("use_ema", True), ("ema_momentum", 0.9)))
    nothing = FilterConfig(every=8, rate=0.0)
    plain = Trainer(model, digits, TRAIN)
    expected = plain.train(Ticket.dense(theta, plain.prunable), order=Seeds(0).order(0), stop=8).final
    for config in (TRAIN, averaging):  # the weights themselves, not their average
        done = filters.train_and_remove(model, theta, digits, config, nothing, Seeds(0))
        for name in theta:
            np.testing.assert_allclose(done.weights[name], expected[name], atol=1e-6)


def test_a_model_that_xla_compiles_is_pruned_too(digits):
    model = models.build("lenet_300_100", digits.input_shape, digits.classes)
    theta = variables.fresh(model, Seeds(0).init)
    done = filters.train_and_remove(model, theta, digits, TRAIN, FilterConfig(every=5, rate=0.9), Seeds(0))
    assert done.weights["hidden_2/kernel"].shape == (30, 10)


def test_a_diverged_start_names_its_steps(digits):
    model, theta = small(digits)
    wild = replace(TRAIN, learning_rate=1e30)
    with pytest.raises(DivergedError, match=r"the training loss became .* between steps 0 and 20"):
        filters.train_and_remove(model, theta, digits, wild, FilterConfig(every=20), Seeds(0))


def test_what_cannot_be_removed_is_refused():
    model = kim()
    with pytest.raises(ValueError, match="unknown name in layer_rates 'output'; known are conv_3, conv_4, conv_5"):
        filters.remove(model, variables.read(model), FilterConfig(layer_rates=(("output", 0.5),)))
    with pytest.raises(ValueError, match="layer 'hidden' has no kernel to rank its filters by"):
        filters.survivors(Weights({"w": [[1.0]]}), {"hidden": 0.5}, "l1")
