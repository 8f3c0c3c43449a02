"""Figures draw what the frame holds, and nothing else."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("agg")
import matplotlib.pyplot as plt

from lthcore import figures


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
