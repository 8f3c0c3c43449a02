"""What a run leaves behind: `History`, its measurements over time, and `Run`, all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from lthcore.pruning.weights import Weights

COLUMNS = (
    "step",
    "train_loss",
    "validation_loss",
    "validation_accuracy",
    "test_loss",
    "test_accuracy",
)


class DivergedError(Exception):
    """Training met a loss or a weight that is not a finite number."""


@dataclass(frozen=True)
class History:
    """Measurements of one run, one row per evaluation.

    Columns (float32 but for ``step``): ``train_loss`` is the mean over the steps since the row before; the test
    columns are NaN in rows where only validation was evaluated, which is the case when the test set is scored
    less often. Tasks with several labels per example have further columns, and their accuracy is that of whole label
    sets.

    Args:
        columns: name → array, all of one length, rows in order of ``step``.
        stop_by: the column that sets the early stop.
        counted_from: the first step that may be the early stop; rows before it speak of the network under another mask,
            where masks change during training.
    """

    columns: Mapping[str, np.ndarray]
    stop_by: str = "validation_loss"
    counted_from: int = 0

    def __post_init__(self) -> None:
        lengths = {name: len(self.columns[name]) for name in self.columns}
        missing = [name for name in COLUMNS if name not in lengths]
        if missing or len(set(lengths.values())) != 1 or not lengths["step"]:
            raise ValueError(f"a history needs the columns {', '.join(COLUMNS)}, equally long; got {lengths}")
        if np.any(np.diff(self["step"]) <= 0):
            raise ValueError("the steps of a history must increase")
        if self.counted_from > self["step"][-1]:
            raise ValueError(f"no row counts: the last is that of step {self['step'][-1]}, before {self.counted_from}")

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, History):
            return NotImplemented
        settings = (list(self.columns), self.stop_by, self.counted_from)
        same = settings == (list(other.columns), other.stop_by, other.counted_from)
        return same and all(np.array_equal(self[name], other[name], equal_nan=True) for name in self.columns)

    @property
    def early_stop(self) -> int:
        """Row of the early stop, found after the fact: the first minimum of the validation loss, or the first maximum
        of another column of the validation set.

        Validation chooses, test reports: nothing here looks at a test column.
        """
        before = int(np.searchsorted(self["step"], self.counted_from))
        return before + best_row(self[self.stop_by][before:], self.stop_by)

    @property
    def early_stop_step(self) -> int:
        """Step of the early stop."""
        return int(self["step"][self.early_stop])


def best_row(values: ArrayLike, stop_by: str) -> int:
    """The first of the best values of a column: losses are best when small, all else when large."""
    return int(np.argmin(values) if stop_by.endswith("loss") else np.argmax(values))


@dataclass(frozen=True, kw_only=True)
class Run:
    """One network trained once.

    Args:
        history: the measurements.
        final: the weights after the last step, θ_T.
        best: the weights at the early stop.
        snapshots: step k → θ_k, as asked for.
        test: loss and accuracy on the test set at the early stop; for several labels further metrics.
        seconds: wall-clock time of the training and its evaluations, without compiling.
        compile_seconds: time spent compiling before it, 0 when the program was there already.
        machine: what computed it: engine, compiler, device, threads.
        counts: for several labels, true positives, false positives and false negatives of each category on the test
            set at the early stop, int32 (2, C, 3): at threshold 0.5, and at the one chosen on validation.
    """

    history: History
    final: Weights
    best: Weights
    snapshots: Mapping[int, Weights]
    test: Mapping[str, float]
    seconds: float
    compile_seconds: float = 0.0
    machine: Mapping[str, object] = field(default_factory=dict)
    counts: np.ndarray | None = None
