"""Faults of every kind: a damaged record is refused by name, and whatever is believed is what was saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import faults
import numpy as np
import pytest
from records import RECORD

from lthcore.analysis import frames
from lthcore.experiments.records import Measurement
from lthcore.experiments.store import Store, UnreadableError
from lthcore.files import array_files
from lthcore.pruning.mask import Mask


def message(kind: type[Exception], read: Callable[[], object]) -> str:
    """What an error of a kind says; empty if there is none. Any other error is a defect."""
    try:
        read()
    except kind as error:
        return str(error)
    return ""


def refused(store: Store) -> bool:
    """Whether the record is refused by name; otherwise it must be the one that was saved."""
    path = store.path(RECORD.experiment, RECORD.trial, RECORD.round)
    if said := message(UnreadableError, lambda: store.read(path)):
        assert str(path) in said
        assert "elete" not in said
        return True
    found = store.read(path)
    # Under a checksum that agrees, a record may say less of its machine.
    assert replace(found, machine=RECORD.machine, environment=RECORD.environment) == RECORD
    frames.row(found)
    return False


@pytest.mark.parametrize("each", [8, pytest.param(300, marks=pytest.mark.faults)])
def test_what_a_disk_does_to_a_record_is_noticed(store, each):
    path = store.save(RECORD)
    whole, outcomes = path.read_bytes(), []
    for fault in faults.physical(whole, np.random.default_rng(each), each):
        fault.strike(path)
        outcomes.append(refused(store) or fault.name)
    assert len(outcomes) == 9 * each
    assert outcomes.count(True) > 0.7 * len(outcomes), outcomes


def test_files_of_other_kinds_are_refused(store):
    path = store.save(RECORD)
    for fault in (*faults.foreign(path.read_bytes()), *faults.greedy(path.read_bytes())):
        fault.strike(path)
        assert refused(store), fault.name


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.faults)])
def test_nonsense_under_a_checksum_that_agrees_is_refused(store, stride):
    path = store.save(RECORD)
    outcomes = []
    for name, arrays in list(faults.malformed(array_files.read(path), "record"))[::stride]:
        faults.write(path, arrays)
        outcomes.append(refused(store) or name)
    assert outcomes.count(True) > 0.8 * len(outcomes), outcomes


@pytest.mark.parametrize("each", [3, pytest.param(60, marks=pytest.mark.faults)])
def test_a_damaged_mask_is_one_error(tmp_path, each):
    path = tmp_path / "mask.npz"
    mask = Mask({"w": np.arange(1000) % 3 == 0})
    mask.save(path)
    for fault in faults.physical(path.read_bytes(), np.random.default_rng(0), each):
        fault.strike(path)
        said = message(ValueError, lambda: Mask.load(path))
        assert "cannot be read as a mask" in said or Mask.load(path) == mask, fault.name


def test_a_measurement_with_nonsense_is_refused(store):
    about = {"seconds": 1.0, "machine": {"threads": 1}, "environment": {"python": "3"}}
    taken = Measurement(kind="stability", experiment=RECORD.experiment, trial=0, values={"errors": np.ones(3)}, **about)
    path = store.save_measurement(taken)
    for name, arrays in list(faults.malformed(array_files.read(path), "about"))[::3]:
        faults.write(path, arrays)
        if not message(UnreadableError, lambda: store.load_measurement("stability", RECORD.experiment, 0)):
            found = store.load_measurement("stability", RECORD.experiment, 0)
            assert (found.experiment, found.trial) == (taken.experiment, 0), name
