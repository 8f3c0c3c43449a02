"""Tidy frames of stored results, and the statistics over trials that the book prints."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy import stats

from lthcore.experiments import labels
from lthcore.experiments.experiment import Control, Experiment, Experiments, FilterExperiment
from lthcore.experiments.records import Record
from lthcore.experiments.store import Store
from lthcore.text import metrics

COLUMNS = (
    "experiment",
    "label",
    "dataset",
    "model",
    "variant",
    "optimizer",
    "method",
    "criterion",
    "schedule",
    "scope",
    "budgets",
    "averaged",
    "control",
    "draw",
    "trial",
    "round",
    "density",
    "density_with_embedding",
    "steps",
    "rewind_step",
    "prune_step",
    "search_steps",
    "early_stop_step",
    "validation_accuracy",
    "test_accuracy",
    "final_accuracy",
    "validation_micro_f1",
    "micro_f1",
    "threshold",
    "tuned_micro_f1",
    "tuned_macro_f1",
    "tuned_accuracy",
    "first_label",
    "seconds",
)


def row(record: Record) -> dict[str, object]:
    """One stored network as a row of the tidy frame.

    Accuracies and densities are fractions; ``test_accuracy`` and ``validation_accuracy`` are read at the early stop,
    ``final_accuracy`` is the test accuracy after the last step. ``method`` is one word for how the mask was made, to
    group by; what it says stands in ``criterion``, ``schedule``, ``scope``, ``budgets`` and ``averaged`` as well.
    ``prune_step`` is the step whose weights were scored, 0 for criteria that look at initial weights only;
    ``search_steps`` counts all steps that went into finding the mask.
    Of label sets, accuracy is that of whole sets; ``micro_f1`` is read at threshold 0.5, ``first_label`` and columns
    with ``tuned`` at the one chosen on validation. Macro-F1 counts empty categories as 0. What does not apply is NaN.
    """
    experiment, history = record.experiment, record.history
    prune = experiment.prune
    rewound = record.round and experiment.control in ("rewind", "shuffle")
    rewind_step = prune.rewind_step if rewound else 0
    return {
        "experiment": experiment.identity,
        "label": experiment.label,
        "dataset": experiment.dataset,
        "model": experiment.model,
        "variant": dict(experiment.model_options).get("variant", ""),
        "optimizer": experiment.train.optimizer,
        "method": prune.method,
        "criterion": prune.scored_by.name,
        "schedule": prune.schedule,
        "scope": prune.scope,
        "budgets": prune.budgets,
        "averaged": prune.averaged,
        "control": experiment.control,
        "draw": record.draw,
        "trial": record.trial,
        "round": record.round,
        "density": record.density,
        "density_with_embedding": record.density_with_embedding,
        "steps": experiment.train.steps - rewind_step,
        "rewind_step": rewind_step,
        "prune_step": experiment.scored_step,
        "search_steps": experiment.search_steps(record.round),
        "early_stop_step": history.early_stop_step,
        "validation_accuracy": float(history["validation_accuracy"][history.early_stop]),
        "test_accuracy": record.test["accuracy"],
        "final_accuracy": float(history["test_accuracy"][-1]),
        **_label_sets(record),
        "seconds": record.seconds,
    }


def _label_sets(record: Record) -> dict[str, float]:
    """The columns of label sets; NaN where examples have one class."""
    if record.counts is None:
        return {}
    names = ("micro_f1", "threshold", "tuned_micro_f1", "tuned_accuracy", "first_label")
    found = {name: record.test.get(name, np.nan) for name in names}
    history = record.history
    found["validation_micro_f1"] = float(history["validation_micro_f1"][history.early_stop])
    return found | {"tuned_macro_f1": metrics.macro_f1(record.counts[1])}


def frame(records: Iterable[Record]) -> pd.DataFrame:
    """All records as one tidy frame: a row per trained network, columns as in `COLUMNS`.

    Labels that several experiments of the frame would share end in the beginning of the experiment's hash.
    """
    rows = []
    experiments: dict[str, Experiment | Control] = {}
    for record in records:
        rows.append(row(record))
        experiments.setdefault(record.experiment.identity, record.experiment)
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.assign(label=table["experiment"].map(labels.distinct(experiments.values())))


def results(store: Store, experiments: Experiments) -> pd.DataFrame:
    """The frame of some experiments, complete.

    Raises:
        lthcore.experiments.store.errors.StoreError: at the first network that is missing or damaged.
    """
    return frame(
        store.load(experiment, trial, *network)
        for experiment in experiments
        if not isinstance(experiment, FilterExperiment)  # of which no network is stored
        for trial in range(experiment.trials)
        for network in experiment.networks
    )


def curves(records: Iterable[Record]) -> pd.DataFrame:
    """The histories of some records as one tidy frame: a row per evaluation."""
    parts = []
    for record in records:
        part = pd.DataFrame(dict(record.history.columns))
        parts.append(part.assign(trial=record.trial, round=record.round, density=record.density))
    return pd.concat(parts, ignore_index=True)


def select(frame: pd.DataFrame, method: str, control: str) -> pd.DataFrame:
    """The rows of one line of a figure: a method and control, round by round.

    The dense network belongs to every line: round 0 of ``imp, rewind`` is where all of them start.
    """
    chosen = (frame["method"] == method) & (frame["control"] == control)
    dense = (frame["method"] == "imp") & (frame["control"] == "rewind") & (frame["round"] == 0)
    return frame[chosen | dense]


def summary(frame: pd.DataFrame, value: str) -> pd.DataFrame:
    """Mean, minimum, maximum and number of trials of `value` at each round.

    Repeated draws of a control are averaged within their trial first: they share its ticket, so they are not
    independent observations.

    Returns:
        One row per round, in order, with columns ``density, mean, min, max, n``.
    """
    trials = frame.groupby(["round", "trial"], as_index=False).agg(density=("density", "mean"), value=(value, "mean"))
    table = trials.groupby("round").agg(
        density=("density", "mean"),
        mean=("value", "mean"),
        min=("value", "min"),
        max=("value", "max"),
        n=("value", "size"),
    )
    return table.reset_index()


def difference(left: pd.DataFrame, right: pd.DataFrame, value: str, *, confidence: float = 0.95) -> dict[str, float]:
    """Paired difference left − right of `value` over the trials both have, with Student's t interval.

    Trials are matched by number. A ticket and the controls of its round share data order, and mask or initial
    weights; networks of different rounds share the initial weights they were drawn from. The interval speaks of the
    spread between trials; it does not hold the sampling error of the test set that all of them share.

    Returns:
        ``mean, low, high, n``; the interval is NaN for a single trial.

    Raises:
        ValueError: if the two have no trial in common.
    """
    first, second = _pairs(left, right, value)
    return _interval(first - second, confidence)


def ratio(left: pd.DataFrame, right: pd.DataFrame, value: str, *, confidence: float = 0.95) -> dict[str, float]:
    """Paired ratio left / right of `value`, trial by trial, with Student's t interval.

    A mean of ratios leans towards trials in which `right` happens to be small; the ratio of the means does not, and the
    two can differ as much as either differs from one.

    Returns:
        ``mean, low, high, n`` of the trials' ratios, and ``of_means``.

    Raises:
        ValueError: if the two have no trial in common.
    """
    first, second = _pairs(left, right, value)
    return _interval(first / second, confidence) | {"of_means": float(first.mean() / second.mean())}


def sparsest_within(frame: pd.DataFrame, value: str, reference: float, margin: float) -> int | None:
    """The last round in which the mean of `value` lies at most `margin` below `reference`; None if there is none."""
    means = summary(frame, value).set_index("round")["mean"]
    within = means[means >= reference - margin]
    return None if within.empty else int(within.index.max())


def earliest_within(frame: pd.DataFrame, by: str, value: str, reference: pd.DataFrame, margin: float) -> float | None:
    """The smallest `by` from which on all means of `value` lie at most `margin` below the reference's.

    Args:
        frame: networks of one density, a few trials for each `by`, say ``prune_step``.
        by: an ordered column.
        value: column to compare.
        reference: what they are compared with, paired by trial.
        margin: what counts as no loss, in units of `value`.

    Returns:
        A value of `by`; None if even the largest lies further below.
    """
    found = None
    for step, rows in sorted(frame.groupby(by), key=lambda group: group[0], reverse=True):
        if difference(rows, reference, value)["mean"] < -margin:
            break
        found = step
    return found


def first_reaching(curves: pd.DataFrame, value: str, level: float) -> pd.DataFrame:
    """The first step at which `value` is at least `level`, the last if it never is: a row per round and trial."""
    last = curves.groupby(["round", "trial"])["step"].max()
    first = curves[curves[value] >= level].groupby(["round", "trial"])["step"].min()
    return first.reindex(last.index).fillna(last).reset_index()


def overview(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per stored experiment: how much there is of it."""
    return frame.groupby("experiment").agg(
        label=("label", "first"),
        trials=("trial", "nunique"),
        rounds=("round", "nunique"),
        networks=("trial", "size"),
        steps=("steps", "max"),
    )


