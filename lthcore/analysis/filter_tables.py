"""Tables of filter pruning before convergence, from stored numbers alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lthcore.files.array_files import unpacked

Values = Mapping[str, np.ndarray]

# The networks compared: dense; pruned before convergence; and what is left of that one, trained from scratch for as
# many steps (E) or for as many operations (B) as the dense one.
NETWORKS = ("dense", "pruned", "scratch_e", "scratch_b")


def by_trial(values: Sequence[Values]) -> pd.DataFrame:
    """One row per trial and network.

    Args:
        values: of each trial, as `lthcore.analysis.measurements.filters.compare` gives them.

    Returns:
        Columns ``trial``, ``network``, ``steps``, ``parameters`` without tables of word vectors and
        ``parameters_with_embedding``, ``flops``, ``training_seconds``, ``compile_seconds``, ``total_seconds`` of both,
        ``inference_seconds``, and one per test metric, its name behind ``test_``.

    Raises:
        ValueError: for no trial at all.

    Book: chapter *Early tickets*.
    """
    if not values:
        raise ValueError("there is no trial to make a table of")
    return pd.DataFrame([_row(found, trial, name) for trial, found in enumerate(values) for name in NETWORKS])


def _row(values: Values, trial: int, name: str) -> dict[str, object]:
    training, compiling = (float(values[f"{name}/{what}"]) for what in ("seconds", "compile_seconds"))
    whole, without = values[f"{name}/parameters"].tolist()
    metrics = dict(zip(unpacked(values["metrics"]), values[f"{name}/test"].tolist(), strict=True))
    return {
        "trial": trial,
        "network": name,
        "steps": int(values[f"{name}/steps"]),
        "parameters": without,
        "parameters_with_embedding": whole,
        "flops": int(values[f"{name}/flops"]),
        "training_seconds": training,
        "compile_seconds": compiling,
        "total_seconds": training + compiling,
        "inference_seconds": float(values[f"{name}/inference_seconds"]),
        **{f"test_{metric}": value for metric, value in metrics.items()},
    }


def ratios(values: Sequence[Values]) -> pd.DataFrame:
    """How many times smaller and faster than the dense network of its trial each network is, and how much it loses.

    Returns:
        As `by_trial`: the columns of costs divide the dense network's by the network's, those of metrics subtract the
        dense network's from the network's. ``steps`` stays.

    Book: chapter *Early tickets*.
    """
    frame = by_trial(values)
    kept = ["trial", "network", "steps"]
    metrics = [name for name in frame if name.startswith("test_")]
    costs = [name for name in frame if name not in (*kept, *metrics)]
    dense = frame[frame["network"] == "dense"].set_index("trial").loc[frame["trial"]]
    smaller = dense[costs].to_numpy() / frame[costs]
    return pd.concat([frame[kept], smaller, frame[metrics] - dense[metrics].to_numpy()], axis=1)


def table(values: Sequence[Values]) -> pd.DataFrame:
    """One row per network, in the order dense, pruned, Scratch-E, Scratch-B: means over the trials.

    Returns:
        The columns of `by_trial`, and those of `ratios` but for the metrics behind ``times_``: means of the trials' own
        ratios, since a network and its dense one share the noise of their clock; and ``change_`` before a metric's.

    Book: chapter *Early tickets*.
    """
    means, relative = (
        frame.drop(columns="trial").groupby("network", sort=False).mean()
        for frame in (by_trial(values), ratios(values))
    )
    relative = relative.drop(columns="steps")
    named = {name: f"{'change' if name.startswith('test_') else 'times'}_{name}" for name in relative}
    return means.join(relative.rename(columns=named))
