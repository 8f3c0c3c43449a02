"""What is no damage: a disk that refuses, a later version, a record of the first release, files of other names."""

from __future__ import annotations

import errno
import json
import pickle
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from records import RECORD, load

from lthcore.experiments.presets.mnist import LENET
from lthcore.experiments.store import Store, StoreError, UnreadableError, encoding, locks
from lthcore.files import array_files
from lthcore.training.run import COLUMNS


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EMFILE, errno.ENOMEM, errno.ESTALE])
@pytest.mark.parametrize("where", ["pathlib.Path.open", "pathlib.Path.stat"])
def test_a_disk_that_refuses_is_no_damage(store, monkeypatch, where, number):
    path = store.save(RECORD)

    def refuse(*_, **__):
        raise OSError(number, "the reason")

    with monkeypatch.context() as broken:
        broken.setattr(where, refuse)
        for read in (lambda: load(store), lambda: store.has(LENET, 2, 5), lambda: store.read(path)):
            with pytest.raises(UnreadableError, match=r"cannot read .*: the reason\. It may be sound and is kept"):
                read()
    assert load(store) == RECORD


def failing(*_, **__):
    raise OSError(errno.EIO, "Input/output error")


def test_a_record_that_could_not_be_read_is_read_when_it_can_be(store, monkeypatch):
    store.save(RECORD)
    with monkeypatch.context() as broken:
        broken.setattr("pathlib.Path.open", failing)
        with pytest.raises(UnreadableError, match="cannot read"):
            store.has(LENET, 2, 5)
    assert store.has(LENET, 2, 5)


def test_too_little_memory_is_no_damage(store, monkeypatch):
    store.save(RECORD)

    def hungry(*_, **__):
        raise MemoryError

    monkeypatch.setattr("numpy.unpackbits", hungry)
    with pytest.raises(UnreadableError, match=r"cannot read .*Cannot allocate memory\. It may be sound"):
        load(store)


def retold(store: Store, **changes: object) -> Path:
    """The record, whose text says something else, under a checksum that agrees."""
    path = store.save(RECORD)
    arrays = array_files.read(path)
    said = json.loads(arrays["record"].tobytes()) | changes
    array_files.write(path, {**arrays, "record": np.frombuffer(json.dumps(said).encode(), np.uint8)})
    return path


@pytest.mark.parametrize("changes", [{"schema": encoding.SCHEMA + 1}, {"schema": 10**9}, {"colour": "blue"}])
def test_a_record_of_a_later_version_is_told_from_a_damaged_one(store, changes):
    path = retold(store, **changes)
    with pytest.raises(
        UnreadableError, match=r"round-05\.npz was written by a newer lthcore: .*Upgrade lthcore"
    ) as told:
        load(store)
    assert told.value.path == path
    assert not told.value.aside, "it stays where it is"


def test_an_experiment_with_a_field_of_a_later_version_is_no_damage(store):
    said = json.loads(array_files.read(store.save(RECORD))["record"].tobytes())
    for inner in ({"loops": 3}, {"train": said["experiment"]["train"] | {"clip": 1.0}}):
        retold(store, experiment=said["experiment"] | inner)
        with pytest.raises(
            UnreadableError, match=r"its experiment has the field '(loops|clip)', which is not known here"
        ):
            load(store)


def test_records_tell_their_schema(store):
    assert json.loads(array_files.read(store.save(RECORD))["record"].tobytes())["schema"] == encoding.SCHEMA


def test_a_record_of_the_first_release_is_read():
    store = Store(Path(__file__).parent / "first-release")
    (record,) = store.records()
    path = store.path(record.experiment, record.trial, record.round)
    assert not {"schema", "columns", "embedding", "mask_sha256"} & set(
        json.loads(array_files.read(path)["record"].tobytes())
    )
    assert (record.trial, record.round, record.mask_sha256, record.embedding) == (3, 21, "", 0)
    assert record.experiment.identity == "mnist-lenet_300_100-imp-rewind-9704051862"
    assert record.density == pytest.approx(0.0095, abs=0.0005)
    assert tuple(record.history.columns) == COLUMNS
    assert record.pruned.within(record.pruned)
    assert record.weights_sha256 == json.loads(array_files.read(path)["record"].tobytes())["weights_sha256"]


