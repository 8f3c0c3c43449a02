"""Labels: what people read instead of a hash."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lthcore.experiments import labels, presets
from lthcore.experiments.experiment import Experiment
from lthcore.experiments.presets import MNIST_20K, MNIST_EARLY, MNIST_SHORT, MNIST_SNIP, PRESETS
from lthcore.experiments.presets.mnist import LENET
from lthcore.pruning.config import PruneConfig
from lthcore.training.config import TrainConfig


def plainly(label: str) -> str:
    return label.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("experiment", "label"),
    [
        (Experiment(), "mnist · LeNet-300-100 · tickets · 50 000 steps"),
        (MNIST_SHORT[1], "mnist · LeNet-300-100 · tickets · reinit · 5 000 steps"),
        (MNIST_EARLY[6], "mnist · LeNet-300-100 · tickets, pruned at step 2 500 · 50 000 steps"),
        (MNIST_20K[3], "mnist · LeNet-300-100 · tickets, rewound to step 500 · 20 000 steps"),
        (MNIST_20K[4], "mnist · LeNet-300-100 · tickets · trained on · 20 000 steps"),
        (
            MNIST_SNIP[1],
            "mnist · LeNet-300-100 l2 0.00025 · SNIP, compared globally, 95 % a round · "
            "10 000 steps, batches of 100, SGD, learning rate 0.1",
        ),
        (
            presets.preset("mnist-filters")[0],
            "mnist · LeNet-5 · 75 % of the filters removed at step 500 · 10 000 steps",
        ),
        (
            replace(LENET, prune=PruneConfig(criterion="magnitude_increase")),
            "mnist · LeNet-300-100 · magnitude increase · 50 000 steps",
        ),
    ],
)
def test_a_label_says_in_words_what_an_experiment_does(experiment, label):
    assert plainly(experiment.label) == label


def test_within_a_preset_a_label_says_what_differs():
    found = [plainly(label) for label in presets.labels("mnist-early").values()]
    assert found[:3] == [
        "mnist-early · tickets",
        "mnist-early · mask by initial size",
        "mnist-early · pruned at step 100",
    ]
    assert "mnist-early · pruned at step 2 500" in found
    assert "mnist-early · one-shot, pruned at step 2 500" in found


@pytest.mark.parametrize("name", PRESETS)
def test_no_two_experiments_of_a_preset_share_a_label(name):
    found = presets.labels(name)
    assert list(found) == [experiment.identity for experiment in presets.preset(name)]
    assert len(set(found.values())) == len(found)


def test_no_two_experiments_share_a_label_where_both_are_shown():
    every = [experiment for preset in PRESETS for experiment in presets.preset(preset)]
    found = labels.distinct(every)
    assert set(found) == {experiment.identity for experiment in every}
    assert len(set(found.values())) == len(found)
    alike = (LENET, replace(LENET, train=replace(LENET.train, eval_every=50)))
    assert [label.rpartition(" · ")[2] for label in labels.distinct(alike).values()] == [
        experiment.identity[-10:-4] for experiment in alike
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train": TrainConfig(eval_every=50)}, "eval every 50"),
        ({"train": TrainConfig(optimizer_options=(("epsilon", 1e-8),))}, "optimizer options epsilon 1e-08"),
        ({"prune": PruneConfig(layer_rates=(("output/kernel", 0.1),))}, "layer rates output/kernel 0.1"),
        ({"train": TrainConfig(optimizer="sgd", learning_rate=0.8)}, "SGD, learning rate 0.8"),
        ({"trials": 9}, ""),
    ],
)
def test_any_difference_has_words_and_extent_is_none(changes, words):
    assert labels.differences(Experiment(**changes), Experiment()) == words
    back = labels.differences(Experiment(), Experiment(**changes))
    assert (back == "") == (words == "")


def test_an_unknown_preset_has_no_labels():
    with pytest.raises(ValueError, match="unknown preset 'mnist'; known are mnist-short"):
        presets.labels("mnist")
