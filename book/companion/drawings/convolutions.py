"""Diagrams of filters that look through a window: over an image, and over a document with Kim's network."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.lib.stride_tricks import sliding_window_view

from companion.drawings.canvas import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALE,
    PURPLE,
    SMALL,
    Point,
    arrow,
    canvas,
    cells,
    dot,
    frame,
    lines,
    note,
    tint,
)

# A seven on seven by seven pixels, and a filter that looks for a stroke like its stem.
PICTURE = np.array(
    [
        [0, 0, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 1, 0, 0],
        [0, 0, 0, 1, 0, 0, 0],
        [0, 0, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0],
    ]
)
FILTER = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]])


def convolution(ax: Axes) -> Axes:
    """A filter that slides over an image: at each place it adds up the pixels under it, and the sums form a map.

    Args:
        ax: where to draw; made for 5.5 × 3 inches.

    Book: chapter *Background*.
    """
    side, top = 0.62, 5.7
    responses = (sliding_window_view(PICTURE, FILTER.shape) * FILTER).sum(axis=(2, 3))
    row, column = np.argwhere(responses == responses.max())[-1]
    canvas(ax, 13, 7.1)
    image, kernel, found = (0.3, top + 0.3), (5.75, top + 0.3), (9.4, top - 0.35)
    _squares(ax, image, PICTURE, GREY, side)
    _squares(ax, kernel, FILTER, ORANGE, side, written=True)
    _squares(ax, found, responses, BLUE, side, written=True)
    window = (image[0] + column * side, image[1] - row * side)
    frame(ax, window, 3 * side, 3 * side, ORANGE)
    frame(ax, (image[0], image[1]), 3 * side, 3 * side, ORANGE, lw=1.1)
    arrow(ax, (image[0] + 3 * side, image[1] + 0.3), (image[0] + 4.6 * side, image[1] + 0.3), ORANGE)
    cell = (found[0] + column * side, found[1] - row * side)
    frame(ax, cell, side, side, ORANGE)
    right = window[0] + 3 * side
    pairs = [((right, window[1] - k * 3 * side), (cell[0], cell[1] - k * side)) for k in (0, 1)]
    lines(ax, pairs, ORANGE, lw=0.9, zorder=4, linestyle=(0, (4, 2)))
    columns = ((image[0] + 3.5 * side, "image"), (kernel[0] + 1.5 * side, "filter"), (found[0] + 2.5 * side, "map"))
    for x, text in columns:
        note(ax, (x, 0.35), {"map": "feature map"}.get(text, text), va="baseline")
    return ax


def _squares(ax: Axes, corner: Point, values: np.ndarray, color: str, side: float, *, written: bool = False) -> None:
    """Whole numbers as squares, darker where they are larger, with the numbers in them if asked for."""
    shades = values / max(values.max(), 1)
    cells(ax, corner, np.array([[tint(color, 0.08 + 0.6 * share) for share in row] for row in shades]), side)
    for row, column in np.ndindex(values.shape) if written else ():
        at = (corner[0] + (column + 0.5) * side, corner[1] - (row + 0.5) * side)
        note(ax, at, str(values[row, column]), size=SMALL, zorder=3)


WORDS = ("wheat", "exports", "to", "japan", "rose", "again", ".", "<pad>", "<pad>")
TOPICS = {"grain": True, "trade": False, "wheat": True, "crude": False}

# Filters of the drawing: words per window, colour, where each of the two maps is highest.
_FILTERS = ((3, ORANGE, (0, 4)), (4, GREEN, (2, 5)), (5, PURPLE, (4, 1)))
_CELL, _NARROW = 0.56, 0.34
_LEFT, _TOP, _MAPS = 2.05, 8.15, 6.95
_COLUMNS = {
    3.45: "document\nas an image",
    5.7: "filters",
    7.35: "feature\nmaps",
    9.15: "maximum\nover time",
    11.4: "topics",
}


def kim(ax: Axes) -> Axes:
    """Kim's network: a document as an image, filters of three widths, feature maps, their maxima, topics.

    Args:
        ax: where to draw; made for 6.5 × 4.7 inches.

    Source: after the description in {cite}`Kim14`, section 2.
    Book: chapter *Background*.
    """
    canvas(ax, 13, 9.4)
    _document(ax)
    top, pooled = 8.5, []
    for place, (width, color, peaks) in enumerate(_FILTERS):
        pooled += _maps(ax, top, width, color, peaks)
        corner, first = (_LEFT, _TOP - peaks[0] * _CELL), top - peaks[0] * _NARROW
        frame(ax, (corner[0] - 0.05 * place, corner[1]), (5 + 0.18 * place) * _CELL, width * _CELL, color)
        right = corner[0] + (5 + 0.13 * place) * _CELL
        ends = ((corner[1], first), (corner[1] - width * _CELL, first - _NARROW))
        lines(ax, [((right, y), (_MAPS, to)) for y, to in ends], color, lw=0.9, zorder=4, linestyle=(0, (4, 2)))
        top -= (len(WORDS) - width + 1) * _NARROW + 0.35
    _outputs(ax, pooled)
    for x, text in _COLUMNS.items():
        note(ax, (x, 0.95), text, va="top")
    return ax


def _maps(ax: Axes, top: float, width: int, color: str, peaks: tuple[int, int]) -> list[tuple[str, Point]]:
    """Two feature maps of filters of one width, their maxima dark; returns where these are, with the colour."""
    found = []
    for number, peak in enumerate(peaks):
        x, long = _MAPS + 0.5 * number, len(WORDS) - width + 1
        shares = [0.95 if row == peak else 0.1 + 0.12 * ((3 * row + number) % 4) for row in range(long)]
        cells(ax, (x, top), np.array([[tint(color, share)] for share in shares]), _NARROW)
        found.append((color, (x + _NARROW, top - (peak + 0.5) * _NARROW)))
    return found


def _document(ax: Axes) -> None:
    """Words and their vectors; those of the padding are white."""
    for row, word in enumerate(WORDS):
        y = _TOP - (row + 0.5) * _CELL
        padding = word == "<pad>"
        note(ax, (_LEFT - 0.25, y), word, ha="right", size=SMALL, color=GREY if padding else INK)
        shades = [
            tint(BLUE, 0.0 if padding else 0.06 + 0.1 * ((row * row + 3 * k * k + 2 * row * k + row) % 7))
            for k in range(5)
        ]
        cells(ax, (_LEFT, _TOP - row * _CELL), np.array([shades]), _CELL, rim=PALE if padding else "white")


def _outputs(ax: Axes, pooled: list[tuple[str, Point]]) -> None:
    """The maxima of all maps, and what the output layer makes of them."""
    x, first, side = 8.9, 7.1, 0.5
    for place, (color, start) in enumerate(pooled):
        corner = (x, first - place * side)
        cells(ax, corner, np.array([[tint(color, 0.95)]]), side)
        lines(ax, [(start, (x, corner[1] - side / 2))], color, lw=0.9, zorder=2)
    heights = np.linspace(first - 0.2, first - 2.8, len(TOPICS))
    for (topic, given), y in zip(TOPICS.items(), heights, strict=True):
        sources = [(x + side, first - (place + 0.5) * side) for place in range(len(pooled))]
        lines(ax, [(source, (11.0, y)) for source in sources], PALE, lw=0.7)
        dot(ax, (11.0, y), 0.24, BLUE if given else GREY)
        note(ax, (11.4, y), topic, size=SMALL, ha="left", color=BLUE if given else GREY)
