"""Gradual magnitude pruning: one training, in the course of which the mask grows sparser on a schedule."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from lthcore.pruning.criteria import Criterion, Score
from lthcore.pruning.mask import Mask
from lthcore.pruning.prune import keep
from lthcore.pruning.sparsity import CubicSchedule
from lthcore.pruning.ticket import Ticket
from lthcore.training.run import Run
from lthcore.training.trainer import Trainer


def prune_gradually(
    trainer: Trainer,
    ticket: Ticket,
    schedule: CubicSchedule,
    *,
    order: np.random.Generator,
    criterion: str | Criterion | Score = "large_final",
    scope: str = "layerwise",
    protect: Collection[str] = (),
) -> tuple[Mask, Run]:
    """Train a network once, and prune it on the way.

    Args:
        trainer: trains.
        ticket: where to start, usually dense.
        schedule: which density at which step; it ends before training does, so that survivors have time to recover.
        order: stream of the data order and of dropout noise.
        criterion, scope: which weights go; see `lthcore.pruning.config.PruneConfig`.
        protect: names that lose nothing.

    Returns:
        The mask in the end, and the run. Its early stop is sought after the last removal.

    Raises:
        ValueError: if the schedule does not fit into the training.
        DivergedError: at a loss or weight that is not finite.

    Example:
        >>> schedule = CubicSchedule(final=0.05, begin=1_000, end=20_000)
        >>> mask, run = prune_gradually(trainer, ticket, schedule, order=seeds.order(0))  # doctest: +SKIP

    Source: {cite}`ZG17`.
    """
    if schedule.steps[0] < ticket.at_step or schedule.steps[-1] >= trainer.config.steps:
        raise ValueError(
            f"removals at steps {schedule.steps[0]} to {schedule.steps[-1]} must lie between the start of the "
            f"training, {ticket.at_step}, and its end, {trainer.config.steps}"
        )
    with trainer.start(ticket, order=order) as session:
        for step in schedule.steps:
            session.advance(to=step)
            counts = _counts(session.mask, schedule.density(step), scope)
            session.swap(keep(session.mask, session.scores(criterion), counts, scope=scope, protect=protect))
        return session.mask, session.finish()


def _counts(mask: Mask, density: float, scope: str) -> dict[str, int]:
    """How many weights each layer keeps at a density; none where that is more than it has left."""
    wanted = {name: max(round(density * kept.size), 1) for name, kept in mask.items()}
    left = {name: int(kept.sum()) for name, kept in mask.items()}
    if scope == "global":  # where only the sum counts
        return wanted if sum(wanted.values()) < sum(left.values()) else left
    return {name: min(wanted[name], left[name]) for name in mask}
