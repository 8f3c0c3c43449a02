"""Which engine trains a trial: chosen when its search begins, written into its records, obeyed from then on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lthcore.experiments import trials
from lthcore.experiments.experiment import Control, Experiment
from lthcore.experiments.store import Store
from lthcore.experiments.verify import compare
from lthcore.pruning.config import PruneConfig
from lthcore.training.config import TrainConfig

TICKETS = Experiment(
    dataset="digits",
    train=TrainConfig(steps=30, eval_every=10, test_every=10),
    prune=PruneConfig(rounds=3),
    trials=1,
)
REINIT = Control(of=TICKETS, kind="reinit", rungs=(2,))


@pytest.fixture(scope="module")
def begun_sparse(tmp_path_factory) -> Store:
    """A search that was begun with the sparse engine."""
    store = Store(tmp_path_factory.mktemp("results"))
    trials.complete(TICKETS, 0, store, "sparse")
    return store


def engine_of(record) -> tuple:
    return record.machine["engine"], record.machine["break_even"]


def test_records_say_which_engine_trained_them_and_how_that_was_decided(begun_sparse):
    assert {engine_of(record) for record in begun_sparse.records()} == {("sparse", 1.0)}


def test_a_search_that_has_begun_goes_on_as_it_did_bit_for_bit(begun_sparse):
    stored = begun_sparse.load(TICKETS, 0, 2)
    begun_sparse.path(TICKETS, 0, 2).unlink()
    trials.complete(TICKETS, 0, begun_sparse, "dense")
    again = begun_sparse.load(TICKETS, 0, 2)
    assert engine_of(again) == ("sparse", 1.0)
    assert (again.weights_sha256, again.pruned) == (stored.weights_sha256, stored.pruned)


def test_controls_and_verification_obey_the_search(begun_sparse):
    trials.complete(REINIT, 0, begun_sparse, "dense")
    record = begun_sparse.load(REINIT, 0, 2)
    assert engine_of(record) == ("sparse", 1.0)
    for stored in (record, begun_sparse.load(TICKETS, 0, 1)):
        comparison = compare(stored, trials.recompute(stored, begun_sparse))
        assert comparison.weights
        assert comparison.history
        assert comparison.same_kind


def test_records_of_the_time_before_go_on_with_the_dense_engine(tmp_path):
    store = Store(tmp_path)
    trials.complete(TICKETS, 0, store, "dense")
    first = store.load(TICKETS, 0, 0)
    old = {name: value for name, value in first.machine.items() if name not in ("engine", "break_even")}
    store.save(replace(first, machine=old))
    for round in (1, 2, 3):
        store.path(TICKETS, 0, round).unlink()
    trials.complete(TICKETS, 0, store, "sparse")
    assert engine_of(store.load(TICKETS, 0, 3)) == ("dense", 0.0)


def test_an_engine_that_cannot_train_a_model_is_refused_before_anything_is_stored(tmp_path):
    store = Store(tmp_path)
    convolutional = replace(TICKETS, model="lenet_5")
    with pytest.raises(ValueError, match="engine='sparse' trains stacks of dense layers"):
        trials.complete(convolutional, 0, store, "sparse")
    assert not list(store.records())


def test_a_mask_of_one_network_is_made_again_by_the_engine_that_made_it(tmp_path):
    """The network whose weights are scored is not stored; records of what was pruned tell how it was trained."""
    store = Store(tmp_path)
    oneshot = replace(TICKETS, prune=replace(TICKETS.prune, schedule="oneshot"), rungs=(2,))
    trials.complete(oneshot, 0, store, "sparse")
    stored = store.load(oneshot, 0, 2)
    assert engine_of(stored) == ("sparse", 1.0)
    comparison = compare(stored, trials.recompute(stored, store))
    assert comparison.weights
    assert comparison.masks
