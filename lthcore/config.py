"""Frozen descriptions of training, pruning, reading documents and removing filters, and the words they may use."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite

# The words a configuration may use; the modules that give them meaning lie above this one, and a test holds the two
# together.
CRITERIA = (
    "large_final",
    "inert_first",
    "small_final",
    "large_init",
    "magnitude_increase",
    "movement",
    "random",
    "snip",
    "grasp",
    "synflow",
)
# Never look at trained weights: their masks cost no training.
UNTRAINED = ("large_init", "random", "snip", "grasp", "synflow")
SCOPES = ("layerwise", "global")
BUDGETS = ("schedule", "uniform", "erk")
SCHEDULES = ("iterative", "oneshot")
BETWEEN = ("rewind", "continue")
CONTROLS = (*BETWEEN, "reinit", "shuffle")
DRAWN = ("reinit", "shuffle")  # controls that draw random numbers, and can be repeated with others
LOSSES = ("sparse_categorical_crossentropy", "binary_crossentropy")
OOV = ("uniform", "matched", "zero", "skip")
DOCUMENTS = ("labelled", "all")
BODILESS = ("keep", "drop")
STOPS = ("validation_loss", "validation_micro_f1")
NORMS = ("l1", "l2")
DROPOUT = ("keep", "scale")
AVERAGE = ("use_ema", "ema_momentum", "ema_overwrite_frequency")  # options of Keras optimizers

Options = tuple[tuple[str, float | int | bool | str], ...]


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How one network is trained.

    Args:
        steps: minibatch updates; training always runs to the end.
        batch_size: examples per step.
        optimizer: any element-wise Keras optimizer, by its Keras name.
        learning_rate: its learning rate, constant unless it decays.
        decay: what the learning rate is multiplied with every `decay_every` steps.
        decay_every: steps between two decays; 0 for none.
        optimizer_options: further arguments of the optimizer, as pairs. With ``use_ema`` and ``ema_momentum`` the
            network is the moving average of its weights over the steps.
        loss: Keras name of the loss.
        eval_every: steps between two evaluations of the validation set; the resolution of the early stop.
        test_every: steps between two evaluations of the test set, a multiple of `eval_every`.
        stop_by: the column of the history that sets the early stop: the smallest validation loss, or, for documents of
            several labels, the largest micro-F1 on the validation set at threshold 0.5.
    """

    steps: int = 50_000
    batch_size: int = 60
    optimizer: str = "adam"
    learning_rate: float = 1.2e-3
    decay: float = 0.1
    decay_every: int = 0
    optimizer_options: Options = ()
    loss: str = "sparse_categorical_crossentropy"
    eval_every: int = 100
    test_every: int = 100
    stop_by: str = "validation_loss"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "eval_every", "test_every"):
            check_positive_whole(name, getattr(self, name))
        if not (isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"learning_rate must be a positive number, got {self.learning_rate!r}")
        if not 0 < self.decay <= 1:
            raise ValueError(f"decay must lie in (0, 1], got {self.decay!r}; 0.1 leaves a tenth of the learning rate")
        if not isinstance(self.decay_every, int) or self.decay_every < 0:
            raise ValueError(f"decay_every must be a whole number >= 0, got {self.decay_every!r}")
        if self.test_every % self.eval_every:
            raise ValueError(f"test_every ({self.test_every}) must be a multiple of eval_every ({self.eval_every})")
        check_known("loss", self.loss, LOSSES)
        check_known("stop_by", self.stop_by, STOPS)
        if "learning_rate" in dict(self.optimizer_options):
            raise ValueError("learning_rate is a field of its own and cannot stand in optimizer_options as well")

    def without_average(self) -> TrainConfig:
        """The same training, whose network is its weights themselves and no moving average of them.

        Example:
            >>> averaged = TrainConfig(optimizer_options=(("use_ema", True), ("ema_momentum", 0.9), ("epsilon", 1e-8)))
            >>> averaged.without_average().optimizer_options
            (('epsilon', 1e-08),)
        """
        left = tuple(pair for pair in self.optimizer_options if pair[0] not in AVERAGE)
        return replace(self, optimizer_options=left)


