"""What shrinking makes of tickets, on the embedded digits."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from lthcore import models
from lthcore.analysis.measurements.shrunk import FORMS, compare
from lthcore.files import array_files
from lthcore.models import variables as keras_weights
from lthcore.pruning.mask import Mask
from lthcore.pruning.weights import Weights
from lthcore.shrinking import timing


@pytest.fixture(scope="module")
def tickets(digits):
    model = models.build("lenet_300_100", digits.input_shape, digits.classes)
    rng = np.random.default_rng(0)
    theta = keras_weights.fresh(model, rng)
    theta = Weights({name: rng.normal(size=array.shape, scale=0.3) for name, array in theta.items()})
    names = keras_weights.prunable(model)
    masks = [Mask({name: rng.random(theta[name].shape) < density for name in names}) for density in (0.05, 0.01)]
    return model, masks, [mask.apply(theta) for mask in masks]


@pytest.fixture(scope="module")
def values(tickets, digits):
    model, masks, trained = tickets
    return compare(model, digits, masks, trained)


def test_everything_is_there(values):
    assert array_files.unpacked(values["names"]) == ("inputs", "hidden_1", "hidden_2", "output")
    shapes = {name: array.shape for name, array in values.items() if name not in ("names", "lit")}
    per_form = dict.fromkeys(("parameters", "accuracy", "changed", "gap", "seconds"), (2, len(FORMS)))
    assert shapes == {"density": (2,), "units": (2, len(FORMS), 4), **per_form}


def test_shrinking_changes_no_prediction(values):
    assert values["changed"][:, 1].tolist() == [0, 0]
    assert values["gap"][:, 1].max() < 1e-5
    assert values["accuracy"][:, 0].tolist() == values["accuracy"][:, 1].tolist()


def test_each_form_is_smaller_than_the_one_before(values):
    for name in ("units", "parameters"):
        assert np.all(np.diff(values[name], axis=1) <= 0)
    assert values["units"][:, 0].tolist() == [[64, 300, 100, 10]] * 2
    assert np.all(values["parameters"][:, 2] < values["parameters"][:, 0])


def test_parameters_are_those_of_the_units(values):
    for units, parameters in zip(values["units"].reshape(-1, 4), values["parameters"].reshape(-1), strict=True):
        assert parameters == sum(before * after + after for before, after in pairwise(units))


def test_constant_inputs_are_those_of_the_training_examples(values, digits):
    varying = digits.train.x.min(axis=0) < digits.train.x.max(axis=0)
    assert values["units"][0, 2, 0] <= varying.sum()
    lit = np.any(digits.test.x[:, ~varying] != digits.train.x[0][~varying], axis=1)
    assert values["lit"] == lit.sum()
    # Elsewhere nothing is owed: only these examples may get another class.
    assert np.all(values["changed"][:, 2] <= lit.sum())


def test_inference_takes_turns_and_counts_every_example(digits):
    model = models.build("lenet_300_100", digits.input_shape, digits.classes)
    x = digits.test.x[:130]
    found = timing.outputs(model, x, batch=50)
    assert np.allclose(found, model(x, training=False).numpy(), atol=1e-6)
    assert timing.seconds([model, model], x, batch=50, repeats=3).shape == (2,)
    assert timing.seconds([model], x, batch=50, repeats=3)[0] > 0
