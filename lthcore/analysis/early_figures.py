"""Figures of tickets found early, at initialisation, or filter by filter: values and an `Axes` in, the `Axes` out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from lthcore.analysis import frames
from lthcore.analysis.figure_parts import band, bars, called, dense_band, gradation, rows, symlog_steps
from lthcore.analysis.figures import MEASURED, ROLES, Role, falling_density, plain
from lthcore.analysis.measurements.settling import chance_overlap
from lthcore.files.array_files import unpacked

# Where the early-bird rule stops, by measure.
STOPS = {
    "early_bird/distance": Role("Early-Bird stop, by distance", "#000000", "", "*"),
    "early_bird/overlap": Role("Early-Bird stop, by overlap", "#000000", "", "X"),
}

# Column of `filters` → how it looks.
SAVINGS = {
    "parameters": Role("parameters", "#0072B2", "", "o"),
    "flops": Role("FLOPs", "#D55E00", "", "s"),
    "training": Role("training time", "#009E73", "", "^"),
    "inference": Role("inference time", "#CC79A7", "", "D"),
}

# Densities within this factor of each other are the same: a little more than half a round that removes a fifth.
NEAR = 1.15


def by_prune_step(frame: pd.DataFrame, ax: Axes, value: str = "test_accuracy", *, scale: float = 1.0) -> Axes:
    """Mean against density, one line per step whose weights made the mask, darker where it came later.

    Bands reach from the worst trial to the best; the dense network is a grey line with its own band.

    Args:
        frame: tidy frame of one control, one kind of search and one length of training, with the column
            ``prune_step``; networks of round 0 are the dense one.
        ax: where to draw.
        value: column to draw.
        scale: factor of the vertical axis, 100 for per cent.

    Raises:
        ValueError: if there is no dense network, or nothing else, or if several experiments share a point.

    Book: chapter *Early tickets*.
    """
    dense_band(frame, ax, value, scale)
    pruned = frame[frame["round"] > 0]
    if pruned.empty:
        raise ValueError("no pruned network to draw: the frame holds round 0 only")
    _alone(frame)
    steps = sorted(pruned["prune_step"].unique())
    for step, look in zip(steps, gradation([f"step {plain(step)}" for step in steps]), strict=True):
        table = frames.summary(pruned[pruned["prune_step"] == step], value)
        band(ax, 100 * table["density"], scale * table, look)
    return falling_density(ax)


def cost_curve(
    frame: pd.DataFrame,
    ax: Axes,
    value: str,
    dense: float,
    *,
    densities: Sequence[float] = (0.07, 0.019),
    margin: float = 0.002,
    scale: float = 1.0,
    linthresh: int = 1_000,
) -> Axes:
    """What a ticket reaches against what it cost to find it: a point per experiment, a line per density.

    Points are means, bars reach from the worst trial to the best. Searches in one bite, of the schedule
    ``oneshot``, are hollow diamonds without a line.

    Args:
        frame: tidy frame of one control, with the column ``search_steps``: all steps spent on finding the ticket. Of
            each experiment the round nearest to a density is drawn, and none if that is another density.
        ax: where to draw.
        value: column to draw.
        dense: the dense network's mean; a line, with the `margin` below it shaded.
        densities: the densities asked for.
        margin: what counts as no loss, in units of `value`.
        scale: factor of the vertical axis, 100 for per cent.
        linthresh: up to here the axis of steps is linear, so that tickets that cost nothing are seen.

    Raises:
        ValueError: if no network has one of the densities.

    Book: chapter *Early tickets*.
    """
    ax.axhline(scale * dense, color=MEASURED["dense"].color, lw=0.8, zorder=0, label=MEASURED["dense"].label)
    low, points = scale * (dense - margin), f"at most {100 * margin:g} points below"
    ax.axhspan(low, scale * dense, color=MEASURED["dense"].color, alpha=0.15, lw=0, zorder=0, label=points)
    looks = gradation([f"{100 * density:.3g} %" for density in densities])
    for density, look in zip(densities, looks, strict=True):
        networks = _of_density(frame, density)
        bites = networks["schedule"] == "oneshot"
        oneshot = Role(f"{look.label}, one-shot", look.color, "none", "D")
        for some, role, hollow in ((networks[~bites], look, False), (networks[bites], oneshot, True)):
            if len(some):
                costs = _over_trials(some, "experiment", "search_steps")["mean"].sort_values()
                found = scale * _over_trials(some, "experiment", value).loc[costs.index]
                bars(ax, costs, found, role, hollow=hollow)
    return symlog_steps(ax, "steps spent on the search", linthresh)


def settling(measured: Sequence[Mapping[str, np.ndarray]], ax: Axes) -> Axes:
    """Overlap of the mask at a step with that of the end, one line per density; mean and range of the trials.

    Dotted lines are the overlap of independent masks. Stars and crosses stand where the early-bird rule stops a trial,
    on the mean of its density.

    Args:
        measured: of `settling.trajectory`, trial by trial, all at the same steps and rounds.
        ax: where to draw.

    Raises:
        ValueError: if trials differ in their steps or rounds.

    Book: chapter *Early tickets*.
    """
    first, looks = _same(measured), gradation([f"{100 * density:.3g} %" for density in measured[0]["density"]])
    overlaps = np.stack([values["overlap/final"] for values in measured], axis=1)  # (rounds, trials, steps)
    _overlaps(ax, first["steps"], overlaps, looks, first["overlap/chance"])
    for name, stop in STOPS.items():
        at = np.stack([values[name] for values in measured], axis=1)  # (rounds, trials)
        for look, trials, found in zip(looks, overlaps, at, strict=True):
            x = np.unique(found[found >= 0])
            y = np.interp(x, first["steps"], trials.mean(axis=0))
            ax.plot(x, y, stop.marker, color=stop.color, markerfacecolor=look.color, markersize=9, zorder=3)
        if (at >= 0).any():
            ax.plot([], [], stop.marker, color=stop.color, markersize=9, label=stop.label)
    return ax


def layers(measured: Sequence[Mapping[str, np.ndarray]], ax: Axes, round: int) -> Axes:
    """Overlap of each layer's mask at a step with that of the end, at one density; mean and range of the trials.

    Dotted lines are the overlap of independent masks of the layer's density.

    Args:
        measured: of `settling.trajectory`, trial by trial, all at the same steps and rounds.
        ax: where to draw.
        round: whose masks.

    Raises:
        ValueError: if trials differ in their steps or rounds, or did not look at the round.

    Book: chapter *Early tickets*.
    """
    first, rounds = _same(measured), measured[0]["rounds"].tolist()
    if round not in rounds:
        raise ValueError(f"round {round} was not looked at; there are rounds {', '.join(map(str, rounds))}")
    place = rounds.index(round)
    overlaps = np.stack([values["overlap/layer"][place].T for values in measured], axis=1)  # (layers, trials, steps)
    names = [name.removesuffix("/kernel").replace("_", " ") for name in unpacked(first["layers"])]
    chances = chance_overlap(first["density/layer"][place][:, None], np.ones(1))
    return _overlaps(ax, first["steps"], overlaps, gradation(names), chances)


def at_initialisation(frame: pd.DataFrame, ax: Axes, value: str, order: Sequence[str], *, scale: float = 1.0) -> Axes:
    """One row per method: the ticket, its mask with fresh values, and its mask shuffled, at one density.

    Dots are means, bars reach from the worst trial to the best; the dense network, where the frame holds it, is a
    vertical line with its own band.

    Args:
        frame: tidy frame; rows of round 0 are the dense network, all others have one density.
        ax: where to draw.
        value: column to draw.
        order: methods from top to bottom; see `figure_parts.called` for what is written beside them.
        scale: factor of the horizontal axis, 100 for per cent.

    Raises:
        ValueError: for a method that the frame does not hold, or networks of several densities.

    Book: chapter *Early tickets*.
    """
    if (frame["round"] == 0).any():
        dense_band(frame, ax, value, scale, vertical=True)
    pruned = frame[(frame["round"] > 0) & frame["method"].isin(order)]
    missing = [method for method in order if method not in set(pruned["method"])]
    if missing:
        raise ValueError(f"no pruned network of {', '.join(missing)}")
    if pruned["density"].max() > NEAR * pruned["density"].min():
        raise ValueError(f"densities from {pruned['density'].min():.3g} to {pruned['density'].max():.3g}: select one")
    for shift, control in ((-0.2, "rewind"), (0.0, "reinit"), (0.2, "shuffle")):
        found = scale * _over_trials(pruned[pruned["control"] == control], "method", value)
        if len(found):
            at = np.array([order.index(method) for method in found.index])
            bars(ax, at + shift, found, ROLES["imp", control], sideways=True)
    return rows(ax, [called(pruned[pruned["method"] == method]) for method in order])


def filters(table: pd.DataFrame, ax: Axes) -> Axes:
    """How many times smaller or faster than the dense network: one row per network, on a logarithmic axis.

    Args:
        table: column ``network``, and of the columns of `SAVINGS` those that were measured: dense / pruned. Several
            rows of one network are its trials: dots are means, bars reach from the least to the most.
        ax: where to draw.

    Raises:
        ValueError: for a ratio that is not positive, or a table without any.

    Book: chapter *Early tickets*.
    """
    names, savings = list(dict.fromkeys(table["network"])), [name for name in SAVINGS if name in table]
    if not savings:
        raise ValueError(f"nothing to draw: the table has none of the columns {', '.join(SAVINGS)}")
    if (table[savings] <= 0).any(axis=None):
        raise ValueError("a ratio dense / pruned must be positive")
    ax.axvline(1, color=MEASURED["dense"].color, lw=0.8, zorder=0, label=MEASURED["dense"].label)
    for name, shift in zip(savings, np.linspace(-0.24, 0.24, len(savings)), strict=True):
        found = table.groupby("network")[name].agg(["mean", "min", "max"]).loc[names].reset_index(drop=True).dropna()
        bars(ax, found.index + shift, found, SAVINGS[name], sideways=True)
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    ax.set_xticks([n * 10**power for power in range(-2, 5) for n in (1, 2, 5) if low <= n * 10**power <= high])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}×"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("times smaller or faster than the dense network")
    return rows(ax, names)


def _alone(frame: pd.DataFrame) -> None:
    """Refuse to average over experiments, which their prune step and round do not tell apart."""
    points = [frame["round"], frame["prune_step"].where(frame["round"] > 0, -1)]
    held = frame.groupby(points)["experiment"].unique()
    crowded = held[held.str.len() > 1]
    if len(crowded):
        raise ValueError(f"{' and '.join(crowded.iloc[0])} share a point: select one kind of search and one length")


def _of_density(frame: pd.DataFrame, density: float) -> pd.DataFrame:
    """The pruned networks of this density: of each experiment those of the nearest round, if it is near."""
    parts = [part for _, part in frame[frame["round"] > 0].groupby("experiment")]
    nearest = [part[part["round"] == frames.nearest_round(part, density)] for part in parts]
    near = [part for part in nearest if 1 / NEAR <= part["density"].mean() / density <= NEAR]
    if not near:
        raise ValueError(f"no pruned network of density {density:.3g}")
    return pd.concat(near)


def _over_trials(frame: pd.DataFrame, by: str, value: str) -> pd.DataFrame:
    """Mean, minimum and maximum over trials; draws of a control are averaged within their trial first."""
    return frame.groupby([by, "trial"])[value].mean().groupby(by).agg(["mean", "min", "max"])


def _overlaps(ax: Axes, steps: np.ndarray, overlaps: np.ndarray, looks: Sequence[Role], chances: np.ndarray) -> Axes:
    """A line per look of overlaps (looks, trials, steps), each with the dotted line of chance."""
    for trials, look, chance in zip(overlaps, looks, chances, strict=True):
        band(ax, steps, {"mean": trials.mean(axis=0), "min": trials.min(axis=0), "max": trials.max(axis=0)}, look)
        ax.axhline(chance, color=look.color, linestyle=":", lw=1)
    ax.plot([], [], ":", color=MEASURED["dense"].color, lw=1, label="independent masks")
    ax.set_ylim(0, 1.03)
    ax.set_ylabel("overlap with the final mask")
    return symlog_steps(ax, "training step", 100)


def _same(measured: Sequence[Mapping[str, np.ndarray]]) -> Mapping[str, np.ndarray]:
    """The values of the first trial, if all trials looked at the same steps and rounds."""
    for name in ("steps", "rounds"):
        if any(not np.array_equal(values[name], measured[0][name]) for values in measured):
            raise ValueError(f"the trials differ in their {name}: they cannot share a figure")
    return measured[0]
