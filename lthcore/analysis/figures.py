"""Figures: a frame and an `Axes` in, the `Axes` out. One palette by role, line style doubled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.ticker import FuncFormatter, NullFormatter

from lthcore.analysis import frames
from lthcore.analysis.measurements import survivors
from lthcore.analysis.measurements.stability import ALPHAS
from lthcore.experiments.labels import plain
from lthcore.pruning.mask import Mask

# A word of Matplotlib's, or where dashes begin, and how long they and the gaps between them are.
LineStyle = str | tuple[int, tuple[int, ...]]


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
    style: LineStyle
    marker: str


ROLES: dict[tuple[str, str], Role] = {
    ("imp", "rewind"): Role("ticket", "#0072B2", "-", "o"),
    ("imp", "reinit"): Role("random reinit", "#D55E00", "--", "s"),
    ("imp", "shuffle"): Role("shuffled mask", "#009E73", ":", "^"),
    ("oneshot", "rewind"): Role("one-shot", "#CC79A7", "-.", "D"),
    ("large_init", "rewind"): Role("mask by initial size", "#555555", (0, (5, 1, 1, 1, 1, 1)), "v"),
    ("imp_continue", "continue"): Role("trained on", "#E69F00", (0, (6, 2)), "P"),
    ("imp_continue", "rewind"): Role("trained on, then rewound", "#56B4E9", (0, (1, 1)), "X"),
    ("imp_late", "rewind"): Role("rewound late", "#000000", (0, (3, 1, 1, 1)), "<"),
    ("imp_inert_first", "rewind"): Role("inert first", "#7A3E9D", (0, (4, 1, 1, 1, 1, 1, 1, 1)), ">"),
}

# Networks of a measurement, in the colours of their roles.
MEASURED = {
    "dense": Role("dense network", "#777777", "-", ""),
    "ticket": ROLES["imp", "rewind"],
    "shuffled": ROLES["imp", "shuffle"],
}


def style() -> None:
    """Set matplotlib's defaults for the book; call once per notebook."""
    plt.rcParams.update(
        {
            "figure.figsize": (7.0, 4.0),
            "figure.dpi": 110,
            "savefig.facecolor": "white",
            # Names inside an SVG follow from its content, so that the same figure is the same file.
            "svg.hashsalt": "lthcore",
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
    """Mean over trials against density, with a point per trial and the band from the worst to the best.

    Args:
        frame: tidy frame of results; see `lthcore.analysis.frames`.
        value: column to draw.
        ax: where to draw.
        lines: (method, control) pairs; those of `ROLES` that the frame holds if not given.
        scale: factor of the vertical axis, 100 for per cent.
    """
    present = set(zip(frame["method"], frame["control"], strict=True))
    for key in lines or [key for key in ROLES if key in present]:
        role, rows = ROLES[key], frames.select(frame, *key)
        table = frames.summary(rows, value)
        x = 100 * table["density"]
        trials = rows.groupby(["round", "trial"])[["density", value]].mean()
        ax.plot(100 * trials["density"], scale * trials[value], ".", color=role.color, alpha=0.35, markersize=3)
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
    ax.set_xlim(max(ax.get_xlim()), min(ax.get_xlim()))  # not inverted: panels that share the axis would turn it back
    ticks = [tick for tick in (100, 50, 20, 10, 5, 2, 1, 0.5) if tick >= ax.get_xlim()[1]]
    ax.set_xticks(ticks)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("density (% of weights left)")
    return ax


def logarithmic_steps(ax: Axes) -> Axes:
    """Give the vertical axis training steps on a logarithmic scale, written as plain numbers."""
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.set_yticks(
        [tick for power in range(7) for tick in (10**power, 2 * 10**power, 5 * 10**power) if low < tick < high]
    )
    ax.yaxis.set_major_formatter(FuncFormatter(lambda step, _: plain(step)))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_ylabel("early-stop step")
    return ax


def learning_curves(
    curves: pd.DataFrame,
    value: str,
    ax: Axes,
    *,
    scale: float = 1.0,
    rounds: Sequence[int] = (),
    style: str = "",
    suffix: str = "",
) -> Axes:
    """Mean over trials against the training step, one line per density, darker where fewer weights are left.

    Args:
        curves: tidy frame of histories; see `lthcore.analysis.frames.curves`.
        value: column to draw.
        ax: where to draw.
        scale: factor of the vertical axis, 100 for per cent.
        rounds: the rounds that share the colours, where several panels show some of them each.
        style: one line style for all, where lines are told apart by more than their density.
        suffix: what to write after the density in the legend.
    """
    drawn = sorted(curves["round"].unique())
    colors = _shades(sorted(rounds) or drawn)
    for place, round in enumerate(drawn):
        color = colors[round]
        rows = curves[(curves["round"] == round) & curves[value].notna()]
        bands = rows.groupby("step")[value].agg(["mean", "min", "max"])
        ax.plot(
            bands.index,
            scale * bands["mean"],
            color=color,
            linestyle=style or ("-", "--", "-.", ":")[place % 4],
            label=f"{100 * rows['density'].mean():.3g} %{suffix}",
        )
        ax.fill_between(bands.index, scale * bands["min"], scale * bands["max"], color=color, alpha=0.12, lw=0)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda step, _: plain(step)))
    ax.set_xlabel("training step")
    return ax


