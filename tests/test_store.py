"""The store: a record is there, whole and as it was written, or it is not there."""

from __future__ import annotations

import errno
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lthcore.config import Experiment, PruneConfig
from lthcore.history import COLUMNS, History
from lthcore.mask import Mask
from lthcore.presets import LENET
from lthcore.store import Record, Store, StoreError

RECORD = Record(
    experiment=LENET,
    trial=2,
    round=5,
    draw=0,
    kept={"hidden/kernel": (3, 12), "output/kernel": (1, 4)},
    history=History(
        {"step": np.array([0, 100], np.int32)}
        | {name: np.array([number, 0.1], np.float32) for number, name in enumerate(COLUMNS[1:])}
    ),
    test={"loss": 0.1, "accuracy": 0.975},
    weights_sha256="ab" * 32,
    seconds=12.5,
    compile_seconds=0.25,
    machine={"compiler": "xla", "threads": "all"},
    environment={"python": "3", "processor": "µ"},
    pruned=Mask({"hidden/kernel": np.arange(12).reshape(3, 4) % 5 == 0, "output/kernel": [[True, False, False, True]]}),
)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "results")


def load(store: Store) -> Record:
    return store.load(RECORD.experiment, RECORD.trial, RECORD.round, RECORD.draw)


def files(store: Store) -> list[str]:
    return sorted(path.name for path in store.root.rglob("*") if path.is_file())


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "record",
    [
        RECORD,
        replace(RECORD, pruned=None),
        replace(RECORD, experiment=replace(LENET, control="shuffle", rungs=(5,)), draw=3),
        replace(RECORD, experiment=Experiment(prune=PruneConfig(layer_rates=(("a/b", 0.5),))), trial=0, round=0),
        replace(RECORD, pruned=Mask({"a/b/kernel": np.ones((2, 1, 3, 3)), "c": [False]})),
        replace(RECORD, machine={}, environment={}, test={"loss": float("inf")}),
    ],
    ids=["a ticket", "without a mask", "a control", "another experiment", "filters", "hardly anything"],
)
def test_a_record_comes_back_as_it_was_saved(store, record):
    path = store.save(record)
    assert store.load(record.experiment, record.trial, record.round, record.draw) == record
    assert list(store.records()) == [record]
    assert path == store.path(record.experiment, record.trial, record.round, record.draw)


def test_density_is_over_all_layers():
    assert RECORD.density == 0.25


