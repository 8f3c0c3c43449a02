"""Diagrams show what they should, and no text of theirs covers another or leaves the page."""

from __future__ import annotations

from itertools import combinations, pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("agg")
import matplotlib.pyplot as plt
from companion.drawings import canvas, convolutions, flow, networks
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle

from lthcore.analysis import figures
from lthcore.pruning.mask import Mask

MILESTONES = pd.DataFrame(
    [
        (1943, "Threshold neuron", 1),
        (1989, "Convolutional network", 2),
        (1989, "Universal approximation", 2),
        (1990, "Pruning", 2),
        (1997, "Long memory", 0),
        (2017, "Attention", 3),
        (2018, "Tickets", 3),
    ],
    columns=["year", "label", "wave"],
)
EDGES = {"mask": [], "prune": ["mask"], "loop": [], "train": ["loop", "mask"], "cli": ["train"]}
LONG = [f"text.long_name_{number}" for number in range(6)]  # more than one row holds
LEVELS = {"values": ["mask", *LONG], "search": ["prune"], "training": ["loop", "train"], "command line": ["cli"]}

# Every diagram, at the size it is made for.
DRAWN = {
    "neuron": (networks.neuron, (5.5, 3)),
    "biological": (networks.biological, (5.5, 3)),
    "activations": (networks.activations, (5.5, 3.2)),
    "dense_network": (lambda ax: networks.dense_network(ax, (4, 5, 3, 2)), (5.5, 3)),
    "convolution": (convolutions.convolution, (5.5, 3)),
    "kim": (convolutions.kim, (6.5, 4.7)),
    "pruning_loop": (flow.pruning_loop, (5.5, 3.8)),
    "data_flow": (flow.data_flow, (6.5, 3.7)),
    "timeline": (lambda ax: flow.timeline(ax, MILESTONES), (5.5, 8)),
    "architecture": (lambda ax: flow.architecture(ax, EDGES, LEVELS), (6, 3)),
}


@pytest.fixture(autouse=True)
def _as_in_the_book():
    with mpl.rc_context():
        figures.style()
        yield
        plt.close("all")


def sheet(size: tuple[float, float] = (5.5, 3)) -> Axes:
    return plt.subplots(figsize=size, layout="constrained")[1]


def drawn(name: str) -> Axes:
    draw, size = DRAWN[name]
    ax = sheet(size)
    assert draw(ax) is ax
    return ax


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def boxes(ax: Axes) -> dict:
    ax.figure.canvas.draw()
    return {text: text.get_window_extent() for text in ax.texts}


@pytest.mark.parametrize("name", DRAWN)
def test_no_text_covers_another_or_leaves_the_axes(name):
    ax = drawn(name)
    found = boxes(ax)
    for (left, one), (right, other) in combinations(found.items(), 2):
        apart = one.x1 < other.x0 or other.x1 < one.x0 or one.y1 < other.y0 or other.y1 < one.y0
        assert apart, f"{left.get_text()!r} covers {right.get_text()!r}"
    page = ax.get_window_extent()
    for text, box in found.items():
        inside = page.x0 - 1 <= box.x0 and box.x1 <= page.x1 + 1 and page.y0 - 1 <= box.y0 and box.y1 <= page.y1 + 1
        assert inside, f"{text.get_text()!r} leaves the page"


@pytest.mark.parametrize("name", DRAWN)
def test_text_is_large_enough_to_read(name):
    assert min((text.get_fontsize() for text in drawn(name).texts), default=canvas.SMALL) >= 8


@pytest.mark.parametrize("name", DRAWN)
def test_drawing_twice_gives_the_same_picture(name):
    pictures = []
    for _ in range(2):
        figure = drawn(name).figure
        figure.canvas.draw()
        pictures.append(np.asarray(figure.canvas.buffer_rgba()).copy())
    assert np.array_equal(*pictures)


