"""Kernels on other machines: no cache folder, no wide vectors, large matrices."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from lthcore.kernels import examples
from lthcore.kernels.stacks.layers import DenseLayer, DenseStack
from lthcore.kernels.stacks.program import take
from lthcore.kernels.stacks.survivors import survivors
from lthcore.pruning.mask import Mask

PRODUCT = """
import numpy as np
from lthcore.kernels.products import forward
from lthcore.kernels.functions import activate
from lthcore.kernels.examples import room
a = room(64 * 3, np.float32)
a[:64], a[64:128] = 2, 3
theta = np.float32([0.5, -1])
forward(theta, np.int32([0, 1]), np.int64([0, 2]), np.int32([0]), 0, 1, a, 0, 128)
activate(a, 128, 192, 3)
print(set(a[128:].tolist()))
"""


def after(script: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, **environment}
    )


def test_a_cache_folder_that_cannot_be_written_only_costs_time(tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = after(PRODUCT, NUMBA_CACHE_DIR=str(tmp_path / "file"))
    assert done.stdout.startswith("{0.11920"), done.stderr
    assert not done.stderr


def test_a_processor_without_wide_vectors_gives_the_same(tmp_path):
    plain = after(PRODUCT, NUMBA_CACHE_DIR=str(tmp_path), NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="")
    assert plain.stdout.startswith("{0.11920"), plain.stderr


def test_the_users_own_settings_of_numba_are_left_alone(tmp_path):
    done = after("import numba, lthcore.kernels.products; print(repr(numba.config.CACHE_DIR))", NUMBA_CACHE_DIR="")
    assert done.stdout.strip() == "''", done.stderr


def test_matrices_of_a_thousand_million_places_have_places_beyond_32_bits():
    inputs, outputs = 100_000, 30_000
    kept = np.zeros((inputs, outputs), bool)
    kept[99_999, 29_999] = kept[80_000, 7] = kept[0, 3] = True
    stack = DenseStack((DenseLayer("w", None, inputs, outputs),), "linear")
    found = survivors(stack, Mask({"w": kept}))
    (_, places) = found.places["w"]
    assert sorted(places.tolist()) == [3, 80_000 * outputs + 7, 99_999 * outputs + 29_999]
    assert found.structure.source.tolist() == [0, 80_000, 99_999]


@pytest.mark.parametrize(
    ("x", "dtype"),
    [
        (np.arange(256) / 255, np.uint8),
        (np.arange(17) / 16, np.uint8),
        (np.arange(10.0), np.uint8),
        (np.arange(256) / 255 - 0.5, np.float32),
        ([0.1234, 300.0], np.float32),
        ([np.nan, 0.0], np.float32),
        ([-1.0, 0.0], np.float32),
    ],
)
def test_inputs_are_kept_as_bytes_exactly_where_that_loses_nothing(x, dtype):
    x = np.asarray(x, np.float32)[None]
    found = examples.rows(x)
    assert found.numbers.dtype == dtype
    back = found.numbers[: x.shape[1]].astype(np.float32) / found.divisor
    assert np.array_equal(back, x[0], equal_nan=True)
    assert not found.width % 16


@pytest.mark.parametrize("divisor", [1, 3, 10, 16, 255, 256])
def test_bytes_become_their_quotients_to_the_last_bit(divisor):
    numbers, inputs = np.arange(256, dtype=np.uint8), examples.room(256, np.float32)
    take(numbers, 0, np.float32(divisor), np.arange(4), inputs)
    assert np.array_equal(inputs, numbers.astype(np.float32) / np.float32(divisor))
