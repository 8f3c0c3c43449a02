"""What to compute, all of it frozen: `Experiment`, a search for tickets; `Control`, its masks with other weights or
elsewhere; `FilterExperiment`, small networks compared by the clock. Each knows the identity of its results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lthcore.checks import Options, check_file_name, check_known, check_positive_whole, is_whole, make_plain
from lthcore.experiments.identity import MOST, check_names, digest, non_defaults, variant
from lthcore.experiments.labels import describe
from lthcore.pruning.config import PruneConfig
from lthcore.shrinking.config import FilterConfig
from lthcore.text.config import TextConfig
from lthcore.training.config import TrainConfig

DRAWN = ("reinit", "shuffle")  # controls that draw random numbers, and can be repeated with others
CONTROLS = (*DRAWN, "rewind")


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A search for tickets: data, model, training and pruning, everything a result depends on besides the trial.

    Args:
        dataset: name of a data set; see `lthcore.datasets`.
        model: name of a model; see `lthcore.models`.
        model_options: further arguments of the model, as pairs.
        text: how documents become tensors, where the data are documents.
        train: how each network is trained.
        prune: how masks are made, and what their survivors start from.
        trials: how many seeds are taken through all rounds.
        rungs: the rounds whose networks are trained, where masks do not depend on it; empty means all from 1 on.

    Example:
        >>> tickets = Experiment(train=TrainConfig(steps=5_000), trials=3)
        >>> tickets.rounds[:3], tickets.identity
        ((0, 1, 2), 'mnist-lenet_300_100-imp-rewind-5a23424a13')
    """

    dataset: str = "mnist"
    model: str = "lenet_300_100"
    model_options: Options = ()
    text: TextConfig | None = None
    train: TrainConfig = field(default_factory=TrainConfig)
    prune: PruneConfig = field(default_factory=PruneConfig)
    trials: int = 5
    rungs: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        make_plain(self)
        check_positive_whole("trials", self.trials, most=MOST)
        check_names(self.dataset, self.model, self.model_options)
        check_file_name("the name of a criterion", self.prune.scored_by.name)
        _check_rungs(self.rungs, self.prune.rounds)
        self._check_steps()
        if self.text and not self.prune.scored_by.documents:
            raise ValueError(f"criterion {self.prune.scored_by.name!r} cannot score networks that read documents")
        if self.rungs and self.is_chain:
            raise ValueError(
                f"rungs {self.rungs} leave rounds out, which a search in which each mask needs the training before it "
                f"cannot: use rungs=(), and prune=PruneConfig(rounds=…) to end earlier"
            )

    def _check_steps(self) -> None:
        steps, prune = self.train.steps, self.prune
        if prune.rewind_step >= steps:
            raise ValueError(f"rewind_step ({prune.rewind_step}) must come before the end of training ({steps})")
        if prune.prune_step is not None and prune.prune_step >= steps:
            raise ValueError(
                f"prune_step ({prune.prune_step}) must come before the end of training ({steps}); to score networks "
                f"that are trained to the end, use prune_step=None"
            )

    @property
    def control(self) -> str:
        """What survivors start from: their early values (``"rewind"``), or those of the round before."""
        return self.prune.between

    @property
    def is_chain(self) -> bool:
        """Whether every round's mask needs the training of the round before it."""
        return not self._stops_at and self.prune.schedule == "iterative" and self.prune.trained_scores

    @property
    def _stops_at(self) -> int | None:
        return self.prune.prune_step if self.prune.schedule == "iterative" else None

    @property
    def search(self) -> Experiment:
        """The experiment whose masks this one trains: itself, or, where networks are pruned early, the search among
        networks of which each is trained no further.
        """
        if not (stop := self._stops_at):
            return self
        train = self.train if self.prune.averaged else self.train.without_average()
        if train.schedule != "step":  # which alone does not depend on the length of a training
            train = replace(train, schedule_steps=train.schedule_steps or train.steps)
        prune = replace(self.prune, prune_step=None, averaged=True)
        return replace(self, train=replace(train, steps=stop), prune=prune, rungs=())

    @property
    def rounds(self) -> tuple[int, ...]:
        """The rounds whose networks are trained and stored."""
        if self.is_chain:
            return tuple(range(self.prune.rounds + 1))
        return self.rungs or tuple(range(1, self.prune.rounds + 1))

    @property
    def networks(self) -> tuple[tuple[int, int], ...]:
        """(round, draw) of every network that one trial trains; draws of a search are all 0."""
        return tuple((round, 0) for round in self.rounds)

    @property
    def scored_step(self) -> int:
        """The step whose weights are scored; 0 where these are the initial ones."""
        if not self.prune.trained_scores:
            return 0
        return self.train.steps if self.prune.prune_step is None else self.prune.prune_step

    def search_steps(self, round: int) -> int:
        """Training steps spent to find the mask of a round: those of all networks that were only scored."""
        prune = self.prune
        if round == 0 or not prune.trained_scores:
            return 0
        trained = 1 if prune.schedule == "oneshot" else round
        # All networks but the dense one start at the rewind step.
        return trained * self.scored_step - (trained - 1) * prune.rewind_step

    @property
    def meaning(self) -> dict[str, object]:
        """All that differs from the defaults and that results depend on, nested; what the identity's hash is made of.

        Fields that only say *how much* is computed (trials, rounds, rungs, draws) do not count, so an experiment
        can be extended later; and a field added with a default changes no identity.
        """
        return _meaning(self, self.control)

    @property
    def identity(self) -> str:
        """Name its results are stored under: a readable slug and a hash of its meaning."""
        return _identity(self, (self.prune.method, self.control))

    @property
    def label(self) -> str:
        """What it is called for people.

        Example:
            >>> Experiment().label.replace("\N{NO-BREAK SPACE}", " ")
            'mnist · LeNet-300-100 · tickets · 50 000 steps'
        """
        return describe(self)


