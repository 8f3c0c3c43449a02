"""Named random streams: every random number of a trial comes from here.

Initial weights, data order and controls draw from streams of their own, so that changing one never shifts
another, and a trial resumed at round 7 sees exactly the numbers an uninterrupted one sees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# One constant separates this project's streams from any other use of the same small integers.
ROOT = 20_190_628

_STREAMS = {"init": 0, "order": 1, "control": 2, "score": 3, "another order": 4}


@dataclass(frozen=True)
class Seeds:
    """The random streams of one trial.

    Each access returns a new generator at the start of its stream: reading a stream twice gives the same
    numbers twice.

    Args:
        trial: number of the trial, 0, 1, 2, …

    Example:
        >>> seeds = Seeds(0)
        >>> bool(seeds.order(3).random() == seeds.order(3).random())
        True
        >>> bool(seeds.order(3).random() == seeds.order(4).random())
        False
    """

    trial: int

    def __post_init__(self) -> None:
        if not isinstance(self.trial, (int, np.integer)) or self.trial < 0:
            raise ValueError(f"trial must be a whole number >= 0, got {self.trial!r}")

    @property
    def init(self) -> np.random.Generator:
        """Stream of the initial weights θ₀, the same in every round of the trial."""
        return self._stream("init")

    def order(self, round: int, draw: int = 0) -> np.random.Generator:
        """Stream of the data order (and dropout noise) of one round; ``draw`` > 0 gives other orders.

        Controls of a round use the round's own order, which makes ticket and control a matched pair.
        """
        return self._stream("another order", round, draw) if draw else self._stream("order", round)

    def control(self, round: int, draw: int = 0) -> np.random.Generator:
        """Stream of a control: fresh weights or a shuffled mask, ``draw`` counting repetitions from 0."""
        return self._stream("control", round, draw)

    def score(self, round: int) -> np.random.Generator:
        """Stream for criteria that are themselves random."""
        return self._stream("score", round)

    def _stream(self, name: str, *path: int) -> np.random.Generator:
        key = (int(self.trial), _STREAMS[name], *(int(part) for part in path))
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(ROOT, spawn_key=key)))
