"""What an experiment is called for people: what it does, or what sets it apart from another one, in words.

The identity is for files and never moves; a label may be worded better at any time, and nothing depends on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from lthcore.checks import Options
from lthcore.pruning.config import PruneConfig
from lthcore.shrinking.config import FilterConfig
from lthcore.training.config import TrainConfig

# How the field writes names that the code spells otherwise; any other name is written with spaces.
NAMES = {
    "lenet_300_100": "LeNet-300-100",
    "lenet_5": "LeNet-5",
    "kim_cnn": "Kim's CNN",
    "bilstm": "BiLSTM",
    "large_final": "tickets",
    "large_init": "mask by initial size",
    "random": "random mask",
    "snip": "SNIP",
    "grasp": "GraSP",
    "synflow": "SynFlow",
    "adam": "Adam",
    "sgd": "SGD",
}

# Fields that the parts of a label speak of; other ones are named as they are, and only where nothing else differs.
_WORDED = {
    "": ("dataset", "model", "model_options", "control"),
    "train": ("steps", "batch_size", "optimizer", "learning_rate", "schedule", "decay", "decay_every", "warmup"),
    "prune": (
        *("rate", "criterion", "schedule", "scope", "budgets", "passes", "prune_step", "averaged", "rewind_step"),
        *("between", "embeddings"),
    ),
    "filters": ("every", "rate", "removals"),
}


class Trained(Protocol):
    """What the label of any experiment is made from; see the fields of `lthcore.experiments.experiment.Experiment`."""

    @property
    def dataset(self) -> str: ...

    @property
    def model(self) -> str: ...

    @property
    def model_options(self) -> Options: ...

    @property
    def train(self) -> TrainConfig: ...

    @property
    def meaning(self) -> Mapping[str, object]: ...

    @property
    def identity(self) -> str: ...


class Pruned(Trained, Protocol):
    """The same of an experiment with masks."""

    @property
    def prune(self) -> PruneConfig: ...

    @property
    def control(self) -> str: ...


class Filtered(Trained, Protocol):
    """The same of an experiment that removes filters."""

    @property
    def filters(self) -> FilterConfig: ...


Described = Pruned | Filtered


def spoken(name: str) -> str:
    """A name of the code as a reader knows it.

    Example:
        >>> spoken("lenet_300_100"), spoken("inert_first")
        ('LeNet-300-100', 'inert first')
    """
    return NAMES.get(name, name.replace("_", " "))


def plain(number: float) -> str:
    """A whole number with its thousands apart.

    Example:
        >>> plain(20_000).split()
        ['20', '000']
    """
    return f"{number:,.0f}".replace(",", "\N{NO-BREAK SPACE}")


def describe(experiment: Described) -> str:
    """An experiment in words, by itself: its data, its network, what is done to it, and for how long it trains.

    Experiments that differ in a detail alone can read alike; `distinct` tells them apart.
    """
    parts = _parts(experiment)
    network = _joined(parts, ("model", "options"), " ")
    said = (parts["dataset"], network, _joined(parts, _METHOD), parts.get("control"), _joined(parts, _TRAINING))
    return " · ".join(part for part in said if part)


def differences(experiment: Described, base: Described) -> str:
    """What sets an experiment apart from another one, in words; empty where nothing a result depends on does.

    Example:
        >>> from dataclasses import replace
        >>> from lthcore.experiments.presets import MNIST_SHORT
        >>> differences(MNIST_SHORT[1], MNIST_SHORT[0])
        'reinit'
        >>> differences(MNIST_SHORT[0], MNIST_SHORT[1])
        'not reinit'
    """
    ours, theirs = _parts(experiment), _parts(base)
    changed = [words for name, words in ours.items() if words and theirs.get(name, "") != words]
    dropped = [f"not {words}" for name, words in theirs.items() if words and not ours.get(name)]
    details, others = _details(experiment), _details(base)
    changed += [f"{_field(name)} {_value(value)}" for name, value in details.items() if others.get(name) != value]
    dropped += [f"{_field(name)} as by default" for name in others if name not in details]
    return ", ".join([*changed, *dropped])


def distinct(experiments: Iterable[Described]) -> dict[str, str]:
    """Identity → label; those that would read alike get the beginning of their hash as well."""
    return _apart({experiment.identity: describe(experiment) for experiment in experiments})


def within(name: str, experiments: Iterable[Described]) -> dict[str, str]:
    """Identity → label of the experiments of a preset: its name and what sets each apart from its first.

    The first one is called by what it does.
    """
    base, *others = experiments
    labels = {base.identity: f"{name} · {_joined(_parts(base), _METHOD)}"}
    return _apart(labels | {other.identity: f"{name} · {differences(other, base)}" for other in others})


def _apart(labels: Mapping[str, str]) -> dict[str, str]:
    """The same; where several are alike, with the beginning of the identity's hash."""
    alike = Counter(labels.values())
    return {
        identity: label if alike[label] == 1 else f"{label} · {identity.rpartition('-')[2][:6]}"
        for identity, label in labels.items()
    }