@dataclass(frozen=True, kw_only=True)
class Control:
    """What tickets are compared with: their masks with other weights, or with the survivors in other places.

    Args:
        of: the tickets; of their rungs only those of the control matter, and are kept there.
        kind: ``"reinit"`` gives the survivors fresh values, ``"shuffle"`` moves them to other places of their layer,
            and ``"rewind"`` gives their early values back to the survivors of a search in which they train on.
        rungs: the rounds whose networks are trained; empty means those of the tickets, but for the dense one.
        draws: how often it is repeated per ticket, each time with other random numbers.

    Example:
        >>> Control(of=Experiment(trials=2), kind="reinit", rungs=(3, 7), draws=2).networks
        ((3, 0), (3, 1), (7, 0), (7, 1))
    """

    of: Experiment
    kind: str = "reinit"
    rungs: tuple[int, ...] = ()
    draws: int = 1

    def __post_init__(self) -> None:
        make_plain(self)
        check_known("control", self.kind, CONTROLS)
        check_positive_whole("draws", self.draws, most=MOST)
        if self.kind == "rewind" and self.of.prune.between != "continue":
            raise ValueError(
                "control 'rewind' is for a search in which survivors train on (between='continue'); otherwise tickets "
                "are rewound themselves, and 'reinit' and 'shuffle' are what they are compared with"
            )
        if self.kind not in DRAWN and self.draws > 1:
            raise ValueError(
                f"control {self.kind!r} draws no random numbers, so nothing of it can be repeated: draws=1"
            )
        object.__setattr__(self, "rungs", self.rungs or self.of.rungs)
        object.__setattr__(self, "of", replace(self.of, rungs=()))
        _check_rungs(self.rungs, self.of.prune.rounds)

    dataset = property(lambda self: self.of.dataset, doc="Name of the data set.")
    model = property(lambda self: self.of.model, doc="Name of the model.")
    model_options = property(lambda self: self.of.model_options, doc="Further arguments of the model.")
    text = property(lambda self: self.of.text, doc="How documents become tensors.")
    train = property(lambda self: self.of.train, doc="How each network is trained.")
    prune = property(lambda self: self.of.prune, doc="How the masks are made.")
    trials = property(lambda self: self.of.trials, doc="As many as the tickets have.")
    search = property(lambda self: self.of.search, doc="The experiment that finds the masks.")
    scored_step = property(lambda self: self.of.scored_step, doc="The step whose weights are scored.")
    control = property(lambda self: self.kind, doc="Its kind, the word that frames and file names have for it.")
    is_chain = property(lambda self: False, doc="No mask depends on the training of a control.")

    @property
    def rounds(self) -> tuple[int, ...]:
        """The rounds whose networks are trained and stored."""
        return self.rungs or tuple(range(1, self.of.prune.rounds + 1))

    @property
    def networks(self) -> tuple[tuple[int, int], ...]:
        """(round, draw) of every network that one trial trains."""
        return tuple((round, draw) for round in self.rounds for draw in range(self.draws))

    def search_steps(self, round: int) -> int:
        """Training steps spent to find the mask of a round."""
        return self.of.search_steps(round)

    @property
    def meaning(self) -> dict[str, object]:
        """All that differs from the defaults and that results depend on; see `Experiment.meaning`."""
        return _meaning(self.of, self.kind)

    @property
    def identity(self) -> str:
        """Name its results are stored under: a readable slug and a hash of its meaning."""
        return _identity(self, (self.prune.method, self.kind))

    @property
    def label(self) -> str:
        """What it is called for people."""
        return describe(self)


