"""Weights and masks: immutable, exact, compared by value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthcore.files import array_files
from lthcore.pruning.mask import Mask
from lthcore.pruning.weights import Weights

LIGHT = settings(deadline=None, derandomize=True, max_examples=60)

bits = st.lists(st.booleans(), min_size=1, max_size=24)
masks = st.lists(bits, min_size=1, max_size=3).map(lambda rows: Mask({f"w{i}": row for i, row in enumerate(rows)}))
numbers = st.integers(0, 2**32).map(np.random.default_rng)


def theta(mask: Mask, rng: np.random.Generator) -> Weights:
    """Weights the mask fits, all different from zero, and a bias it does not speak of."""
    drawn = {name: rng.uniform(1, 2, array.shape) * rng.choice([-1, 1], array.shape) for name, array in mask.items()}
    return Weights({**drawn, "bias": rng.uniform(1, 2, 3)})


@pytest.mark.parametrize(
    ("mask", "kept", "prunable", "density", "densities"),
    [
        ({"a": [1, 1, 1, 1]}, 4, 4, 1.0, {"a": 1.0}),
        ({"a": [[1, 0], [0, 0]]}, 1, 4, 0.25, {"a": 0.25}),
        ({"a": [1, 0], "b": [1, 1, 1, 0, 0, 0]}, 4, 8, 0.5, {"a": 0.5, "b": 0.5}),
        ({"a": [0, 0], "b": [1, 1]}, 2, 4, 0.5, {"a": 0.0, "b": 1.0}),
    ],
)
def test_density_is_kept_over_prunable(mask, kept, prunable, density, densities):
    mask = Mask(mask)
    assert (mask.kept, mask.prunable, mask.density, mask.densities) == (kept, prunable, density, densities)


@pytest.mark.parametrize(
    ("left", "right", "distance", "overlap"),
    [
        ([1, 1, 0, 0], [1, 1, 0, 0], 0.0, 1.0),
        ([1, 1, 0, 0], [0, 0, 1, 1], 1.0, 0.0),
        ([1, 1, 0, 0], [1, 0, 1, 0], 0.5, 1 / 3),
        ([1, 1, 1, 1], [1, 0, 0, 0], 0.75, 0.25),
        ([0, 0, 0, 0], [0, 0, 0, 0], 0.0, 1.0),
    ],
)
def test_distance_counts_disagreements_and_overlap_shared_survivors(left, right, distance, overlap):
    left, right = Mask({"w": left}), Mask({"w": right})
    assert left.distance(right) == right.distance(left) == distance
    assert left.overlap(right) == right.overlap(left) == pytest.approx(overlap)


@LIGHT
@given(mask=masks, rng=numbers)
def test_apply_zeroes_the_pruned_and_keeps_every_other_bit(mask, rng):
    weights = theta(mask, rng)
    masked = mask.apply(weights)
    for name, array in mask.items():
        assert np.array_equal(masked[name][array], weights[name][array])
        assert not masked[name][~array].any()
    assert np.array_equal(masked["bias"], weights["bias"])
    assert list(masked) == list(weights)
    assert mask.apply(masked).digest() == masked.digest(), "applying a mask twice changes nothing"


@LIGHT
@given(mask=masks, rng=numbers)
def test_shuffled_keeps_the_count_of_every_layer(mask, rng):
    shuffled = mask.shuffled(rng)
    assert {name: array.shape for name, array in shuffled.items()} == {
        name: array.shape for name, array in mask.items()
    }
    assert shuffled.densities == mask.densities


def test_shuffled_forgets_the_places_and_depends_on_the_stream_alone():
    mask = Mask({"w": np.arange(400).reshape(20, 20) < 100})
    shuffled = mask.shuffled(np.random.default_rng(1))
    assert shuffled["w"][5:].sum() > 40, "three quarters of the places lie outside the first rows"
    assert shuffled == mask.shuffled(np.random.default_rng(1))
    assert shuffled != mask.shuffled(np.random.default_rng(2))


@pytest.mark.parametrize(
    ("inner", "outer", "within"),
    [([1, 0, 0], [1, 1, 0], True), ([1, 1, 0], [1, 0, 1], False), ([0, 0, 0], [0, 0, 0], True)],
)
def test_within_means_that_nothing_pruned_came_back(inner, outer, within):
    assert Mask({"w": inner}).within(Mask({"w": outer})) is within


def test_the_dense_mask_keeps_all_of_the_prunable_names_only():
    dense = Mask.dense(Weights({"a/kernel": np.zeros((2, 3)), "a/bias": np.zeros(3)}), ("a/kernel",))
    assert dense == Mask({"a/kernel": np.ones((2, 3))})


@pytest.mark.parametrize("kind", [Weights, Mask])
def test_arrays_are_copied_on_the_way_in_and_read_only_from_then_on(kind):
    source = np.ones((2, 2), kind.dtype)
    value = kind({"w": source})
    source[0, 0] = 0
    assert value["w"][0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        value["w"][0, 0] = 0
    with pytest.raises(TypeError, match="does not support item assignment"):
        value["w"] = source


def test_values_take_their_one_type_whatever_comes_in():
    assert Weights({"w": np.array([1.0, 2.0], np.float64)})["w"].dtype == np.float32
    assert Mask({"w": [1.0, 0.0]})["w"].tolist() == [True, False]
    assert Mask({"w": np.array([1, 0], np.uint8)})["w"].dtype == np.bool_


@pytest.mark.parametrize(
    "values",
    [[2, 0], [0.3, 1.0], [np.nan, 1.0], [-1, 1], ["", "x"], ["True"], [None], [object()], [1j], [b"1"], [np.inf]],
    ids=lambda values: "an object" if type(values[0]) is object else repr(values),  # its address differs by process
)
def test_what_is_no_yes_or_no_is_no_mask(values):
    with pytest.raises(ValueError, match="'w' must hold True and False, or 1 and 0"):
        Mask({"v": [True], "w": values})


def test_equality_is_by_names_order_and_values():
    weights = Weights({"a": [1.0], "b": [2.0]})
    assert weights == Weights({"a": [1.0], "b": [2.0]})
    assert weights != Weights({"b": [2.0], "a": [1.0]})
    assert weights != Weights({"a": [1.0], "b": [2.5]})
    assert weights != Weights({"a": [1.0]})
    assert Mask({"a": [True]}) != Weights({"a": [1.0]})
    with pytest.raises(TypeError, match="unhashable"):
        hash(weights)


@pytest.mark.parametrize(
    "other",
    [{"v": [1.0, 2.0]}, {"w": [[1.0, 2.0]]}, {"w": [1.0, np.nextafter(np.float32(2), 3)]}, {"w": [1.0]}],
    ids=["another name", "another shape", "another last bit", "less"],
)
def test_the_digest_tells_any_difference(other):
    weights = Weights({"w": [1.0, 2.0]})
    assert weights.digest() == Weights({"w": np.array([1.0, 2.0])}).digest()
    assert weights.digest() != Weights(other).digest()


@pytest.mark.parametrize(
    ("value", "finite"), [(0.0, True), (3e38, True), (np.nan, False), (np.inf, False), (-np.inf, False)]
)
def test_finite_finds_a_single_bad_value(value, finite):
    assert Weights({"a": [1.0, 2.0], "b": [0.0, value]}).finite() is finite


def test_a_missing_name_is_told_with_the_names_there_are():
    with pytest.raises(KeyError, match="no array named 'c'; there are a, b"):
        Weights({"a": [1.0], "b": [1.0]})["c"]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"v": [1.0, 2.0]}, "the mask names 'w', which is not among v"),
        ({"w": [1.0, 2.0, 3.0]}, r"'w' has shape \(2,\) in the mask but \(3,\)"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(weights, message):
    mask = Mask({"w": [True, False]})
    with pytest.raises(ValueError, match=message):
        mask.apply(Weights(weights))
    for compare in (mask.within, mask.distance, mask.overlap):
        with pytest.raises(ValueError, match=message):
            compare(Mask({name: np.ones(len(array)) for name, array in weights.items()}))


@LIGHT
@given(mask=masks)
def test_a_mask_comes_back_from_its_file(tmp_path_factory, mask):
    path = tmp_path_factory.mktemp("masks") / "folder" / "mask.npz"
    mask.save(path)
    assert Mask.load(path) == Mask.load(str(path)) == mask


def test_a_file_of_a_mask_takes_one_bit_a_weight(tmp_path):
    mask = Mask({"a/kernel": np.random.default_rng(0).random((300, 784)) < 0.5, "b/kernel": np.eye(3)})
    mask.save(tmp_path / "mask")
    assert Mask.load(tmp_path / "mask").digest() == mask.digest()
    assert (tmp_path / "mask").stat().st_size < 1.05 * mask.prunable / 8
    assert [path.name for path in tmp_path.iterdir()] == ["mask"]


def test_what_is_no_file_of_a_mask_is_refused_by_name(tmp_path):
    path = tmp_path / "mask.npz"
    with pytest.raises(FileNotFoundError, match=r"mask\.npz"):
        Mask.load(path)
    Mask({"w": np.arange(1000) % 3 == 0}).save(path)
    sound = path.read_bytes()
    with path.open("rb") as file, np.load(file) as arrays:
        swapped = dict(arrays) | {"bits": np.zeros(125, np.uint8)}
    damaged = [b"", b"no archive", sound[:-20], sound[: len(sound) // 2]]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"mask\.npz cannot be read as a mask: .*Only what Mask\.save wrote"):
            Mask.load(path)
    np.savez(path, **swapped)
    with pytest.raises(ValueError, match=r"mask\.npz cannot be read .* its content does not match its checksum"):
        Mask.load(path)
    for arrays in ({"w": np.ones(3)}, {"about": np.frombuffer(b'{"format": "lthcore mask 9"}', np.uint8)}):
        array_files.write(path, arrays)
        with pytest.raises(ValueError, match=r"mask\.npz cannot be read as a mask"):
            Mask.load(path)


def test_the_printed_form_shows_the_density_of_a_mask():
    assert repr(Mask({"a/kernel": np.eye(4), "b/kernel": [1, 1]})) == "Mask(density 0.3333; a/kernel 4×4, b/kernel 2)"
    assert repr(Mask({})) == "Mask()"


def test_the_printed_form_shows_names_and_shapes():
    assert repr(Weights({"a/kernel": np.zeros((2, 3)), "a/bias": np.zeros(3)})) == "Weights(a/kernel 2×3, a/bias 3)"
