"""What a worker does: one part of a trial, in a folder it shares with who asked for it, or with records that travel.

Records travel in their own encoding, the bytes of their files, checksum included. TensorFlow is imported by the task
itself: a worker of a cluster reads its tasks in the thread that keeps its connections alive.
"""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from uuid import uuid4

from lthcore.experiments.executors.processes import WorkerError, prepare
from lthcore.experiments.executors.software import check_software, software
from lthcore.experiments.experiment import Control, Experiment
from lthcore.experiments.store import Store, StoreError
from lthcore.files import environment

# The networks of a trial that one task trains, as (round, draw); None for all that are missing.
Part = Sequence[tuple[int, int]] | None
# Records on their way: name of the file in its store → content.
Parcel = Mapping[str, bytes]

# Seconds that a network file system may take to show what another machine wrote.
PATIENCE = 30.0

# The trainer of a process serves one training at a time.
_ALONE = threading.Lock()


@dataclass(frozen=True)
class Origin:
    """Who asks for a task, and what a worker needs to answer alike.

    Args:
        host, process: the machine and the process that asks.
        software: name and version of all that results depend on.
        modules: what a worker imports first, for what it registers.
        mark: what stands in the mark of the folder that is shared; see `mark`.
    """

    host: str
    process: int
    software: tuple[tuple[str, str], ...]
    modules: tuple[str, ...] = ()
    mark: str = ""

    @classmethod
    def here(cls, modules: Sequence[str] = (), mark: str = "") -> Origin:
        """This process."""
        versions = tuple(software(environment.describe()).items())
        return cls(platform.node(), os.getpid(), versions, tuple(modules), mark)


def in_place(
    experiment: Experiment | Control, trial: int, store: Store, engine: str, part: Part, origin: Origin, number: str
) -> Parcel:
    """Compute a part of a trial into the store itself. Nothing travels; the number tells equal tasks apart."""
    _prepared(origin)
    _check_mark(store.root, origin.mark)
    wait_for(store, trial, built_on(experiment, part))
    with _ALONE:
        from lthcore.experiments import trials

        trials.complete(experiment, trial, store, engine, part)
    return {}


def away(
    experiment: Experiment | Control, trial: int, parcel: Parcel, engine: str, part: Part, origin: Origin, number: str
) -> Parcel:
    """Compute a part of a trial from the records it builds on; gives those that are new. See `in_place`."""
    _prepared(origin)
    with _ALONE, TemporaryDirectory(prefix="lthcore-") as folder:
        from lthcore.experiments import trials

        _unpack(parcel, Path(folder))
        try:
            trials.complete(experiment, trial, Store(folder), engine, part)
        except StoreError as error:
            raise StoreError(f"on {platform.node()}: {error}") from None
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).glob("*/*/*.npz")}
    return {name: content for name, content in files.items() if parcel.get(name) != content}


@cache
def _prepared(origin: Origin) -> None:
    """Make this process fit for the tasks of `origin`, unless it is that process itself."""
    if (origin.host, origin.process) == (platform.node(), os.getpid()):
        return
    check_software(platform.node(), software(environment.describe()), dict(origin.software))
    try:
        prepare(origin.modules)
    except ModuleNotFoundError as error:
        raise WorkerError(
            f"a worker on {platform.node()} cannot import what registers your own names: {error}. Install the module "
            f"there, or start the worker in a folder that has it"
        ) from None


def mark(store: Store) -> str:
    """What tells the folder of a store from one of the same name on another machine; written when first asked for.

    Raises:
        StoreError: if it cannot be written.
    """
    path = store.root / _MARK
    try:
        store.root.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError), path.open("x") as file:
            file.write(uuid4().hex)
        return path.read_text()
    except OSError as error:
        raise StoreError(f"cannot write to {store.root}: {error}. Choose another folder for the results") from error


_MARK = ".folder"


@cache
def _check_mark(root: Path, mark: str) -> None:
    """Refuse a folder that is not the one whose mark this is."""
    path = root / _MARK
    if mark and not (path.is_file() and path.read_text() == mark):
        raise WorkerError(
            f"the worker on {platform.node()} does not see {root}, where the results go: choose a folder that all "
            f"workers share, or let the records travel: --no-shared-folder, in Python shared=False"
        )


def built_on(experiment: Experiment | Control, part: Part) -> list[tuple[Experiment, tuple[int, int]]]:
    """The networks of its search, as (round, draw), whose records hold the masks that a part of a trial trains."""
    if part is None or not experiment.search.is_chain:
        return []
    return [(experiment.search, (round - 1, 0)) for round, _ in part if round]


def wait_for(store: Store, trial: int, networks: Iterable[tuple[Experiment | Control, tuple[int, int]]]) -> None:
    """Wait until records that another machine has written are seen on this one.

    Raises:
        WorkerError: if one of them is not.
    """
    deadline = monotonic() + PATIENCE
    for experiment, key in networks:
        while not store.has(experiment, trial, *key):
            if monotonic() > deadline:
                raise WorkerError(
                    f"{store.path(experiment, trial, *key)} was written by a worker, and is not seen on "
                    f"{platform.node()}: choose a folder that all workers share, or let the records travel: "
                    f"--no-shared-folder, in Python shared=False"
                )
            sleep(0.2)
            # Opening the folder lets a network file system look again.
            list(store.path(experiment, trial, *key).parent.glob("*"))


def pack(experiment: Experiment | Control, trial: int, store: Store, part: Part) -> Parcel:
    """The records that a part of a trial builds on.

    Raises:
        StoreError: if one of them is damaged or missing.
    """
    from lthcore.experiments.trainers import first_stored

    sources = (experiment.search, experiment)
    keys = {(source, first) for source in sources if (first := first_stored(source, trial, store))}
    if part is None:
        keys |= {(experiment, key) for key in experiment.networks if store.has(experiment, trial, *key)}
    keys |= set(built_on(experiment, part))
    parcel = {}
    for source, key in keys:
        store.load(source, trial, *key)  # what is damaged is told here, where its file lies
        path = store.path(source, trial, *key)
        parcel[path.relative_to(store.root).as_posix()] = path.read_bytes()
    return parcel


def receive(parcel: Parcel, store: Store, *, replace: bool) -> None:
    """Store the complete records that came from a worker; stored ones stay unless they are to be replaced."""
    if not parcel:
        return
    with TemporaryDirectory(prefix="lthcore-") as folder:
        _unpack(parcel, Path(folder))
        for record in Store(folder).records():
            if store.has(record.experiment, record.trial, record.round, record.draw):
                if not replace:
                    continue
                store.put_aside(store.path(record.experiment, record.trial, record.round, record.draw), "replaced")
            store.save(record)


def _unpack(parcel: Parcel, folder: Path) -> None:
    for name, content in parcel.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
