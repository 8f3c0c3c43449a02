"""Parts that several figures share: ordered lines, bands, bars, rows, and an axis of steps that begins at zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.ticker import FuncFormatter, NullFormatter

from lthcore.analysis import frames
from lthcore.analysis.figures import MEASURED, Role, plain
from lthcore.experiments.labels import spoken

# Of ordered lines. Plain dots are left to what chance would give.
_STYLES = ("-", "--", "-.", (0, (6, 2)), (0, (3, 1, 1, 1)), (0, (5, 1, 1, 1, 1, 1)))
_MARKERS = "os^vP<>Xph"

# Criterion → how the figures call masks made by it, where that is not its own name.
CRITERIA = {"large_final": "magnitude after training", "large_init": "magnitude at init", "random": "random"}
BUDGETS = {"schedule": "by schedule", "uniform": "uniform", "erk": "ERK"}


def gradation(labels: Sequence[str]) -> list[Role]:
    """How ordered lines look: darker from the first to the last, as in print without colour, and never alike.

    Args:
        labels: what the legend calls them, in order.

    Returns:
        A role per label.
    """
    colors = plt.get_cmap("viridis")(np.linspace(0.0, 0.8, len(labels))[::-1])
    return [
        Role(label, to_hex(color), _STYLES[place % len(_STYLES)], _MARKERS[place % len(_MARKERS)])
        for place, (label, color) in enumerate(zip(labels, colors, strict=True))
    ]


def band(ax: Axes, x: np.ndarray, table: Mapping[str, np.ndarray], look: Role) -> None:
    """A line with the band from the least to the most.

    Args:
        ax: where to draw.
        x: (N,).
        table: columns ``mean, min, max``, each (N,).
        look: of the line.
    """
    ax.plot(
        x,
        table["mean"],
        color=look.color,
        linestyle=look.style,
        marker=look.marker,
        markersize=4,
        label=look.label,
    )
    ax.fill_between(x, table["min"], table["max"], color=look.color, alpha=0.12, lw=0)


def bars(
    ax: Axes, at: np.ndarray, table: pd.DataFrame, look: Role, *, sideways: bool = False, hollow: bool = False
) -> None:
    """Points with bars from the least to the most.

    Args:
        ax: where to draw.
        at: (N,), where the points stand: on the horizontal axis, `sideways` on the vertical one.
        table: columns ``mean, min, max``, N rows.
        look: of points and line; `sideways` there is no line.
        sideways: whether values run along the horizontal axis.
        hollow: whether points are white inside.
    """
    # Rounding can put the mean of equal values below their minimum, which no bar can show.
    reach = np.maximum([table["mean"] - table["min"], table["max"] - table["mean"]], 0)
    x, y = (table["mean"], at) if sideways else (at, table["mean"])
    ax.errorbar(
        x,
        y,
        xerr=reach if sideways else None,
        yerr=None if sideways else reach,
        color=look.color,
        linestyle="none" if sideways else look.style,
        marker=look.marker,
        markerfacecolor="white" if hollow else look.color,
        label=look.label,
        markersize=6,
        elinewidth=1,
        capsize=2,
    )


def dense_band(frame: pd.DataFrame, ax: Axes, value: str, scale: float, *, vertical: bool = False) -> None:
    """The dense network as a line at the mean of its trials, with the band from the worst to the best.

    Raises:
        ValueError: if the frame holds no round 0.
    """
    dense, look = frame[frame["round"] == 0], MEASURED["dense"]
    if dense.empty:
        raise ValueError("no dense network to compare with: the frame holds no round 0")
    found = scale * frames.summary(dense, value).iloc[0]
    line, span = (ax.axvline, ax.axvspan) if vertical else (ax.axhline, ax.axhspan)
    span(found["min"], found["max"], color=look.color, alpha=0.15, lw=0, zorder=0)
    line(found["mean"], color=look.color, lw=0.8, zorder=0, label=look.label)


def symlog_steps(ax: Axes, label: str, linthresh: int) -> Axes:
    """Give the horizontal axis steps from 0 on: linear up to `linthresh`, logarithmic from there, in plain numbers."""
    right = 1.2 * max(ax.dataLim.x1, linthresh)
    ax.set_xscale("symlog", linthresh=linthresh, linscale=0.5)
    ax.set_xlim(-0.2 * linthresh, right)
    ax.set_xticks([0, *(linthresh * 10**power for power in range(8) if linthresh * 10**power <= right)])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: plain(x)))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel(label)
    return ax


def rows(ax: Axes, labels: Sequence[str]) -> Axes:
    """One labelled row per name on the vertical axis, at 0, 1, … from top to bottom."""
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.5, -0.5)
    return ax


def called(networks: pd.DataFrame) -> str:
    """How the figures call the way the masks of some networks were made; whether layers compete is left out.

    Args:
        networks: rows of the tidy frame that agree in ``criterion``, ``schedule`` and ``budgets``.

    Raises:
        ValueError: if they do not, or if there are none.

    Example:
        >>> called(pd.DataFrame([{"criterion": "random", "schedule": "iterative", "budgets": "erk"}]))
        'random, ERK'
    """
    kinds = networks[["criterion", "schedule", "budgets"]].drop_duplicates()
    if len(kinds) != 1:
        raise ValueError(f"one way to make masks has one name; here are {len(kinds)} ways")
    criterion, schedule, budgets = kinds.iloc[0]
    if (criterion, schedule) == ("large_final", "oneshot"):
        return "one-shot after training"
    name = CRITERIA.get(criterion, spoken(criterion))
    # Only of random masks the layers' budgets are all that there is to say.
    return f"{name}, {BUDGETS[budgets]}" if criterion == "random" or budgets != "schedule" else name
