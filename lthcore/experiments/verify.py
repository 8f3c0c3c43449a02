"""Compare a stored network with one trained again from its recorded identity."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

from lthcore.experiments.records import Record

# What must agree for the last bit to be owed; the commit and the number of threads are not among it. Older records do
# not name their vector instructions, and so count as another kind's.
SAME_KIND = ("tensorflow", "keras", "numpy", "onednn", "system", "processor", "vectors")

# Rounding grows during training, so networks trained on different machines may part ways like two data orders do. Half
# a point is more than the published dense networks and tickets differ between two data orders; very sparse controls can
# differ by more, and then fail here. Before training, losses differ by rounding alone.
ACCURACY_TOLERANCE = 0.005
LOSS_TOLERANCE = 1e-5


class VerificationError(Exception):
    """A network that was trained again did not come out as its record says."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How a network trained again compares with its record.

    Args:
        weights: whether the final weights agree bit for bit.
        history: whether every measurement along the way does.
        masks: whether the mask that was trained, and the next round's, do; the trained one by its counts.
        same_kind: whether versions and processor are those of the record.
        accuracy_gap: test accuracy at the early stop, again − stored.
        start_gap: validation loss before the first step, again − stored, as a share of it; NaN where training on this
            machine came before it: to get the values a network starts from, or the mask of one-shot pruning.
    """

    weights: bool
    history: bool
    masks: bool
    same_kind: bool
    accuracy_gap: float
    start_gap: float

    @property
    def identical(self) -> bool:
        """Whether everything agrees bit for bit."""
        return self.weights and self.history and self.masks

    @property
    def close(self) -> bool:
        """Whether it agrees within the tolerance that holds between different machines."""
        return abs(self.accuracy_gap) <= ACCURACY_TOLERANCE and not abs(self.start_gap) > LOSS_TOLERANCE

    def check(self) -> None:
        """Refuse a difference: bit for bit on the same kind of machine, within the tolerance elsewhere.

        Raises:
            VerificationError: saying what differs, and by how much.
        """
        if self.identical or (self.close and not self.same_kind):
            return
        parts = {"final weights": self.weights, "history": self.history, "masks": self.masks}
        differing = ", ".join(part for part, same in parts.items() if not same)
        where = (
            "the same kind of machine, where every bit should agree" if self.same_kind else "another kind of machine"
        )
        raise VerificationError(
            f"the network differs from its record in: {differing}. This is {where}. Accuracy at the early stop differs "
            f"by {100 * self.accuracy_gap:+.3f} pp, the loss before the first step by {self.start_gap:+.1e} of itself "
            f"(elsewhere {100 * ACCURACY_TOLERANCE:g} pp and {LOSS_TOLERANCE:g} are allowed)"
        )


def compare(stored: Record, again: Record) -> Comparison:
    """Compare a record with that of the same network trained again."""
    experiment = stored.experiment
    own_mask = experiment.prune.schedule == "oneshot" and experiment.prune.trained_scores  # trained again as well
    untrained = stored.history["step"][0] == 0 and experiment.control != "continue" and not own_mask
    before, after = (float(record.history["validation_loss"][0]) for record in (stored, again))
    return Comparison(
        weights=stored.weights_sha256 == again.weights_sha256,
        history=stored.history == again.history and _scores(stored) == _scores(again),
        masks=dict(stored.kept) == dict(again.kept) and stored.pruned == again.pruned,
        same_kind=_kind(stored) == _kind(again),
        accuracy_gap=again.test["accuracy"] - stored.test["accuracy"],
        start_gap=(after - before) / before if untrained else nan,
    )


def _scores(record: Record) -> tuple:
    """All that was measured at the early stop."""
    return dict(record.test), None if record.counts is None else record.counts.tolist(), record.embedding


def _kind(record: Record) -> tuple:
    return *(record.environment.get(key) for key in SAME_KIND), record.machine["compiler"], record.machine["device"]