@dataclass(frozen=True, kw_only=True)
class PruneConfig:
    """How masks are made from runs.

    Args:
        rounds: number of the last round; round 0 is dense.
        rate: share of a layer's survivors removed per round.
        layer_rates: exceptions to `rate`, as (name, rate) pairs.
        scope: whether layers are pruned apart or compete.
        criterion: what is worth keeping; see `lthcore.criteria`.
        schedule: ``"iterative"`` scores each round by the run before it, ``"oneshot"`` always by the dense run.
        rewind_step: the k of θ_k to which survivors are rewound; 0 is θ₀.
        between: what happens to the survivors between two rounds of the search: ``"rewind"`` gives them their early
            values back, ``"continue"`` lets them train on from their trained values (FC18, appendix B, strategy 2).
        embeddings: whether trained tables of word vectors are prunable too.
        prune_step: the step at which a network that is only scored stops training; None trains it to the end. With 0
            the initial weights themselves are scored. What is left in the end is trained in full.
        budgets: how the survivors of a mask that costs no search are shared out among the layers: ``"schedule"`` lets
            each layer shrink by its own rate, ``"uniform"`` gives all the same density, ``"erk"`` larger layers a
            smaller one; see `lthcore.budgets`. Their number is the schedule's in any case.
        passes: in how many passes an untrained network is pruned to a density, scored anew before each.
        averaged: whether networks that stop early are scored by the moving average of their weights, where the
            optimizer takes one; False scores the weights themselves, in which the initial ones weigh no more.
    """

    rounds: int = 16
    rate: float = 0.2
    layer_rates: Options = ()
    scope: str = "layerwise"
    criterion: str = "large_final"
    schedule: str = "iterative"
    rewind_step: int = 0
    between: str = "rewind"
    embeddings: bool = False
    prune_step: int | None = None
    budgets: str = "schedule"
    passes: int = 1
    averaged: bool = True

    def __post_init__(self) -> None:
        for rate in (self.rate, *dict(self.layer_rates).values()):
            check_rate(rate)
        check_known("scope", self.scope, SCOPES)
        check_known("criterion", self.criterion, CRITERIA)
        check_known("schedule", self.schedule, SCHEDULES)
        check_known("between", self.between, BETWEEN)
        if self.between == "continue" and (self.schedule != "iterative" or not self.trained_scores):
            raise ValueError("survivors train on only in an iterative search by trained weights: use between='rewind'")
        if self.between == "continue" and self.rewind_step:
            raise ValueError("survivors that train on are not rewound: use rewind_step=0")
        for name in ("rounds", "rewind_step", *(["prune_step"] if self.prune_step is not None else [])):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 0:
                raise ValueError(f"{name} must be a whole number >= 0, got {getattr(self, name)!r}")
        self._check_early()
        self._check_untrained()

    def _check_early(self) -> None:
        if not self.averaged and (not self.prune_step or self.schedule != "iterative"):
            raise ValueError("averaged=False is for an iterative search whose networks stop early: give a prune_step")
        if self.prune_step is None:
            return
        if self.criterion in UNTRAINED:
            raise ValueError(f"criterion {self.criterion!r} looks at no trained weights: use prune_step=None")
        if self.between == "continue":
            raise ValueError("survivors that train on are never cut short: use prune_step=None or between='rewind'")
        if self.rewind_step and self.rewind_step >= self.prune_step:
            raise ValueError(f"rewind_step ({self.rewind_step}) must come before prune_step ({self.prune_step})")

    def _check_untrained(self) -> None:
        check_known("budgets", self.budgets, BUDGETS)
        check_positive_whole("passes", self.passes)
        if self.budgets != "schedule" and (self.scope == "global" or self.criterion not in UNTRAINED):
            raise ValueError(
                f"budgets={self.budgets!r} are for criteria that look at no trained weights, compared layer by layer"
            )
        if self.passes > 1 and self.criterion not in UNTRAINED:
            raise ValueError(f"criterion {self.criterion!r} looks at trained weights: use passes=1 and more rounds")

    def rates(self, names: tuple[str, ...]) -> dict[str, float]:
        """Pruning rate of each prunable name.

        Raises:
            ValueError: if `layer_rates` speaks of a name that is not prunable.
        """
        return _rates(self.rate, self.layer_rates, names)

    @property
    def trained_scores(self) -> bool:
        """Whether the scores come from trained weights at all."""
        return self.criterion not in UNTRAINED and self.prune_step != 0

    @property
    def method(self) -> str:
        """One word for the procedure. ``imp`` is the paper's, to the letter; anything else has another word."""
        words = {"large_final": "oneshot" if self.schedule == "oneshot" else "imp", "inert_first": "imp_inert_first"}
        word = words.get(self.criterion, self.criterion)
        if self.criterion not in ("large_final", *UNTRAINED) and self.schedule == "oneshot":
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


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """How documents become tensors.

    Args:
        length: words of a document that are read; longer ones are cut, shorter ones padded.
        min_count: how often a word must stand in the training documents to get a place in the vocabulary.
        vectors: where word vectors come from: ``"skip-gram"`` trains a language model on the training documents, any
            other text is the path of a file of pretrained vectors. The path is part of the identity and the content
            is not, so other vectors belong into a file of another name.
        dimension: numbers in a word vector.
        window: words on each side that skip-gram predicts.
        negative: noise words per predicted word.
        epochs: passes of skip-gram over the training documents.
        oov: how words of the vocabulary without a vector start; see `lthcore.text.tables`.
        documents: ``"labelled"`` keeps the documents with a category of the group, ``"all"`` the others as well.
        bodiless: ``"keep"`` or ``"drop"`` documents that have a headline only.
    """

    length: int = 200
    min_count: int = 5
    vectors: str = "skip-gram"
    dimension: int = 150
    window: int = 10
    negative: int = 5
    epochs: int = 10
    oov: str = "uniform"
    documents: str = "labelled"
    bodiless: str = "keep"

    def __post_init__(self) -> None:
        for name in ("length", "min_count", "dimension", "window", "negative", "epochs"):
            check_positive_whole(name, getattr(self, name))
        check_known("oov", self.oov, OOV)
        check_known("documents", self.documents, DOCUMENTS)
        check_known("bodiless", self.bodiless, BODILESS)


