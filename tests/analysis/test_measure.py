"""Measurements: real but tiny, stored once, read back, told when damaged."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from lthcore.analysis import measure
from lthcore.experiments import trainers, trials
from lthcore.experiments.experiment import Control, Experiment
from lthcore.experiments.store import Store, StoreError, UnreadableError
from lthcore.pruning.config import PruneConfig
from lthcore.pruning.connectivity import effective
from lthcore.training.config import TrainConfig

TICKETS = Experiment(
    dataset="digits",
    train=TrainConfig(steps=30, eval_every=10, test_every=10),
    prune=PruneConfig(rounds=2, layer_rates=(("output/kernel", 0.1),)),
    trials=1,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Store:
    store = Store(tmp_path_factory.mktemp("results"))
    with ThreadPoolExecutor(1) as executor:
        for kind in ("stability", "anatomy", "settling", "shrunk"):
            assert list(measure.run(kind, TICKETS, store, executor)) == [1]
    return store


def test_stability_compares_dense_ticket_and_shuffled(finished):
    values = finished.load_measurement("stability", TICKETS, 0).values
    assert int(values["round"]) == 2
    for name in ("dense", "ticket", "shuffled"):
        assert float(values[f"{name}/order_distance"]) > 0
        assert values[f"{name}/errors"].shape == (30,)
    assert values["dense/pruning_distance"].tolist() == [0.0, 0.0]
    assert np.all(values["ticket/pruning_distance"] > 0)


def test_anatomy_belongs_to_the_stored_tickets(finished):
    values = finished.load_measurement("anatomy", TICKETS, 0).values
    kept = [finished.load(TICKETS, 0, round).kept for round in TICKETS.rounds]
    for name in kept[0]:
        assert values[f"initial/{name}"].sum(axis=1).tolist() == [counts[name][0] for counts in kept]
    assert values["same_as_stored"]


def test_weights_on_inputs_that_never_vary_do_not_move(finished):
    values = finished.load_measurement("anatomy", TICKETS, 0).values
    constant = values["varying"].size - values["varying"].sum()
    assert constant > 0, "some pixels of the embedded digits are always empty"
    assert values["still"].tolist() == [300 * constant, 300 * constant]
    mask = finished.load(TICKETS, 0, 0).pruned
    assert effective(mask, values["varying"]).kept < mask.kept


def test_settling_ends_at_the_mask_of_the_first_round(finished):
    values = finished.load_measurement("settling", TICKETS, 0).values
    assert (values["steps"][0], values["steps"][-1]) == (0, 30)
    assert values["rounds"].tolist() == [2], "of the rounds looked at, the search reaches none but its last"
    assert values["overlap/final"][0, -1] == 1.0
    assert values["overlap/final"][0, 0] < 1.0


def test_shrunk_tickets_are_those_of_the_search(finished):
    values = finished.load_measurement("shrunk", TICKETS, 0).values
    assert values["rounds"].tolist() == [2]
    assert values["density"] == pytest.approx([finished.load(TICKETS, 0, 2).density])
    stored = finished.load(TICKETS, 0, 2).test["accuracy"]
    assert values["accuracy"][0] == pytest.approx([stored] * 3, abs=1e-6)


def test_the_measurement_says_what_took_it(finished):
    found = finished.load_measurement("anatomy", TICKETS, 0)
    assert {"tensorflow", "commit"} <= set(found.environment)
    assert found.seconds > 0
    assert len(list(finished.records())) == 3, "a measurement is no record of a network"


def test_what_is_stored_is_not_taken_again(finished, monkeypatch):
    monkeypatch.setattr(trainers, "trainer_of", lambda *_: pytest.fail("measured again"))
    measure.complete("stability", TICKETS, 0, finished)


@pytest.mark.parametrize(
    ("kind", "experiment", "message"),
    [
        ("beauty", TICKETS, "unknown measurement 'beauty'; known are stability, anatomy"),
        ("anatomy", Control(of=TICKETS, kind="reinit"), "is no search"),
        ("filters", TICKETS, "has no filters to prune"),
    ],
)
def test_a_measurement_there_is_not_is_refused(store, kind, experiment, message):
    with ThreadPoolExecutor(1) as executor, pytest.raises(ValueError, match=message):
        list(measure.run(kind, experiment, store, executor))


def test_a_missing_or_damaged_measurement_is_one_clear_error(finished, tmp_path):
    with pytest.raises(StoreError, match=r"no stored stability of .*, trial 3"):
        finished.load_measurement("stability", TICKETS, 3)
    store = Store(tmp_path)
    path = store.save_measurement(finished.load_measurement("stability", TICKETS, 0))
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(StoreError, match=r"stability\.npz is damaged"):
        store.load_measurement("stability", TICKETS, 0)
    moved = store.measurement_path("anatomy", TICKETS, 0)
    store.save_measurement(finished.load_measurement("stability", TICKETS, 0)).rename(moved)
    with pytest.raises(StoreError, match="holds the result of another run"):
        store.load_measurement("anatomy", TICKETS, 0)


def test_a_damaged_measurement_is_kept_and_told_and_what_is_there_needs_no_lock(finished, tmp_path, monkeypatch):
    store, two = Store(tmp_path), replace(TICKETS, trials=2)
    taken = finished.load_measurement("stability", TICKETS, 0)
    damaged = store.save_measurement(taken)
    damaged.write_bytes(damaged.read_bytes()[:-50])
    store.save_measurement(replace(taken, trial=1))
    monkeypatch.setattr(Store, "lock", lambda *_: pytest.fail("something was to be computed"))
    before = damaged.read_bytes()
    with ThreadPoolExecutor(1) as executor, pytest.raises(UnreadableError, match=r"stability\.npz is damaged"):
        list(measure.run("stability", two, store, executor))
    assert damaged.read_bytes() == before


def test_a_full_disk_is_told(finished, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(StoreError, match="No space left on device"):
        Store(tmp_path).save_measurement(finished.load_measurement("stability", TICKETS, 0))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_shuffled_masks_are_those_of_the_control(finished, monkeypatch):
    asked = {}
    monkeypatch.setattr(
        measure.stability, "compare", lambda _, tickets, orders: asked.update(tickets=tickets, orders=orders) or {}
    )
    measure.measure_stability(trainers.trainer_of(TICKETS), TICKETS, 0, finished)
    shuffled = Control(of=TICKETS, kind="shuffle", rungs=(2,))
    trials.complete(shuffled, 0, finished)
    for name, experiment in {"ticket": TICKETS, "shuffled": shuffled}.items():
        again = trainers.trainer_of(TICKETS).train(asked["tickets"][name], order=asked["orders"](0))
        assert again.final.digest() == finished.load(experiment, 0, 2).weights_sha256, name
    assert asked["orders"](0).random() != asked["orders"](1).random()


def test_tickets_rewound_late_are_measured_from_where_they_start(finished, monkeypatch):
    late = replace(TICKETS, prune=replace(TICKETS.prune, rewind_step=7))
    trials.complete(late, 0, finished)
    asked = {}
    monkeypatch.setattr(measure.stability, "compare", lambda _, tickets, orders: asked.update(tickets) or {})
    measure.measure_stability(trainers.trainer_of(late), late, 0, finished)
    assert {name: ticket.at_step for name, ticket in asked.items()} == {"dense": 0, "ticket": 7, "shuffled": 7}


def test_a_search_that_never_rewinds_has_no_ticket_to_train_twice(finished):
    on = replace(TICKETS, prune=replace(TICKETS.prune, between="continue"))
    with pytest.raises(ValueError, match="never rewinds"):
        measure.measure_stability(trainers.trainer_of(on), on, 0, finished)


def test_a_search_that_was_extended_is_measured_again(finished, tmp_path):
    store, longer = Store(tmp_path), replace(TICKETS, prune=replace(TICKETS.prune, rounds=3))
    store.save_measurement(finished.load_measurement("anatomy", TICKETS, 0))
    assert store.has_measurement("anatomy", TICKETS, 0)
    assert not store.has_measurement("anatomy", longer, 0)
    measure.complete("anatomy", longer, 0, store)
    assert len(store.load_measurement("anatomy", longer, 0).values["moved/output/kernel"]) == 4
