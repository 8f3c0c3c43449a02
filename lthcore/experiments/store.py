"""Results by identity: one small file per trained network, atomic, checksummed, resumable.

A network counts as trained if and only if its complete record exists. Beside the records lie measurements: what was
found out about the weights themselves, which are not kept.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import numpy as np
from filelock import FileLock

from lthcore.experiments.descriptions import from_dict, to_dict
from lthcore.experiments.experiment import DRAWN, AnyExperiment, Control, Experiment
from lthcore.experiments.records import UNTRAINED, Measurement, Record
from lthcore.files import array_files
from lthcore.pruning.mask import Mask
from lthcore.training.run import COLUMNS, History


class StoreError(Exception):
    """A record is missing, damaged, or cannot be written; the message says which and what to do."""


class Store:
    """A folder of records.

    Args:
        root: the folder; created when the first record is saved.

    Example:
        >>> store = Store("data/results")
        >>> frame = store.load(experiment, trial=0, round=12).history["test_accuracy"]  # doctest: +SKIP
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def __repr__(self) -> str:
        return f"Store({str(self.root)!r})"

    def path(self, experiment: Experiment | Control, trial: int, round: int, draw: int = 0) -> Path:
        """Where a record lies, whether it exists or not."""
        name = f"round-{round:02d}-draw-{draw}.npz" if experiment.control in DRAWN else f"round-{round:02d}.npz"
        return self.root / experiment.identity / f"trial-{trial}" / name

    def has(self, experiment: Experiment | Control, trial: int, round: int, draw: int = 0) -> bool:
        """Whether a record exists. It is read, and believed or refused, only by `load`."""
        return self.path(experiment, trial, round, draw).is_file()

    def load(self, experiment: Experiment | Control, trial: int, round: int, draw: int = 0) -> Record:
        """Read a record.

        Raises:
            StoreError: if it is missing or damaged.
        """
        path = self.path(experiment, trial, round, draw)
        if not path.is_file():
            raise StoreError(
                f"no stored result for {experiment.identity}, trial {trial}, round {round}, draw {draw} in {self.root}"
            )
        return self._read(path)

    def find(self, beginning: str, trial: int, round: int, draw: int = 0) -> Record:
        """Read a record of the experiment whose identity begins so.

        Raises:
            StoreError: if no such network is stored, networks of several experiments are, or it is damaged.
        """
        places = self.root.glob(f"*/trial-{trial}/round-{round:02d}*.npz")
        names = (f"round-{round:02d}-draw-{draw}.npz", *([] if draw else [f"round-{round:02d}.npz"]))
        found = [path for path in sorted(places) if path.parts[-3].startswith(beginning) and path.name in names]
        if len(found) != 1:
            which = f"trial {trial}, round {round}, draw {draw} of an experiment that begins with {beginning!r}"
            several = f"; it could be {', '.join(path.parts[-3] for path in found)}" if found else ""
            raise StoreError(
                f"{len(found) or 'no'} stored results for {which} in {self.root}{several}. "
                f"`python -m lthcore show` lists what is stored"
            )
        return self._read(found[0])

    def records(self, identities: Collection[str] | None = None) -> Iterator[Record]:
        """Every record, or those of some experiments, in the order of their names.

        Raises:
            StoreError: at the first damaged one.
        """
        for path in sorted(self.root.glob("*/trial-*/round-*.npz")):
            if identities is None or path.parts[-3] in identities:
                yield self._read(path)

    def save(self, record: Record) -> Path:
        """Write a record, all of it or nothing.

        Raises:
            StoreError: if the disk refuses; nothing is left behind.
        """
        path = self.path(record.experiment, record.trial, record.round, record.draw)
        self._write(path, _encode(record))
        return path

    def seconds(self, experiment: Experiment | Control, trial: int, round: int, draw: int = 0) -> float | None:
        """How long a network took, compiling included, read at a glance; None where there is no record to be read."""
        return _seconds(self.path(experiment, trial, round, draw), _RECORD)

    def measurement_seconds(self, kind: str, experiment: AnyExperiment, trial: int) -> float | None:
        """How long a measurement took, read at a glance; None where there is none to be read."""
        return _seconds(self.measurement_path(kind, experiment, trial), _ABOUT)

    def measurement_path(self, kind: str, experiment: AnyExperiment, trial: int) -> Path:
        """Where a measurement lies, whether it exists or not."""
        return self.root / experiment.identity / f"trial-{trial}" / f"{kind}.npz"

    def has_measurement(self, kind: str, experiment: AnyExperiment, trial: int) -> bool:
        """Whether a measurement is stored that covers all rounds of the experiment.

        Raises:
            StoreError: if there is one that is damaged.
        """
        if not self.measurement_path(kind, experiment, trial).is_file():
            return False
        covered = self.load_measurement(kind, experiment, trial).experiment.rounds
        return kind in UNTRAINED or set(covered) >= set(experiment.rounds)

    def load_measurement(self, kind: str, experiment: AnyExperiment, trial: int) -> Measurement:
        """Read a measurement.

        Raises:
            StoreError: if it is missing or damaged.
        """
        path = self.measurement_path(kind, experiment, trial)
        if not path.is_file():
            raise StoreError(f"no stored {kind} of {experiment.identity}, trial {trial} in {self.root}")
        with _told(path, "take the measurement"):
            arrays = array_files.read(path)
            about = json.loads(arrays.pop(_ABOUT).tobytes())
            about["experiment"] = from_dict(about["experiment"])
            found = Measurement(values=arrays, **about)
            if path != self.measurement_path(found.kind, found.experiment, found.trial):
                raise ValueError("it holds the measurement of another run")
        return found

    def save_measurement(self, measurement: Measurement) -> Path:
        """Write a measurement, all of it or nothing.

        Raises:
            StoreError: if the disk refuses; nothing is left behind.
        """
        path = self.measurement_path(measurement.kind, measurement.experiment, measurement.trial)
        about = {entry.name: getattr(measurement, entry.name) for entry in fields(measurement)}
        about |= {"experiment": to_dict(measurement.experiment)}
        del about["values"]
        self._write(path, {**measurement.values, _ABOUT: np.frombuffer(json.dumps(about).encode(), np.uint8)})
        return path

    def _read(self, path: Path) -> Record:
        with _told(path, "run the experiment"):
            record = _decode(array_files.read(path))
        if path != self.path(record.experiment, record.trial, record.round, record.draw):
            raise StoreError(f"{path} holds the record of another run; delete it and compute it again")
        return record

    def _write(self, path: Path, arrays: Mapping[str, np.ndarray]) -> None:
        try:
            array_files.write(path, arrays)
        except OSError as error:
            raise StoreError(
                f"cannot write {path}: {error}. Nothing is lost: make room and run again, finished runs are kept"
            ) from error

    @contextmanager
    def lock(self, experiment: AnyExperiment, trial: int, what: str = "trial") -> Iterator[None]:
        """Hold the trial of an experiment, or a measurement of it, for this process: others wait, then find it done."""
        path = self.root / experiment.identity / f".{what}-{trial}.lock"
        lock = FileLock(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            raise StoreError(
                f"cannot write to {path.parent}: {error}. Choose another folder for the results"
            ) from error
        try:
            yield
        finally:
            lock.release()


_MASK = "mask:"
_RECORD = "record"
_ABOUT = "about"


def _seconds(path: Path, name: str) -> float | None:
    try:
        about = json.loads(array_files.glance(path, name).tobytes())
        return float(about["seconds"]) + float(about.get("compile_seconds", 0.0))
    except array_files.DAMAGE:
        return None


@contextmanager
def _told(path: Path, remedy: str) -> Iterator[None]:
    """Say of a damaged file which one it is and what to do."""
    try:
        yield
    except array_files.DAMAGE as error:
        raise StoreError(f"{path} is damaged: {error}. Delete it and {remedy} again: what is sound is kept") from error


def _encode(record: Record) -> dict[str, np.ndarray]:
    """The arrays of a record's file: one of JSON text, the history's columns, packed mask bits, the checksum."""
    masks: Mapping[str, np.ndarray] = record.pruned or {}
    values = {
        "experiment": to_dict(record.experiment),
        "trial": record.trial,
        "round": record.round,
        "draw": record.draw,
        "kept": {name: list(counts) for name, counts in record.kept.items()},
        "test": dict(record.test),
        "weights_sha256": record.weights_sha256,
        "seconds": record.seconds,
        "compile_seconds": record.compile_seconds,
        "machine": dict(record.machine),
        "environment": dict(record.environment),
        "mask_shapes": {name: list(array.shape) for name, array in masks.items()},
        "columns": list(record.history.columns),
        "embedding": record.embedding,
    }
    arrays = {_RECORD: np.frombuffer(json.dumps(values, sort_keys=False).encode(), np.uint8)}
    arrays |= record.history.columns
    if record.counts is not None:
        arrays["counts"] = record.counts
    arrays |= {f"{_MASK}{name.replace('/', '|')}": np.packbits(array) for name, array in masks.items()}
    return arrays


def _decode(arrays: Mapping[str, np.ndarray]) -> Record:
    values = json.loads(arrays[_RECORD].tobytes())
    shapes = values.pop("mask_shapes")
    masks = {
        name: np.unpackbits(arrays[f"{_MASK}{name.replace('/', '|')}"], count=int(np.prod(shape))).reshape(shape)
        for name, shape in shapes.items()
    }
    values["experiment"] = from_dict(values["experiment"])
    values["kept"] = {name: tuple(counts) for name, counts in values["kept"].items()}
    columns = values.pop("columns", COLUMNS)  # records of the first release do not name theirs
    history = History({name: arrays[name] for name in columns}, values["experiment"].train.stop_by)
    pruned = Mask(masks) if masks else None
    return Record(**values, history=history, pruned=pruned, counts=arrays.get("counts"))
