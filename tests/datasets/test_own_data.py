"""Arrays as Keras hands them out, taken the whole way: a data set, a name, an experiment, its records."""

from __future__ import annotations

import numpy as np
import pytest

from lthcore import datasets
from lthcore.datasets import Dataset
from lthcore.experiments import trainers, trials
from lthcore.experiments.experiment import Experiment
from lthcore.experiments.store import Store
from lthcore.pruning.config import PruneConfig
from lthcore.training.config import TrainConfig


@pytest.fixture
def blobs():
    """Images and labels of the types that `keras.datasets` has, and a name that is forgotten afterwards."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, (200, 1), np.uint8)
    x = (rng.integers(0, 40, (200, 6, 6, 1)) + 50 * y[:, None, None]).astype(np.uint8)
    yield x, y
    if "blobs" in datasets.DATASETS:
        datasets.DATASETS.remove("blobs")


def test_what_is_registered_in_place_of_a_data_set_is_what_is_trained_on(blobs):
    x, y = blobs
    experiment = Experiment(dataset="blobs", train=TrainConfig(steps=20, batch_size=20))
    for classes in (4, 5):
        data = Dataset.from_arrays(x / 255, y, classes=classes)
        datasets.register("blobs", lambda data=data: data, replace=True)
        assert trainers.trainer_of(experiment).data is data


def test_an_experiment_runs_on_a_registered_data_set_of_ones_own(blobs, store: Store):
    x, y = blobs
    datasets.register("blobs", lambda: Dataset.from_arrays(x / 255, y, name="blobs"), test_size=40)
    experiment = Experiment(
        dataset="blobs",
        train=TrainConfig(steps=60, batch_size=20, eval_every=20, test_every=20),
        prune=PruneConfig(rounds=1),
        trials=1,
    )
    trials.complete(experiment, 0, store)
    assert store.load(experiment, trial=0, round=1).test["accuracy"] > 0.5
