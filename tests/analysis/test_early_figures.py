"""Figures of early tickets draw what was measured, and nothing else."""

from __future__ import annotations

import itertools

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("agg")
import matplotlib.pyplot as plt

from lthcore.analysis import early_figures, figures
from lthcore.files.array_files import packed

NBSP = "\N{NO-BREAK SPACE}"


def network(**changes: object) -> dict[str, object]:
    """A row of the tidy frame."""
    row = {"experiment": "e", "method": "imp", "control": "rewind", "draw": 0, "trial": 0, "round": 0, "density": 1.0}
    row |= {"criterion": "large_final", "schedule": "iterative", "budgets": "schedule"}
    return row | {"prune_step": 20_000, "search_steps": 0, "test_accuracy": 0.98, "micro_f1": np.nan} | changes


def lines(ax) -> dict[str, plt.Line2D]:
    return {line.get_label(): line for line in ax.get_lines() if not line.get_label().startswith("_")}


def drawn_bars(ax) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Label of points with bars → their x, their y, and the ends of the bars, (N, 2, 2)."""
    found = {}
    for container in ax.containers:
        points, _, (ends,) = container.lines
        found[container.get_label()] = (*np.array(points.get_data(), float), np.array(ends.get_segments()))
    return found


def dotted_lines(ax) -> list[plt.Line2D]:
    return [line for line in ax.get_lines() if line.get_linestyle() == ":" and len(line.get_ydata())]


def by_step() -> pd.DataFrame:
    """Dense 0.98 and 0.99; a mask of step s loses 1 % per round, and less the later it is."""
    rows = [network(trial=trial, test_accuracy=0.98 + 0.01 * trial, micro_f1=0.5) for trial in range(2)]
    for step in (1_000, 0, 20_000):
        for round in (1, 2):
            accuracies = [0.96 + 0.01 * trial - 0.01 * round + step * 1e-6 for trial in range(2)]
            changes = {"round": round, "density": 0.5**round, "prune_step": step, "micro_f1": 0.4}
            changes |= {"experiment": f"e{step}"}
            rows += [network(trial=trial, test_accuracy=found, **changes) for trial, found in enumerate(accuracies)]
    return pd.DataFrame(rows)


def test_a_line_per_prune_step_is_the_mean_of_the_trials_in_order_of_the_steps(ax):
    assert early_figures.by_prune_step(by_step(), ax, scale=100) is ax
    dense, *steps = lines(ax).values()
    (band,) = ax.patches
    assert set(dense.get_ydata()) == {98.5}
    assert (band.get_y(), band.get_height()) == pytest.approx((98, 1)), "from the worst trial to the best"
    assert [line.get_label() for line in steps] == ["step 0", f"step 1{NBSP}000", f"step 20{NBSP}000"]
    for line, late in zip(steps, (0, 0.1, 2), strict=True):
        np.testing.assert_allclose(line.get_xdata(), [50, 25])
        np.testing.assert_allclose(line.get_ydata(), [95.5 + late, 94.5 + late])
    edges = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (edges.min(), edges.max()) == pytest.approx((94, 96))


def test_any_column_can_be_drawn_against_falling_density(ax):
    early_figures.by_prune_step(by_step(), ax, "micro_f1")
    dense, *steps = lines(ax).values()
    assert set(dense.get_ydata()) == {0.5}
    assert all(line.get_ydata().tolist() == [0.4, 0.4] for line in steps)
    left, right = ax.get_xlim()
    assert (left > right, ax.get_xlabel()) == (True, "density (% of weights left)")


@pytest.mark.parametrize(("rounds", "words"), [([1, 2], "no round 0"), ([0], "no pruned network")])
def test_a_figure_needs_a_dense_network_and_others(ax, rounds, words):
    frame = by_step()
    with pytest.raises(ValueError, match=words):
        early_figures.by_prune_step(frame[frame["round"].isin(rounds)], ax)


def test_experiments_that_share_a_point_are_not_averaged(ax):
    frame = by_step()
    longer = frame[frame["round"] == 2].assign(experiment="longer")
    with pytest.raises(ValueError, match="e0 and longer share a point"):
        early_figures.by_prune_step(pd.concat([frame, longer]), ax)
    with pytest.raises(ValueError, match="e and other share a point"):
        early_figures.by_prune_step(pd.concat([frame, pd.DataFrame([network(experiment="other", prune_step=5)])]), ax)


def searches() -> pd.DataFrame:
    """Iterative and one-shot searches of three costs; two trials; rounds of 7.2 % and 1.9 %, one of 30 %."""
    rows = []
    kinds, rounds = (("iterative", 12), ("oneshot", 1)), ((4, 0.3), (12, 0.072), (18, 0.0186))
    for cost, (schedule, times), (round, density) in itertools.product((10_000, 0, 500), kinds, rounds):
        changes = {"experiment": f"{schedule}-{cost}", "schedule": schedule, "search_steps": times * cost}
        changes |= {"round": round, "density": density}
        mean = 0.96 + cost * 1e-6 + (schedule == "iterative") * 0.001 - (round == 18) * 0.01
        rows += [network(trial=trial, test_accuracy=mean + trial * 0.002, **changes) for trial in range(2)]
    return pd.DataFrame(rows)


def test_a_point_per_search_a_line_per_density_and_one_shot_apart(ax):
    assert early_figures.cost_curve(searches(), ax, "test_accuracy", 0.98, scale=100) is ax
    found = drawn_bars(ax)
    assert list(found) == ["7 %", "7 %, one-shot", "1.9 %", "1.9 %, one-shot"]
    for label, times, lower in (("7 %", 12, 0), ("7 %, one-shot", 1, 0.1), ("1.9 %", 12, 1)):
        x, y, ends = found[label]
        np.testing.assert_allclose(x, times * np.array([0, 500, 10_000]))
        np.testing.assert_allclose(y, np.array([96.2, 96.25, 97.2]) - lower)
        np.testing.assert_allclose(ends[:, :, 1], np.array([[96.1, 96.3], [96.15, 96.35], [97.1, 97.3]]) - lower)
    (iterative, *_), (one_shot, *_) = (bars.lines for bars in ax.containers[:2])
    assert (iterative.get_linestyle(), one_shot.get_linestyle()) == ("-", "None")
    assert (one_shot.get_marker(), one_shot.get_markerfacecolor()) == ("D", "white")
    assert one_shot.get_color() == iterative.get_color(), "the colour is the density's"


def test_the_dense_network_has_its_margin_below_and_what_costs_nothing_is_seen(ax):
    early_figures.cost_curve(searches(), ax, "test_accuracy", 0.98, margin=0.005, scale=100)
    assert set(lines(ax)["dense network"].get_ydata()) == {98}
    (band,) = ax.patches
    assert (band.get_y(), band.get_height()) == pytest.approx((97.5, 0.5))
    assert band.get_label() == "at most 0.5 points below"
    assert (ax.get_xscale(), ax.get_xlabel()) == ("symlog", "steps spent on the search")
    places = ax.transAxes.inverted().transform(ax.transData.transform([(0, 1), (120_000, 1)]))[:, 0]
    assert 0.02 < places[0] < 0.1 < 0.9 < places[1] < 1


def test_an_experiment_without_the_density_is_left_out_and_none_at_all_is_an_error(ax):
    frame = searches()
    coarse = frame[(frame["experiment"] != "iterative-500") | (frame["round"] == 4)]
    early_figures.cost_curve(coarse, ax, "test_accuracy", 0.98, densities=(0.07,))
    assert drawn_bars(ax)["7 %"][0].tolist() == [0, 120_000]
    with pytest.raises(ValueError, match=r"no pruned network of density 0\.5"):
        early_figures.cost_curve(frame, ax, "test_accuracy", 0.98, densities=(0.5,))


def measured(trial: int, **changes: object) -> dict[str, np.ndarray]:
    """Two rounds, four steps, two layers; overlaps of trial 1 are 0.1 higher where they can be."""
    overlaps = np.array([[0.4, 0.5, 0.8, 1.0], [0.1, 0.2, 0.6, 1.0]])
    overlaps[:, :3] += 0.1 * trial
    return {
        "steps": np.array([0, 100, 900, 2_000]),
        "rounds": np.array([3, 12]),
        "layers": packed(["hidden_1/kernel", "output/kernel"]),
        "density": np.array([0.5, 0.07]),
        "density/layer": np.array([[0.5, 0.7], [0.07, 0.3]]),
        "overlap/final": overlaps,
        "overlap/layer": np.stack([overlaps, 1 - 0.5 * (1 - overlaps)], axis=2),
        "overlap/chance": np.array([0.35, 0.04]),
        "early_bird/distance": np.array([-1, (100, 900)[trial]]),
        "early_bird/overlap": np.array([-1, -1]),
    } | changes


def test_a_line_per_density_with_its_band_and_its_chance(ax):
    assert early_figures.settling([measured(0), measured(1)], ax) is ax
    found = lines(ax)
    assert list(found) == ["50 %", "7 %", "independent masks", "Early-Bird stop, by distance"]
    np.testing.assert_allclose(found["50 %"].get_ydata(), [0.45, 0.55, 0.85, 1])
    assert found["7 %"].get_xdata().tolist() == [0, 100, 900, 2_000]
    edges = ax.collections[1].get_paths()[0].vertices
    at_100 = edges[edges[:, 0] == 100, 1]
    assert (at_100.min(), at_100.max()) == pytest.approx((0.2, 0.3))
    dotted = [(line.get_ydata()[0], line.get_color()) for line in dotted_lines(ax)]
    assert dotted == [(0.35, found["50 %"].get_color()), (0.04, found["7 %"].get_color())]
    assert (ax.get_ylim(), ax.get_ylabel()) == ((0, 1.03), "overlap with the final mask")
    assert (ax.get_xscale(), ax.get_xlabel()) == ("symlog", "training step")


def test_stops_stand_on_the_line_of_their_density(ax):
    early_figures.settling([measured(0), measured(1)], ax)
    (star,) = (line for line in ax.get_lines() if line.get_marker() == "*" and len(line.get_xdata()))
    assert star.get_xdata().tolist() == [100, 900]
    np.testing.assert_allclose(star.get_ydata(), [0.25, 0.65])
    assert star.get_markerfacecolor() == lines(ax)["7 %"].get_color()
    assert "Early-Bird stop, by overlap" not in lines(ax)


def test_layers_of_one_density_have_a_chance_of_their_own(ax):
    assert early_figures.layers([measured(0), measured(1)], ax, 12) is ax
    found = lines(ax)
    assert list(found) == ["hidden 1", "output", "independent masks"]
    np.testing.assert_allclose(found["hidden 1"].get_ydata(), [0.15, 0.25, 0.65, 1])
    np.testing.assert_allclose(found["output"].get_ydata(), [0.575, 0.625, 0.825, 1])
    np.testing.assert_allclose([line.get_ydata()[0] for line in dotted_lines(ax)], [0.07 / 1.93, 0.3 / 1.7])


def test_trials_that_cannot_share_a_figure_are_refused(ax):
    with pytest.raises(ValueError, match="differ in their steps"):
        early_figures.settling([measured(0), measured(1, steps=np.arange(4))], ax)
    with pytest.raises(ValueError, match="round 7 was not looked at; there are rounds 3, 12"):
        early_figures.layers([measured(0)], ax, 7)


ORDER = ("imp", "snip_global", "random_erk", "something_new")
MADE = (("large_final", "schedule"), ("snip", "schedule"), ("random", "erk"), ("something_new", "schedule"))


def at_start(*, draws: int = 1) -> pd.DataFrame:
    rows = [network(trial=trial, test_accuracy=0.98 + 0.002 * trial) for trial in range(2)]
    for place, method in enumerate(ORDER):
        for control, loss in (("rewind", 0), ("reinit", 0.01), ("shuffle", 0.02)):
            changes = {"method": method, "control": control, "round": 12, "density": 0.07}
            changes |= dict(zip(("criterion", "budgets"), MADE[place], strict=True))
            rows += [
                network(trial=t, draw=d, test_accuracy=0.97 - 0.1 * place - loss + 0.004 * t + 0.002 * d, **changes)
                for t in range(2)
                for d in range(draws)
            ]
    return pd.DataFrame(rows)


def test_a_row_per_method_with_three_points_from_top_to_bottom(ax):
    assert early_figures.at_initialisation(at_start(), ax, "test_accuracy", ORDER, scale=100) is ax
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["magnitude after training", "SNIP", "random, ERK", "something new"]
    assert ax.get_ylim() == (3.5, -0.5), "the first is on top"
    found = drawn_bars(ax)
    assert list(found) == ["ticket", "random reinit", "shuffled mask"]
    for (x, y, ends), shift, loss in zip(found.values(), (-0.2, 0, 0.2), (0, 1, 2), strict=True):
        by_row = np.argsort(y)
        np.testing.assert_allclose(y[by_row], np.arange(4) + shift)
        np.testing.assert_allclose(x[by_row], [97.2 - loss, 87.2 - loss, 77.2 - loss, 67.2 - loss])
        np.testing.assert_allclose(ends[by_row][0, :, 0], [97 - loss, 97.4 - loss])
    colors = [figures.ROLES["imp", control].color for control in ("rewind", "reinit", "shuffle")]
    assert [bars.lines[0].get_color() for bars in ax.containers] == colors


@pytest.mark.parametrize("dense", [True, False])
def test_the_dense_network_is_a_vertical_line_where_there_is_one(ax, dense):
    frame = at_start()
    early_figures.at_initialisation(frame[dense | (frame["round"] > 0)], ax, "test_accuracy", ORDER, scale=100)
    assert [line.get_xdata()[0] for line in lines(ax).values()] == ([pytest.approx(98.1)] if dense else [])


def test_draws_are_averaged_within_their_trial(ax):
    early_figures.at_initialisation(at_start(draws=3), ax, "test_accuracy", ORDER[:1], scale=100)
    x, _, ends = drawn_bars(ax)["random reinit"]
    np.testing.assert_allclose(x, 96.4)
    np.testing.assert_allclose(ends[0, :, 0], [96.2, 96.6])


def test_a_method_that_is_missing_or_of_another_density_is_refused(ax):
    frame = at_start()
    with pytest.raises(ValueError, match="no pruned network of grasp, synflow"):
        early_figures.at_initialisation(frame, ax, "test_accuracy", ["grasp", *ORDER, "synflow"])
    frame.loc[frame["method"] == "random_erk", "density"] = 0.5
    with pytest.raises(ValueError, match=r"densities from 0\.07 to 0\.5: select one"):
        early_figures.at_initialisation(frame, ax, "test_accuracy", ORDER)


TABLE = pd.DataFrame(
    {
        "network": ["filter-pruned", "Scratch-E", "Scratch-B"] * 2,
        "parameters": 9.0,
        "flops": [4.0, 4.0, 4.0, 6.0, 6.0, 6.0],
        "training": [2.0, 4.0, np.nan, 3.0, 4.4, np.nan],
    }
)


def test_savings_are_points_with_the_range_of_the_trials_in_the_row_of_their_network(ax):
    assert early_figures.filters(TABLE, ax) is ax
    assert [label.get_text() for label in ax.get_yticklabels()] == ["filter-pruned", "Scratch-E", "Scratch-B"]
    found = drawn_bars(ax)
    assert list(found) == ["parameters", "FLOPs", "training time"], "what was not measured is not named"
    assert [found["FLOPs"][axis].tolist() for axis in (0, 1)] == [[5, 5, 5], [0, 1, 2]]
    assert found["FLOPs"][2][0, :, 0].tolist() == [4, 6]
    x, y, _ = found["training time"]
    np.testing.assert_allclose(x, [2.5, 4.2])
    np.testing.assert_allclose(np.floor(y), [0, 1]), "the network without a time has no point"


def test_factors_are_logarithmic_and_one_is_the_dense_network(ax):
    early_figures.filters(TABLE, ax)
    assert set(lines(ax)["dense network"].get_xdata()) == {1}
    assert (ax.get_xscale(), ax.get_xlabel()) == ("log", "times smaller or faster than the dense network")
    formatter = ax.xaxis.get_major_formatter()
    assert [formatter(tick, 0) for tick in ax.xaxis.get_majorticklocs()] == ["1×", "2×", "5×", "10×"]
    assert len({bars.lines[0].get_marker() for bars in ax.containers}) == 3


@pytest.mark.parametrize(
    ("table", "words"), [(TABLE[["network"]], "none of the columns"), (TABLE.assign(flops=0.0), "must be positive")]
)
def test_a_table_that_cannot_be_drawn_is_refused(ax, table, words):
    with pytest.raises(ValueError, match=words):
        early_figures.filters(table, ax)
