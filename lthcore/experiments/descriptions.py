"""An experiment as plain values for JSON, and back: how records tell what they are records of.

All kinds share one spelling, that of the first release, so that records of any age are read alike. What is told by
name need not be known to the process that reads it: data set, model and learning-rate schedule are only looked up to
compute, and of a criterion that is none of the package's own, the description says what it reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace

from lthcore.experiments.experiment import AnyExperiment, Control, Experiment, FilterExperiment
from lthcore.pruning.config import PruneConfig
from lthcore.pruning.criteria import CRITERIA, unknown
from lthcore.shrinking.config import FilterConfig
from lthcore.text.config import TextConfig
from lthcore.training.config import TrainConfig
from lthcore.training.schedules import SCHEDULES, UnknownSchedule

# Fields of configurations that hold pairs; JSON has no tuples.
_PAIRS = ("model_options", "optimizer_options", "layer_rates")


def to_dict(experiment: AnyExperiment) -> dict[str, object]:
    """All fields of an experiment of any kind, as plain values.

    Example:
        >>> values = to_dict(Control(of=Experiment(), kind="shuffle"))
        >>> values["control"], values["trials"], values["filters"]
        ('shuffle', 5, None)
    """
    values: dict[str, object] = {name: getattr(experiment, name) for name in ("dataset", "model", "model_options")}
    values |= {"text": asdict(experiment.text) if experiment.text else None, "train": asdict(experiment.train)}
    if isinstance(experiment, FilterExperiment):
        values |= {"prune": _pruning(PruneConfig(rounds=0)), "control": "rewind", "rungs": (), "draws": 1}
        values |= {"filters": asdict(experiment.filters)}
    else:
        draws = experiment.draws if isinstance(experiment, Control) else 1
        values |= {"prune": _pruning(experiment.prune), "control": experiment.control, "rungs": experiment.rungs}
        values |= {"draws": draws, "filters": None}
    return values | {"trials": experiment.trials}


def _pruning(prune: PruneConfig) -> dict[str, object]:
    """The criterion by its name, and, where a process may not know it, with what it reads."""
    criterion = prune.scored_by
    values = {entry.name: getattr(prune, entry.name) for entry in fields(prune)} | {"criterion": criterion.name}
    return values if criterion.name in CRITERIA.sealed else values | {"criterion_reads": criterion.reads}


def from_dict(values: Mapping) -> AnyExperiment:
    """The inverse of `to_dict`, also after a trip through JSON, which knows no tuples, and of older descriptions.

    Raises:
        ValueError: if it describes no experiment.
    """
    try:
        experiment = _experiment(values)
        _ = experiment.identity, experiment.label  # whoever reads it asks for both, and what has none is no experiment
    except ValueError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError) as error:
        raise ValueError(f"this describes no experiment: {type(error).__name__}, {error}") from error
    return experiment


def _experiment(values: Mapping) -> AnyExperiment:
    text = values.get("text")
    common = {
        "dataset": values["dataset"],
        "model": values["model"],
        "model_options": _pairs(values.get("model_options", ())),
        "text": TextConfig(**text) if text else None,
        "train": _train_config(values["train"]),
        "trials": values["trials"],
    }
    if values.get("filters"):
        return FilterExperiment(**common, filters=FilterConfig(**_with_pairs(values["filters"])))
    tickets = Experiment(**common, prune=_prune_config(values["prune"]))
    rungs = tuple(values["rungs"])
    if values["control"] != tickets.control:
        return Control(of=tickets, kind=values["control"], rungs=rungs, draws=values.get("draws", 1))
    # Older searches could name rungs, and trained all rounds nevertheless.
    return tickets if tickets.is_chain else replace(tickets, rungs=rungs)


def _train_config(values: Mapping) -> TrainConfig:
    values = _with_pairs(values)
    if values.get("schedule", "step") not in SCHEDULES:
        values["schedule"] = UnknownSchedule(values["schedule"])
    return TrainConfig(**values)


def _prune_config(values: Mapping) -> PruneConfig:
    values = _with_pairs(values)
    reads, name = values.pop("criterion_reads", "final"), values.get("criterion", "large_final")
    return PruneConfig(**values | {"criterion": name if name in CRITERIA else unknown(name, reads)})


def _with_pairs(values: Mapping) -> dict:
    return {name: _pairs(value) if name in _PAIRS else value for name, value in values.items()}


def _pairs(value: Iterable[Iterable[object]]) -> tuple:
    return tuple(tuple(pair) for pair in value)
