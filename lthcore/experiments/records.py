"""What is kept of a trained network, and of a measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from lthcore.experiments.experiment import AnyExperiment, Control, Experiment
from lthcore.pruning.mask import Mask
from lthcore.training.run import History

# Kinds of measurement that no training enters, and so neither trial nor round: they are stored with the first trial.
UNTRAINED = frozenset({"corpus"})


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Numbers that need trained weights, which are not kept: taken from networks that were trained again.

    Args:
        kind: what was measured; see `lthcore.analysis.measure`.
        experiment: the search whose tickets were looked at, or that compares networks without filters.
        trial: number of the trial.
        values: name → array.
        seconds: wall-clock time, training included.
        machine: compiler, device and threads.
        environment: versions, processor, commit.
    """

    kind: str
    experiment: AnyExperiment
    trial: int
    values: Mapping[str, np.ndarray]
    seconds: float
    machine: Mapping[str, object]
    environment: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Record:
    """All that is kept of one trained network.

    Args:
        experiment: what was asked for.
        trial: number of the trial.
        round: number of the round whose mask was trained.
        draw: repetition of a control, from 0.
        kept: name → [survivors, prunable weights] of each layer.
        history: the measurements.
        test: loss and accuracy on the test set at the early stop; for label sets further metrics.
        weights_sha256: digest of the final weights: equal exactly if a recomputation is bit-identical.
        seconds: wall-clock time of training and evaluation.
        compile_seconds: time spent compiling before it.
        machine: engine, compiler, device and threads, and the break-even by which the engine was chosen.
        environment: versions, processor, commit.
        pruned: the mask of the next round, where only this training can tell it.
        counts: for label sets, what F1 is made of; see `lthcore.training.run.Run`.
        embedding: weights in embedding tables that the mask does not speak of.
        mask_sha256: digest of the mask of its round as the search found it, which it was trained with; of a shuffled
            mask, that of the one before it was shuffled. Empty in records of the first release.
    """

    experiment: Experiment | Control
    trial: int
    round: int
    draw: int
    kept: Mapping[str, tuple[int, int]]
    history: History
    test: Mapping[str, float]
    weights_sha256: str
    seconds: float
    compile_seconds: float
    machine: Mapping[str, object]
    environment: Mapping[str, str]
    pruned: Mask | None = None
    counts: np.ndarray | None = None
    embedding: int = 0
    mask_sha256: str = ""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        names = [entry.name for entry in fields(self) if entry.name != "counts"]
        same = all(getattr(self, name) == getattr(other, name) for name in names)
        if self.counts is None or other.counts is None:
            return same and self.counts is other.counts
        return same and np.array_equal(self.counts, other.counts)

    __hash__ = None  # type: ignore[assignment]  # compared by value, so not usable as a key

    @property
    def density(self) -> float:
        """Kept / prunable over all layers."""
        kept, prunable = np.sum(list(self.kept.values()), axis=0)
        return float(kept / prunable)

    @property
    def density_with_embedding(self) -> float:
        """The same if embedding tables that are not pruned count as kept weights."""
        kept, prunable = np.sum(list(self.kept.values()), axis=0)
        return float((kept + self.embedding) / (prunable + self.embedding))
