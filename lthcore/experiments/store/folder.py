"""`Store`: a folder of records and measurements, by identity, trial and round."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from lthcore.experiments.experiment import AnyExperiment, Control, Experiment
from lthcore.experiments.records import UNTRAINED, Measurement, Record
from lthcore.experiments.store import encoding, locks, places, reading
from lthcore.experiments.store.errors import StoreError, UnreadableError
from lthcore.experiments.store.reading import Sound


class Store:
    """A folder of records.

    Args:
        root: the folder; created when the first record is saved.
        waiting: called with a sentence when another process computes what is wanted, and is waited for. A function
            that other processes can import, for stores are sent to them.

    Example:
        >>> store = Store("data/results")
        >>> frame = store.load(experiment, trial=0, round=12).history["test_accuracy"]  # doctest: +SKIP
    """

    def __init__(self, root: Path | str, waiting: Callable[[str], object] | None = None) -> None:
        if not str(root):
            raise StoreError("the folder of results has an empty name; name one, or . for this one")
        self.root = Path(root)
        self.waiting = waiting
        # Each record is read once to be believed, and again only if its file is another one.
        self._read_before: dict[Path, tuple[tuple[int, ...], Sound | UnreadableError]] = {}

    def __repr__(self) -> str:
        return f"Store({str(self.root)!r})"

    def __reduce__(self) -> tuple:
        return Store, (self.root, self.waiting)

    def path(self, experiment: Experiment | Control, trial: int, round: int, draw: int = 0) -> Path:
        """Where a record lies, whether it exists or not."""
        return self.folder(experiment, trial) / places.record_name(experiment, round, draw)

    def folder(self, experiment: AnyExperiment, trial: int) -> Path:
        """Where all of a trial lies, whether it exists or not."""
        return self.root / experiment.identity / f"trial-{trial}"

    def has(self, experiment: Experiment | Control, trial: int, round: int, draw: int = 0) -> bool:
        """Whether a record is there and sound, every bit of it.

        Raises:
            UnreadableError: if there is one that cannot be read.
        """
        return self.sound(self.path(experiment, trial, round, draw)) is not None

    def missing(self, experiment: AnyExperiment, trial: int) -> list[tuple[int, int]]:
        """(round, draw) of the networks of a trial of which there is no record.

        Raises:
            UnreadableError: if one of the others cannot be read.
        """
        paths = self._paths(experiment, trial)
        return [key for key, path in paths.items() if self.sound(path) is None]

    def finished(self, experiment: AnyExperiment, trial: int) -> int:
        """How many networks of a trial have a record that is sound."""
        count = 0
        for path in self._paths(experiment, trial).values():
            with suppress(UnreadableError):
                count += self.sound(path) is not None
        return count

    def _paths(self, experiment: AnyExperiment, trial: int) -> dict[tuple[int, int], Path]:
        folder = self.folder(experiment, trial)
        return {key: folder / places.record_name(experiment, *key) for key in experiment.networks}

    def sound(self, path: Path) -> Sound | None:
        """What is to be known of a record at a path, once it was read; None where there is none.

        Raises:
            UnreadableError: if it cannot be read.
        """
        if not (stamp := places.stamp(path)):
            return None
        before, found = self._read_before.get(path, ((), None))
        if before != stamp or found is None:
            self.read(path)
            found = self._read_before[path][1]
        if isinstance(found, UnreadableError):
            raise found.again()
        return found

    def load(self, experiment: Experiment | Control, trial: int, round: int, draw: int = 0) -> Record:
        """Read a record.

        Raises:
            StoreError: if it is missing.
            UnreadableError: if it is there, and damaged or not to be read.
        """
        path = self.path(experiment, trial, round, draw)
        if not places.stamp(path):
            raise StoreError(
                f"no stored result for {experiment.identity}, trial {trial}, round {round}, draw {draw} in {self.root}"
            )
        return self.read(path)

    def find(self, beginning: str, trial: int, round: int, draw: int = 0) -> Record:
        """Read a record of the experiment whose identity begins so.

        Raises:
            StoreError: if no such network is stored, or networks of several experiments are.
            UnreadableError: if it is there, and damaged or not to be read.
        """
        names = (f"round-{round:02d}-draw-{draw}.npz", *([] if draw else [f"round-{round:02d}.npz"]))
        folders = [
            self.root / name / f"trial-{trial}" for name in places.names(self.root) if name.startswith(beginning)
        ]
        found = [path for folder in folders for name in sorted(names) if places.stamp(path := folder / name)]
        if len(found) != 1:
            which = f"trial {trial}, round {round}, draw {draw} of an experiment that begins with {beginning!r}"
            several = f"; it could be {', '.join(path.parts[-3] for path in found)}" if found else ""
            raise StoreError(
                f"{len(found) or 'no'} stored results for {which} in {self.root}{several}. "
                f"`python -m lthcore show` lists what is stored"
            )
        return self.read(found[0])

    def records(
        self,
        identities: Collection[str] | None = None,
        *,
        skipped: places.Skipped | None = None,
    ) -> Iterator[Record]:
        """Every record, or those of some experiments, in the order of their names.

        Args:
            identities: the experiments.
            skipped: called with the error of each file that cannot be read, and is left out.

        Raises:
            UnreadableError: at the first file that cannot be read, if `skipped` is not given.
        """
        for path in places.records(self.root, identities, skipped):
            try:
                record = self.read(path)
            except UnreadableError as error:
                places.skip(error, skipped)
            else:
                yield record

    def save(self, record: Record) -> Path:
        """Write a record, all of it or nothing.

        Raises:
            StoreError: if the disk refuses; nothing is left behind.
        """
        path = self.path(record.experiment, record.trial, record.round, record.draw)
        reading.write(path, encoding.encode(record))
        return path

    def seconds(self, experiment: Experiment | Control, trial: int, round: int, draw: int = 0) -> float | None:
        """How long a network took, compiling included, read at a glance; None where there is no record to be read."""
        return reading.seconds(self.path(experiment, trial, round, draw), encoding.RECORD)

    def measurement_seconds(self, kind: str, experiment: AnyExperiment, trial: int) -> float | None:
        """How long a measurement took, read at a glance; None where there is none to be read."""
        return reading.seconds(self.measurement_path(kind, experiment, trial), encoding.ABOUT)

    def measurement_path(self, kind: str, experiment: AnyExperiment, trial: int) -> Path:
        """Where a measurement lies, whether it exists or not."""
        return self.folder(experiment, trial) / f"{kind}.npz"

    def has_measurement(self, kind: str, experiment: AnyExperiment, trial: int) -> bool:
        """Whether a measurement is stored that covers all rounds of the experiment.

        Raises:
            UnreadableError: if there is one that cannot be read.
        """
        if not places.stamp(self.measurement_path(kind, experiment, trial)):
            return False
        covered = self.load_measurement(kind, experiment, trial).experiment.rounds
        return kind in UNTRAINED or set(covered) >= set(experiment.rounds)

    def load_measurement(self, kind: str, experiment: AnyExperiment, trial: int) -> Measurement:
        """Read a measurement.

        Raises:
            StoreError: if it is missing.
            UnreadableError: if it is there, and damaged or not to be read.
        """
        path = self.measurement_path(kind, experiment, trial)
        if not places.stamp(path):
            raise StoreError(f"no stored {kind} of {experiment.identity}, trial {trial} in {self.root}")
        return self.read_measurement(path)

    def save_measurement(self, measurement: Measurement) -> Path:
        """Write a measurement, all of it or nothing.

        Raises:
            StoreError: if the disk refuses; nothing is left behind.
        """
        path = self.measurement_path(measurement.kind, measurement.experiment, measurement.trial)
        reading.write(path, encoding.encode_measurement(measurement))
        return path

    def read(self, path: Path) -> Record:
        """Read the record at a path.

        Raises:
            UnreadableError: if it is damaged, another's, of a later version, or not to be read.
        """

        def place(record: Record) -> Path:
            return self.path(record.experiment, record.trial, record.round, record.draw)

        stamp = places.stamp(path)  # of before: what is written while it is read is read again
        try:
            record = reading.read(path, encoding.decode, place)
        except UnreadableError as error:
            if not isinstance(error.__cause__, OSError):  # which may be gone by the next time
                self._read_before[path] = (stamp, error.again())
            raise
        self._read_before[path] = (stamp, Sound.of(record))
        return record

    def read_measurement(self, path: Path) -> Measurement:
        """Read the measurement at a path; see `read`."""

        def place(found: Measurement) -> Path:
            return self.measurement_path(found.kind, found.experiment, found.trial)

        return reading.read(path, encoding.decode_measurement, place)

    def put_aside(self, path: Path, ending: str) -> Path:
        """Rename a file, to make room for another; nothing is removed, and nothing overwritten.

        Args:
            path: the file.
            ending: what is added to its name, and a number if that name is taken.

        Raises:
            StoreError: if the disk refuses.
        """
        number = 1
        while os.path.lexists(target := path.with_name(f"{path.name}.{ending}{f'-{number}' if number > 1 else ''}")):
            number += 1
        try:
            path.rename(target)
        except OSError as error:
            raise StoreError(f"cannot rename {path}: {error.strerror}. Nothing is lost") from error
        return target

    def lock(self, experiment: AnyExperiment, trial: int, what: str = "trial") -> AbstractContextManager[None]:
        """Hold the trial of an experiment, or a measurement of it, for this process: others wait, then find it done.

        Raises:
            StoreError: if nothing can be written there.
        """
        which = f"trial {trial}" if what == "trial" else f"{what} of trial {trial}"
        path = self.root / experiment.identity / f".{what}-{trial}.lock"
        return locks.held(path, f"{which} of {experiment.identity}", self.waiting)
