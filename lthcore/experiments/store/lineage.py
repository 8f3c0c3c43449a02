"""Whether the records of a trial follow from one another: each from the mask that its search has for its round.

Where a lost round is computed again on another kind of machine, its mask may come out differently. What was trained
with the earlier one is sound then, and compares with nothing any more.
"""

from __future__ import annotations

from pathlib import Path

from lthcore.experiments.experiment import Control, Experiment, Experiments, FilterExperiment
from lthcore.experiments.store import errors
from lthcore.experiments.store.errors import UnreadableError
from lthcore.experiments.store.folder import Store


def unfinished(store: Store, experiment: Experiment | Control, trial: int) -> list[tuple[int, int]]:
    """(round, draw) of the networks of a trial that must be trained, after a look at all of the others.

    Raises:
        UnreadableError: if one of the others cannot be read, or was trained with another mask than its search now has.
    """
    missing = store.missing(experiment, trial)
    for key in experiment.networks:
        if key not in missing and (error := outdated(store, experiment, trial, *key)):
            raise error
    return missing


def all_complete(store: Store, experiments: Experiments) -> bool:
    """Whether nothing of the experiments is to be computed; what cannot be read is no reason to say so."""
    try:
        return all(
            is_complete(store, experiment, trial)
            for experiment in experiments
            if not isinstance(experiment, FilterExperiment)
            for trial in range(experiment.trials)
        )
    except UnreadableError:
        return False


def is_complete(store: Store, experiment: Experiment | Control, trial: int) -> bool:
    """Whether nothing of a trial is to be computed, nor of the search whose masks it trains.

    Raises:
        UnreadableError: as `unfinished` does.
    """
    if unfinished(store, experiment, trial):
        return False
    return experiment.is_chain or not experiment.search.is_chain or not _holes(store, experiment.search, trial)


def _holes(store: Store, search: Experiment, trial: int) -> list[int]:
    """Rounds of a search that are missing though later ones are there."""
    missing = [round for round, _ in store.missing(search, trial)]
    last = max(set(search.rounds) - set(missing), default=0)
    return [round for round in missing if round < last]


def outdated(
    store: Store, experiment: Experiment | Control, trial: int, round: int, draw: int = 0
) -> UnreadableError | None:
    """What is wrong with a sound record whose network was trained with another mask than its search now has.

    Raises:
        UnreadableError: if a record that has the mask cannot be read.
    """
    path = store.path(experiment, trial, round, draw)
    record = store.sound(path)
    if record is None or not record.mask_sha256:
        return None
    source, digest = _mask(store, experiment.search, trial, round)
    return errors.outdated(path, str(source)) if digest not in ("", record.mask_sha256) else None


def _mask(store: Store, search: Experiment, trial: int, round: int) -> tuple[Path, str]:
    """The record that tells the mask of a round, and the digest it has there; empty if nothing tells."""
    if not search.is_chain:  # its masks follow from one network, and only those trained with them tell of them
        path = store.path(search, trial, round)
        sound = store.sound(path)
        return path, sound.mask_sha256 if sound else ""
    path = store.path(search, trial, round - 1)
    sound = store.sound(path) if round else None
    return path, sound.pruned_sha256 if sound else ""
