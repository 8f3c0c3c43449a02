"""Filter pruning against training from scratch: every network in every number."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lthcore import models
from lthcore.analysis import measure
from lthcore.analysis.filter_tables import NETWORKS
from lthcore.experiments.experiment import FilterExperiment
from lthcore.experiments.store import Store
from lthcore.files.array_files import unpacked
from lthcore.models import variables
from lthcore.pruning.seeds import Seeds
from lthcore.pruning.ticket import Ticket
from lthcore.shrinking import costs
from lthcore.shrinking.config import FilterConfig
from lthcore.training.config import TrainConfig
from lthcore.training.trainer import Trainer

TRAIN = TrainConfig(steps=40, eval_every=10, test_every=20)
TINY = FilterExperiment(
    dataset="digits",
    model="lenet_5",
    model_options=(("filters", (4, 6)), ("units", 20)),
    train=TRAIN,
    filters=FilterConfig(every=8, rate=0.5, removals=2),
    trials=1,
)


@pytest.fixture(scope="module")
def values(tmp_path_factory) -> dict[str, np.ndarray]:
    """As the command line takes them: measured, stored, read back."""
    store = Store(tmp_path_factory.mktemp("results"))
    with ThreadPoolExecutor(1) as executor:
        assert list(measure.run("filters", TINY, store, executor)) == [1]
    return store.load_measurement("filters", TINY, 0).values


def test_every_network_is_compared_in_every_number(values):
    assert unpacked(values["metrics"]) == ("loss", "accuracy")
    assert unpacked(values["layers"]) == ("conv_1", "conv_2", "hidden")
    ones = "steps test seconds compile_seconds parameters flops units inference_seconds history/step".split()
    for name in NETWORKS:
        for one in ones:
            assert np.all(np.asarray(values[f"{name}/{one}"]) >= 0), (name, one)
        assert values[f"{name}/history/step"][-1] == values[f"{name}/steps"]
        assert len(values[f"{name}/history/validation_accuracy"]) == len(values[f"{name}/history/step"])
        assert 0 < values[f"{name}/test"][1] <= 1
        assert values[f"{name}/parameters"].shape == (2,)
    assert values["pruned/history/step"][0] == values["pruned/early"][0] == 16
    assert values["pruned/seconds"] > values["pruned/early"][1]


def test_pruned_networks_are_smaller_and_scratch_has_their_shape(values):
    assert values["dense/units"].tolist() == [4, 6, 20]
    for what in ("units", "flops", "parameters"):
        assert np.all(values[f"pruned/{what}"] < values[f"dense/{what}"])
        for name in ("scratch_e", "scratch_b"):
            assert np.array_equal(values[f"{name}/{what}"], values[f"pruned/{what}"])
    dense = models.build("lenet_5", (8, 8, 1), 10, filters=(4, 6), units=20)
    assert values["dense/flops"] == costs.flops(dense)


def test_scratch_b_has_the_operations_of_the_dense_network_and_scratch_e_its_steps(values):
    assert values["scratch_e/steps"] == values["dense/steps"] == 40
    spent = [int(values[f"{name}/steps"]) * int(values[f"{name}/flops"]) for name in ("dense", "scratch_b")]
    assert spent[1] == pytest.approx(spent[0], rel=0.02)
    assert len(values["scratch_b/history/step"]) <= len(values["dense/history/step"]) + 1


def test_the_dense_network_is_that_of_a_plain_training(values, digits):
    model = models.build("lenet_5", digits.input_shape, digits.classes, filters=(4, 6), units=20)
    theta = variables.fresh(model, Seeds(0).init)
    trainer = Trainer(model, digits, TRAIN)
    run = trainer.train(Ticket.dense(theta, trainer.prunable), order=Seeds(0).order(0))
    np.testing.assert_allclose(values["dense/test"], list(run.test.values()), atol=1e-6)
