"""Gradual magnitude pruning: exact densities on the way, one training, and a mask that only grows sparser."""

from __future__ import annotations

import numpy as np
import pytest
from small_models import small_model

from lthcore.pruning.sparsity import CubicSchedule
from lthcore.pruning.ticket import Ticket
from lthcore.training.config import TrainConfig
from lthcore.training.dynamic.gradual import prune_gradually
from lthcore.training.trainer import Trainer

SCHEDULE = CubicSchedule(final=0.3, begin=20, end=120, every=20)


@pytest.fixture(scope="module")
def trainer(digits) -> Trainer:
    return Trainer(small_model(), digits, TrainConfig(steps=200, eval_every=20, test_every=20))


def ticket_of(trainer: Trainer) -> Ticket:
    return Ticket.dense(trainer.fresh(np.random.default_rng(0)), trainer.prunable)


@pytest.mark.parametrize("scope", ["layerwise", "global"])
def test_the_mask_ends_at_the_density_asked_for_and_the_network_learns(trainer, scope):
    mask, run = prune_gradually(trainer, ticket_of(trainer), SCHEDULE, order=np.random.default_rng(1), scope=scope)
    assert mask.density == pytest.approx(0.3, abs=0.01)
    for name, kept in mask.items():
        assert scope == "global" or kept.sum() == round(0.3 * kept.size)
        assert not run.final[name][~kept].any()
    assert run.history["step"].tolist() == list(range(0, 201, 20))
    assert run.history.early_stop_step > SCHEDULE.end
    assert run.test["accuracy"] > 0.3  # a tenth is chance


def test_a_protected_layer_stays_whole(trainer):
    mask, _ = prune_gradually(
        trainer, ticket_of(trainer), SCHEDULE, order=np.random.default_rng(1), protect=["output/kernel"]
    )
    assert mask.densities["output/kernel"] == 1.0
    assert min(mask.densities.values()) < 0.35


def test_a_schedule_that_does_not_fit_into_the_training_is_refused(trainer):
    late = CubicSchedule(final=0.1, end=200, every=20)
    with pytest.raises(ValueError, match="removals at steps 0 to 200 must lie between the start of the training"):
        prune_gradually(trainer, ticket_of(trainer), late, order=np.random.default_rng(1))
