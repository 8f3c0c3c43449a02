"""Compare a stored network with one trained again from its recorded identity."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass
from math import nan
from time import perf_counter

from lthcore.experiments.records import Record
from lthcore.experiments.store import Store

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
        masks: whether the mask that was trained, and the next round's, do; the trained one by its counts, and by its
            digest where the record tells it.
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


def expected_seconds(record: Record, store: Store) -> float:
    """How long a machine like the record's takes to train its network again, with all that must be trained before."""
    experiment, own = record.experiment, record.seconds + record.compile_seconds
    if experiment.control == "continue":  # walked from its first round
        rounds = range(record.round)
        return own + sum(store.seconds(experiment, record.trial, round) or own for round in rounds)
    before = experiment.prune.rewind_step if record.round else 0
    if _own_mask(record):
        before += experiment.scored_step
    trained = int(record.history["step"][-1] - record.history["step"][0])
    return own + record.seconds * before / max(trained, 1)


def waiting(future: Future, seconds: float, *, every: float = 0.5) -> Iterator[float]:
    """Wait for a computation; yields the share of it that should be done by now, from 0 to 1, which comes last.

    It goes by the clock alone, and slows down where a computation takes longer than was expected.

    Args:
        future: the computation; ask it for its result, or its error, afterwards.
        seconds: how long it should take.
        every: seconds between two shares.

    Example:
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> with ThreadPoolExecutor(1) as executor:
        ...     list(waiting(executor.submit(len, "abc"), 1.0))[-1]
        1.0
    """
    begin = perf_counter()
    while not future.done():
        wait([future], timeout=every)
        passed = (perf_counter() - begin) / max(seconds, 1e-9)
        yield passed if passed < 0.9 else 1 - 0.09 / passed
    yield 1.0


def compare(stored: Record, again: Record) -> Comparison:
    """Compare a record with that of the same network trained again."""
    experiment = stored.experiment
    untrained = stored.history["step"][0] == 0 and experiment.control != "continue" and not _own_mask(stored)
    before, after = (float(record.history["validation_loss"][0]) for record in (stored, again))
    return Comparison(
        weights=stored.weights_sha256 == again.weights_sha256,
        history=stored.history == again.history and _scores(stored) == _scores(again),
        masks=dict(stored.kept) == dict(again.kept)
        and stored.pruned == again.pruned
        and stored.mask_sha256 in ("", again.mask_sha256),
        same_kind=_kind(stored) == _kind(again),
        accuracy_gap=again.test["accuracy"] - stored.test["accuracy"],
        start_gap=(after - before) / before if untrained else nan,
    )


def _own_mask(record: Record) -> bool:
    """Whether the network that made its mask is trained again as well."""
    prune = record.experiment.prune
    return prune.schedule == "oneshot" and prune.trained_scores


def _scores(record: Record) -> tuple:
    """All that was measured at the early stop."""
    return dict(record.test), None if record.counts is None else record.counts.tolist(), record.embedding


def _kind(record: Record) -> tuple:
    keys = [*SAME_KIND, *(["numba"] if record.machine.get("compiler") == "numba" else [])]
    return *(record.environment.get(key) for key in keys), record.machine.get("compiler"), record.machine.get("device")