@pytest.mark.parametrize(
    ("experiment", "draw", "name"),
    [(LENET, 0, "round-05.npz"), (replace(LENET, control="reinit"), 2, "round-05-draw-2.npz")],
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
    assert not store.has(replace(LENET, control="reinit"), 2, 5)


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
        "import os, signal, sys; sys.path.insert(0, sys.argv[1])\n"
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


def test_a_file_cut_off_anywhere_is_refused(store):
    path = store.save(RECORD)
    whole = path.read_bytes()
    for length in (0, 1, 4, 30, *range(100, len(whole), 97), len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError, match=r"round-05\.npz is damaged: .*Delete it and run the experiment again"):
            load(store)
    path.write_bytes(whole)
    assert load(store) == RECORD


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> set[str]:
    """How it went to load a record with one byte changed, for bytes from one end of the file to the other."""
    store = Store(tmp_path_factory.mktemp("flipped"))
    path = store.save(RECORD)
    whole, found = path.read_bytes(), set()
    for place in range(0, len(whole), 5):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            # Some bytes of the container mean nothing, such as dates. Then the content must be untouched.
            found.add("equal" if load(store) == RECORD else "another record")
        except StoreError as error:
            found.add("refused by name" if str(path) in str(error) else "refused")
        except Exception as error:
            found.add(type(error).__name__)
    return found


def test_a_flipped_byte_is_never_believed(outcomes):
    assert "refused by name" in outcomes
    assert "another record" not in outcomes


def test_a_flipped_byte_is_refused_in_one_way_only(outcomes):
    assert outcomes == {"equal", "refused by name"}


@pytest.mark.parametrize(("offset", "bits"), [(6, 0x80), (8, 0x01), (8, 0x20), (10, 0xFF)])
def test_a_container_that_claims_what_zip_cannot_do_is_refused(store, offset, bits):
    """Version, encryption, patches, method of compression: fields of the first entry of the central directory."""
    path = store.save(RECORD)
    changed = bytearray(path.read_bytes())
    changed[changed.index(b"PK\x01\x02") + offset] ^= bits
    path.write_bytes(changed)
    with pytest.raises(StoreError, match=r"round-05\.npz is damaged"):
        load(store)


def test_a_damaged_record_is_closed_again(store):
    path = store.save(RECORD)
    path.write_bytes(path.read_bytes()[:200])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(StoreError):
            load(store)
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


def rewrite(path: Path, **changes: np.ndarray) -> None:
    with np.load(path) as file:
        arrays = dict(file)
    np.savez_compressed(path, **arrays | changes)


def test_a_rewritten_but_unchanged_record_is_believed(store):
    rewrite(store.save(RECORD))
    assert load(store) == RECORD


@pytest.mark.parametrize(
    "changes",
    [
        {"test_accuracy": np.array([1.0, 1.0], np.float32)},
        {"step": np.array([0, 100], np.int64)},
        {"validation_loss": np.array([[1.0, 0.1]], np.float32)},
        {"sha256": np.zeros(32, np.uint8)},
        {"extra": np.array([1.0])},
    ],
    ids=["a better number", "another type", "another shape", "another checksum", "something more"],
)
def test_an_edited_record_is_refused(store, changes):
    path = store.save(RECORD)
    rewrite(path, **changes)
    with pytest.raises(StoreError, match=r"round-05\.npz is damaged: its content does not match its checksum"):
        load(store)
    with pytest.raises(StoreError, match=str(path)):
        list(store.records())


def test_an_edited_description_is_refused(store):
    path = store.save(RECORD)
    with np.load(path) as file:
        text = file["record"].tobytes().decode()
    assert "0.975" in text
    rewrite(path, record=np.frombuffer(text.replace("0.975", "0.995").encode(), np.uint8))
    with pytest.raises(StoreError, match="does not match its checksum"):
        load(store)


@pytest.mark.parametrize("name", ["record", "test_accuracy", "sha256"])
def test_a_record_that_lacks_a_part_is_refused(store, name):
    path = store.save(RECORD)
    with np.load(path) as file:
        arrays = {key: value for key, value in file.items() if key != name}
    np.savez_compressed(path, **arrays)
    with pytest.raises(StoreError, match="damaged"):
        load(store)


class Bomb:
    """Runs code when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("how", ["object array", "bare pickle"])
def test_a_pickle_is_never_opened(store, tmp_path, how):
    path, crater = store.save(RECORD), tmp_path / "crater"
    if how == "object array":
        rewrite(path, test_loss=np.array([Bomb(crater)], dtype=object))
    else:
        path.write_bytes(pickle.dumps(Bomb(crater)))
    with pytest.raises(StoreError, match=r"round-05\.npz is damaged: .*allow_pickle"):
        load(store)
    assert not crater.exists()


@pytest.mark.parametrize(
    "elsewhere",
    [(LENET, 2, 6), (LENET, 1, 5), (replace(LENET, dataset="digits"), 2, 5)],
    ids=["another round", "another trial", "another experiment"],
)
def test_a_record_under_a_wrong_name_is_refused(store, elsewhere):
    source, target = store.save(RECORD), store.path(*elsewhere)
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)
    with pytest.raises(StoreError, match=r"\.npz holds the record of another run; delete it"):
        store.load(*elsewhere)
    with pytest.raises(StoreError, match=r"\.npz holds the record of another run; delete it"):
        list(store.records())


def test_a_trial_is_held_by_one_at_a_time(store):
    order, entered = [], threading.Event()

    def second() -> None:
        with store.lock(LENET, 0):
            order.append("second in")

    with store.lock(LENET, 0):
        thread = threading.Thread(target=second)
        thread.start()
        with store.lock(LENET, 1):
            entered.wait(0.2)
        order.append("first out")
    thread.join(10)
    assert order == ["first out", "second in"], "another trial does not wait, the same one does"
