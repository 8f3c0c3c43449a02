"""Diagrams of what comes after what: the loop of a search, the history of the field, the layers of the package."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Outline

from companion.drawings.canvas import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALE,
    PURPLE,
    SMALL,
    arrow,
    box,
    canvas,
    note,
    tint,
)


def pruning_loop(ax: Axes, rate: float = 0.2, rounds: int = 16) -> Axes:
    """Iterative magnitude pruning with rewinding: train, score, prune, rewind, and the density of each round.

    Args:
        ax: where to draw; made for 5.5 × 3.8 inches.
        rate: share of the survivors that a round removes.
        rounds: number of the last round.

    Source: {cite}`FC18`, section 1.
    Book: chapter *Background*.
    """
    canvas(ax, 11, 7.6)
    left, right, low, high = 3.3, 9.3, 1.6, 6.0
    box(ax, (left, high), 2.7, 1.2, "train\n$m \\odot \\theta_0 \\to \\theta_T$", BLUE)
    box(ax, (right, high), 2.7, 1.2, "score\n$|\\theta_T|$", GREEN)
    box(ax, (right, low), 2.7, 1.2, f"prune the\nlowest {100 * rate:g} %", ORANGE)
    box(ax, (left, low), 2.7, 1.2, "rewind the\nrest to $\\theta_0$", PURPLE)
    arrow(ax, (left + 1.4, high), (right - 1.4, high))
    arrow(ax, (right, high - 0.65), (right, low + 0.65))
    arrow(ax, (right - 1.4, low), (left + 1.4, low))
    arrow(ax, (left, low + 0.65), (left, high - 0.65))
    arrow(ax, (0.25, high), (left - 1.4, high), GREY)
    note(ax, (0.95, high + 0.55), "$\\theta_0$, all $m$", color=GREY)
    arrow(ax, (left - 1.4, low), (0.25, low), GREY)
    note(ax, (0.9, low + 0.55), "ticket", color=GREY)
    centre, shown = (left + right) / 2, [0, 1, 2, rounds]
    note(ax, (centre - 0.6, 4.85), "round", color=GREY, size=SMALL, va="baseline")
    note(ax, (centre + 0.7, 4.85), "density", color=GREY, size=SMALL, va="baseline")
    for row, number in enumerate([*shown[:3], None, shown[3]]):
        y = 4.4 - 0.43 * row
        texts = ("⋮", "⋮") if number is None else (str(number), f"{100 * (1 - rate) ** number:.3g} %")
        note(ax, (centre - 0.6, y), texts[0], size=SMALL)
        note(ax, (centre + 0.7, y), texts[1], size=SMALL)
    return ax


# The flow of data: column and row of what is on the page, the verbs of a round with the colours of `pruning_loop`,
# and what follows on what.
_AT = {
    "trial": (0, 4),
    "model": (1, 4),
    "experiment": (2, 4),
    "data": (3, 4),
    "seeds": (0, 3),
    "initial\nweights": (1, 3),
    "ticket": (2, 3),
    "train": (3, 3),
    "run": (4, 3),
    "record": (5, 3),
    "rewind": (2, 2),
    "score": (4, 2),
    "store": (5, 2),
    "mask": (2, 1),
    "prune": (4, 1),
    "statistics": (5, 1),
    "chapter": (4, 0),
    "figures,\nverdicts": (5, 0),
}
_VERBS = {"train": BLUE, "score": GREEN, "prune": ORANGE, "rewind": PURPLE}
_CHAINS = (
    ("experiment", "model", "initial\nweights"),
    ("experiment", "data", "train"),
    ("trial", "seeds", "initial\nweights", "ticket", "train", "run", "record"),
    ("record", "store", "statistics", "figures,\nverdicts", "chapter"),
    ("run", "score", "prune", "mask", "rewind", "ticket"),
)


def data_flow(ax: Axes) -> Axes:
    """What flows where in a search: values in grey, the four verbs of a round in their colours.

    Args:
        ax: where to draw; made for 6.5 × 3.7 inches.

    Book: chapter *Design*.
    """
    canvas(ax, 15.6, 8.9)
    width, height = 2.1, 1.05
    places = {name: (1.3 + 2.6 * column, 0.85 + 1.8 * row) for name, (column, row) in _AT.items()}
    panel = FancyBboxPatch(
        (5.2, 1.9), 7.8, 5.1, boxstyle="round,pad=0,rounding_size=0.3", facecolor=tint(GREY, 0.12), edgecolor="none"
    )
    ax.add_patch(panel)
    note(ax, (9.1, 4.45), "a round", color=GREY)
    for name, at in places.items():
        box(ax, at, width, height, name, _VERBS.get(name, GREY), size=SMALL)
    for start, end in (pair for chain in _CHAINS for pair in itertools.pairwise(chain)):
        (x, y), (to_x, to_y) = places[start], places[end]
        shift = np.sign([to_x - x, to_y - y]) * (width / 2, height / 2)
        arrow(ax, (x + shift[0], y + shift[1]), (to_x - shift[0], to_y - shift[1]))
    return ax


# First and last year of each wave; the last one is open.
WAVES = {1: (1943, 1969), 2: (1980, 1995), 3: (2006, 2020)}
_WAVE_COLORS = (GREY, GREEN, ORANGE, BLUE)
_AXIS = 0.9


def timeline(ax: Axes, milestones: pd.DataFrame, waves: Mapping[int, tuple[int, int]] = WAVES) -> Axes:
    """Milestones on an axis of years that runs downwards, with the waves as bands.

    Args:
        ax: where to draw; made for 5.5 × 8 inches.
        milestones: columns ``year, label, wave``; wave 0 lies between two waves and is drawn hollow.
        waves: number → first and last year.

    Raises:
        ValueError: without milestones, or for a wave that is not among `waves`.

    Book: appendix *A history of neural networks*.
    """
    if milestones.empty or not set(milestones["wave"]) <= {0, *waves}:
        raise ValueError(f"milestones need a wave among 0, {', '.join(map(str, waves))}, and there must be one")
    ordered = milestones.sort_values(["year", "label"], kind="stable")
    years = ordered["year"].to_numpy(float)
    first, last = min(years.min(), waves[min(waves)][0]) - 3, max(years.max(), max(waves[max(waves)])) + 2
    ax.set(xlim=(0, 10), ylim=(last, first))
    for number, (begin, end) in waves.items():
        color = _WAVE_COLORS[number % len(_WAVE_COLORS)]
        ax.fill_betweenx([begin, end], 0, _AXIS, color=tint(color, 0.25), lw=0, zorder=0)
        note(ax, (_AXIS / 2, (begin + end) / 2), f"wave {number}", color=color, rotation=90)
    gap = min((last - first) / 34, (last - first - 2) / max(len(years) - 1, 1))
    for (_, row), year, place in zip(ordered.iterrows(), years, _spread(years, gap, first + 1, last - 1), strict=True):
        color = _WAVE_COLORS[row["wave"] % len(_WAVE_COLORS)]
        bend = [_AXIS + 0.3, _AXIS + 0.9]
        ax.plot([_AXIS, *bend, _AXIS + 1.2], [year, year, place, place], color=PALE, lw=0.9, zorder=1)
        ax.plot([_AXIS], [year], "o", color=color, markerfacecolor=color if row["wave"] else "white", zorder=3)
        note(ax, (_AXIS + 1.35, place), f"{row['year']}  {row['label']}", ha="left", size=10)
    ax.plot([_AXIS, _AXIS], [first, last], color=INK, lw=1, zorder=2)
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)
    ax.set_xticks([])
    ax.set_yticks(range(int(np.ceil(first / 10)) * 10, int(last) + 1, 10))
    return ax


def _spread(wanted: np.ndarray, gap: float, low: float, high: float) -> np.ndarray:
    """Places in rising order, at least `gap` apart, as near to the wanted ones as that allows.

    Groups that touch are moved together, to the mean of what their members want.
    """
    groups: list[list[float]] = []  # sum of what members want for the first of them, number of members
    for place in wanted:
        groups.append([place, 1])
        while len(groups) > 1 and groups[-2][0] / groups[-2][1] + gap * groups[-2][1] > groups[-1][0] / groups[-1][1]:
            total, number = groups.pop()
            groups[-1][0] += total - number * gap * groups[-1][1]
            groups[-1][1] += number
    found = np.concatenate([total / number + gap * np.arange(number) for total, number in groups])
    steps = gap * np.arange(len(found))
    return np.minimum(np.maximum(found, low + steps), high - steps[::-1])


# Between two rows of module names.
_ROW = 0.52


def architecture(ax: Axes, edges: Mapping[str, Iterable[str]], levels: Mapping[str, Sequence[str]]) -> Axes:
    """The modules of a package by level, and an arrow from each level to those it imports from, all of them upwards.

    The more imports, the thicker the arrow.

    Args:
        ax: where to draw; made for 6 × 9 inches and a dozen levels.
        edges: module → the modules it imports from; see `companion.drawings.module_graph.imports`.
        levels: name → its modules, the lowest of the package first. Modules that stand nowhere are left out.

    Raises:
        ValueError: for a module that stands twice, or one that imports from a level below its own.

    Book: chapter *Implementation*.
    """
    counts = between_levels(edges, levels)
    shown = {room: _wrapped(_below(room, modules)) for room, modules in levels.items()}
    heights = [1.22 + _ROW * (len(rows) - 1) for rows in shown.values()]
    edge, gap = 8.0, 0.22
    total = sum(heights) + gap * (len(heights) - 1)
    ax.set(xlim=(0, 11), ylim=(total + 0.05, -0.05))
    ax.set_axis_off()
    tops = np.cumsum([0, *(height + gap for height in heights[:-1])])
    for (name, rows), top, height in zip(shown.items(), tops, heights, strict=True):
        _band(ax, name, rows, top, height, edge)
    for (lower, upper), count in counts.items():
        # Longer arrows leave lower and arrive higher, so that they run around the shorter ones.
        leaving = [pair[1] for pair in counts if pair[0] == lower]
        arriving = [pair[0] for pair in counts if pair[1] == upper]
        start = tops[lower] + heights[lower] * (0.1 + 0.35 * (len(leaving) - leaving.index(upper)) / len(leaving))
        end = tops[upper] + heights[upper] * (0.95 - 0.35 * (1 + arriving.index(lower)) / len(arriving))
        _arc(ax, edge, start, end, 0.5 + 3.5 * (lower - upper) / len(levels), 0.5 + 0.3 * count**0.5)
    return ax


def between_levels(
    edges: Mapping[str, Iterable[str]], levels: Mapping[str, Sequence[str]]
) -> dict[tuple[int, int], int]:
    """How many imports there are from each level to each above it.

    Args:
        edges: module → the modules it imports from.
        levels: name → its modules, the lowest of the package first.

    Returns:
        (number of the importing level, number of the imported one) → imports.

    Raises:
        ValueError: for a module that stands twice, or one that imports from a level below its own.

    Example:
        >>> edges = {"loop": ["mask"], "train": ["mask", "loop"]}
        >>> between_levels(edges, {"values": ["mask"], "runs": ["loop", "train"]})
        {(1, 0): 2}
    """
    level_of: dict[str, int] = {}
    for number, modules in enumerate(levels.values()):
        for module in modules:
            if module in level_of:
                raise ValueError(f"module {module!r} stands twice among the levels")
            level_of[module] = number
    counts: dict[tuple[int, int], int] = {}
    for module, targets in edges.items():
        for target in targets:
            pair = (level_of.get(module, -1), level_of.get(target, -1))
            if -1 in pair or pair[0] == pair[1]:
                continue
            if pair[0] < pair[1]:
                raise ValueError(f"{module!r} imports {target!r} of a level below its own: imports go one way only")
            counts[pair] = counts.get(pair, 0) + 1
    return dict(sorted(counts.items()))


def _below(room: str, modules: Sequence[str]) -> list[str]:
    """Names of modules without that of the room, which stands above them."""
    return [name.removeprefix(f"{room}.") for name in modules if name != room]


def _wrapped(modules: Sequence[str]) -> list[str]:
    return textwrap.wrap("  ".join(modules), 52, break_long_words=False, break_on_hyphens=False)


def _band(ax: Axes, name: str, rows: Sequence[str], top: float, height: float, edge: float) -> None:
    """A level: its name, and below it its modules."""
    shape = "round,pad=0,rounding_size=0.15"
    ax.add_patch(FancyBboxPatch((0.05, top), edge - 0.05, height, boxstyle=shape, fc=tint(BLUE, 0.08), ec=PALE, lw=0.9))
    note(ax, (0.25, top + 0.35), name, ha="left", color=BLUE, size=10)
    for number, row in enumerate(rows):
        note(ax, (0.25, top + 0.87 + _ROW * number), row, ha="left", size=SMALL)


def _arc(ax: Axes, edge: float, start: float, end: float, reach: float, width: float) -> None:
    """A curved arrow to the right of the levels, upwards."""
    ends = Outline([(edge, start), (edge + reach, start), (edge + reach, end), (edge + 0.02, end)], [1, 4, 4, 4])
    ax.add_patch(
        FancyArrowPatch(path=ends, arrowstyle="-|>", mutation_scale=7, color=BLUE, alpha=0.55, lw=width, zorder=2)
    )