def score_of(frame: pd.DataFrame) -> str:
    """The column that says how good networks are: test accuracy, or, of label sets, tuned micro-F1."""
    return "tuned_micro_f1" if frame["tuned_micro_f1"].notna().all() else "test_accuracy"


def by_round(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per round of an experiment: density, score at the early stop and its spread, early-stop step.

    The score is the test accuracy, or, of label sets, micro-F1 at the threshold chosen on validation.
    """
    value = score_of(frame)
    scores = summary(frame, value).set_index("round")
    step = summary(frame, "early_stop_step").set_index("round")["mean"]
    table = scores.rename(columns={"mean": value, "n": "trials"}).round(4)
    return table.assign(early_stop_step=step.round().astype(int))


def nearest_round(experiment_frame: pd.DataFrame, density: float) -> int:
    """The round whose density lies nearest to `density`, on a logarithmic scale."""
    densities = experiment_frame.groupby("round")["density"].mean()
    return int((np.log(densities) - np.log(density)).abs().idxmin())


def _pairs(left: pd.DataFrame, right: pd.DataFrame, value: str) -> tuple[np.ndarray, np.ndarray]:
    """The values of the trials both frames have, draws averaged within their trial first."""
    means = [part.groupby("trial")[value].mean() for part in (left, right)]
    pairs = pd.concat(means, axis=1, join="inner", keys=["left", "right"])
    if pairs.empty:
        raise ValueError("nothing to compare: the two frames have no trial in common")
    return pairs["left"].to_numpy(float), pairs["right"].to_numpy(float)


def _interval(values: np.ndarray, confidence: float) -> dict[str, float]:
    """Mean and Student's t interval; NaN for a single value."""
    mean, n, half = float(values.mean()), len(values), np.nan
    if n > 1:
        half = float(stats.t.ppf(0.5 + confidence / 2, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return {"mean": mean, "low": mean - half, "high": mean + half, "n": n}