@dataclass(frozen=True, kw_only=True)
class FilterConfig:
    """How filters are removed before convergence.

    Args:
        every: training steps before each removal.
        rate: share of a layer's filters that a removal takes.
        removals: how many there are; what is left then trains to the end.
        norm: of a filter's kernel, by which it is ranked within its layer: ``"l1"`` or ``"l2"``.
        layer_rates: exceptions to `rate`, as (layer name, rate) pairs.
        dropout: ``"keep"`` leaves the rate of dropout as it is, ``"scale"`` multiplies it by the square root of the
            share that is left of the units it drops from, for a smaller network overfits less ({cite}`HPTD15`,
            section 3.2).
    """

    every: int = 500
    rate: float = 0.5
    removals: int = 1
    norm: str = "l1"
    layer_rates: Options = ()
    dropout: str = "keep"

    def __post_init__(self) -> None:
        for name in ("every", "removals"):
            check_positive_whole(name, getattr(self, name))
        for rate in (self.rate, *dict(self.layer_rates).values()):
            check_rate(rate)
        check_known("norm", self.norm, NORMS)
        check_known("dropout", self.dropout, DROPOUT)

    def rates(self, layers: tuple[str, ...]) -> dict[str, float]:
        """Share of its filters that each layer loses per removal.

        Raises:
            ValueError: if `layer_rates` speaks of a layer whose filters cannot be removed.
        """
        return _rates(self.rate, self.layer_rates, layers)


def _rates(rate: float, exceptions: Options, names: tuple[str, ...]) -> dict[str, float]:
    """The rate of each name, with its exceptions."""
    for name, _ in exceptions:
        check_known("name in layer_rates", name, names)
    return dict.fromkeys(names, rate) | dict(exceptions)


def check_rate(rate: float) -> None:
    """Refuse a pruning rate outside [0, 1)."""
    if not isinstance(rate, (int, float)) or not 0 <= rate < 1:
        raise ValueError(f"a pruning rate must lie in [0, 1), got {rate!r}; 0.2 removes a fifth of the survivors")


def check_positive_whole(name: str, value: object) -> None:
    """Refuse what is no whole number from 1 on."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a whole number >= 1, got {value!r}")


def check_known(what: str, value: object, known: object) -> None:
    """Refuse a word that is not among the known ones, and list them."""
    if value not in known:
        raise ValueError(f"unknown {what} {value!r}; known are {', '.join(map(str, known))}")
