"""`Criterion`: a function from evidence to scores as a value, and the open registry of those that have a name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import overload

from lthcore.checks import check_known
from lthcore.pruning.criteria.evidence import Evidence, Scores
from lthcore.registry import Registry

Score = Callable[[Evidence], Scores]

# What a criterion looks at: the weights at the end of a run, those before training, derivatives at those before
# training, or none of them. Only the first kind needs a network to be trained.
READS = ("final", "initial", "gradients", "nothing")


@dataclass(frozen=True)
class Criterion:
    """Evidence about a run → scores, higher means keep, and what has to be known of it besides.

    Args:
        name: what it is called in a configuration, in a file name and in tables.
        score: evidence → name of each layer's weights → scores, an array of the mask's shape.
        reads: the weights it looks at: ``"final"``, those that training left; ``"initial"``, those before training;
            ``"gradients"``, derivatives of the untrained network; or ``"nothing"``. Only masks of the first kind cost
            training.
        documents: whether it can score networks that read documents.

    Example:
        >>> import numpy as np
        >>> upwards = Criterion("upwards", lambda evidence: {name: evidence.final[name] for name in evidence.mask})
        >>> upwards.untrained
        False
    """

    name: str
    score: Score
    reads: str = "final"
    documents: bool = True

    def __post_init__(self) -> None:
        check_known("reads", self.reads, READS)
        if not callable(self.score):
            raise ValueError(f"criterion {self.name!r} needs a function from evidence to scores, got {self.score!r}")

    def __call__(self, evidence: Evidence) -> Scores:
        """Score the weights of a run."""
        return self.score(evidence)

    @property
    def untrained(self) -> bool:
        """Whether it never looks at trained weights."""
        return self.reads != "final"

    @property
    def registered(self) -> bool:
        """Whether its name stands for it in this process, so that a configuration can store the name."""
        return CRITERIA.get(self.name) == self

    @property
    def missing(self) -> bool:
        """Whether only its name is known here, from a record of another process; see `unknown`."""
        return isinstance(self.score, _Missing)


CRITERIA: Registry[Criterion] = Registry("criterion", "lth.criteria.register(function)")


@overload
def register(
    score: None = None, *, name: str | None = None, reads: str = "final", documents: bool = True, replace: bool = False
) -> Callable[[Score], Score]: ...


@overload
def register(
    score: Criterion, *, name: str | None = None, reads: str = "final", documents: bool = True, replace: bool = False
) -> Criterion: ...


@overload
def register(
    score: Score, *, name: str | None = None, reads: str = "final", documents: bool = True, replace: bool = False
) -> Score: ...


def register(
    score: Score | Criterion | None = None,
    *,
    name: str | None = None,
    reads: str = "final",
    documents: bool = True,
    replace: bool = False,
) -> Score | Criterion | Callable[[Score], Score]:
    """Give a criterion a name that a configuration can store: as a decorator, with arguments or without, or as a call.

    Args:
        score: a function from evidence to scores, or a `Criterion`, whose own fields then count.
        name: its name; that of the function if not given.
        reads, documents: see `Criterion`.
        replace: take a name that is taken, unless it is one of the package's own.

    Returns:
        What it was given, so that a decorated function stays a function.

    Raises:
        ValueError: if the name is taken or no word.

    Example:
        >>> @register(reads="initial")
        ... def small_init(evidence):
        ...     return {name: -abs(evidence.initial[name]) for name in evidence.mask}
        >>> CRITERIA["small_init"].untrained
        True
        >>> CRITERIA.remove("small_init")
    """
    if score is None:

        def decorate(function: Score) -> Score:
            return register(function, name=name, reads=reads, documents=documents, replace=replace)

        return decorate
    value = score if isinstance(score, Criterion) else Criterion(name or _name_of(score), score, reads, documents)
    CRITERIA.register(value.name, value, replace=replace)
    return score


def named(criterion: str | Criterion | Score) -> Criterion:
    """The criterion that a configuration means by a name, a function, or the value itself.

    Raises:
        ValueError: for an unknown name, or what is no criterion at all.

    Example:
        >>> from lthcore.pruning.criteria import movement
        >>> named("movement") == named(movement)
        True
    """
    if isinstance(criterion, str):
        return CRITERIA[criterion]
    if isinstance(criterion, Criterion):
        return criterion
    if not callable(criterion):
        raise ValueError(
            f"a criterion is a name, a function from evidence to scores, or a Criterion; got {criterion!r}"
        )
    same = (known for known in CRITERIA.values() if known.score is criterion)
    return next(same, None) or Criterion(_name_of(criterion), criterion)


def unknown(name: str, reads: str = "final") -> Criterion:
    """A criterion of which a record tells the name and what it reads, where no module has registered it.

    Such an experiment can be shown and compared; to score by it is refused.
    """
    return Criterion(name, _Missing(name), reads)


@dataclass(frozen=True)
class _Missing:
    """Stands where the function would be."""

    name: str

    def __call__(self, evidence: Evidence) -> Scores:
        """Refuse."""
        raise ValueError(
            f"criterion {self.name!r} is not known in this process: import the module that registers it, or on the "
            f"command line give --import MODULE"
        )


def _name_of(score: Score) -> str:
    return getattr(score, "__name__", type(score).__name__)
