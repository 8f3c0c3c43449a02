"""What processes do to a store, each in a few milliseconds, for a process that is struck while it does it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from records import RECORD

from lthcore.experiments.executors import tasks
from lthcore.experiments.records import Measurement
from lthcore.experiments.store import Store, doctor

EARLIER = replace(RECORD, weights_sha256="cd" * 32)
MEASUREMENT = Measurement(
    kind="stability",
    experiment=RECORD.experiment,
    trial=0,
    values={"errors": np.ones(3)},
    seconds=1.0,
    machine={"threads": 1},
    environment={"python": "3"},
)
PLACE = RECORD.experiment, RECORD.trial, RECORD.round, RECORD.draw


@dataclass(frozen=True)
class Deed:
    """Something that is done to a store.

    Args:
        prepare: makes the store as it was before.
        work: does it; a second time it does what is left of it.
    """

    prepare: Callable[[Path], object]
    work: Callable[[Path], object]


def _nothing(root: Path) -> None:
    root.mkdir(parents=True)


def _earlier(root: Path) -> None:
    Store(root).save(EARLIER)


def _save(root: Path) -> None:
    Store(root).save(RECORD)


def _measure(root: Path) -> None:
    Store(root).save_measurement(MEASUREMENT)


def _put_aside_and_save(root: Path) -> None:
    store = Store(root)
    if store.has(*PLACE) and store.load(*PLACE) != RECORD:
        store.put_aside(store.path(*PLACE), "replaced")
    store.save(RECORD)


def _receive(root: Path) -> None:
    elsewhere = Store(root.parent / "elsewhere")
    path = elsewhere.save(RECORD)
    parcel = {path.relative_to(elsewhere.root).as_posix(): path.read_bytes()}
    tasks.receive(parcel, Store(root), replace=Store(root).has(*PLACE) and Store(root).load(*PLACE) != RECORD)


def _damaged(root: Path) -> None:
    """Two damaged records, a file that was left half-written long ago, and a record that is sound."""
    store = Store(root)
    for round in (6, 7):
        store.save(replace(RECORD, round=round)).write_bytes(b"")
    path = store.save(replace(RECORD, trial=0))
    path.with_name(".x.partial").write_bytes(b"PK")
    age(root)


def _repair(root: Path) -> None:
    store = Store(root)
    list(doctor.repair(store, doctor.examine(store)))


def age(root: Path) -> None:
    """Let all half-written files be of long ago."""
    for path in root.rglob("*.partial"):
        os.utime(path, (0, 0))


DEEDS = {
    "save": Deed(_nothing, _save),
    "save over": Deed(_earlier, _save),
    "measure": Deed(_earlier, _measure),
    "put aside and save": Deed(_earlier, _put_aside_and_save),
    "receive": Deed(_earlier, _receive),
    "repair": Deed(_damaged, _repair),
}
