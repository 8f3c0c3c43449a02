"""Learning-rate schedules: by hand, composed with warm-up, and continued where a ticket is rewound to."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
from small_models import small_model

from lthcore.datasets.base import Split
from lthcore.pruning.ticket import Ticket, rewind
from lthcore.training import optimizers, schedules
from lthcore.training.config import TrainConfig
from lthcore.training.trainer import Trainer

# Settings → the rate at some steps of a training of 100, at rate 0.8.
RATES = [
    ({}, {0: 0.8, 99: 0.8}),
    ({"decay": 0.5, "decay_every": 10}, {0: 0.8, 9: 0.8, 10: 0.4, 25: 0.2}),
    ({"schedule": "cosine"}, {0: 0.8, 50: 0.4, 100: 0.0}),
    ({"schedule": "cosine", "schedule_steps": 200}, {0: 0.8, 100: 0.4}),
    ({"warmup": 4}, {0: 0.2, 1: 0.4, 2: 0.6, 3: 0.8, 50: 0.8}),
    ({"warmup": 4, "decay": 0.5, "decay_every": 2}, {0: 0.2, 2: 0.3, 4: 0.2}),
    ({"warmup": 20, "schedule": "cosine"}, {9: 0.4 * (1 + np.cos(np.pi * 0.09)) / 2, 50: 0.4}),
]


@pytest.mark.parametrize(("settings", "rates"), RATES)
def test_rates_by_hand(settings, rates):
    optimizer = optimizers.build(TrainConfig(steps=100, optimizer="sgd", learning_rate=0.8, **settings))
    for step, rate in rates.items():
        optimizer.iterations.assign(step)
        assert float(optimizer.learning_rate) == pytest.approx(rate, abs=1e-6), step


def moved(digits, at_step: int, **options) -> float:
    """How far the steps 20 to 30 move the weights of a ticket rewound to `at_step`, at most."""
    trainer = Trainer(small_model(), digits, TrainConfig(steps=at_step + 10, optimizer="sgd", eval_every=10), **options)
    theta = trainer.fresh(np.random.default_rng(0))
    start = Ticket.dense(theta, trainer.prunable)
    ticket = rewind(start.mask, to=theta, at_step=at_step)
    final = trainer.train(ticket, order=np.random.default_rng(1)).final
    return max(float(np.abs(final[name] - theta[name]).max()) for name in theta)


def test_a_rewound_ticket_goes_on_with_the_schedule_where_it_is_rewound_to(digits):
    ended = keras.optimizers.schedules.PiecewiseConstantDecay([19], [0.5, 0.0])
    assert moved(digits, 20, optimizer=keras.optimizers.SGD(ended)) == 0.0
    assert moved(digits, 0, optimizer=keras.optimizers.SGD(ended)) > 0.1


def test_one_trainer_continues_at_each_ticket_s_own_step(digits):
    ended = keras.optimizers.schedules.PiecewiseConstantDecay([19], [0.5, 0.0])
    trainer = Trainer(
        small_model(), digits, TrainConfig(steps=30, eval_every=10), optimizer=keras.optimizers.SGD(ended)
    )
    theta = trainer.fresh(np.random.default_rng(0))
    dense = Ticket.dense(theta, trainer.prunable)
    late = rewind(dense.mask, to=theta, at_step=20)
    finals = [trainer.train(ticket, order=np.random.default_rng(1)).final for ticket in (dense, late, dense)]
    assert finals[1] == theta
    assert finals[0] == finals[2] != theta


def test_moments_and_their_bias_correction_begin_anew_at_a_late_start(digits):
    """With a constant rate it does not matter which step a training is said to begin at."""
    runs = []
    alike = Split(np.repeat(digits.train.x[:1], 60, axis=0), np.repeat(digits.train.y[:1], 60))
    data = replace(digits, train=alike)  # every minibatch is the same, whatever the step
    for at_step in (0, 900):
        trainer = Trainer(small_model(), data, TrainConfig(steps=at_step + 12, eval_every=4))
        theta = trainer.fresh(np.random.default_rng(0))
        mask = Ticket.dense(theta, trainer.prunable).mask
        with trainer.start(rewind(mask, to=theta, at_step=at_step), order=np.random.default_rng(1)) as session:
            session.advance(to=at_step + 12)
            runs.append(session.weights)
    assert runs[0] == runs[1]


def test_a_schedule_of_one_s_own_has_a_name(digits):
    @schedules.register
    def frozen_after_ten(config):
        return keras.optimizers.schedules.PiecewiseConstantDecay([9], [config.learning_rate, 0.0])

    try:
        config = TrainConfig(steps=20, eval_every=10, optimizer="sgd", schedule="frozen_after_ten")
        trainer = Trainer(small_model(), digits, config)
        ticket = Ticket.dense(trainer.fresh(np.random.default_rng(0)), trainer.prunable)
        run = trainer.train(ticket, order=np.random.default_rng(1), keep=(10,))
        assert run.final == run.snapshots[10] != ticket.weights
    finally:
        schedules.SCHEDULES.remove("frozen_after_ten")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"schedule": "cosin"}, "unknown learning-rate schedule 'cosin'; known are step, cosine"),
        ({"schedule": "cosine", "decay_every": 5}, "decay_every is for schedule='step'"),
        ({"warmup": -1}, "warmup must be a whole number >= 0"),
        ({"schedule_steps": 50}, r"schedule_steps \(50\) must not be less than steps \(100\)"),
    ],
)
def test_impossible_settings_are_refused(settings, told):
    with pytest.raises(ValueError, match=told):
        TrainConfig(steps=100, **settings)


def test_a_schedule_of_which_only_the_name_is_known_is_kept_and_does_not_train():
    config = TrainConfig(schedule=schedules.UnknownSchedule("theirs"))
    assert config.schedule == "theirs"
    with pytest.raises(ValueError, match="unknown learning-rate schedule 'theirs'"):
        optimizers.build(config)
