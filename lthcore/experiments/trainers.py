"""The trainer that an experiment describes, compiled once per process and kept while the tasks are of one kind."""

from __future__ import annotations

from functools import cache, lru_cache

import keras

from lthcore import datasets, models
from lthcore.experiments.experiment import AnyExperiment, Control, Experiment
from lthcore.experiments.store import Store
from lthcore.pruning.config import PruneConfig
from lthcore.text.config import TextConfig
from lthcore.training.trainer import Trainer


def trainer_for(experiment: Experiment | Control, trial: int, store: Store, engine: str = "auto") -> Trainer:
    """The trainer of one trial, which takes the sparse engine where the first records of its search did.

    The break-even is fixed when a search begins, and stored with it: what follows obeys the record, on whatever
    machine. Records of the time before there was a sparse engine tell of none.

    Raises:
        ValueError: for ``engine="sparse"``, if that cannot train the model of a search that begins.
    """
    trainer = trainer_of(experiment)
    for source in (experiment.search, experiment):
        if first := first_stored(source, trial, store):
            recorded = store.load(source, trial, *first).machine.get("break_even", 0.0)
            assert isinstance(recorded, (int, float))
            return trainer.deciding_by(float(recorded))
    return trainer.by(engine)


def first_stored(experiment: Experiment | Control, trial: int, store: Store) -> tuple[int, int] | None:
    """The first network of a trial, as (round, draw), that has a record: the one that says how the others train."""
    return next((key for key in experiment.networks if store.has(experiment, trial, *key)), None)


def trainer_of(experiment: Experiment | Control) -> Trainer:
    """The trainer for an experiment, compiled once per process and kept while the tasks are of one kind."""
    # A trainer knows nothing of masks and controls, so experiments that differ in these alone share one.
    same = Experiment(
        dataset=experiment.dataset,
        model=experiment.model,
        model_options=experiment.model_options,
        text=experiment.text,
        train=experiment.train,
        prune=PruneConfig(embeddings=experiment.prune.embeddings),
    )
    return _trainer(same, datasets.DATASETS[experiment.dataset])


@lru_cache(maxsize=2)  # a search of networks that are pruned early trains otherwise than their tickets
def _trainer(experiment: Experiment, entry: datasets.Entry) -> Trainer:
    data = _dataset(experiment.dataset, experiment.text, entry)
    return Trainer(model_of(experiment, data), data, experiment.train, embeddings=experiment.prune.embeddings)


def model_of(experiment: AnyExperiment, data: datasets.Dataset) -> keras.Model:
    """The model an experiment names, for its data."""
    options = dict(experiment.model_options) | ({"table": data.table} if data.table else {})
    return models.build(experiment.model, data.input_shape, data.classes, **options)


@cache
def _dataset(name: str, text: TextConfig | None, entry: datasets.Entry) -> datasets.Dataset:
    """A data set, loaded once per process; again if another is registered under its name."""
    return datasets.load(name, text)
