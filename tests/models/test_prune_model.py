"""A trained model is pruned in one call: exact counts, the largest stay, what is excluded stays whole."""

from __future__ import annotations

import numpy as np
import pytest
from small_models import everything, small_model

import lthcore as lth
from lthcore.models import variables

SIZES = {"hidden/kernel": 64 * 12, "output/kernel": 12 * 10}


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.mark.parametrize(
    ("density", "scope", "exclude", "kept"),
    [
        (1.0, "global", (), {"hidden/kernel": 768, "output/kernel": 120}),
        (0.1, "layerwise", (), {"hidden/kernel": 77, "output/kernel": 12}),
        (0.1, "layerwise", ("output",), {"hidden/kernel": 77, "output/kernel": 120}),
        (0.05, "global", ("output",), {"hidden/kernel": 38, "output/kernel": 120}),
        (0.05, "global", ("output/kernel",), {"hidden/kernel": 38, "output/kernel": 120}),
        (0.05, "global", ("hidden",), {"hidden/kernel": 768, "output/kernel": 6}),
        (1e-9, "layerwise", (), {"hidden/kernel": 1, "output/kernel": 1}),
        (1e-9, "global", (), {"hidden/kernel": 1, "output/kernel": 1}),
    ],
)
def test_so_many_weights_of_each_layer_are_kept(model, density, scope, exclude, kept):
    mask = lth.prune_model(model, density, scope=scope, exclude=exclude)
    assert {name: int(array.sum()) for name, array in mask.items()} == kept


@pytest.mark.parametrize("density", [0.5, 0.05, 0.01, 1.0])
def test_all_layers_compete_for_one_budget_and_the_largest_win(model, density):
    mask, theta = lth.prune_model(model, density), variables.read(model)
    assert list(mask) == list(SIZES)
    assert mask.kept == round(density * 888)
    largest = {name: np.abs(theta[name]).max() for name in mask}  # one weight a layer stays in any case
    rest = {name: np.where(np.abs(theta[name]) == largest[name], np.nan, np.abs(theta[name])) for name in mask}
    kept = np.concatenate([rest[name][mask[name]] for name in mask])
    gone = np.concatenate([rest[name][~mask[name]] for name in mask])
    assert density == 1 or np.nanmin(kept) >= gone.max()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"density": 0}, r"a density must lie in \(0, 1\], got 0"),
        ({"density": 5}, r"a density must lie in \(0, 1\], got 5"),
        ({"density": True}, "a density must lie"),
        ({"density": float("nan")}, "a density must lie"),
        ({"density": 0.5, "scope": "local"}, "unknown scope 'local'; known are layerwise, global"),
        ({"density": 0.5, "exclude": ("out",)}, "no prunable layer 'out' to exclude; it has hidden, output"),
        ({"density": 0.5, "exclude": ("output/bias",)}, "no prunable layer 'output/bias'"),
        ({"density": 0.5, "exclude": "output"}, r"exclude=\('output',\)"),
        ({"density": 0.5, "exclude": ("output", "hidden")}, "nothing is left to prune"),
        ({"density": 0.5, "embeddings": True}, "has no trained embedding to prune"),
    ],
)
def test_what_cannot_be_is_refused(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        lth.prune_model(model, **arguments)


def test_a_model_under_its_mask_has_zeros_there_and_nothing_else_changed():
    model = everything()
    before = variables.read(model)
    mask = lth.prune_model(model, 0.2)
    theta = lth.apply(mask, model)
    assert theta == variables.read(model) == mask.apply(before)
    assert theta["norm/moving_variance"].tolist() == before["norm/moving_variance"].tolist()
    assert lth.prune_model(model, 0.2) == mask, "what is zero is pruned again"


def test_a_mask_of_another_model_changes_nothing(model):
    before = variables.read(model)
    with pytest.raises(ValueError, match="the mask names 'conv/kernel'"):
        lth.apply(lth.prune_model(everything(), 0.5), model)
    assert variables.read(model) == before
