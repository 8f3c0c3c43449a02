"""Tables of filter pruning: ratios within a trial, means over trials."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from lthcore.analysis import filter_tables
from lthcore.files.array_files import packed


def made(dense: float, small: float, accuracy: float) -> dict[str, np.ndarray]:
    """Numbers of one trial: seconds of the dense network and of the others, and an accuracy of the others."""
    values = {"metrics": packed(["loss", "accuracy"]), "layers": packed(["conv"])}
    for name in filter_tables.NETWORKS:
        one = name == "dense"
        seconds = np.array(dense if one else small)
        values |= {
            f"{name}/steps": np.array(100 if name != "scratch_b" else 400),
            f"{name}/seconds": seconds,
            f"{name}/compile_seconds": np.array(2.0),
            f"{name}/inference_seconds": seconds / 10,
            f"{name}/parameters": np.array([1_000, 800] if one else [300, 100]),
            f"{name}/flops": np.array(4_000 if one else 1_000),
            f"{name}/test": np.array([0.1, 0.99 if one else accuracy]),
        }
    return values


TRIALS = [made(18.0, 3.0, 0.98), made(38.0, 8.0, 0.97)]


def test_one_row_per_trial_and_network():
    frame = filter_tables.by_trial(TRIALS)
    assert frame["network"].tolist() == [*filter_tables.NETWORKS] * 2
    assert frame["trial"].tolist() == [0] * 4 + [1] * 4
    assert frame["total_seconds"].tolist() == [20, 5, 5, 5, 40, 10, 10, 10]
    assert frame.loc[1, ["parameters", "parameters_with_embedding"]].tolist() == [100, 300]


def test_ratios_are_to_the_dense_network_of_the_same_trial():
    frame = filter_tables.ratios(TRIALS)
    pruned = frame[frame["network"] == "pruned"]
    assert pruned["total_seconds"].tolist() == [4, 4]
    assert pruned["training_seconds"].tolist() == pytest.approx([6, 38 / 8])
    assert pruned["parameters"].tolist() == [8, 8]
    assert pruned["parameters_with_embedding"].tolist() == pytest.approx([10 / 3] * 2)
    assert pruned["test_accuracy"].tolist() == pytest.approx([-0.01, -0.02])
    dense = frame[frame["network"] == "dense"]
    assert (dense.loc[:, "parameters":"inference_seconds"] == 1).all(axis=None)
    assert (dense[["test_loss", "test_accuracy"]] == 0).all(axis=None)


def test_the_table_has_means_in_the_order_of_the_networks():
    table = filter_tables.table(TRIALS)
    assert table.index.tolist() == list(filter_tables.NETWORKS)
    assert table.loc["scratch_b", "steps"] == 400
    assert table.loc["pruned", "test_accuracy"] == pytest.approx(0.975)
    assert table.loc["pruned", "change_test_accuracy"] == pytest.approx(-0.015)
    assert table.loc["pruned", "times_training_seconds"] == pytest.approx((6 + 4.75) / 2)
    assert table.loc["dense", "times_flops"] == 1
    assert not any(isinstance(dtype, pd.StringDtype) for dtype in table.dtypes)


def test_no_trial_is_refused():
    with pytest.raises(ValueError, match="no trial to make a table of"):
        filter_tables.table([])


def test_reading_a_table_does_without_tensorflow():
    script = "import sys, lthcore.analysis.filter_tables; print({'tensorflow', 'keras'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
