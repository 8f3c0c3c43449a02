"""Which survivors are inert: by hand, by brute force over all paths, and by what the network computes."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lthcore.pruning.connectivity import effective
from lthcore.pruning.mask import Mask

SHAPES = {"a": (4, 3), "b": (3, 3), "c": (3, 2)}


@st.composite
def masks(draw) -> tuple[Mask, np.ndarray]:
    """Three small layers and which inputs vary."""
    bits = {name: draw(st.lists(st.booleans(), min_size=i * o, max_size=i * o)) for name, (i, o) in SHAPES.items()}
    varying = np.array(draw(st.lists(st.booleans(), min_size=4, max_size=4)))
    return Mask({name: np.reshape(bits[name], shape) for name, shape in SHAPES.items()}), varying


def on_some_path(mask: Mask, varying: np.ndarray) -> Mask:
    """The same by walking every path there could be."""
    found = {name: np.zeros(shape, np.bool_) for name, shape in SHAPES.items()}
    for i, j, k, o in product(range(4), range(3), range(3), range(2)):
        if varying[i] and mask["a"][i, j] and mask["b"][j, k] and mask["c"][k, o]:
            found["a"][i, j] = found["b"][j, k] = found["c"][k, o] = True
    return Mask(found)


@given(masks())
def test_effective_survivors_are_those_on_a_path(drawn):
    mask, varying = drawn
    assert effective(mask, varying) == on_some_path(mask, varying)


@given(masks(), st.integers(0, 2**31))
def test_inert_weights_do_not_change_how_outputs_differ_between_examples(drawn, seed):
    mask, varying = drawn
    rng = np.random.default_rng(seed)
    x = np.where(varying, rng.standard_normal((5, 4)), 0.0)  # an input that never varies, at zero as in MNIST
    weights = {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}

    def outputs(kept: Mask) -> np.ndarray:
        hidden = x
        for name in SHAPES:
            hidden = np.maximum(hidden @ (weights[name] * kept[name]), 0)
        return hidden

    assert np.allclose(outputs(mask), outputs(effective(mask, varying)))


def test_a_dense_network_on_varying_inputs_is_all_effective():
    dense = Mask({name: np.ones(shape, np.bool_) for name, shape in SHAPES.items()})
    assert effective(dense, np.ones((2, 2))) == dense
    assert effective(dense, np.array([True, True, True, False])).densities["a"] == 0.75


def test_layers_that_do_not_follow_one_another_are_refused():
    with pytest.raises(ValueError, match=r"'b' has shape \(2, 1\), but \(3, outputs\) would follow"):
        effective(Mask({"a": np.ones((4, 3)), "b": np.ones((2, 1))}), np.ones(4))
    with pytest.raises(ValueError, match="consecutive dense layers only"):
        effective(Mask({"filters": np.ones((3, 3, 1, 4))}), np.ones(9))
