"""The benchmarks run as one command, and what they write has the shape that the book reads. No test looks at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from companion import speed

from benchmarks import harness
from benchmarks.__main__ import NAMES
from benchmarks.limits import demands, operations
from lthcore.files import paths
from lthcore.kernels.stacks.layers import DenseLayer, DenseStack
from lthcore.kernels.stacks.survivors import survivors
from lthcore.pruning.mask import Mask
from lthcore.training.engines.sparse.break_even import crossing

ROOT = paths.project_root()


def test_a_quick_run_of_two_names_writes_their_entries(tmp_path: Path):
    out = tmp_path / "latest.json"
    only = ["--only", "sparse_2", "sparse_limit_2"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--out", str(out), *only],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=harness.environment(),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    results = json.loads(out.read_text())
    assert results["quick"] is True
    assert {"date", "commit", "machine", "versions", "data", "repeats"} <= set(results)
    entries = {entry["name"]: entry for entry in results["entries"]}
    assert sorted(entries) == ["sparse_2", "sparse_limit_2"]
    for entry in entries.values():
        low, high = entry["spread"]
        assert low <= entry["value"] <= high
        assert entry["repeats"] == 1
        assert entry["unit"]
        assert entry["compared"]
        assert min(entry["medians"].values()) > 0
    sparse = entries["sparse_2"]
    assert sparse["value"] == pytest.approx(sparse["medians"]["dense"] / sparse["medians"]["sparse at 2%"], rel=1e-2)
    assert "sparse_2" in done.stdout


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--only", "sparse_3", "--out", str(tmp_path / "out.json")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=harness.environment() | {"COLUMNS": "1000", "NO_COLOR": "1"},
    )
    assert done.returncode == 2
    assert "sparse_3" in done.stderr
    assert "sparse_20" in done.stderr
    assert not (tmp_path / "out.json").exists()


def test_ways_take_turns_and_the_first_turn_is_forgotten():
    turns: list[str] = []

    def way(name: str, seconds: list[float]) -> harness.Way:
        return lambda: turns.append(name) or seconds.pop(0)

    times = harness.interleaved({"a": way("a", [9.0, 4.0, 6.0, 5.0]), "b": way("b", [9.0, 2.0, 2.0, 1.0])}, 3)
    assert turns == ["a", "b", "b", "a"] * 2
    assert times == {"a": [4.0, 6.0, 5.0], "b": [2.0, 2.0, 1.0]}
    entry = harness.ratio("name", times, "a", "b", "a ÷ b", per=10)
    assert (entry.value, entry.spread, entry.repeats) == (2.5, (2.0, 5.0), 3)
    assert entry.medians == {"a": 500.0, "b": 200.0}


def test_what_is_written_is_read_back_in_four_digits(tmp_path: Path):
    entry = harness.ratio("name", {"a": [2 / 3], "b": [1.0]}, "a", "b", "a ÷ b")
    harness.write(tmp_path / "file.json", [entry], {"quick": True})
    assert json.loads((tmp_path / "file.json").read_text())["entries"][0]["value"] == 0.6667
    harness.hand_over(tmp_path / "entries.json", [entry])
    assert [harness.entry(found) for found in json.loads((tmp_path / "entries.json").read_text())] == [entry]


@pytest.mark.parametrize(
    ("sparse", "dense", "at"),
    [([1, 2, 4], 3, 0.3), ([1, 2, 4], 1, 0.1), ([1, 2, 4], 5, 0.4), ([1, 2, 4], 0.5, 0.0)],
)
def test_engines_cross_on_the_lines_between_points(sparse, dense, at):
    assert crossing([0.1, 0.2, 0.4], sparse, dense) == pytest.approx(at)


def test_a_dense_step_of_lenet_has_two_operations_for_each_example_weight_and_product():
    assert operations() == 2 * 60 * (2 * 784 * 300 + 3 * 300 * 100 + 3 * 100 * 10)


def test_a_survivor_of_the_first_layer_is_in_two_products_and_any_other_in_three():
    stack = DenseStack((DenseLayer("a", None, 4, 3, "relu"), DenseLayer("b", None, 3, 2)), "linear")
    few = Mask({"a": np.eye(4, 3, dtype=bool), "b": np.eye(3, 2, dtype=bool)})
    multiply_adds, touched = demands(survivors(stack, few))
    assert multiply_adds == 64 * (2 * 3 + 3 * 2)
    more = Mask({"a": np.ones((4, 3), bool), "b": np.eye(3, 2, dtype=bool)})
    assert demands(survivors(stack, more))[1] > touched


def test_the_committed_results_bear_out_what_the_page_says_of_them():
    results = speed.read(ROOT)
    assert set(results["entries"]) <= set(NAMES)
    value = {name: entry["value"] for name, entry in results["entries"].items()}
    assert value["sparse_1"] > value["sparse_20"], "a step costs what its ticket weighs"
    assert value["sparse_2"] > 1
    assert 0 < value["break_even"] <= 1
    assert value["chain_fraction"] < 1
    assert 0 < value["sparse_limit_2"] < 1
    assert value["dense_vs_fit"] > 1
    assert value["dense_vs_fit_mask"] > 1
    assert value["two_process_throughput"] > 1
