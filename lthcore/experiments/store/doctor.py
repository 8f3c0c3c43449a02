"""Examine a store: what is damaged, missing, out of date or in the way, and what to do about each.

To examine changes nothing, so that it works where nothing can be written. To repair renames what cannot be believed,
and removes what a process left half-written when it was killed; never anything else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import time

from lthcore.experiments.experiment import AnyExperiment, FilterExperiment
from lthcore.experiments.store import errors, lineage, locks, places
from lthcore.experiments.store.errors import StoreError, UnreadableError
from lthcore.experiments.store.folder import Store

# Seconds after which a half-written file is nobody's: to write one takes a few, and whoever writes holds a lock.
OLD = 3_600

_MEASUREMENT = re.compile(r"[a-z][a-z_]*\.npz")
_ASIDE = re.compile(r".*\.npz\.(damaged|misplaced|outdated|replaced)(-[0-9]+)?")
_LOCK = re.compile(r"\.[a-z_]+-([0-9]+)\.lock")


@dataclass(frozen=True)
class Finding:
    """Something in a store that is not as it should be, or that one may want to know of.

    Args:
        path: the file, whether it exists or not.
        what: the sentence that says it.
        unsound: whether a result is missing or not to be believed because of it.
        aside: what the name of the file is made to end in by a repair; empty where it stays.
        orphan: whether the file was left half-written, and a repair removes it.
    """

    path: Path
    what: str
    unsound: bool = True
    aside: str = ""
    orphan: bool = False


@dataclass(frozen=True)
class Examination:
    """What a store was found to hold.

    Args:
        files: number of records and measurements that were read.
        findings: all that is worth telling, in the order of the files.
        experiments: identity → experiment, of all that could be read.
    """

    files: int
    findings: tuple[Finding, ...]
    experiments: dict[str, AnyExperiment]

    @property
    def sound(self) -> bool:
        """Whether every result is there and can be believed."""
        return not any(finding.unsound for finding in self.findings)


def examine(store: Store, looked: Callable[[Path], object] = lambda _: None) -> Examination:
    """Read everything in a store.

    Args:
        store: the store.
        looked: called with each file that was read.

    Raises:
        UnreadableError: if the folder itself cannot be read.
    """
    findings: list[Finding] = []
    experiments: dict[str, AnyExperiment] = {}
    count, lock_files = 0, 0
    for identity in places.names(store.root):
        folder = store.root / identity
        if identity.startswith("."):
            continue
        if not places.is_folder(folder):
            findings.append(_stray(folder))
            continue
        for trial in _listed(folder, findings):
            if not places.TRIAL.fullmatch(trial):
                is_lock = _LOCK.fullmatch(trial) is not None
                lock_files += is_lock
                findings += [] if is_lock else [_stray(folder / trial)]
                continue
            for name in _listed(folder / trial, findings):
                path = folder / trial / name
                if not (places.RECORD.fullmatch(name) or _MEASUREMENT.fullmatch(name)):
                    findings.append(_not_a_result(path))
                    continue
                count += 1
                try:
                    experiments[identity] = _experiment(store, path)
                except UnreadableError as error:
                    findings.append(_unreadable(path, error))
                looked(path)
            findings += _of_trial(store, experiments.get(identity), folder / trial)
    if lock_files:
        what = f"lock files are left in {store.root}, {lock_files} of them: they do no harm, and runs use them again"
        findings.append(Finding(store.root, what, unsound=False))
    return Examination(count, tuple(findings), experiments)


def _experiment(store: Store, path: Path) -> AnyExperiment:
    """What a file is a result of, if it is sound."""
    if places.RECORD.fullmatch(path.name):
        return store.read(path).experiment
    return store.read_measurement(path).experiment


def _listed(folder: Path, findings: list[Finding]) -> list[str]:
    return places.names(folder, lambda error: findings.append(_unreadable(folder, error)))


def _unreadable(path: Path, error: UnreadableError) -> Finding:
    return Finding(path, str(error).removesuffix(errors.ADVICE), aside=error.aside)


def _stray(path: Path) -> Finding:
    return Finding(path, f"{path} is nothing that a store keeps; it is never read", unsound=False)


def _not_a_result(path: Path) -> Finding:
    if path.name.endswith(".partial"):
        written = places.stamp(path)  # none if it just got its name
        old = bool(written) and time() - written[-1] / 1e9 > OLD
        what = "was left half-written by a process that was killed" if old else "is being written, or was a moment ago"
        return Finding(path, f"{path} {what}; it is never read", unsound=False, orphan=old)
    if _ASIDE.fullmatch(path.name):
        return Finding(path, f"{path} was put aside; it is never read", unsound=False)
    return _stray(path)


def _of_trial(store: Store, experiment: AnyExperiment | None, folder: Path) -> Iterator[Finding]:
    """What is wrong with the records of a trial together: rounds that are lost, and masks that others have replaced."""
    if experiment is None or isinstance(experiment, FilterExperiment):
        return
    trial = int(folder.name.removeprefix("trial-"))
    matches = [match for name in places.names(folder) if (match := places.RECORD.fullmatch(name))]
    stored = [(int(match[1]), int(match[2] or 0)) for match in matches]
    for key in stored:
        if error := _outdated(store, experiment, trial, key):
            yield _unreadable(store.path(experiment, trial, *key), error)
    if experiment.is_chain:
        rounds = {round for round, _ in stored}
        for round in sorted(set(range(max(rounds, default=0))) - rounds):
            path = store.path(experiment, trial, round)
            yield Finding(path, f"{path} is missing, though later rounds of its search are there")


def _outdated(store: Store, experiment: AnyExperiment, trial: int, key: tuple[int, int]) -> UnreadableError | None:
    if isinstance(experiment, FilterExperiment):
        return None
    try:
        return lineage.outdated(store, experiment, trial, *key)
    except UnreadableError:
        return None  # what cannot be read is told by itself


def repair(store: Store, report: Examination) -> Iterator[str]:
    """Put aside what cannot be believed, and remove what was left half-written; yields a sentence for each file.

    Trials that another process is computing are left as they are, and so is what has changed since it was examined.
    """
    for finding in report.findings:
        if not (finding.aside or finding.orphan):
            continue
        path = finding.path
        try:
            with locks.free(_locks(path)) as free:
                if not free:
                    yield f"{path} is left as it is: another process is computing its trial"
                elif finding.orphan:
                    path.unlink(missing_ok=True)
                    yield f"removed {path}"
                elif _still(store, report, finding):
                    yield f"renamed {path} to {store.put_aside(path, finding.aside).name}"
        except (OSError, StoreError) as error:
            yield f"{path} is left as it is: {error}"


def _locks(path: Path) -> list[Path]:
    """The lock of a file's trial, and those of its measurements that there are."""
    trial = path.parent.name.removeprefix("trial-")
    folder = path.parent.parent
    others = [name for name in places.names(folder) if (match := _LOCK.fullmatch(name)) and match[1] == trial]
    return [folder / name for name in dict.fromkeys([f".trial-{trial}.lock", *others])]


def _still(store: Store, report: Examination, finding: Finding) -> bool:
    """Whether what was found is so: another process may have mended it."""
    path = finding.path
    try:
        _experiment(store, path)
    except UnreadableError as error:
        return error.aside == finding.aside
    experiment, match = report.experiments.get(path.parts[-3]), places.RECORD.fullmatch(path.name)
    if experiment is None or match is None:
        return False
    trial = int(path.parent.name.removeprefix("trial-"))
    return _outdated(store, experiment, trial, (int(match[1]), int(match[2] or 0))) is not None