def test_the_neuron_names_its_parts():
    ax = drawn("neuron")
    assert {"inputs", "weights", "bias", "sum", "activation", "output", "$b$", "$y$"} <= set(texts(ax))
    assert [text for text in texts(ax) if text.startswith("$w")] == ["$w_1$", "$w_2$", "$w_n$"]
    assert sum(isinstance(patch, FancyArrowPatch) for patch in ax.patches) == 3 + 1 + 2, "inputs, bias, z and y"


def test_the_nerve_cell_names_its_parts():
    named = " ".join(texts(drawn("biological"))).replace("\n", " ")
    assert all(part in named for part in ("dendrites", "cell body", "axon", "terminals"))


def test_activations_are_what_they_are_called():
    lines = {line.get_label(): line for line in drawn("activations").get_lines()}
    at = {-2.0: (0, 0.1192, -0.9640, 0), 0.0: (0, 0.5, 0, 0), 2.0: (1, 0.8808, 0.9640, 2)}
    for z, expected in at.items():
        values = [np.interp(z, *lines[name].get_data()) for name in ("threshold", "sigmoid", "tanh", "ReLU")]
        np.testing.assert_allclose(values, expected, atol=1e-3)


def weights(ax: Axes, kind: str) -> int:
    (found,) = (lines for lines in ax.collections if isinstance(lines, LineCollection) and lines.get_gid() == kind)
    return len(found.get_segments())


def hollow(ax: Axes) -> list[bool]:
    return [patch.get_facecolor() == (1, 1, 1, 1) for patch in ax.patches if isinstance(patch, Circle)]


def test_a_dense_network_has_a_line_per_weight_and_a_dot_per_unit():
    ax = drawn("dense_network")
    assert (weights(ax, "kept"), weights(ax, "pruned")) == (4 * 5 + 5 * 3 + 3 * 2, 0)
    assert hollow(ax) == [False] * 14
    assert texts(ax) == ["inputs", "hidden 1", "hidden 2", "outputs"]


def test_pruned_weights_are_dotted_and_idle_units_hollow():
    first, second = np.zeros((3, 2), bool), np.zeros((2, 2), bool)
    first[0, 0] = first[1, 1] = second[0, 1] = True  # nothing reads the second hidden unit
    for mask in ((first, second), Mask({"a": first, "b": second})):
        ax = sheet()
        networks.dense_network(ax, (3, 2, 2), mask)
        assert (weights(ax, "kept"), weights(ax, "pruned")) == (3, 7)
        assert hollow(ax) == [False, True, True, False, True, True, False]
        assert texts(ax) == ["inputs", "hidden", "outputs"]


@pytest.mark.parametrize(("sizes", "mask"), [((3,), None), ((3, 0), None), ((3, 2), [np.ones((2, 3))]), ((3, 2), [])])
def test_sizes_and_masks_that_do_not_fit_are_refused(sizes, mask):
    with pytest.raises(ValueError, match="sizes"):
        networks.dense_network(sheet(), sizes, mask)


def test_the_feature_map_is_computed_from_the_picture():
    ax = drawn("convolution")
    numbers = [int(text) for text in texts(ax) if text.isdigit()]
    assert numbers[:9] == convolutions.FILTER.reshape(-1).tolist()
    picture, side = convolutions.PICTURE, 5
    expected = [
        int((picture[i : i + 3, j : j + 3] * convolutions.FILTER).sum()) for i in range(side) for j in range(side)
    ]
    assert numbers[9:] == expected
    assert max(expected) == 3
    assert {"image", "filter", "feature map"} <= set(texts(ax))


def test_kim_reads_every_word_and_has_a_window_of_each_height():
    ax = drawn("kim")
    shown = texts(ax)
    assert shown[: len(convolutions.WORDS)] == list(convolutions.WORDS)
    assert set(convolutions.TOPICS) < set(shown)
    outlines = [patch for patch in ax.patches if isinstance(patch, Rectangle) and patch.get_linewidth() > 2]
    heights = [patch.get_height() for patch in outlines]
    np.testing.assert_allclose(np.divide(heights, heights[0]), [1, 4 / 3, 5 / 3])


