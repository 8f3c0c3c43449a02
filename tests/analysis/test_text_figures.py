"""Figures of documents draw what was counted, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from records import RECORD

mpl.use("agg")

from lthcore.analysis import text_figures, topics
from lthcore.analysis.measurements import corpus
from lthcore.experiments import presets
from lthcore.experiments.presets.sizes import smoke
from lthcore.files import paths

EXPERIMENT = smoke(presets.REUTERS_R90, "newswire")[0]


@pytest.fixture(scope="module")
def values(tmp_path_factory) -> dict[str, np.ndarray]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setattr(paths, "cache", lambda: folder)
        return corpus.describe(EXPERIMENT)


def test_lengths_are_shares_of_the_training_and_test_documents(values, ax):
    assert text_figures.lengths(values, 40, ax) is ax
    drawn = {patch.get_label(): patch.get_data() for patch in ax.patches}
    assert list(drawn) == ["training documents", "test documents"]
    for name, found in zip(("train", "test"), drawn.values(), strict=True):
        assert found.values.sum() == pytest.approx(1.0)
        lengths = values[f"lengths/{name}"]
        assert found.edges[0] <= lengths.min()
        assert lengths.max() < found.edges[-1]
        in_first_half = np.mean(lengths < found.edges[20])
        assert found.values[:20].sum() == pytest.approx(in_first_half)
    assert (ax.get_xscale(), ax.get_xlabel(), ax.get_ylabel()) == ("log", "tokens in a document", "share of documents")


@pytest.mark.parametrize("limit", [40, 200])
def test_a_dashed_line_stands_where_documents_are_cut(values, ax, limit):
    text_figures.lengths(values, limit, ax)
    (line,) = ax.get_lines()
    assert (line.get_linestyle(), line.get_label()) == ("--", f"read: {limit} tokens")
    assert set(line.get_xdata()) == {limit}
    left, right = ax.get_xlim()
    assert left < limit < right, "the line is seen, wherever it stands"


def test_categories_fall_from_the_largest(values, ax):
    assert text_figures.sizes(values, ax) is ax
    (line,) = ax.get_lines()
    assert line.get_xdata().tolist() == list(range(1, len(values["documents/category"]) + 1))
    assert line.get_ydata().tolist() == sorted(values["documents/category"][:, 0].tolist(), reverse=True)
    assert (ax.get_yscale(), ax.get_xlabel(), ax.get_ylabel()) == ("log", "topic, by rank", "training documents")


def test_a_document_is_a_picture_with_a_column_per_word(values, ax):
    assert text_figures.document_image(values, ax) is ax
    (image,) = ax.get_images()
    np.testing.assert_array_equal(np.asarray(image.get_array()), values["image"].astype(np.float32).T)
    low, high = image.get_clim()
    assert low == -high < 0, "zero is the middle of the colours"
    assert ax.get_xlim() == (-0.5, EXPERIMENT.text.length - 0.5)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("word of the document", "number of the vector")


def test_a_document_of_unknown_words_only_is_drawn_too(ax):
    text_figures.document_image({"image": np.zeros((5, 3), np.float16)}, ax)
    assert ax.get_images()[0].get_clim() == (-1, 1)


def by_class(rounds: int = 3) -> pd.DataFrame:
    """Two trials; a frequent category that stays and a rare one that dies."""
    records = [
        replace(
            RECORD,
            trial=trial,
            round=round,
            kept={"w": (10 // 2**round, 10)},
            counts=np.array([[(8 - round, trial, 1), (max(2 - round, 0), 0, 2)]] * 2, np.int32),
        )
        for trial in range(2)
        for round in range(rounds)
    ]
    return topics.by_class(topics.by_category(records, ("a", "b"), (400, 4)))


def test_a_line_per_class_is_the_mean_over_trials_and_the_band_their_range(ax):
    table = by_class()
    assert text_figures.by_class(table, ax) is ax
    frequent, rare = ax.get_lines()
    assert [frequent.get_label(), rare.get_label()] == ["300 or more", "fewer than 10"]
    np.testing.assert_allclose(frequent.get_xdata(), [100, 50, 20])
    first, second = 16 / 17, 16 / 18
    assert frequent.get_ydata()[0] == pytest.approx((first + second) / 2)
    np.testing.assert_allclose(rare.get_ydata(), [4 / 6, 2 / 4, 0])
    edges = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (edges.max(), edges.min()) == pytest.approx((first, 12 / 14))


def test_density_falls_to_the_right_and_classes_look_different(ax):
    sizes = (400, 200, 50, 20, 4)
    counts = np.array([[(5, 1, 1)] * len(sizes)] * 2, np.int32)
    records = [replace(RECORD, round=r, kept={"w": (10 - 5 * r, 10)}, counts=counts) for r in range(2)]
    table = topics.by_class(topics.by_category(records, tuple("abcde"), sizes))
    text_figures.by_class(table, ax)
    assert [line.get_label() for line in ax.get_lines()] == list(topics.CLASSES.values())
    assert len({(line.get_linestyle(), line.get_marker()) for line in ax.get_lines()}) == 5
    assert len({tuple(line.get_color()) for line in ax.get_lines()}) == 5
    left, right = ax.get_xlim()
    assert left > right
    assert ax.get_xlabel() == "density (% of weights left)"
    assert ax.get_ylabel() == "micro-F1 within the class"
