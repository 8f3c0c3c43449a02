"""Figures: a frame and an `Axes` in, the `Axes` out. One palette by role, line style doubled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from lthcore import frames


@dataclass(frozen=True)
class Role:
    """How one line looks: the same in every figure of the book.

    Args:
        label: what the legend calls it.
        color: from the colour-blind-safe palette of Okabe and Ito.
        style: line style, so that colour is never the only difference.
        marker: shape of the points.
    """

    label: str
    color: str
    style: str
    marker: str


ROLES: dict[tuple[str, str], Role] = {
    ("imp", "rewind"): Role("ticket", "#0072B2", "-", "o"),
    ("imp", "reinit"): Role("random reinit", "#D55E00", "--", "s"),
    ("imp", "shuffle"): Role("shuffled mask", "#009E73", ":", "^"),
    ("oneshot", "rewind"): Role("one-shot", "#CC79A7", "-.", "D"),
    ("large_init", "rewind"): Role("mask by initial size", "#555555", (0, (5, 1, 1, 1, 1, 1)), "v"),
}


def style() -> None:
    """Set matplotlib's defaults for the book; call once per notebook."""
    plt.rcParams.update(
        {
            "figure.figsize": (7.0, 4.0),
            "figure.dpi": 110,
            "savefig.facecolor": "white",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.25,
            "font.size": 10.5,
            "legend.frameon": False,
        }
    )


def against_density(
    frame: pd.DataFrame, value: str, ax: Axes, *, lines: Sequence[tuple[str, str]] | None = None, scale: float = 1.0
) -> Axes:
    """Mean over trials against density, with the band from the worst to the best trial.

    Args:
        frame: tidy frame of results; see `lthcore.frames`.
        value: column to draw.
        ax: where to draw.
        lines: (method, control) pairs; those of `ROLES` that the frame holds if not given.
        scale: factor of the vertical axis, 100 for per cent.
    """
    present = set(zip(frame["method"], frame["control"], strict=True))
    for key in lines or [key for key in ROLES if key in present]:
        role, table = ROLES[key], frames.summary(frames.select(frame, *key), value)
        x = 100 * table["density"]
        ax.fill_between(x, scale * table["min"], scale * table["max"], color=role.color, alpha=0.12, lw=0)
        ax.plot(
            x,
            scale * table["mean"],
            color=role.color,
            linestyle=role.style,
            marker=role.marker,
            markersize=4,
            label=role.label,
        )
    dense = frame[(frame["method"] == "imp") & (frame["control"] == "rewind") & (frame["round"] == 0)]
    ax.axhline(scale * dense[value].mean(), color="#777777", lw=0.8, zorder=0, label="dense network")
    falling_density(ax)
    return ax


def falling_density(ax: Axes) -> Axes:
    """Label the horizontal axis as density in per cent, falling to the right on a logarithmic scale."""
    ax.set_xscale("log")
    ax.invert_xaxis()
    ticks = [tick for tick in (100, 50, 20, 10, 5, 2, 1, 0.5) if tick >= ax.get_xlim()[1]]
    ax.set_xticks(ticks)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("density (% of weights left)")
    return ax


def learning_curves(curves: pd.DataFrame, value: str, ax: Axes, *, scale: float = 1.0) -> Axes:
    """Mean over trials against the training step, one line per density, darker where fewer weights are left.

    Args:
        curves: tidy frame of histories; see `lthcore.frames.curves`.
        value: column to draw.
        ax: where to draw.
        scale: factor of the vertical axis, 100 for per cent.
    """
    rounds = sorted(curves["round"].unique())
    colors = plt.get_cmap("viridis_r")(np.linspace(0.1, 1.0, len(rounds)))
    styles = ["-", "--", "-.", ":"]
    for place, (round, color) in enumerate(zip(rounds, colors, strict=True)):
        rows = curves[(curves["round"] == round) & curves[value].notna()]
        bands = rows.groupby("step")[value].agg(["mean", "min", "max"])
        ax.plot(
            bands.index,
            scale * bands["mean"],
            color=color,
            linestyle=styles[place % len(styles)],
            label=f"{100 * rows['density'].mean():.3g} %",
        )
        ax.fill_between(bands.index, scale * bands["min"], scale * bands["max"], color=color, alpha=0.12, lw=0)
    ax.set_xlabel("training step")
    return ax
