"""Parts that diagrams share: a canvas without axes, dots, boxes, arrows, grids of cells and short texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.text import Text

from lthcore.analysis.figures import MEASURED, ROLES

Point = tuple[float, float]

# The colours of the other figures, by what they stand for in a diagram.
BLUE = ROLES["imp", "rewind"].color
ORANGE = ROLES["imp", "reinit"].color
GREEN = ROLES["imp", "shuffle"].color
PURPLE = ROLES["imp_inert_first", "rewind"].color
GREY = MEASURED["dense"].color
INK = "#222222"
PALE = "#c4c4c4"

# Points; nothing in a diagram is smaller than SMALL.
SIZE, SMALL = 11.0, 9.0


def tint(color: str, share: float = 0.15) -> tuple[float, float, float]:
    """A colour mixed with white.

    Args:
        color: written as ``#rrggbb``.
        share: of the colour, 0 for white.

    Example:
        >>> tint("#ff0000", 0.5)
        (1.0, 0.5, 0.5)
    """
    parts = (int(color[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (1 - share * (1 - part) for part in parts)
    return red, green, blue


def canvas(ax: Axes, width: float, height: float) -> Axes:
    """Turn axes into a sheet of paper: units equally long both ways, from (0, 0) to (`width`, `height`), no frame."""
    ax.set_xlim(0, width)
    ax.set_ylim(0, height)
    ax.set_aspect("equal")
    ax.set_axis_off()
    return ax


def note(ax: Axes, at: Point, text: str, *, color: str = INK, size: float = SIZE, **options: object) -> Text:
    """A text centred at a point, unless `options` of `Axes.text` say otherwise."""
    place = {"ha": "center", "va": "center", "linespacing": 1.15} | options
    return ax.text(*at, text, color=color, fontsize=size, **place)


def dot(ax: Axes, at: Point, radius: float, color: str, text: str = "", *, hollow: bool = False) -> None:
    """A circle with a text inside; a hollow one is white, with a dashed rim."""
    face, style = ("white", (0, (2, 1.5))) if hollow else (tint(color), "-")
    ax.add_patch(Circle(at, radius, facecolor=face, edgecolor=color, lw=1.4, linestyle=style, zorder=3))
    if text:
        note(ax, at, text, zorder=4)


def box(ax: Axes, at: Point, width: float, height: float, text: str, color: str, *, size: float = SIZE) -> None:
    """A box with round corners, centred at a point, with a text inside."""
    corner = (at[0] - width / 2, at[1] - height / 2)
    shape = f"round,pad=0,rounding_size={0.18 * min(width, height)}"
    ax.add_patch(
        FancyBboxPatch(corner, width, height, boxstyle=shape, facecolor=tint(color), edgecolor=color, lw=1.4, zorder=3)
    )
    note(ax, at, text, size=size, zorder=4)


def arrow(ax: Axes, start: Point, end: Point, color: str = INK, *, bend: float = 0.0, lw: float = 1.4) -> None:
    """An arrow from a point to another; `bend` curves it, to the right of its way if positive."""
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            connectionstyle=f"arc3,rad={bend}",
            arrowstyle="-|>",
            mutation_scale=11,
            shrinkA=0,
            shrinkB=0,
            color=color,
            lw=lw,
            zorder=2,
        )
    )


def lines(ax: Axes, pairs: Sequence[tuple[Point, Point]], color: str, **options: object) -> LineCollection:
    """Straight lines between pairs of points, as one collection."""
    drawn = LineCollection(list(pairs), colors=[color], **({"lw": 1.0, "zorder": 1} | options))
    ax.add_collection(drawn)
    return drawn


def cells(ax: Axes, corner: Point, colors: np.ndarray, side: float = 1.0, *, rim: str = "white") -> None:
    """A grid of coloured squares.

    Args:
        ax: where to draw.
        corner: the upper left one.
        colors: array of shape (rows, columns, 3), as matplotlib takes colours.
        side: of a square.
        rim: colour of the lines between them.
    """
    for row, column in np.ndindex(colors.shape[:2]):
        at = (corner[0] + column * side, corner[1] - (row + 1) * side)
        ax.add_patch(Rectangle(at, side, side, facecolor=tuple(colors[row, column]), edgecolor=rim, lw=0.8, zorder=1))


def frame(ax: Axes, corner: Point, width: float, height: float, color: str, *, lw: float = 2.2) -> None:
    """The outline of a rectangle, given its upper left corner."""
    at = (corner[0], corner[1] - height)
    ax.add_patch(Rectangle(at, width, height, facecolor="none", edgecolor=color, lw=lw, zorder=5))
