"""Verifying: bit for bit on the same kind of machine, within a tolerance elsewhere, and never silently."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest
from records import RECORD

from lthcore.experiments.verify import VerificationError, compare, expected_seconds, waiting
from lthcore.training.run import History

HERE = {**RECORD.environment, "tensorflow": "2", "keras": "3", "numpy": "2", "onednn": "0", "system": "s"}
STORED = replace(
    RECORD, environment=HERE, machine={"compiler": "xla", "device": "cpu", "threads": 1}, test={"accuracy": 0.98}
)


def differently(**changes):
    """The same network trained again, with something else about it."""
    return replace(STORED, **changes)


def elsewhere(**changes):
    """The same on another processor."""
    return differently(environment={**HERE, "processor": "another"}, **changes)


def history(factor: float) -> History:
    return History({**STORED.history.columns, "validation_loss": factor * STORED.history["validation_loss"]})


def test_the_same_is_identical_whatever_the_commit_the_time_and_the_threads():
    again = differently(
        seconds=99.0, environment={**HERE, "commit": "another"}, machine={**STORED.machine, "threads": "all"}
    )
    found = compare(STORED, again)
    assert found.identical
    assert found.same_kind
    found.check()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"weights_sha256": "f" * 64}, "final weights"),
        ({"history": history(1 + 1e-6)}, "history"),
        ({"test": {"accuracy": 0.9801}}, "history"),
        ({"pruned": None}, "masks"),
        ({"kept": {name: (kept + 1, size) for name, (kept, size) in STORED.kept.items()}}, "masks"),
    ],
)
def test_on_the_same_kind_of_machine_every_bit_is_owed(changes, what):
    with pytest.raises(VerificationError, match=f"differs from its record in: {what}. .*every bit should agree"):
        compare(STORED, differently(**changes)).check()


def test_elsewhere_rounding_is_allowed():
    again = elsewhere(weights_sha256="f" * 64, history=history(1 + 1e-6), test={"accuracy": 0.983})
    found = compare(STORED, again)
    assert not found.identical
    found.check()


@pytest.mark.parametrize("changes", [{"test": {"accuracy": 0.986}}, {"history": history(1.001)}])
def test_elsewhere_more_than_rounding_is_not(changes):
    with pytest.raises(VerificationError, match=r"another kind of machine.*0\.5 pp and 1e-05 are allowed"):
        compare(STORED, elsewhere(**changes)).check()


def test_the_loss_at_the_start_counts_only_where_nothing_was_trained_before():
    columns = {**STORED.history.columns, "step": STORED.history["step"] + 500}
    late, again = History(columns), History({**columns, "validation_loss": 1.2 * columns["validation_loss"]})
    found = compare(differently(history=late), elsewhere(history=again))
    assert np.isnan(found.start_gap)
    found.check()


def test_a_one_shot_mask_comes_from_training_too():
    one_shot = replace(STORED.experiment, prune=replace(STORED.experiment.prune, schedule="oneshot"))
    found = compare(differently(experiment=one_shot), elsewhere(experiment=one_shot, history=history(1.2)))
    assert np.isnan(found.start_gap)
    found.check()


def with_prune(**changes):
    return replace(STORED.experiment, prune=replace(STORED.experiment.prune, **changes))


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 12.75),
        ({"rewind_step": 50}, 12.75 + 12.5 / 2),
        ({"schedule": "oneshot"}, 12.75 + 500 * 12.5),
        ({"schedule": "oneshot", "prune_step": 200}, 12.75 + 2 * 12.5),
        ({"between": "continue"}, 12.75 * 6),
    ],
)
def test_what_a_verification_should_take_is_what_the_record_and_those_it_needs_took(store, changes, seconds):
    experiment = with_prune(**changes)
    if changes.get("between"):
        store.save(differently(experiment=experiment, round=0))
    assert expected_seconds(differently(experiment=experiment), store) == pytest.approx(seconds)


def test_waiting_tells_shares_that_rise_and_end_with_the_computation():
    future, shares = Future(), []
    for share in waiting(future, 0.02, every=0.01):
        shares.append(share)
        if len(shares) == 6:
            future.set_result(None)
    assert shares == sorted(shares)
    assert shares[4] < 1.0 == shares[-1]


def test_a_computation_that_fails_keeps_its_error():
    future = Future()
    future.set_exception(VerificationError("no"))
    assert list(waiting(future, 1.0)) == [1.0]
    with pytest.raises(VerificationError, match="no"):
        future.result()
