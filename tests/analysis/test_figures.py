"""Figures draw what the frame holds, and nothing else."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("agg")
import matplotlib.pyplot as plt

from lthcore.analysis import figures
from lthcore.analysis.measurements import survivors
from lthcore.pruning.mask import Mask


@pytest.fixture
def ax():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def results() -> pd.DataFrame:
    rows = []
    for control in ("rewind", "reinit"):
        for trial in range(2):
            for round in range(4):
                if control == "reinit" and round == 0:
                    continue
                accuracy = 0.9 + 0.01 * trial - (0.05 * round if control == "reinit" else 0)
                rows.append(("imp", control, round, trial, 0.8**round, accuracy))
    return pd.DataFrame(rows, columns=["method", "control", "round", "trial", "density", "test_accuracy"])


def test_lines_are_means_over_trials_from_the_dense_network_on(ax):
    figures.against_density(results(), "test_accuracy", ax, scale=100)
    lines = {line.get_label(): line for line in ax.get_lines()}
    np.testing.assert_allclose(lines["random reinit"].get_ydata(), [90.5, 85.5, 80.5, 75.5])
    np.testing.assert_allclose(lines["ticket"].get_xdata(), [100, 80, 64, 51.2])


def test_density_falls_to_the_right(ax):
    figures.against_density(results(), "test_accuracy", ax)
    assert sum(len(line.get_xdata()) for line in ax.get_lines() if line.get_marker() == ".") == 8 + 8, (
        "a point per trial"
    )
    left, right = ax.get_xlim()
    assert left > right
    assert ax.get_xscale() == "log"


def test_roles_differ_in_colour_line_and_marker():
    for attribute in ("label", "color", "style", "marker"):
        values = [getattr(role, attribute) for role in figures.ROLES.values()]
        assert len(set(values)) == len(values), attribute


def test_learning_curves_leave_out_steps_without_a_measurement(ax):
    curves = pd.DataFrame(
        {
            "step": [0, 10, 20] * 2,
            "round": [0] * 3 + [1] * 3,
            "density": [1.0] * 3 + [0.8] * 3,
            "test_accuracy": [0.1, np.nan, 0.5, 0.2, np.nan, 0.6],
        }
    )
    figures.learning_curves(curves, "test_accuracy", ax)
    assert [line.get_label() for line in ax.get_lines()] == ["100 %", "80 %"]
    np.testing.assert_allclose(ax.get_lines()[1].get_ydata(), [0.2, 0.6])


def test_panels_that_show_different_rounds_can_share_their_colours(ax):
    rows = [(step, number, 0.8**number, 0.5) for number in range(3) for step in (0, 10)]
    curves = pd.DataFrame(rows, columns=["step", "round", "density", "test_accuracy"])
    figures.learning_curves(curves, "test_accuracy", ax)
    figures.learning_curves(
        curves[curves["round"] == 1], "test_accuracy", ax, rounds=(0, 1, 2), style="--", suffix=" x"
    )
    *tickets, other = ax.get_lines()
    np.testing.assert_allclose(other.get_color(), tickets[1].get_color())
    assert (other.get_linestyle(), other.get_label()) == ("--", "80 % x")


def test_panels_that_share_their_density_axis_fall_to_the_right_together():
    figure, axes = plt.subplots(2, 1, sharex=True)
    for shared in axes:
        figures.against_density(results(), "test_accuracy", shared)
    assert all(left > right for left, right in (shared.get_xlim() for shared in axes))
    plt.close(figure)


def test_steps_are_written_as_plain_numbers(ax):
    ax.plot([1, 2], [1_500, 60_000])
    figures.logarithmic_steps(ax)
    assert ax.get_yscale() == "log"
    assert [ax.yaxis.get_major_formatter()(tick, 0) for tick in ax.get_yticks()][:2] == ["2\u00a0000", "5\u00a0000"]


def test_interpolation_draws_the_mean_over_trials_and_names_every_network(ax):
    measured = [{f"{name}/errors": np.linspace(0, trial, 30) for name in figures.MEASURED} for trial in (1, 3)]
    figures.interpolation(measured, ax)
    assert [line.get_label() for line in ax.get_lines()] == ["dense network", "ticket", "shuffled mask"]
    np.testing.assert_allclose(ax.get_lines()[0].get_ydata(), 100 * np.linspace(0, 2, 30))


def counts(*filled: int) -> np.ndarray:
    """A histogram whose first bins are filled so."""
    return np.array([*filled, *[0] * (survivors.BINS - len(filled))])


def test_histograms_add_trials_and_have_area_one(ax):
    measured = [{"initial/w": np.stack([counts(4, 4), counts(2, 0, trial)])} for trial in (2, 4)]
    figures.initial_values(measured, "w", {0: 1.0, 1: 0.25}, ax)
    for drawn, expected in zip((patch.get_data() for patch in ax.patches), ([8, 8, 0], [4, 0, 6]), strict=True):
        np.testing.assert_allclose(drawn.values[:3] / drawn.values.sum(), np.array(expected) / sum(expected))
        assert (drawn.values * np.diff(drawn.edges)).sum() == pytest.approx(1.0)
        assert (drawn.edges[0], drawn.edges[-1]) == (-survivors.SPREAD, survivors.SPREAD)


def test_movements_of_pruned_weights_are_all_minus_the_kept(ax):
    figures.movements([{"moved/w": np.stack([counts(6, 2), counts(1, 2)])}], "w", 1, ax)
    kept, pruned = (patch.get_data().values for patch in ax.patches)
    np.testing.assert_allclose(kept[:2] / kept.sum(), [1 / 3, 2 / 3])
    np.testing.assert_allclose(pruned[:2] / pruned.sum(), [1, 0])


def test_a_pixel_map_is_a_picture_of_the_surviving_shares(ax):
    mask = np.zeros((9, 4), np.bool_)
    mask[4], mask[0, :2] = True, True
    image = figures.pixel_map([Mask({"hidden/kernel": mask})], ax, label="21 %")
    drawn = image.get_array()
    assert drawn.shape == (3, 3)
    assert (drawn[1, 1], drawn[0, 0], drawn[2, 2]) == (1.0, 0.5, 0.0)
    assert image.get_clim() == (0, np.percentile(np.asarray(drawn), 98))
