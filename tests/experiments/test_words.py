"""The words a configuration may use and the registries that give them meaning say the same."""

from __future__ import annotations

import keras
import pytest

from lthcore import datasets, models
from lthcore.datasets.corpora import corpus, newswire
from lthcore.experiments.experiment import Experiment, FilterExperiment
from lthcore.experiments.presets import PRESETS
from lthcore.text.config import BODILESS, DOCUMENTS, TextConfig
from lthcore.training import compatibility, optimizers
from lthcore.training.config import LOSSES, TrainConfig


def test_every_loss_of_the_vocabulary_has_a_class():
    for name in LOSSES:
        loss = compatibility.loss(TrainConfig(loss=name), head="linear")
        assert isinstance(loss, keras.Loss)
        assert loss.get_config()["from_logits"] is True


def test_the_defaults_are_words_there_are():
    experiment = Experiment()
    assert experiment.dataset in datasets.DATASETS
    assert experiment.model in models.MODELS
    assert isinstance(optimizers.build(experiment.train), keras.Optimizer)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_uses_words_there_are(name):
    for experiment in PRESETS[name]:
        assert experiment.dataset in datasets.NAMES
        assert experiment.model in models.MODELS
        assert (experiment.text is not None) == (experiment.dataset in datasets.TEXTS)


@pytest.mark.parametrize(("name", "shape"), [("mnist", (28, 28, 1)), ("digits", (8, 8, 1))])
def test_every_model_prunes_the_layers_that_the_presets_name(name, shape):
    for experiments in PRESETS.values():
        for experiment in experiments:
            if experiment.dataset == name and not isinstance(experiment, FilterExperiment):
                model = models.build(experiment.model, shape, 10)
                kernels = tuple(variable.path for variable in model.trainable_variables if variable.name == "kernel")
                assert set(dict(experiment.prune.layer_rates)) <= set(experiment.prune.rates(kernels))


def test_every_data_set_tells_its_number_of_test_examples():
    assert all(entry.test_size for entry in datasets.DATASETS.values())
    assert set(datasets.SOURCES) - set(datasets.NAMES) == {"reuters"}, "a corpus, which several data sets are made of"


def test_choices_about_documents_are_the_words_of_the_modules_that_act_on_them():
    for word in DOCUMENTS:
        assert corpus.group(newswire.load_corpus(), "all", documents=word)
    for word in BODILESS:
        assert corpus.group(newswire.load_corpus(), "all", bodiless=word)


@pytest.mark.parametrize("name", datasets.TEXTS)
def test_the_documents_a_result_is_reported_on_are_as_many_as_it_says(name):
    if not datasets.available(name):
        pytest.skip(f"{name} is not on this machine; LTH_DATA tells where it is")
    data = datasets.load(name, TextConfig(dimension=2, epochs=1, min_count=200))
    assert len(data.test) == datasets.test_size(name)