def test_the_loop_counts_rounds_and_densities():
    ax = sheet((5.5, 3.8))
    flow.pruning_loop(ax, rate=0.5, rounds=7)
    shown = texts(ax)
    assert {"0", "1", "2", "7", "100 %", "50 %", "25 %", "0.781 %"} <= set(shown)
    assert [text.split()[0] for text in shown[:4]] == ["train", "score", "prune", "rewind"]
    assert "lowest 50 %" in shown[2]


def test_a_round_of_the_data_flow_comes_back_to_its_ticket():
    pairs = [pair for chain in flow._CHAINS for pair in pairwise(chain)]
    ways = {start: end for start, end in pairs if end != "record"}
    seen = ["ticket"]
    while (following := ways[seen[-1]]) != "ticket":
        seen.append(following)
    assert seen == ["ticket", "train", "run", "score", "prune", "mask", "rewind"]
    assert {*seen, "record", "chapter"} <= set(texts(drawn("data_flow")))


def test_the_timeline_keeps_the_order_and_the_years():
    ax = sheet((5.5, 8))
    flow.timeline(ax, MILESTONES.sample(frac=1, random_state=0))
    entries = [text for text in ax.texts if text.get_text()[:4].isdigit()]
    assert [text.get_text() for text in entries] == [f"{row.year}  {row.label}" for row in MILESTONES.itertuples()]
    places = [text.get_position()[1] for text in entries]
    assert places == sorted(places)
    points = [float(line.get_ydata()[0]) for line in ax.get_lines() if line.get_marker() == "o"]
    assert points == MILESTONES["year"].tolist()
    low, high = sorted(ax.get_ylim())
    assert low <= min(points) <= max(points) <= high
    assert [text for text in texts(ax) if text.startswith("wave")] == ["wave 1", "wave 2", "wave 3"]


def test_what_lies_between_waves_is_hollow():
    ax = drawn("timeline")
    faces = [line.get_markerfacecolor() == "white" for line in ax.get_lines() if line.get_marker() == "o"]
    assert faces == [False, False, False, False, True, False, False]


@pytest.mark.parametrize("rows", [MILESTONES[:0], MILESTONES.assign(wave=9)])
def test_a_timeline_of_nothing_or_of_unknown_waves_is_refused(rows):
    with pytest.raises(ValueError, match="milestones need a wave"):
        flow.timeline(sheet(), rows)


def test_an_arrow_per_pair_of_levels_and_all_of_them_upwards():
    ax = drawn("architecture")
    arrows = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == len(flow.between_levels(EDGES, LEVELS)) == 3
    for one in arrows:
        shaft = one.get_path().vertices[:4, 1]
        assert shaft[-1] < shaft[0], "the axis runs downwards"
    assert {*LEVELS, "loop  train"} <= set(texts(ax))


def test_imports_within_a_level_and_of_strangers_are_not_counted():
    edges = {"a": ["b", "elsewhere"], "b": [], "c": ["a", "b"], "elsewhere": ["a"]}
    assert flow.between_levels(edges, {"low": ["b", "a"], "high": ["c"]}) == {(1, 0): 2}


@pytest.mark.parametrize(
    ("levels", "told"),
    [({"low": ["cli"], "high": ["train"]}, "one way only"), ({"low": ["train"], "high": ["train"]}, "stands twice")],
)
def test_levels_that_do_not_fit_are_refused(levels, told):
    with pytest.raises(ValueError, match=told):
        flow.architecture(sheet(), EDGES, levels)


def test_a_tint_runs_from_white_to_the_colour():
    assert canvas.tint("#0072b2", 0) == (1, 1, 1)
    np.testing.assert_allclose(canvas.tint("#0072b2", 1), (0, 0x72 / 255, 0xB2 / 255))


@pytest.mark.parametrize("wanted", [[1950.0] * 12, [1950.0, 1951.0, 1952.0, 2017.0, 2018.0, 2018.0], [1944.0]])
def test_spread_labels_keep_their_distance_and_their_order(wanted):
    found = flow._spread(np.array(wanted), 2.5, 1941.0, 2019.0)
    assert (np.diff(found) > 2.5 - 1e-9).all()
    assert 1941 <= found[0] <= found[-1] <= 2019
