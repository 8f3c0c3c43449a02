"""Diagrams of what networks are made of, drawn by rule: an `Axes` in, the `Axes` out, nothing random."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse, FancyBboxPatch, Polygon

from companion.drawings.canvas import BLUE, GREEN, GREY, INK, ORANGE, PALE, Point, arrow, canvas, dot, lines, note, tint
from lthcore.analysis.figures import ROLES
from lthcore.pruning.connectivity import effective
from lthcore.pruning.mask import Mask


def neuron(ax: Axes) -> Axes:
    """The neuron of a neural network: inputs, weights, bias, sum, activation, output.

    Args:
        ax: where to draw; made for 5.5 × 3 inches.

    Book: chapter *Background*.
    """
    canvas(ax, 11, 6)
    middle, centre = 3.3, (4.6, 3.3)
    for height, name in ((5.1, "1"), (3.8, "2"), (1.5, "n")):
        arrow(ax, (1.2, height), (centre[0] - 0.6, middle + 0.22 * (height - middle)), BLUE)
        dot(ax, (0.8, height), 0.45, GREY, f"$x_{name}$")
        at = (2.5, height + 0.62 * (middle - height) * 0.55 + (0.42 if height > middle else -0.42))
        note(ax, at, f"$w_{name}$", color=BLUE)
    note(ax, (0.8, 2.68), "⋮", color=GREY, size=14)
    arrow(ax, (4.6, 4.75), (4.6, 3.95), ORANGE)
    note(ax, (4.6, 5.05), "$b$", color=ORANGE)
    note(ax, (4.6, 5.6), "bias", color=ORANGE)
    dot(ax, centre, 0.62, GREY)
    note(ax, centre, r"$\Sigma$", size=15, zorder=4)
    arrow(ax, (5.25, middle), (6.65, middle))
    note(ax, (5.95, middle + 0.36), "$z$")
    _gate(ax, (7.4, middle))
    arrow(ax, (8.1, middle), (9.55, middle))
    dot(ax, (10.0, middle), 0.45, GREY, "$y$")
    names = {"inputs": (0.85, GREY), "weights": (2.75, BLUE), "sum": (4.6, INK)}
    for text, (x, color) in (names | {"activation": (7.4, GREEN), "output": (10.0, GREY)}).items():
        note(ax, (x, 0.2), text, color=color, va="baseline")
    return ax


def _gate(ax: Axes, at: Point) -> None:
    """The box of an activation function, with the bend of a ReLU in it."""
    x, y = at
    shape = "round,pad=0,rounding_size=0.2"
    ax.add_patch(FancyBboxPatch((x - 0.7, y - 0.7), 1.4, 1.4, boxstyle=shape, fc=tint(GREEN), ec=GREEN, lw=1.4))
    ax.plot([x - 0.45, x, x + 0.42], [y - 0.25, y - 0.25, y + 0.42], color=GREEN, lw=2, solid_capstyle="round")
    note(ax, (x, y + 1.02), r"$\varphi$", color=GREEN)


# Dendrites of the biological neuron: branches as (start, bend, end, width of the line).
_DENDRITES = (
    ((3.0, 3.0), (2.2, 3.6), (1.6, 4.5), 8.0),
    ((1.6, 4.5), (1.3, 4.9), (1.2, 5.5), 3.4),
    ((1.6, 4.5), (1.1, 4.6), (0.5, 4.8), 3.4),
    ((3.0, 2.7), (1.9, 2.8), (1.3, 2.8), 7.0),
    ((1.3, 2.8), (0.8, 2.9), (0.4, 3.5), 3.0),
    ((1.3, 2.8), (0.9, 2.7), (0.3, 2.3), 3.0),
    ((3.0, 2.4), (2.3, 1.7), (1.7, 1.2), 8.0),
    ((1.7, 1.2), (1.2, 1.0), (0.6, 1.2), 3.4),
    ((1.7, 1.2), (1.4, 0.9), (1.4, 0.3), 3.4),
    ((3.25, 3.2), (3.2, 4.1), (2.9, 4.8), 6.0),
    ((2.9, 4.8), (2.7, 5.1), (2.3, 5.5), 2.8),
    ((2.9, 4.8), (3.0, 5.2), (3.3, 5.6), 2.8),
    ((3.25, 2.2), (3.4, 1.4), (3.2, 0.6), 6.0),
)
_TERMINALS = (
    ((8.8, 2.7), (9.3, 2.9), (9.8, 3.7), 2.2),
    ((8.8, 2.7), (9.5, 2.7), (10.1, 2.8), 2.2),
    ((8.8, 2.7), (9.3, 2.4), (9.8, 1.8), 2.2),
)


def biological(ax: Axes) -> Axes:
    """A nerve cell, simplified: dendrites receive, the cell body adds up, the axon passes on.

    Args:
        ax: where to draw; made for 5.5 × 3 inches.

    Source: after the description in {cite}`CDC18`.
    Book: chapter *Background*.
    """
    canvas(ax, 11, 6)
    for branch in (*_DENDRITES, *_TERMINALS):
        _branch(ax, *branch)
    _branch(ax, (3.5, 2.7), (4.2, 2.7), (4.8, 2.7), 9.0)
    ax.plot([4.6, 8.8], [2.7, 2.7], color=BLUE, lw=3.5, zorder=1)
    for x in (4.75, 5.75, 6.75, 7.75):
        sheath = FancyBboxPatch((x, 2.45), 0.75, 0.5, boxstyle="round,pad=0,rounding_size=0.22", zorder=2)
        sheath.set(facecolor=tint(ORANGE, 0.3), edgecolor=ORANGE, lw=1.0)
        ax.add_patch(sheath)
    for *_, (x, y), _ in _TERMINALS:
        ax.plot([x], [y], "o", color=BLUE, markersize=6, zorder=2)
    ax.add_patch(Polygon(_blob((3.25, 2.7), 0.85), closed=True, facecolor=tint(BLUE, 0.35), edgecolor=BLUE, lw=1.6))
    ax.add_patch(Ellipse((3.3, 2.72), 0.62, 0.56, facecolor=tint(BLUE, 0.75), edgecolor="none", zorder=3))
    for at, text in (((5.05, 4.6), "dendrites\nreceive"), ((5.05, 1.2), "cell body\nadds up")):
        note(ax, at, text)
    note(ax, (6.65, 3.45), "axon passes on")
    note(ax, (8.9, 4.85), "terminals touch\nother cells")
    pointers = (((4.2, 4.7), (3.15, 4.6)), ((4.3, 1.5), (3.55, 2.2)), ((9.0, 4.35), (9.65, 3.85)))
    lines(ax, pointers, GREY, lw=0.9, zorder=4)
    return ax


def _branch(ax: Axes, start: Point, bend: Point, end: Point, width: float) -> None:
    """A curved line, thick where it starts."""
    share = np.linspace(0, 1, 13)[:, None]
    curve = (1 - share) ** 2 * np.array(start) + 2 * share * (1 - share) * np.array(bend) + share**2 * np.array(end)
    for place, (here, there) in enumerate(pairwise(curve)):
        lw = width * (1 - 0.6 * place / 12)
        ax.plot(*np.transpose([here, there]), color=BLUE, lw=lw, solid_capstyle="round", zorder=1)


def _blob(centre: Point, radius: float) -> np.ndarray:
    """Outline of a cell body, a circle with eight bumps, one for each way a branch may leave, (N, 2)."""
    angle = np.linspace(0, 2 * np.pi, 121)
    reach = radius * (1 + 0.06 * np.cos(8 * angle))
    return np.column_stack([centre[0] + reach * np.cos(angle), centre[1] + 0.95 * reach * np.sin(angle)])


# How activation functions look, and what they are.
ACTIVATIONS = {
    "threshold": (ROLES["large_init", "rewind"], lambda z: (z > 0).astype(float)),
    "sigmoid": (ROLES["imp", "shuffle"], lambda z: 1 / (1 + np.exp(-z))),
    "tanh": (ROLES["imp", "reinit"], np.tanh),
    "ReLU": (ROLES["imp", "rewind"], lambda z: np.maximum(z, 0)),
}


def activations(ax: Axes) -> Axes:
    """Activation functions: threshold, sigmoid, tanh, ReLU.

    Args:
        ax: where to draw.

    Book: chapter *Background*.
    """
    z = np.linspace(-4, 4, 801)
    for name, (look, function) in ACTIVATIONS.items():
        ax.plot(z, function(z), color=look.color, linestyle=look.style, lw=2, label=name)
    ax.set(xlim=(-4, 4), ylim=(-1.25, 2.25), xlabel="$z$, the weighted sum and the bias", ylabel=r"$\varphi(z)$")
    ax.axhline(0, color=INK, lw=0.6, zorder=0)
    ax.axvline(0, color=INK, lw=0.6, zorder=0)
    ax.legend(loc="upper left")
    return ax


def dense_network(
    ax: Axes, sizes: Sequence[int], mask: Mapping[str, np.ndarray] | Iterable[np.ndarray] | None = None
) -> Axes:
    """A network of dense layers: a dot per unit, a line per weight, dotted where a mask prunes it.

    Units that no path from an input to an output passes are hollow.

    Args:
        ax: where to draw; made for 5.5 × 3 inches and layers of up to eight units.
        sizes: units of each layer, inputs first.
        mask: for each pair of layers an array (units before, units after), True where the weight is kept; a mapping,
            such as `lthcore.pruning.mask.Mask`, in the order of its entries. Everything is kept if not given.

    Raises:
        ValueError: for fewer than two layers, or a mask of other shapes.

    Book: chapter *Background*.
    """
    kept = _kept(sizes, mask)
    reach, tall = 9.0, max(sizes)
    canvas(ax, 11, 6)
    x = np.linspace(1, 1 + reach, len(sizes))
    gap = min(0.95, 4.3 / max(tall - 1, 1))
    y = [3.4 + gap * (np.arange(size)[::-1] - (size - 1) / 2) for size in sizes]
    _connections(ax, x, y, kept)
    for layer, alive in enumerate(_alive(kept)):
        color = GREY if layer in (0, len(sizes) - 1) else BLUE
        for height, living in zip(y[layer], alive, strict=True):
            dot(ax, (x[layer], height), 0.34 * min(gap, 0.9), color if living else GREY, hollow=not living)
    hidden = [f"hidden {n}" for n in range(1, len(sizes) - 1)] if len(sizes) > 3 else ["hidden"] * (len(sizes) - 2)
    names = ["inputs", *hidden, "outputs"]
    for at, name in zip(x, names, strict=True):
        note(ax, (at, 0.2), name, color=GREY if name in ("inputs", "outputs") else BLUE, va="baseline")
    return ax


def _kept(sizes: Sequence[int], mask: Mapping[str, np.ndarray] | Iterable[np.ndarray] | None) -> list[np.ndarray]:
    """What is kept between each pair of layers, checked."""
    shapes = list(pairwise(sizes))
    if not shapes or min(sizes) < 1:
        raise ValueError(f"a network has two layers or more, none of them empty; got sizes {tuple(sizes)}")
    if mask is None:
        return [np.ones(shape, np.bool_) for shape in shapes]
    arrays = mask.values() if isinstance(mask, Mapping) else mask
    kept = [np.asarray(array, np.bool_) for array in arrays]
    if [array.shape for array in kept] != shapes:
        raise ValueError(f"sizes {tuple(sizes)} need a mask of shapes {shapes}, got {[a.shape for a in kept]}")
    return kept


def _alive(kept: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Which units lie on a path of kept weights from an input to an output, layer by layer."""
    passed = effective(Mask({str(layer): array for layer, array in enumerate(kept)}), np.ones(len(kept[0])))
    return [passed["0"].any(axis=1), *(array.any(axis=0) for array in passed.values())]


def _connections(ax: Axes, x: np.ndarray, y: Sequence[np.ndarray], kept: Sequence[np.ndarray]) -> None:
    """The weights, pruned ones below."""
    for array, there, style in ((False, PALE, {"linestyle": (0, (1, 2)), "lw": 0.9}), (True, BLUE, {"lw": 1.1})):
        pairs = [
            ((x[layer], y[layer][i]), (x[layer + 1], y[layer + 1][j]))
            for layer, keep in enumerate(kept)
            for i, j in np.argwhere(keep == array)
        ]
        lines(ax, pairs, there, **style, gid="kept" if array else "pruned", alpha=0.8 if array else 1.0)