def interpolation(measured: Sequence[Mapping[str, np.ndarray]], ax: Axes) -> Axes:
    """Test error on the straight line between two trainings of one network; mean and band over trials.

    Args:
        measured: values of the measurement ``stability``, trial by trial.
        ax: where to draw.
    """
    for name, role in MEASURED.items():
        errors = 100 * np.stack([values[f"{name}/errors"] for values in measured])
        ax.plot(ALPHAS, errors.mean(axis=0), color=role.color, linestyle=role.style, label=role.label)
        ax.fill_between(ALPHAS, errors.min(axis=0), errors.max(axis=0), color=role.color, alpha=0.12, lw=0)
    ax.set_xlabel("α, from one data order to the other")
    ax.set_ylabel("test error (%)")
    return ax


def initial_values(
    measured: Sequence[Mapping[str, np.ndarray]], layer: str, rounds: Mapping[int, float], ax: Axes
) -> Axes:
    """Distribution of the initial values of a layer's survivors, one line per round, over all trials together.

    Values are in standard deviations of the layer's own initial values.

    Args:
        measured: values of the measurement ``anatomy``, trial by trial.
        layer: name of the layer's weights.
        rounds: round → its density.
        ax: where to draw.
    """
    edges = np.linspace(-survivors.SPREAD, survivors.SPREAD, survivors.BINS + 1)  # in standard deviations of each trial
    colors = _shades(list(rounds))
    for round, density in rounds.items():
        counts = sum(values[f"initial/{layer}"][round] for values in measured)
        _steps(ax, counts, edges, color=colors[round], label=f"{100 * density:.3g} %")
    ax.set_xlabel("initial value (σ)")
    ax.set_ylabel("probability density")
    return ax


def movements(measured: Sequence[Mapping[str, np.ndarray]], layer: str, round: int, ax: Axes) -> Axes:
    """How far training the dense network moves weights: those that the mask of a round keeps, and the others.

    Args:
        measured: values of the measurement ``anatomy``, trial by trial.
        layer: name of the layer's weights.
        round: whose mask.
        ax: where to draw.
    """
    kept = sum(values[f"moved/{layer}"][round] for values in measured)
    pruned = sum(values[f"moved/{layer}"][0] for values in measured) - kept
    edges = np.linspace(0.0, survivors.FARTHEST, survivors.BINS + 1)
    for counts, role, label in ((kept, "ticket", "survivors"), (pruned, "dense", "pruned")):
        _steps(ax, counts, edges, color=MEASURED[role].color, label=label)
    ax.set_xlabel("distance moved")
    ax.set_ylabel("probability density")
    return ax


def pixel_map(masks: Sequence[Mask], ax: Axes, *, label: str) -> AxesImage:
    """Share of each pixel's connections that survive in the first layer, as a picture; mean over trials.

    The brightest colour stands for the 98th percentile, so that a few outstanding pixels do not hide the others.

    Args:
        masks: of one round, trial by trial; the pixels form a square.
        ax: where to draw.
        label: what to write above.
    """
    shares = np.mean([next(iter(mask.values())).mean(axis=1) for mask in masks], axis=0)
    side = int(np.sqrt(len(shares)))
    image = ax.imshow(shares.reshape(side, side), cmap="viridis", vmin=0, vmax=np.percentile(shares, 98) or 1)
    ax.set_title(label, fontsize=8, pad=2)
    ax.set_axis_off()
    return image


def _shades(rounds: Sequence[int]) -> dict[int, tuple[float, ...]]:
    """A colour per round, darker where fewer weights are left."""
    return dict(zip(rounds, plt.get_cmap("viridis_r")(np.linspace(0.1, 1.0, len(rounds))), strict=True))


def _steps(ax: Axes, counts: np.ndarray, edges: np.ndarray, color: str | tuple[float, ...], label: str) -> None:
    """A histogram as an outline of area one."""
    ax.stairs(counts / max(counts.sum(), 1) / np.diff(edges), edges, lw=1.4, color=color, label=label)
