"""`PruneConfig`: how masks are made from runs, frozen and checked."""

from __future__ import annotations

from dataclasses import dataclass

from lthcore.checks import (
    Rates,
    check_known,
    check_positive_whole,
    check_rate,
    check_whole,
    make_plain,
    with_exceptions,
)
from lthcore.pruning.budgets import BUDGETS
from lthcore.pruning.criteria import Criterion, Score, named
from lthcore.pruning.prune import SCOPES

SCHEDULES = ("iterative", "oneshot")
BETWEEN = ("rewind", "continue")

# After so many rounds nothing is left of any network that fits into memory, even if one weight in 500 goes per round.
MOST_ROUNDS = 10_000


@dataclass(frozen=True, kw_only=True)
class PruneConfig:
    """How masks are made from runs.

    Args:
        rounds: number of the last round; round 0 is dense.
        rate: share of a layer's survivors removed per round.
        layer_rates: exceptions to `rate`, as (name, rate) pairs.
        scope: whether layers are pruned apart or compete.
        criterion: what is worth keeping: the name of a registered criterion, a `Criterion`, or a function from evidence
            to scores; see `lthcore.pruning.criteria`. A registered one is kept by its name, which can be stored.
        schedule: ``"iterative"`` scores each round by the run before it, ``"oneshot"`` always by the dense run.
        rewind_step: the k of θ_k to which survivors are rewound; 0 is θ₀.
        between: what happens to the survivors between two rounds of the search: ``"rewind"`` gives them their early
            values back, ``"continue"`` lets them train on from their trained values (FC18, appendix B, strategy 2).
        embeddings: whether trained tables of word vectors are prunable too.
        prune_step: the step at which a network that is only scored stops training; None trains it to the end. With 0
            the initial weights themselves are scored. What is left in the end is trained in full.
        budgets: how the survivors of a mask that costs no search are shared out among the layers: ``"schedule"`` lets
            each layer shrink by its own rate, ``"uniform"`` gives all the same density, ``"erk"`` larger layers a
            smaller one; see `lthcore.pruning.budgets`. Their number is the schedule's in any case.
        passes: in how many passes an untrained network is pruned to a density, scored anew before each.
        averaged: whether networks that stop early are scored by the moving average of their weights, where the
            optimizer takes one; False scores the weights themselves, in which the initial ones weigh no more.
    """

    rounds: int = 16
    rate: float = 0.2
    layer_rates: Rates = ()
    scope: str = "layerwise"
    criterion: str | Criterion | Score = "large_final"
    schedule: str = "iterative"
    rewind_step: int = 0
    between: str = "rewind"
    embeddings: bool = False
    prune_step: int | None = None
    budgets: str = "schedule"
    passes: int = 1
    averaged: bool = True

    def __post_init__(self) -> None:
        make_plain(self)
        for rate in (self.rate, *dict(self.layer_rates).values()):
            check_rate(rate)
        check_known("scope", self.scope, SCOPES)
        criterion = named(self.criterion)
        object.__setattr__(self, "criterion", criterion.name if criterion.registered else criterion)
        check_known("schedule", self.schedule, SCHEDULES)
        check_known("between", self.between, BETWEEN)
        if self.between == "continue" and (self.schedule != "iterative" or not self.trained_scores):
            raise ValueError("survivors train on only in an iterative search by trained weights: use between='rewind'")
        if self.between == "continue" and self.rewind_step:
            raise ValueError("survivors that train on are not rewound: use rewind_step=0")
        check_whole("rounds", self.rounds, most=MOST_ROUNDS)
        for name in ("rewind_step", *(["prune_step"] if self.prune_step is not None else [])):
            check_whole(name, getattr(self, name))
        self._check_early()
        self._check_untrained()

    def _check_early(self) -> None:
        if not self.averaged and (not self.prune_step or self.schedule != "iterative"):
            raise ValueError("averaged=False is for an iterative search whose networks stop early: give a prune_step")
        if self.prune_step is None:
            return
        if self.scored_by.untrained:
            raise ValueError(f"criterion {self.scored_by.name!r} looks at no trained weights: use prune_step=None")
        if self.between == "continue":
            raise ValueError("survivors that train on are never cut short: use prune_step=None or between='rewind'")
        if self.rewind_step and self.rewind_step >= self.prune_step:
            raise ValueError(f"rewind_step ({self.rewind_step}) must come before prune_step ({self.prune_step})")

    def _check_untrained(self) -> None:
        check_known("budgets", self.budgets, BUDGETS)
        check_positive_whole("passes", self.passes)
        if self.budgets != "schedule" and (self.scope == "global" or not self.scored_by.untrained):
            raise ValueError(
                f"budgets={self.budgets!r} are for criteria that look at no trained weights, compared layer by layer"
            )
        if self.passes > 1 and not self.scored_by.untrained:
            raise ValueError(
                f"criterion {self.scored_by.name!r} looks at trained weights: use passes=1 and more rounds"
            )

    def rates(self, names: tuple[str, ...]) -> dict[str, float]:
        """Pruning rate of each prunable name.

        Raises:
            ValueError: if `layer_rates` speaks of a name that is not prunable.
        """
        return with_exceptions(self.rate, self.layer_rates, names)

    @property
    def scored_by(self) -> Criterion:
        """The criterion as a value."""
        return named(self.criterion)

    @property
    def trained_scores(self) -> bool:
        """Whether the scores come from trained weights at all."""
        return not self.scored_by.untrained and self.prune_step != 0

    @property
    def method(self) -> str:
        """One word for the procedure. ``imp`` is the paper's, to the letter; anything else has another word."""
        words = {"large_final": "oneshot" if self.schedule == "oneshot" else "imp", "inert_first": "imp_inert_first"}
        name = self.scored_by.name
        word = words.get(name, name)
        if name != "large_final" and not self.scored_by.untrained and self.schedule == "oneshot":
            word += "_oneshot"
        if self.prune_step is not None:
            word += "_early" if self.averaged else "_early_raw"
        if self.between == "continue":
            word += "_continue"
        if self.rewind_step:
            word += "_late"
        word += "_embeddings" if self.embeddings else ""
        word += f"_{self.budgets}" if self.budgets != "schedule" else ""
        return word + ("_global" if self.scope == "global" else "")
