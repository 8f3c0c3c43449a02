"""Parts of figures: looks that differ in print without colour, bars, rows, and steps from zero on."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("agg")
from matplotlib.colors import to_rgb

from lthcore.analysis import figure_parts
from lthcore.analysis.figures import ROLES

LOOK = ROLES["imp", "reinit"]


@pytest.mark.parametrize("count", range(1, 11))
def test_ordered_lines_darken_and_never_look_the_same(count):
    looks = figure_parts.gradation([str(number) for number in range(count)])
    assert [look.label for look in looks] == [str(number) for number in range(count)]
    grey = [np.dot(to_rgb(look.color), (0.299, 0.587, 0.114)) for look in looks]
    assert all(np.diff(grey) < -0.02), "told apart without colour"
    assert max(grey) < 0.75, "and seen on white"
    assert len({look.marker for look in looks}) == count
    assert ":" not in {look.style for look in looks}, "dots are for chance"


def test_a_band_reaches_from_the_least_to_the_most(ax):
    figure_parts.band(ax, np.array([0, 1]), {"mean": [2, 3], "min": [1, 2], "max": [5, 4]}, LOOK)
    (line,) = ax.get_lines()
    assert line.get_ydata().tolist() == [2, 3]
    assert (line.get_label(), line.get_linestyle(), line.get_marker()) == (LOOK.label, LOOK.style, LOOK.marker)
    edges = ax.collections[0].get_paths()[0].vertices
    assert {tuple(edge) for edge in edges.tolist()} == {(0, 1), (0, 5), (1, 2), (1, 4)}


@pytest.mark.parametrize("sideways", [False, True])
def test_bars_stand_on_their_points_also_where_rounding_moved_the_mean(ax, sideways):
    table = pd.DataFrame({"mean": [0.5, 0.7 - 1e-16], "min": [0.4, 0.7], "max": [0.8, 0.7]})
    figure_parts.bars(ax, np.array([1, 2]), table, LOOK, sideways=sideways)
    (bars,) = ax.containers
    across, along = (0, 1) if not sideways else (1, 0)
    ends = np.array(bars.lines[2][0].get_segments())
    np.testing.assert_allclose(ends[:, :, along], [[0.4, 0.8], [0.7, 0.7]])
    np.testing.assert_allclose(ends[:, :, across], [[1, 1], [2, 2]])
    assert bars.lines[0].get_linestyle() == ("None" if sideways else LOOK.style)


@pytest.mark.parametrize(
    ("last", "linthresh", "ticks"),
    [(120, 100, ["0", "100"]), (50, 100, ["0", "100"]), (50_000, 1_000, ["0", "1 000", "10 000"])],
)
def test_steps_begin_at_zero_and_are_written_as_plain_numbers(ax, last, linthresh, ticks):
    ax.plot([0, last], [0, 1])
    assert figure_parts.symlog_steps(ax, "step", linthresh) is ax
    left, right = ax.get_xlim()
    assert left < 0 < last < right
    formatter = ax.xaxis.get_major_formatter()
    found = [formatter(tick, 0).replace("\N{NO-BREAK SPACE}", " ") for tick in ax.xaxis.get_majorticklocs()]
    assert (found, ax.get_xlabel(), ax.get_xscale()) == (ticks, "step", "symlog")


def test_rows_run_from_top_to_bottom(ax):
    assert figure_parts.rows(ax, ["first", "second"]) is ax
    assert [label.get_text() for label in ax.get_yticklabels()] == ["first", "second"]
    assert ax.get_ylim() == (1.5, -0.5)


WAY = {"criterion": "large_final", "schedule": "iterative", "budgets": "schedule"}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "magnitude after training"),
        ({"schedule": "oneshot"}, "one-shot after training"),
        ({"criterion": "large_init"}, "magnitude at init"),
        ({"criterion": "synflow", "method": "synflow_global"}, "SynFlow"),
        ({"criterion": "random"}, "random, by schedule"),
        ({"criterion": "random", "budgets": "uniform"}, "random, uniform"),
        ({"criterion": "one_of_my_own", "budgets": "erk"}, "one of my own, ERK"),
    ],
)
def test_masks_are_called_by_what_made_them(changes, name):
    assert figure_parts.called(pd.DataFrame([WAY | changes] * 2)) == name


def test_two_ways_to_make_masks_have_no_common_name():
    with pytest.raises(ValueError, match="here are 2 ways"):
        figure_parts.called(pd.DataFrame([WAY, WAY | {"criterion": "snip"}]))
