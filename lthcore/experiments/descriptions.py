"""An experiment as plain values for JSON, and back: how records tell what they are records of.

All kinds share one spelling, that of the first release, so that records of any age are read alike. What is told by
name need not be known to the process that reads it: data set, model and learning-rate schedule are only looked up to
compute, and of a criterion that is none of the package's own, the description says what it reads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, fields, replace
from functools import cache
from typing import TYPE_CHECKING

from lthcore.experiments.experiment import AnyExperiment, Control, Experiment, FilterExperiment
from lthcore.pruning.config import PruneConfig
from lthcore.pruning.criteria import CRITERIA, unknown
from lthcore.shrinking.config import FilterConfig
from lthcore.text.config import TextConfig
from lthcore.training.config import TrainConfig
from lthcore.training.schedules import SCHEDULES, UnknownSchedule

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# Fields of configurations that hold pairs; JSON has no tuples.
_PAIRS = ("model_options", "optimizer_options", "layer_rates")


class UnknownFieldError(ValueError):
    """A description says what no experiment of this version has; a later one may."""


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
        UnknownFieldError: if it has a field that is not known here, as descriptions of later versions may.
        ValueError: if it describes no experiment.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"this describes no experiment: {values!r:.80}")
    try:
        _check_known(values, _field_names())
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
        "text": TextConfig(**_known(text, TextConfig)) if text else None,
        "train": _train_config(values["train"]),
        "trials": values["trials"],
    }
    if values.get("filters"):
        return FilterExperiment(**common, filters=FilterConfig(**_known(_with_pairs(values["filters"]), FilterConfig)))
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
    return TrainConfig(**_known(values, TrainConfig))


def _prune_config(values: Mapping) -> PruneConfig:
    values = _with_pairs(values)
    reads, name = values.pop("criterion_reads", "final"), values.get("criterion", "large_final")
    return PruneConfig(
        **_known(values, PruneConfig) | {"criterion": name if name in CRITERIA else unknown(name, reads)}
    )


@cache
def _field_names() -> frozenset[str]:
    return frozenset(to_dict(Experiment()))


def _known(values: Mapping, kind: type[DataclassInstance]) -> dict:
    _check_known(values, {entry.name for entry in fields(kind)})
    return dict(values)


def _check_known(values: Mapping, names: Collection[str]) -> None:
    if unknown := [name for name in values if name not in names]:
        raise UnknownFieldError(f"its experiment has the field {unknown[0]!r}, which is not known here")


def _with_pairs(values: Mapping) -> dict:
    return {name: _pairs(value) if name in _PAIRS else value for name, value in values.items()}


def _pairs(value: Iterable[Iterable[object]]) -> tuple:
    return tuple(tuple(pair) for pair in value)
