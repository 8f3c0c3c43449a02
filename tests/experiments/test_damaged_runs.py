"""Runs beside damage: what is sound is kept, what is damaged neither believed nor overwritten, the rest computed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from lthcore.experiments.executors import schedule
from lthcore.experiments.experiment import Control, Experiment
from lthcore.experiments.store import Store, UnreadableError, doctor
from lthcore.experiments.store.lineage import all_complete
from lthcore.pruning.config import PruneConfig
from lthcore.pruning.mask import Mask
from lthcore.training.config import TrainConfig

TICKETS = Experiment(
    dataset="digits", train=TrainConfig(steps=20, eval_every=20, test_every=20), prune=PruneConfig(rounds=2), trials=2
)
SHUFFLE = Control(of=TICKETS, kind="shuffle", rungs=(2,))
EXPERIMENTS = (TICKETS, SHUFFLE)


def run(store: Store) -> list[int]:
    with ThreadPoolExecutor(1) as executor:
        return list(schedule.run(EXPERIMENTS, store, executor))


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Store:
    store = Store(tmp_path_factory.mktemp("results"))
    run(store)
    return store


@pytest.fixture
def copied(finished, tmp_path) -> Store:
    """The finished store, to be damaged."""
    store = Store(tmp_path)
    for record in finished.records():
        store.save(record)
    return store


def test_records_tell_the_mask_they_were_trained_with(finished):
    dense = finished.load(TICKETS, 0, 0)
    assert finished.load(TICKETS, 0, 1).mask_sha256 == dense.pruned.digest()
    assert finished.load(SHUFFLE, 0, 2).mask_sha256 == finished.load(TICKETS, 0, 1).pruned.digest()
    assert dense.mask_sha256 == Mask({name: array | True for name, array in dense.pruned.items()}).digest()
    assert doctor.examine(finished).sound


def test_a_finished_store_submits_nothing(finished):
    class Idle:
        def submit(self, *_):
            pytest.fail("something was to be computed")

    assert list(schedule.run(EXPERIMENTS, finished, Idle())) == [8]
    assert all_complete(finished, EXPERIMENTS)


def test_a_damaged_record_is_kept_and_told_and_the_other_trials_go_on(copied):
    damaged = copied.path(TICKETS, 0, 1)
    damaged.write_bytes(damaged.read_bytes()[:-50])
    before = damaged.read_bytes()
    for path in (copied.path(TICKETS, 1, 2), copied.path(SHUFFLE, 1, 2)):
        path.unlink()
    with pytest.raises(UnreadableError, match=rf"^{damaged} is damaged: .*doctor") as told:
        run(copied)
    assert str(told.value).count("is damaged") == 1
    assert damaged.read_bytes() == before
    assert copied.has(TICKETS, 1, 2)
    assert copied.has(SHUFFLE, 1, 2)
    assert not all_complete(copied, EXPERIMENTS)


def test_after_a_repair_the_same_command_computes_what_is_missing(finished, copied):
    path = copied.path(TICKETS, 0, 1)
    path.write_bytes(b"")
    list(doctor.repair(copied, doctor.examine(copied)))
    assert run(copied)[-1] == 8
    assert copied.load(TICKETS, 0, 1).weights_sha256 == finished.load(TICKETS, 0, 1).weights_sha256
    assert doctor.examine(copied).sound
    assert path.with_name("round-01.npz.damaged").exists()


def test_a_control_with_a_mask_that_its_search_no_longer_has_stops_what_builds_on_it(finished, copied):
    record = copied.load(TICKETS, 0, 1)
    turned = Mask({name: array[::-1] for name, array in record.pruned.items()})
    copied.save(replace(record, pruned=turned))
    with pytest.raises(UnreadableError, match="was trained with another mask than") as told:
        run(copied)
    assert {str(copied.path(TICKETS, 0, 2)) in str(told.value), str(copied.path(SHUFFLE, 0, 2)) in str(told.value)} == {
        True
    }
    list(doctor.repair(copied, doctor.examine(copied)))
    assert run(copied)[-1] == 8
    assert copied.load(SHUFFLE, 0, 2).mask_sha256 == turned.digest()
    assert copied.path(SHUFFLE, 0, 2).with_name("round-02-draw-0.npz.outdated").exists()


def test_what_comes_out_otherwise_is_put_aside_before_it_is_replaced(copied):
    stored = replace(copied.load(TICKETS, 0, 2), weights_sha256="0" * 64)
    copied.save(stored)
    copied.path(TICKETS, 0, 1).unlink()
    run(copied)
    (aside,) = copied.root.rglob("*.replaced")
    aside.rename(copied.path(TICKETS, 0, 2))
    assert copied.load(TICKETS, 0, 2) == stored
