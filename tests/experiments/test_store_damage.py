"""Damage: a record that was cut, flipped, edited or swapped is refused by name, and never unpickled."""

from __future__ import annotations

import gc
import os
import pickle
import threading
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from records import RECORD, load

from lthcore.experiments.presets.mnist import LENET
from lthcore.experiments.store import Store, StoreError


def test_a_file_cut_off_anywhere_is_refused(store):
    path = store.save(RECORD)
    whole = path.read_bytes()
    for length in (0, 1, 4, 30, *range(100, len(whole), 97), len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError, match=r"round-05\.npz is damaged: .*It is kept as it is; `python -m lthcore"):
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
    with pytest.raises(StoreError, match=r"round-05\.npz is damaged: .*(not one of plain numbers|not a zip file)"):
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
    with pytest.raises(StoreError, match=r"\.npz holds the result of another run, which belongs in .*round-05\.npz"):
        store.load(*elsewhere)
    with pytest.raises(StoreError, match=r"\.npz holds the result of another run, which belongs in .*round-05\.npz"):
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