@dataclass(frozen=True, kw_only=True)
class FilterExperiment:
    """Filters removed before convergence, and training from scratch to compare with, by the measurement ``filters``.

    Args:
        dataset: name of a data set; see `lthcore.datasets`.
        model: name of a model; see `lthcore.models`.
        model_options: further arguments of the model, as pairs.
        text: how documents become tensors, where the data are documents.
        train: how each network is trained.
        filters: how whole filters are removed.
        trials: how many seeds there are.
    """

    dataset: str = "mnist"
    model: str = "lenet_300_100"
    model_options: Options = ()
    text: TextConfig | None = None
    train: TrainConfig = field(default_factory=TrainConfig)
    filters: FilterConfig = field(default_factory=FilterConfig)
    trials: int = 5

    rounds = property(lambda self: (), doc="None: it has no masks.")
    networks = property(lambda self: (), doc="None that is stored as a record.")

    def __post_init__(self) -> None:
        make_plain(self)
        check_positive_whole("trials", self.trials, most=MOST)
        check_names(self.dataset, self.model, self.model_options)
        if (last := self.filters.every * self.filters.removals) >= self.train.steps:
            raise ValueError(
                f"the last filters go after step {last} (every × removals), which must come before the end of training "
                f"({self.train.steps})"
            )

    @property
    def meaning(self) -> dict[str, object]:
        """All that differs from the defaults and that results depend on; see `Experiment.meaning`."""
        return non_defaults(self)

    @property
    def identity(self) -> str:
        """Name its measurement is stored under: a readable slug and a hash of its meaning."""
        return _identity(self, ("filters",))

    @property
    def label(self) -> str:
        """What it is called for people."""
        return describe(self)


# Whatever has an identity, a label, data, a model, and trials.
AnyExperiment = Experiment | Control | FilterExperiment
Experiments = Sequence[AnyExperiment]


def _check_rungs(rungs: tuple[int, ...], last: int) -> None:
    if any(not is_whole(rung) or not 0 < rung <= last for rung in rungs):
        raise ValueError(f"rungs must lie in 1 … {last}, the last round; got {rungs}")


def _meaning(tickets: Experiment, control: str) -> dict[str, object]:
    return non_defaults(tickets) | ({} if control == "rewind" else {"control": control})


def _identity(experiment: AnyExperiment, method: Sequence[str]) -> str:
    words = [experiment.dataset, experiment.model, *variant(experiment.model_options)]
    return "-".join([*words, *method, digest(experiment.meaning)])
