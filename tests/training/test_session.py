"""A session: entered between any two steps, it trains as if nobody had looked, and goes on under another mask."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import small_model

from lthcore.pruning.mask import Mask
from lthcore.pruning.ticket import Ticket
from lthcore.training.config import TrainConfig
from lthcore.training.run import Run
from lthcore.training.trainer import Trainer

CONFIG = TrainConfig(steps=40, eval_every=10, test_every=20)


@pytest.fixture(scope="module")
def trainer(digits) -> Trainer:
    return Trainer(small_model(), digits, CONFIG)


def ticket_of(trainer: Trainer, seed: int = 0) -> Ticket:
    return Ticket.dense(trainer.fresh(np.random.default_rng(seed)), trainer.prunable)


def order() -> np.random.Generator:
    return np.random.default_rng(1)


def half(trainer: Trainer, seed: int = 5) -> Mask:
    rng = np.random.default_rng(seed)
    return Mask({name: rng.random(array.shape) < 0.5 for name, array in ticket_of(trainer).mask.items()})


@pytest.fixture(scope="module")
def whole(trainer) -> Run:
    """The training that nobody halts."""
    return trainer.train(ticket_of(trainer), order=order())


# Before, at and after the steps at which it is evaluated. Each number of steps between two of them is compiled anew,
# so they are chosen to be 2, 3, 5, 7 or 10 steps apart.
HALTS = st.lists(st.sampled_from((0, 3, 10, 13, 15, 20, 33, 40)), max_size=5).map(sorted)


@settings(deadline=None, max_examples=8, derandomize=True)
@given(halts=HALTS)
def test_halting_changes_nothing(trainer, whole, halts):
    with trainer.start(ticket_of(trainer), order=order()) as session:
        for step in halts:
            session.advance(to=step)
            assert session.step == step
        run = session.finish()
    assert run.final == whole.final
    assert run.test == whole.test
    assert run.history["step"].tolist() == whole.history["step"].tolist()
    assert np.array_equal(run.history["validation_loss"], whole.history["validation_loss"])


def test_scoring_by_derivatives_does_not_disturb_the_training(trainer, whole):
    with trainer.start(ticket_of(trainer), order=order()) as session:
        session.advance(to=15)
        scores = session.scores("snip")
        assert {name: array.shape for name, array in scores.items()} == {n: m.shape for n, m in session.mask.items()}
        assert session.finish().final == whole.final


def test_magnitudes_are_those_of_the_weights_as_they_are(trainer):
    with trainer.start(ticket_of(trainer), order=order()) as session:
        session.advance(to=10)
        scores = session.scores("large_final")
        for name in session.mask:
            assert np.array_equal(scores[name], np.abs(session.weights[name]))


def test_without_evaluation_nothing_is_measured_and_the_weights_are_the_same(trainer):
    with trainer.start(ticket_of(trainer), order=order()) as session:
        session.advance(to=25, evaluate=False)
        unseen = session.weights
        with pytest.raises(ValueError, match="nothing was evaluated up to step 25"):
            session.history  # noqa: B018
        session.advance(to=30)
        assert session.history["step"].tolist() == [25, 30]
    with trainer.start(ticket_of(trainer), order=order()) as session:
        session.advance(to=25)
        assert session.weights == unseen


def test_a_swap_prunes_at_once_and_for_good(trainer):
    mask = half(trainer)
    with trainer.start(ticket_of(trainer), order=order()) as session:
        session.advance(to=10)
        before = session.weights
        session.swap(mask)
        assert session.weights == mask.apply(before)
        run = session.finish()
    for name, kept in mask.items():
        assert not run.final[name][~kept].any()
        assert not run.best[name][~kept].any()
        assert (run.final[name][kept] != before[name][kept]).any()
    assert run.history.early_stop_step > 10, "what was measured before the swap is another network"


def test_a_swap_to_the_same_mask_changes_nothing(trainer):
    whole = trainer.train(ticket_of(trainer), order=order())
    with trainer.start(ticket_of(trainer), order=order()) as session:
        session.advance(to=10)
        session.swap(session.mask)
        run = session.finish()
    assert (run.final, run.history) == (whole.final, whole.history)


def test_regrown_weights_begin_where_they_are_told_and_without_a_past(digits):
    """A weight that is pruned and grown again trains as one that was never there."""
    config = TrainConfig(
        steps=20, eval_every=10, test_every=10, optimizer="sgd", optimizer_options=(("momentum", 0.9),)
    )
    trainer = Trainer(small_model(), digits, config)
    dense, mask = ticket_of(trainer), half(trainer)
    grown = {name: np.full(kept.shape, 0.25, np.float32) for name, kept in mask.items()}
    with trainer.start(dense, order=order()) as session:
        session.advance(to=10)
        session.swap(mask)
        kept = session.momentum
        session.swap(dense.mask, grown=grown)
        for name, survived in mask.items():
            assert (session.weights[name][~survived] == 0.25).all()
            assert not session.momentum[name][~survived].any()
            assert np.array_equal(session.momentum[name][survived], kept[name][survived])
        session.advance(to=20)
        assert all((session.weights[name][~survived] != 0.25).any() for name, survived in mask.items())


def test_momentum_is_the_optimizer_s(digits):
    trainer = Trainer(small_model(), digits, CONFIG, optimizer=keras.optimizers.SGD(0.1))
    with (
        trainer.start(ticket_of(trainer), order=order()) as session,
        pytest.raises(ValueError, match="keeps no momentum"),
    ):
        session.momentum  # noqa: B018


def test_a_session_is_over_when_its_trainer_begins_another(trainer):
    first = trainer.start(ticket_of(trainer), order=order())
    first.advance(to=5)
    trainer.train(ticket_of(trainer), order=order())
    with pytest.raises(RuntimeError, match="this session is over"):
        first.advance(to=10)
    with pytest.raises(RuntimeError, match="this session is over"):
        first.weights  # noqa: B018


@pytest.mark.parametrize("to", [4, 41])
def test_steps_that_lie_behind_or_beyond_are_refused(trainer, to):
    with trainer.start(ticket_of(trainer), order=order()) as session:
        session.advance(to=5)
        with pytest.raises(ValueError, match=f"cannot advance from step 5 to {to}: this run ends at 40"):
            session.advance(to=to)


def test_masks_and_values_that_do_not_fit_are_refused(trainer):
    mask = half(trainer)
    name = next(iter(mask))
    with trainer.start(ticket_of(trainer), order=order()) as session:
        with pytest.raises(ValueError, match="does not fit the network"):
            session.swap(Mask({"strange": [True]}))
        with pytest.raises(ValueError, match="do not fit the network"):
            session.swap(mask, grown={name: np.zeros(3)})
        with pytest.raises(ValueError, match="are not finite"):
            session.swap(mask, grown={name: np.full(mask[name].shape, np.nan)})
