"""Derivatives of untrained networks, against finite differences and by hand, and the criteria that ask for them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from small_models import small_model

from lthcore.pruning.criteria import CRITERIA, Evidence, at_initialisation
from lthcore.pruning.criteria.at_initialisation import PROBED
from lthcore.pruning.mask import Mask
from lthcore.pruning.weights import Weights
from lthcore.training.config import TrainConfig
from lthcore.training.trainer import Trainer

NAMES = ("hidden/kernel", "output/kernel")


@pytest.fixture(scope="module")
def trainer(digits) -> Trainer:
    return Trainer(small_model(l2=0.01), digits, TrainConfig(steps=20, batch_size=20, eval_every=10, test_every=10))


@pytest.fixture(scope="module")
def theta(trainer) -> Weights:
    return trainer.fresh(np.random.default_rng(0))


def loss(weights: Weights, x: np.ndarray, y: np.ndarray, temperature: float = 1.0) -> float:
    """The same network in plain NumPy, in double precision."""
    w = {name: array.astype(np.float64) for name, array in weights.items()}
    hidden = np.maximum(x.reshape(len(x), -1) @ w["hidden/kernel"] + w["hidden/bias"], 0)
    logits = (hidden @ w["output/kernel"] + w["output/bias"]) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y)), y]))


def moved(weights: Weights, direction: dict[str, np.ndarray], by: float) -> dict[str, np.ndarray]:
    return {**weights, **{name: weights[name] + by * direction[name] for name in direction}}


def test_the_gradient_is_that_of_the_loss_without_the_penalty(trainer, theta, digits):
    batch = np.arange(50)
    found = trainer.probe.gradient(theta, batch)
    rng = np.random.default_rng(1)
    direction = {name: rng.normal(size=theta[name].shape) for name in NAMES}
    x, y = digits.train.x[batch], digits.train.y[batch]
    ends = [loss(moved(theta, direction, by), x, y) for by in (1e-5, -1e-5)]
    slope = sum(float((found[name] * direction[name]).sum()) for name in NAMES)
    assert slope == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-3)


def test_the_hessian_product_is_the_change_of_the_gradient_along_itself(trainer, theta):
    batch, temperature = np.arange(50), 1.0
    gradient = trainer.probe.gradient(theta, batch)
    found = trainer.probe.hessian_gradient(theta, batch, temperature)
    ends = [trainer.probe.gradient(Weights(moved(theta, gradient, by)), batch) for by in (1e-3, -1e-3)]
    for name in NAMES:
        expected = (ends[0][name] - ends[1][name]) / 2e-3
        assert np.allclose(found[name], expected, atol=2e-2 * np.abs(expected).max())


def test_temperature_divides_the_logits(trainer, theta):
    batch = np.arange(50)
    cold, hot = (trainer.probe.hessian_gradient(theta, batch, t)["output/kernel"] for t in (1.0, 200.0))
    assert np.abs(hot).max() < np.abs(cold).max() / 1_000


def test_flow_is_the_product_of_all_sizes_along_all_paths(trainer, theta):
    found = trainer.probe.flow(theta)
    first, second = (np.abs(theta[name]).astype(np.float64) for name in NAMES)
    assert np.allclose(found["hidden/kernel"], np.ones((64, 1)) * second.sum(axis=1), rtol=1e-4)
    assert np.allclose(found["output/kernel"], first.sum(axis=0)[:, np.newaxis] * np.ones(10), rtol=1e-4)


def evidence(trainer: Trainer, theta: Weights, mask: Mask | None = None, seed: int = 0) -> Evidence:
    return Evidence(
        mask=mask or Mask.dense(theta, NAMES),
        initial=theta,
        final=theta,
        varying=trainer.varying,
        rng=np.random.default_rng(seed),
        probe=trainer.probe,
    )


def test_snip_is_the_normalised_product_of_gradient_and_weight(trainer, theta, digits):
    scores = CRITERIA["snip"](evidence(trainer, theta))
    batch = np.random.default_rng(0).choice(len(digits.train), PROBED, replace=False)
    gradient = trainer.probe.gradient(theta, batch)
    raw = {name: np.abs(gradient[name] * theta[name]) for name in NAMES}
    total = sum(values.sum() for values in raw.values())
    for name in NAMES:
        assert np.allclose(scores[name], raw[name] / total, rtol=1e-5)


def test_grasp_scores_what_taking_a_weight_away_does_to_the_gradient_flow(trainer, theta, monkeypatch):
    """To first order gᵀg changes by −2ε·w·Hg if a weight loses the share ε of its size."""
    monkeypatch.setattr(at_initialisation, "TEMPERATURE", 1.0)
    scores = CRITERIA["grasp"](evidence(trainer, theta))["output/kernel"]
    batch = np.random.default_rng(0).choice(trainer.probe.examples, PROBED, replace=False)

    def flow(weights: Weights) -> float:
        return sum(
            float((part.astype(np.float64) ** 2).sum()) for part in trainer.probe.gradient(weights, batch).values()
        )

    order = np.argsort(scores, axis=None)
    for flat in (order[0], order[-1]):
        place = np.unravel_index(flat, scores.shape)
        smaller = theta["output/kernel"].copy()
        smaller[place] *= 0.99
        change = flow(Weights({**theta, "output/kernel": smaller})) - flow(theta)
        assert change == pytest.approx(-2 * 0.01 * scores[place], rel=0.1)


@pytest.mark.parametrize("criterion", ["snip", "grasp", "synflow"])
def test_a_pruned_weight_scores_nothing(trainer, theta, criterion):
    half = Mask.dense(theta, NAMES).shuffled(np.random.default_rng(0))
    keep = {name: np.arange(array.size).reshape(array.shape) % 2 == 0 for name, array in half.items()}
    scores = CRITERIA[criterion](evidence(trainer, theta, Mask(keep)))
    for name in NAMES:
        assert not np.any(scores[name][~keep[name]])
        assert np.any(scores[name][keep[name]])


def test_what_is_random_comes_from_the_evidence(trainer, theta):
    first, again, other = (CRITERIA["snip"](evidence(trainer, theta, seed=seed)) for seed in (0, 0, 1))
    assert np.array_equal(first["hidden/kernel"], again["hidden/kernel"])
    assert not np.array_equal(first["hidden/kernel"], other["hidden/kernel"])


def test_evidence_without_a_probe_is_refused(theta):
    bare = Evidence(
        mask=Mask.dense(theta, NAMES), initial=theta, final=theta, varying=np.ones(64), rng=np.random.default_rng(0)
    )
    for criterion in ("snip", "grasp", "synflow"):
        with pytest.raises(ValueError, match=f"criterion '{criterion}' needs derivatives"):
            CRITERIA[criterion](bare)


def test_a_network_that_has_diverged_is_not_probed(trainer, theta):
    broken = Weights({**theta, "output/bias": np.full(10, np.inf, np.float32)})
    with pytest.raises(ValueError, match="cannot be probed"):
        trainer.probe.gradient(broken, np.arange(10))


@pytest.mark.parametrize("criterion", ["grasp", "synflow"])
def test_a_network_that_ends_in_probabilities_has_no_logits_to_ask_for(digits, criterion):
    model = small_model()
    softmax = keras.Model(model.input, keras.layers.Softmax(name="softmax")(model.output))
    trainer = Trainer(softmax, digits, TrainConfig(steps=20))
    given = evidence(trainer, trainer.fresh(np.random.default_rng(0)))
    with pytest.raises(ValueError, match=f"ends in probabilities; criterion '{criterion}' needs logits"):
        CRITERIA[criterion](given)