_METHOD = ("method", "schedule", "scope", "budgets", "passes", "rate", "prune_step", "averaged", "survivors", "tables")
_TRAINING = ("steps", "batch", "optimizer", "learning rate", "course", "decay", "warm-up")


def _joined(parts: Mapping[str, str], names: Sequence[str], between: str = ", ") -> str:
    """The words of some parts, of those that have any."""
    return between.join(parts[name] for name in names if parts.get(name))


def _parts(experiment: Described) -> dict[str, str]:
    """The words for each thing an experiment does, in the order they are read; empty where it does the usual."""
    train = experiment.train
    usual = "adam", 1.2e-3, 60  # the paper's own, and the defaults
    return {
        "dataset": experiment.dataset,
        "model": spoken(experiment.model),
        "options": ", ".join(
            str(value) if name == "variant" else f"{spoken(name)} {value}" for name, value in experiment.model_options
        ),
        **(_removal(experiment.filters) if hasattr(experiment, "filters") else _pruning(experiment)),
        "steps": f"{plain(train.steps)} steps",
        "batch": "" if train.batch_size == usual[2] else f"batches of {train.batch_size}",
        "optimizer": "" if train.optimizer == usual[0] else spoken(train.optimizer),
        "learning rate": "" if train.learning_rate == usual[1] else f"learning rate {train.learning_rate:g}",
        "course": "" if train.schedule == "step" else f"{spoken(train.schedule)} schedule",
        "warm-up": f"warm-up of {plain(train.warmup)} steps" if train.warmup else "",
        "decay": f"times {train.decay:g} every {plain(train.decay_every)} steps" if train.decay_every else "",
    }


def _removal(filters: FilterConfig) -> dict[str, str]:
    steps = " and ".join(plain(filters.every * number) for number in range(1, filters.removals + 1))
    return {"method": f"{100 * filters.rate:g} % of the filters removed at step {steps}"}


def _pruning(experiment: Pruned) -> dict[str, str]:
    prune = experiment.prune
    if not prune.rounds:
        return {"method": "dense network"}
    trained_on = {("continue", "continue"): "trained on", ("continue", "rewind"): "trained on, then rewound"}
    return {
        "method": spoken(prune.scored_by.name),
        "schedule": "" if prune.schedule == "iterative" or not prune.trained_scores else "one-shot",
        "scope": "" if prune.scope == "layerwise" else "compared globally",
        "budgets": "" if prune.budgets == "schedule" else f"{prune.budgets} budgets",
        "passes": f"{prune.passes} passes" if prune.passes > 1 else "",
        "rate": "" if prune.rate == 0.2 else f"{100 * prune.rate:g} % a round",
        "prune_step": "" if prune.prune_step is None else f"pruned at step {plain(prune.prune_step)}",
        "averaged": "" if prune.averaged else "scored without the average",
        "survivors": f"rewound to step {plain(prune.rewind_step)}" if prune.rewind_step else "",
        "tables": "word vectors too" if prune.embeddings else "",
        "control": trained_on.get((prune.between, experiment.control))
        or {"rewind": "", "shuffle": "shuffled mask"}.get(experiment.control, experiment.control),
    }


def _details(experiment: Described) -> Mapping[str, object]:
    """The fields that no part speaks of, where they are not the defaults: ``train.eval_every`` → 50."""
    flat: dict[tuple[str, str], object] = {}
    for name, value in experiment.meaning.items():
        inner = value if isinstance(value, dict) else {"": value}
        group = name if isinstance(value, dict) else ""
        flat |= {(group, field or name): value for field, value in inner.items()}
    return {
        f"{group}.{field}" if group else field: value
        for (group, field), value in flat.items()
        if field not in _WORDED.get(group, ())
    }


def _field(name: str) -> str:
    return name.rpartition(".")[2].replace("_", " ")


def _value(value: object) -> str:
    """The value of a field, pairs without their brackets."""
    if isinstance(value, tuple):
        return ", ".join(" ".join(map(str, pair)) if isinstance(pair, tuple) else str(pair) for pair in value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
