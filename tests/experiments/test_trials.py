"""Running experiments: resumable, idempotent, bit-identical, nothing stored of a run that failed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from lthcore import datasets
from lthcore.experiments import presets, trainers, trials
from lthcore.experiments.executors import processes, schedule
from lthcore.experiments.experiment import Control, Experiment
from lthcore.experiments.store import Store, StoreError
from lthcore.files import environment, paths
from lthcore.lottery import train
from lthcore.pruning.config import PruneConfig
from lthcore.pruning.seeds import Seeds
from lthcore.pruning.ticket import rewind
from lthcore.training.config import TrainConfig
from lthcore.training.run import DivergedError

TICKETS = Experiment(
    dataset="digits",
    train=TrainConfig(steps=30, eval_every=10, test_every=10),
    prune=PruneConfig(rounds=4, layer_rates=(("output/kernel", 0.1),)),
    trials=1,
)
REINIT = Control(of=TICKETS, kind="reinit", rungs=(2, 4), draws=2)
SHUFFLE = Control(of=TICKETS, kind="shuffle", rungs=(3,))
LARGE_INIT = replace(TICKETS, prune=replace(TICKETS.prune, criterion="large_init"), rungs=(1, 3))
ONESHOT = replace(TICKETS, prune=replace(TICKETS.prune, schedule="oneshot"), rungs=(1, 3))
LATE = replace(TICKETS, prune=replace(TICKETS.prune, rewind_step=7))
ON = replace(TICKETS, prune=replace(TICKETS.prune, between="continue"))
ON_REWOUND = Control(of=ON, kind="rewind", rungs=(2, 4))
ALL = (TICKETS, REINIT, SHUFFLE, LARGE_INIT, ONESHOT, LATE, ON, ON_REWOUND)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Store:
    """A store in which every experiment above is complete."""
    store = Store(tmp_path_factory.mktemp("results"))
    with ThreadPoolExecutor(1) as executor:
        list(schedule.run(ALL, store, executor))
    return store


def content(record) -> tuple:
    """All of a record that must not depend on when and how it was computed."""
    history = {name: column.tobytes() for name, column in record.history.columns.items()}
    return record.kept, history, dict(record.test), record.weights_sha256, record.pruned


def test_every_network_asked_for_is_stored(finished):
    assert schedule.expected((TICKETS, REINIT, SHUFFLE)) == 5 + 4 + 1
    assert len(list(finished.records())) == 5 + 4 + 1 + 2 + 2 + 5 + 5 + 2


@pytest.mark.parametrize("first_missing", [1, 3])
@pytest.mark.parametrize("experiment", [TICKETS, LATE, ON], ids=["rewound to 0", "rewound to 7", "training on"])
def test_a_killed_trial_resumes_bit_identically(finished, tmp_path, monkeypatch, experiment, first_missing):
    store, saved = Store(tmp_path), []
    save = Store.save

    def save_then_die(self, record):
        if len(saved) == first_missing:
            raise KeyboardInterrupt
        saved.append(record.round)
        return save(self, record)

    monkeypatch.setattr(Store, "save", save_then_die)
    with pytest.raises(KeyboardInterrupt):
        trials.complete(experiment, 0, store)
    monkeypatch.setattr(Store, "save", save)
    trials.complete(experiment, 0, store)
    for round in experiment.rounds:
        assert content(store.load(experiment, 0, round)) == content(finished.load(experiment, 0, round))


def test_completing_a_finished_trial_computes_nothing(finished, monkeypatch):
    monkeypatch.setattr(trainers, "_trainer", lambda *_: pytest.fail("a finished trial was trained again"))
    for experiment in (TICKETS, REINIT, ONESHOT):
        trials.complete(experiment, 0, finished)


def test_a_control_alone_computes_the_tickets_it_needs(finished, tmp_path):
    store = Store(tmp_path)
    trials.complete(SHUFFLE, 0, store)
    assert content(store.load(SHUFFLE, 0, 3)) == content(finished.load(SHUFFLE, 0, 3))
    assert content(store.load(TICKETS, 0, 2)) == content(finished.load(TICKETS, 0, 2))


def test_controls_have_the_layer_counts_of_their_ticket(finished):
    for control, round in ((REINIT, 4), (SHUFFLE, 3)):
        assert finished.load(control, 0, round).kept == finished.load(TICKETS, 0, round).kept


def test_draws_differ(finished):
    first, second = (finished.load(REINIT, 0, 2, draw) for draw in (0, 1))
    assert first.weights_sha256 != second.weights_sha256


def test_one_shot_and_iterative_pruning_agree_in_round_one_and_part_after(finished):
    assert content(finished.load(ONESHOT, 0, 1))[:4] == content(finished.load(TICKETS, 0, 1))[:4]
    assert finished.load(ONESHOT, 0, 3).weights_sha256 != finished.load(TICKETS, 0, 3).weights_sha256


def test_rewinding_late_starts_every_later_round_at_step_k(finished):
    assert finished.load(LATE, 0, 0).weights_sha256 == finished.load(TICKETS, 0, 0).weights_sha256
    assert finished.load(LATE, 0, 1).history["step"].tolist() == [7, 10, 20, 30]


def test_masks_of_a_search_that_trains_on_can_be_rewound(finished):
    trainer, seeds = trainers.trainer_of(ON), Seeds(0)
    for round in (2, 4):
        ticket = rewind(finished.load(ON, 0, round - 1).pruned, to=trainer.fresh(seeds.init))
        again = trainer.train(ticket, order=seeds.order(round))
        assert finished.load(ON_REWOUND, 0, round).weights_sha256 == again.final.digest()
        assert finished.load(ON_REWOUND, 0, round).weights_sha256 != finished.load(ON, 0, round).weights_sha256
    assert content(finished.load(ON, 0, 0)) == content(finished.load(TICKETS, 0, 0))
    assert (
        finished.load(ON, 0, 1).history["validation_loss"][0]
        < finished.load(TICKETS, 0, 1).history["validation_loss"][0]
    )


@pytest.mark.parametrize("experiment", [TICKETS, LATE, ON, ON_REWOUND, REINIT, SHUFFLE, LARGE_INIT, ONESHOT])
def test_any_network_is_computed_again_from_its_record(finished, experiment):
    before = {path: path.stat().st_mtime_ns for path in finished.root.rglob("*.npz")}
    record = finished.load(experiment, 0, experiment.rounds[-1])
    assert content(trials.recompute(record, finished)) == content(record)
    assert {path: path.stat().st_mtime_ns for path in finished.root.rglob("*.npz")} == before


def test_verifying_a_control_trains_nothing_else(finished, tmp_path):
    store = Store(tmp_path)
    store.save(finished.load(REINIT, 0, 4))
    with pytest.raises(StoreError, match=f"no stored result for {TICKETS.identity}, trial 0, round 3"):
        trials.recompute(store.load(REINIT, 0, 4), store)
    assert len(list(store.records())) == 1


@pytest.fixture
def copied(finished, tmp_path) -> Store:
    """The finished search alone, to be damaged."""
    store = Store(tmp_path)
    for round in TICKETS.rounds:
        store.save(finished.load(TICKETS, 0, round))
    return store


def trained(monkeypatch) -> list[int]:
    """The rounds that are saved from now on."""
    saved, save = [], Store.save
    monkeypatch.setattr(Store, "save", lambda self, record: saved.append(record.round) or save(self, record))
    return saved


def test_a_hole_in_a_search_is_filled_and_no_more(finished, copied, monkeypatch):
    copied.path(TICKETS, 0, 1).unlink()
    saved = trained(monkeypatch)
    trials.complete(TICKETS, 0, copied)
    assert saved == [1]
    assert content(copied.load(TICKETS, 0, 1)) == content(finished.load(TICKETS, 0, 1))


@pytest.mark.parametrize("experiment", [TICKETS, ON], ids=["rewound", "training on"])
def test_rounds_that_do_not_follow_from_a_filled_hole_are_computed_again(finished, tmp_path, monkeypatch, experiment):
    store = Store(tmp_path)
    for round in experiment.rounds:
        record = finished.load(experiment, 0, round)
        store.save(record if round < 2 else replace(record, weights_sha256="0" * 64))  # as from another machine
    store.path(experiment, 0, 2).unlink()
    saved = trained(monkeypatch)
    trials.complete(experiment, 0, store)
    assert saved == [2, 3, 4]
    for round in experiment.rounds:
        assert content(store.load(experiment, 0, round)) == content(finished.load(experiment, 0, round))


def test_a_pool_of_processes_computes_the_same_weights(finished, tmp_path):
    store = Store(tmp_path)
    with processes.process_pool(1) as pool:
        list(schedule.run((replace(TICKETS, prune=replace(TICKETS.prune, rounds=1)),), store, pool))
    for round in (0, 1):
        record = store.load(TICKETS, 0, round)
        assert record.weights_sha256 == finished.load(TICKETS, 0, round).weights_sha256
        assert record.machine["threads"] == 1


def test_records_that_travel_to_the_workers_and_back_are_the_same(finished, tmp_path):
    """Every kind of experiment, and a search with a hole."""
    store = Store(tmp_path)
    with ThreadPoolExecutor(1) as executor:
        list(schedule.run(ALL, store, executor, shared=False))
        store.path(TICKETS, 0, 1).unlink()
        list(schedule.run(ALL, store, executor, shared=False))
    assert len(list(store.records())) == len(list(finished.records()))
    for record in store.records():
        assert content(record) == content(finished.load(*key(record)))


def key(record) -> tuple:
    return record.experiment, record.trial, record.round, record.draw


def test_a_diverged_run_names_trial_and_round_and_stores_nothing(tmp_path):
    store = Store(tmp_path)
    wild = replace(TICKETS, train=replace(TICKETS.train, learning_rate=1e30))
    with (
        ThreadPoolExecutor(1) as executor,
        pytest.raises(DivergedError, match=r"trial 0, round 0, ticket: .*step"),
    ):
        list(schedule.run((wild,), store, executor))
    assert list(store.records()) == []


def test_a_damaged_record_stops_the_chain_that_builds_on_it(finished, tmp_path):
    store = Store(tmp_path)
    trials.complete(replace(TICKETS, prune=replace(TICKETS.prune, rounds=1)), 0, store)
    path = store.path(TICKETS, 0, 1)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StoreError, match=r"round-01\.npz is damaged"):
        trials.complete(TICKETS, 0, store)


def test_a_record_without_the_mask_that_follows_stops_the_chain_that_builds_on_it(finished, tmp_path):
    store = Store(tmp_path)
    for round in (0, 1):
        store.save(replace(finished.load(TICKETS, 0, round), pruned=None))
    with pytest.raises(StoreError, match=r"round-01\.npz lacks the mask of round 2, which its training alone can tell"):
        trials.complete(TICKETS, 0, store)
    with pytest.raises(StoreError, match=r"round-00\.npz lacks the mask of round 1"):
        trials.masks(TICKETS, 0, store)(1)


def test_the_record_says_what_computed_it(finished):
    record = finished.load(TICKETS, 0, 2)
    assert {"python", "tensorflow", "keras", "numpy", "commit", "onednn", "processor"} <= set(record.environment)
    assert {"engine", "break_even", "compiler", "device", "threads"} == set(record.machine)
    assert record.density == pytest.approx(0.64, abs=0.01)
    assert np.isfinite(record.seconds)


@pytest.mark.skipif(
    not datasets.available("mnist"), reason="MNIST is not on this machine; `python -m lthcore data fetch` gets it"
)
def test_a_published_network_is_recomputed_from_its_identity_alone():
    experiment, trial, round = presets.preset("mnist-short")[0], 1, 7
    store = Store(paths.results())
    stored, mask = store.load(experiment, trial, round), store.load(experiment, trial, round - 1).pruned
    trainer, seeds = trainers.trainer_of(experiment), Seeds(trial)
    run = train(trainer, rewind(mask, to=trainer.fresh(seeds.init)), seeds, round)
    assert run.test["accuracy"] == pytest.approx(stored.test["accuracy"], abs=0.005)
    here, there = ({**found, "commit": "", "python": ""} for found in (environment.describe(), stored.environment))
    if here == there and trainer.machine["compiler"] == stored.machine["compiler"]:
        assert run.final.digest() == stored.weights_sha256
        np.testing.assert_array_equal(run.history["train_loss"], stored.history["train_loss"])


def test_smoke_presets_are_the_published_ones_made_small():
    small, real = presets.preset("digits-smoke"), presets.preset("mnist-short")
    assert [(e.prune.method, e.control) for e in small] == [(e.prune.method, e.control) for e in real]