@pytest.mark.parametrize(
    "name",
    ["round-05 (copy).npz", "round-5.npz", "round-005.npz", "round-05.npz.damaged", ".round-05.npz", "round-٠٥.npz"],
)
def test_names_that_a_store_never_gives_are_not_read(store, name):
    path = store.save(RECORD)
    path.with_name(name).write_bytes(b"whatever")
    path.parent.with_name("trial-2 (copy)").mkdir()
    (path.parent.with_name("trial-2 (copy)") / path.name).touch()
    assert list(store.records()) == [RECORD]


def test_records_that_cannot_be_read_are_left_out_where_one_wants_to_be_told(store):
    paths = [store.save(replace(RECORD, round=round)) for round in range(4)]
    for path in paths[:2]:
        path.write_bytes(b"")
    told: list[UnreadableError] = []
    assert [record.round for record in store.records(skipped=told.append)] == [2, 3]
    assert [error.path for error in told] == paths[:2]


def test_what_counts_was_read_and_is_read_again_only_when_it_changes(store, monkeypatch):
    path = store.save(RECORD)
    reads, read = [], array_files.read
    monkeypatch.setattr(array_files, "read", lambda *a, **k: reads.append(a) or read(*a, **k))
    longer = replace(LENET, prune=replace(LENET.prune, rounds=6))
    assert [store.finished(longer, 2) for _ in range(3)] == [1, 1, 1]
    assert len(reads) == 1
    path.write_bytes(path.read_bytes()[:-1])
    assert [store.finished(longer, 2) for _ in range(3)] == [0, 0, 0]
    assert len(reads) == 2
    with pytest.raises(UnreadableError, match="is damaged"):
        store.missing(longer, 2)


def test_a_store_and_its_errors_travel_between_processes(store):
    path = store.save(RECORD)
    path.write_bytes(b"")
    with pytest.raises(UnreadableError) as told:
        load(store)
    again = pickle.loads(pickle.dumps(told.value))
    assert (str(again), again.path, again.aside) == (str(told.value), path, "damaged")
    assert pickle.loads(pickle.dumps(Store(store.root, waiting=print))).waiting is print


def test_a_file_that_stands_in_the_way_is_put_aside_without_loss(store):
    path = store.save(RECORD)
    for number in range(3):
        path.write_bytes(bytes([number]))
        store.put_aside(path, "replaced")
    kept = {other.name: other.read_bytes() for other in path.parent.iterdir()}
    assert kept == {f"round-05.npz.replaced{end}": bytes([n]) for n, end in enumerate(("", "-2", "-3"))}


def test_whoever_waits_for_another_process_says_so(store, monkeypatch):
    monkeypatch.setattr(locks, "PATIENCE", 0.05)
    said: list[str] = []
    told = threading.Event()

    def waiting(sentence: str) -> None:
        said.append(sentence)
        told.set()

    def second() -> None:
        with Store(store.root, waiting=waiting).lock(LENET, 0):
            said.append("in")

    with store.lock(LENET, 0):
        thread = threading.Thread(target=second)
        thread.start()
        assert told.wait(10)
    thread.join(10)
    assert said == [f"waiting for trial 0 of {LENET.identity}, which another process is computing", "in"]


def test_a_folder_without_a_name_is_refused():
    with pytest.raises(StoreError, match="empty name"):
        Store("")


def test_what_nobody_could_read_is_not_written(store, monkeypatch):
    monkeypatch.setattr(encoding, "LIMIT", 1000)
    with pytest.raises(StoreError, match=r"would have .* bytes, more than"):
        store.save(RECORD)
