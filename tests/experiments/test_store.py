"""The store: a record is there, whole and as it was written, or it is not there."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from records import RECORD, files, load

from lthcore.experiments.descriptions import from_dict
from lthcore.experiments.experiment import Control, Experiment
from lthcore.experiments.presets import MNIST_PAPER
from lthcore.experiments.presets.mnist import LENET
from lthcore.experiments.presets.reuters import KIM
from lthcore.experiments.records import Record
from lthcore.experiments.store import Store, StoreError
from lthcore.files import array_files, paths
from lthcore.pruning.config import PruneConfig
from lthcore.pruning.mask import Mask
from lthcore.training.run import COLUMNS, History


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "record",
    [
        RECORD,
        replace(RECORD, pruned=None),
        replace(RECORD, experiment=Control(of=LENET, kind="shuffle", rungs=(5,), draws=4), draw=3),
        replace(RECORD, experiment=Experiment(prune=PruneConfig(layer_rates=(("a/b", 0.5),))), trial=0, round=0),
        replace(
            RECORD,
            kept={"a/b/kernel": (18, 18), "c": (1, 1)},
            pruned=Mask({"a/b/kernel": np.ones((2, 1, 3, 3)), "c": [False]}),
        ),
        replace(RECORD, machine={}, environment={}, test={"loss": float("inf"), "accuracy": 0.0}),
    ],
    ids=["a ticket", "without a mask", "a control", "another experiment", "filters", "hardly anything"],
)
def test_a_record_comes_back_as_it_was_saved(store, record):
    path = store.save(record)
    assert store.load(record.experiment, record.trial, record.round, record.draw) == record
    assert list(store.records()) == [record]
    assert path == store.path(record.experiment, record.trial, record.round, record.draw)


def of_label_sets() -> Record:
    """A record of documents: counts, two columns more, weights in an embedding."""
    columns = RECORD.history.columns | {
        "validation_micro_f1": np.array([0.5, 0.75], np.float32),
        "test_micro_f1": np.array([np.nan, 0.7], np.float32),
    }
    return replace(
        RECORD,
        experiment=KIM,
        history=History(columns, KIM.train.stop_by),
        test={"loss": 0.1, "accuracy": 0.6, "micro_f1": 0.7, "threshold": 0.37, "tuned_micro_f1": 0.72},
        counts=np.arange(2 * 90 * 3, dtype=np.int32).reshape(2, 90, 3),
        embedding=1_500_000,
    )


def test_a_record_of_label_sets_comes_back_as_it_was_saved(store):
    record = of_label_sets()
    store.save(record)
    found = store.load(KIM, record.trial, record.round)
    for field in fields(Record):
        if field.name != "counts":
            assert getattr(found, field.name) == getattr(record, field.name), field.name
    np.testing.assert_array_equal(found.counts, record.counts)
    assert found.counts.dtype == np.int32
    assert tuple(found.history.columns) == (*COLUMNS, "validation_micro_f1", "test_micro_f1")
    assert (found.history.stop_by, found.history.early_stop_step) == ("validation_micro_f1", 100)
    assert found.embedding == 1_500_000
    assert found.density_with_embedding == (4 + 1_500_000) / (16 + 1_500_000)


@pytest.mark.parametrize("name", ["counts", "validation_micro_f1"])
def test_damage_to_what_only_label_sets_have_is_noticed(store, name):
    path = store.save(of_label_sets())
    with np.load(path) as arrays:
        broken = {key: arrays[key] for key in arrays.files}
    broken[name] = broken[name] + 1
    np.savez(path, **broken)
    with pytest.raises(StoreError, match="is damaged"):
        store.load(KIM, RECORD.trial, RECORD.round)


def test_records_of_the_first_release_have_no_counts_and_no_embedding():
    old = Store(paths.results()).path(MNIST_PAPER[0], trial=0, round=0)
    about = json.loads(array_files.read(old)["record"].tobytes())
    assert not {"columns", "embedding"} & set(about), "otherwise it is no old record"
    assert not {"text", "model_options"} & set(about["experiment"])
    experiment = from_dict(about["experiment"])
    record = Store(paths.results()).load(experiment, about["trial"], about["round"], about["draw"])
    assert record.counts is None
    assert record.embedding == 0
    assert record.density_with_embedding == record.density
    assert tuple(record.history.columns) == COLUMNS
    assert record.history.stop_by == "validation_loss"
    assert (record.experiment.text, record.experiment.model_options) == (None, ())


def test_an_old_record_saved_again_is_the_same(store):
    old = next(Store(paths.results()).records())
    store.save(old)
    assert list(store.records()) == [old]


def test_density_is_over_all_layers():
    assert RECORD.density == 0.25


@pytest.mark.parametrize(("embedding", "density"), [(0, 0.25), (4, 0.4), (84, 0.88)])
def test_an_embedding_that_is_not_pruned_may_count_as_kept(embedding, density):
    assert replace(RECORD, embedding=embedding).density_with_embedding == density


@pytest.mark.parametrize(
    ("experiment", "draw", "name"),
    [(LENET, 0, "round-05.npz"), (Control(of=LENET, kind="reinit"), 2, "round-05-draw-2.npz")],
)
def test_a_record_lies_in_the_folder_of_its_experiments_identity(store, experiment, draw, name):
    assert store.path(experiment, 2, 5, draw) == store.root / experiment.identity / "trial-2" / name


def test_more_trials_or_rounds_go_into_the_same_folder(store):
    longer = replace(LENET, trials=50, prune=replace(LENET.prune, rounds=40))
    assert store.path(longer, 2, 5) == store.path(LENET, 2, 5)
    store.save(RECORD)
    assert store.load(longer, 2, 5) == RECORD


def test_records_come_in_the_order_of_their_names(store):
    for round in (10, 2, 0):
        store.save(replace(RECORD, round=round))
    store.save(replace(RECORD, round=1, trial=0))
    assert [(record.trial, record.round) for record in store.records()] == [(0, 1), (2, 0), (2, 2), (2, 10)]


def test_equal_records_are_equal_bytes(tmp_path, monkeypatch):
    first = Store(tmp_path / "a").save(RECORD).read_bytes()
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert Store(tmp_path / "b").save(RECORD).read_bytes() == first
    assert Store(tmp_path / "c").save(replace(RECORD, seconds=12.6)).read_bytes() != first


def test_has_tells_only_what_is_there(store):
    assert not store.has(LENET, 2, 5)
    store.save(RECORD)
    assert store.has(LENET, 2, 5)
    assert not store.has(LENET, 2, 6)
    assert not store.has(LENET, 1, 5)
    assert not store.has(Control(of=LENET, kind="reinit"), 2, 5)


def test_a_missing_record_is_told_by_name(store):
    message = f"no stored result for {LENET.identity}, trial 2, round 5, draw 0 in .*results"
    with pytest.raises(StoreError, match=message):
        load(store)
    assert list(store.records()) == []


@pytest.mark.parametrize("where", ["numpy.savez_compressed", "os.fsync", "pathlib.Path.replace", "tempfile.mkstemp"])
def test_a_full_disk_is_one_clear_error_and_loses_nothing(store, monkeypatch, where):
    old = replace(RECORD, seconds=1.0)
    path = store.save(old)
    with monkeypatch.context() as broken:
        broken.setattr(where, no_space)
        with pytest.raises(StoreError, match=r"cannot write .*round-05\.npz: .*No space left on device.*run again"):
            store.save(RECORD)
    assert files(store) == [path.name], "the record that was there, and no partial file"
    assert load(store) == old
    store.save(RECORD)
    assert load(store) == RECORD


def test_a_disk_that_fills_up_halfway_leaves_nothing_behind(store, monkeypatch):
    def half(file, **_):
        file.write(b"PK\x03\x04" + bytes(500))
        no_space()

    monkeypatch.setattr("numpy.savez_compressed", half)
    with pytest.raises(StoreError, match="No space left on device"):
        store.save(RECORD)
    assert files(store) == []
    assert not store.has(LENET, 2, 5)


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "results").write_text("in the way")
    with pytest.raises(StoreError, match="cannot write"):
        Store(tmp_path / "results").save(RECORD)
    with (
        pytest.raises(StoreError, match=r"cannot write to .* Choose another folder"),
        Store(tmp_path / "results").lock(LENET, 0),
    ):
        pytest.fail("there is nothing to lock")


def test_a_folder_that_cannot_be_written_to_is_one_clear_error_before_anything_is_computed(store, monkeypatch):
    store.save(RECORD)

    def read_only(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("os.open", read_only)
    with pytest.raises(StoreError, match=r"cannot write to .*Read-only file system"), store.lock(LENET, 2):
        pytest.fail("there is nothing to lock")


INTERRUPTIONS = ["numpy.savez_compressed", "os.fsync", "pathlib.Path.replace"]


def interrupted_save(store, monkeypatch, where) -> None:
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(where, interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.save(RECORD)


@pytest.mark.parametrize("where", INTERRUPTIONS)
def test_an_interrupted_save_is_no_record(store, monkeypatch, where):
    interrupted_save(store, monkeypatch, where)
    assert not store.has(LENET, 2, 5)
    assert list(store.records()) == []
    store.save(RECORD)
    assert load(store) == RECORD


@pytest.mark.parametrize("where", INTERRUPTIONS)
def test_an_interrupted_save_leaves_no_partial_file(store, monkeypatch, where):
    interrupted_save(store, monkeypatch, where)
    assert files(store) == []


def test_a_process_killed_while_writing_leaves_no_record(store):
    script = (
        "import os, signal, sys; sys.path[:0] = [sys.argv[1], os.path.dirname(sys.argv[1])]\n"
        "from test_store import RECORD, Store\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Store(sys.argv[2]).save(RECORD)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(Path(__file__).parent), str(store.root)])
    assert done.returncode == -signal.SIGKILL
    (left,) = files(store)
    assert left.endswith(".partial"), "nobody was there to remove it, and nobody takes it for a record"
    assert list(store.records()) == []
    store.save(RECORD)
    assert list(store.records()) == [RECORD]


def test_a_record_is_found_by_the_beginning_of_its_identity(store):
    store.save(RECORD)
    found = store.find(RECORD.experiment.identity[:20], RECORD.trial, RECORD.round)
    assert found.weights_sha256 == RECORD.weights_sha256


def test_a_record_in_the_place_of_another_is_not_found(store):
    path = store.save(RECORD)
    path.rename(path.with_name("round-07.npz"))
    with pytest.raises(StoreError, match="holds the result of another run"):
        store.find("mnist", RECORD.trial, 7)


def test_a_search_has_no_further_draws(store):
    store.save(RECORD)
    with pytest.raises(StoreError, match="no stored results for trial 2, round 5, draw 1"):
        store.find("mnist", RECORD.trial, RECORD.round, draw=1)
