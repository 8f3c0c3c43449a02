"""`Experiment`: what to compute, all of it frozen, and the identity its results are stored under."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from lthcore.checks import Options, check_known, check_positive_whole
from lthcore.experiments.identity import digest
from lthcore.experiments.labels import describe
from lthcore.pruning.config import BETWEEN, PruneConfig
from lthcore.shrinking.config import FilterConfig
from lthcore.text.config import TextConfig
from lthcore.training.config import TrainConfig

CONTROLS = (*BETWEEN, "reinit", "shuffle")
DRAWN = ("reinit", "shuffle")  # controls that draw random numbers, and can be repeated with others


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Data, model, training, pruning and control: everything a result depends on, besides the trial.

    Args:
        dataset: name of a data set; see `lthcore.datasets`.
        model: name of a model; see `lthcore.models`.
        model_options: further arguments of the model, as pairs.
        text: how documents become tensors, where the data are documents.
        train: how each network is trained.
        prune: how masks are made.
        control: what the survivors start from: their own initial weights (``"rewind"``), fresh ones
            (``"reinit"``), the initial weights under a shuffled mask (``"shuffle"``), or, in a search whose survivors
            train on, their trained weights (``"continue"``).
        trials: how many seeds are taken through all rounds.
        rungs: the rounds whose networks are trained, where masks do not depend on it; empty means all from 1 on.
        draws: how often a control is repeated per ticket, each time with other random numbers.
        filters: how whole filters are removed, in an experiment that compares small networks and has no masks.
    """

    dataset: str = "mnist"
    model: str = "lenet_300_100"
    model_options: Options = ()
    text: TextConfig | None = None
    train: TrainConfig = field(default_factory=TrainConfig)
    prune: PruneConfig = field(default_factory=PruneConfig)
    control: str = "rewind"
    trials: int = 5
    rungs: tuple[int, ...] = ()
    draws: int = 1
    filters: FilterConfig | None = None

    def __post_init__(self) -> None:
        check_known("control", self.control, CONTROLS)
        check_positive_whole("trials", self.trials)
        check_positive_whole("draws", self.draws)
        if self.control == "continue" and self.prune.between != "continue":
            raise ValueError("control 'continue' needs a search in which survivors train on: between='continue'")
        if any(not 0 < rung <= self.prune.rounds for rung in self.rungs):
            raise ValueError(f"rungs must lie in 1 … {self.prune.rounds}, the last round; got {self.rungs}")
        if self.text and self.prune.criterion == "inert_first":
            raise ValueError("criterion 'inert_first' is for networks of consecutive dense layers, not for documents")
        if self.prune.rewind_step >= self.train.steps:
            raise ValueError(
                f"rewind_step ({self.prune.rewind_step}) must come before the end of training ({self.train.steps})"
            )
        if self.prune.prune_step is not None and self.prune.prune_step >= self.train.steps:
            raise ValueError(
                f"prune_step ({self.prune.prune_step}) must come before the end of training ({self.train.steps}); to "
                f"score networks that are trained to the end, use prune_step=None"
            )
        if self.prune.rewind_step and self.train.decay_every:
            raise ValueError("a decay of the learning rate counts from the start of each training: use rewind_step=0")
        if self.text and self.prune.criterion == "synflow":
            raise ValueError("criterion 'synflow' sends ones through the network, which documents are not")
        if self.filters:
            self._check_filters(self.filters)

    def _check_filters(self, filters: FilterConfig) -> None:
        if self.prune != PruneConfig(rounds=0) or self.control != "rewind":
            raise ValueError(
                "where whole filters are removed there are no masks and no controls of them: use "
                "prune=PruneConfig(rounds=0) and control='rewind'"
            )
        if (last := filters.every * filters.removals) >= self.train.steps:
            raise ValueError(
                f"the last filters go after step {last} (every × removals), which must come before the end of training "
                f"({self.train.steps})"
            )

    @property
    def is_chain(self) -> bool:
        """Whether every round's mask needs the training of the round before it."""
        return self == self.search and self.prune.schedule == "iterative" and self.prune.trained_scores

    @property
    def search(self) -> Experiment:
        """The experiment whose masks this one trains: itself, the search that a control hangs off, or, where networks
        are pruned early, the search among networks of which each is trained no further.
        """
        found = replace(self, control=self.prune.between)
        if not self.prune.prune_step or self.prune.schedule != "iterative":
            return found
        train = self.train if self.prune.averaged else self.train.without_average()
        prune = replace(self.prune, prune_step=None, averaged=True)
        return replace(found, train=replace(train, steps=self.prune.prune_step), prune=prune, rungs=())

    @property
    def rounds(self) -> tuple[int, ...]:
        """The rounds whose networks are trained and stored; none where small networks are compared by a measurement."""
        if self.filters:
            return ()
        if self.is_chain:
            return tuple(range(self.prune.rounds + 1))
        return self.rungs or tuple(range(1, self.prune.rounds + 1))

    @property
    def networks(self) -> tuple[tuple[int, int], ...]:
        """(round, draw) of every network that one trial trains."""
        draws = self.draws if self.control in DRAWN else 1
        return tuple((round, draw) for round in self.rounds for draw in range(draws))

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
    def identity(self) -> str:
        """Name its results are stored under: a readable slug and a hash of all that differs from the defaults.

        Fields that only say *how much* is computed (trials, rounds, rungs, draws) do not count, so an experiment
        can be extended later; and a field added with a default changes no identity.
        """
        variant = [str(value) for name, value in self.model_options if name == "variant"]
        method = [self.prune.method, self.control] if self.filters is None else ["filters"]
        slug = "-".join([self.dataset, self.model, *variant, *method])
        return f"{slug}-{digest(self)}"

    @property
    def label(self) -> str:
        """What it is called for people.

        Example:
            >>> Experiment(control="shuffle").label.replace("\N{NO-BREAK SPACE}", " ")
            'mnist · LeNet-300-100 · tickets · shuffled mask · 50 000 steps'
        """
        return describe(self)

    def to_dict(self) -> dict:
        """All fields, as plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping) -> Experiment:
        """The inverse of `to_dict`, also after a trip through JSON, which knows no tuples."""
        values = dict(values)
        train, prune = dict(values["train"]), dict(values["prune"])
        train["optimizer_options"] = tuple(tuple(pair) for pair in train["optimizer_options"])
        prune["layer_rates"] = tuple(tuple(pair) for pair in prune["layer_rates"])
        values |= {
            "train": TrainConfig(**train),
            "prune": PruneConfig(**prune),
            "rungs": tuple(values["rungs"]),
            "model_options": tuple(tuple(pair) for pair in values.get("model_options", ())),
            "text": TextConfig(**values["text"]) if values.get("text") else None,
            "filters": _filters(values["filters"]) if values.get("filters") else None,
        }
        return cls(**values)


def _filters(values: Mapping) -> FilterConfig:
    return FilterConfig(**{**values, "layer_rates": tuple(tuple(pair) for pair in values["layer_rates"])})


# Experiments that belong together, in the order they are computed.
Preset = tuple[Experiment, ...]
