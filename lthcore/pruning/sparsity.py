"""Sparsity schedules: the density that a network is pruned to as its training goes on."""

from __future__ import annotations

from dataclasses import dataclass

from lthcore.checks import check_positive_whole, check_whole


@dataclass(frozen=True, kw_only=True)
class CubicSchedule:
    """Many weights go early, when there are many to spare, and few at the end.

    With n removals after the first, at steps t = begin, begin + every, …, begin + n·every, the density is
    d_t = d_f + (d_i − d_f)·(1 − (t − begin) / (n·every))³.

    Args:
        final: the density d_f in the end, in (0, 1].
        initial: the density d_i at the first step, in [final, 1].
        begin: the first step at which weights go.
        end: no weights go after this step.
        every: steps between two removals.

    Example:
        >>> schedule = CubicSchedule(final=0.2, begin=0, end=200, every=50)
        >>> [round(schedule.density(step), 2) for step in schedule.steps]
        [1.0, 0.54, 0.3, 0.21, 0.2]

    Source: {cite}`ZG17`, which counts sparsity, one minus density.
    """

    final: float
    end: int
    initial: float = 1.0
    begin: int = 0
    every: int = 100

    def __post_init__(self) -> None:
        check_positive_whole("every", self.every)
        for name in ("begin", "end"):
            check_whole(name, getattr(self, name))
        if not 0 < self.final <= self.initial <= 1:
            raise ValueError(f"densities must be 0 < final <= initial <= 1, got {self.final!r} and {self.initial!r}")
        if self.end < self.begin + self.every:
            raise ValueError(
                f"from step {self.begin} to {self.end} there is no room for a second removal after {self.every} steps: "
                f"end must be begin + every at least"
            )

    @property
    def steps(self) -> range:
        """The steps at which weights go."""
        return range(self.begin, self.end + 1, self.every)

    def density(self, step: int) -> float:
        """The density at a step: the initial one before the first removal, the final one from the last on."""
        share = min(max(step - self.begin, 0) / (self.steps[-1] - self.begin), 1.0)
        return self.final + (self.initial - self.final) * (1.0 - share) ** 3
