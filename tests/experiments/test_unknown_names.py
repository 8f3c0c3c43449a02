"""Records whose names this process does not know: read, shown, labelled, framed, and never computed."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from records import RECORD

from lthcore.analysis import frames, measure
from lthcore.experiments import trials
from lthcore.experiments.descriptions import from_dict, to_dict
from lthcore.experiments.executors import processes, schedule
from lthcore.experiments.experiment import Control, Experiment, FilterExperiment
from lthcore.experiments.presets.mnist import LENET
from lthcore.pruning import criteria
from lthcore.pruning.config import PruneConfig
from lthcore.training import schedules


def backwards(evidence):
    return {name: -abs(evidence.initial[name]) for name in evidence.mask}


@pytest.fixture(params=["final", "initial"])
def stored(request, store):
    """A record by a criterion that was registered when it was written and is not any more."""
    criteria.register(backwards, name="backwards", reads=request.param)
    schedules.register(lambda config: config.learning_rate, name="zigzag")
    prune, train = replace(LENET.prune, criterion="backwards"), replace(LENET.train, schedule="zigzag")
    experiment = replace(LENET, dataset="flowers", model="garden", prune=prune, train=train)
    record = replace(RECORD, experiment=experiment, pruned=None)
    store.save(record)
    was = record.experiment
    about = (was.identity, was.label, was.rounds, was.scored_step, was.search_steps(3), was.is_chain)
    criteria.CRITERIA.remove("backwards")
    schedules.SCHEDULES.remove("zigzag")
    return store, about


def test_it_is_read_with_all_that_it_was(stored):
    store, about = stored
    (record,) = store.records()
    found = record.experiment
    assert found.prune.scored_by.missing
    assert about == (
        *(found.identity, found.label, found.rounds, found.scored_step),
        *(found.search_steps(3), found.is_chain),
    )
    assert from_dict(json.loads(json.dumps(to_dict(found)))) == found
    assert store.load(found, record.trial, record.round) == record
    assert store.find("flowers", record.trial, record.round) == record


def test_it_stands_in_a_frame_beside_the_others(stored):
    store, _ = stored
    store.save(RECORD)
    table = frames.frame(store.records())
    assert set(table["criterion"]) == {"backwards", "large_final"}
    assert table["label"].str.contains("flowers · garden · backwards").sum() == 1
    assert len(frames.overview(table)) == 2


def test_to_compute_by_it_is_refused_with_what_to_do(stored):
    store, _ = stored
    (record,) = store.records()
    message = (
        "does not know the data set 'flowers' and the model 'garden' and the learning-rate schedule 'zigzag' and the "
        "criterion 'backwards' .*--import MODULE"
    )
    with ThreadPoolExecutor(1) as executor:
        for compute in (
            lambda: list(schedule.run([record.experiment], store, executor)),
            lambda: list(schedule.run([Control(of=record.experiment)], store, executor)),
            lambda: trials.complete(record.experiment, 0, store),
            lambda: trials.recompute(record, store),
        ):
            with pytest.raises(ValueError, match=message):
                compute()


@pytest.mark.parametrize(
    ("experiment", "kind", "name"),
    [
        (FilterExperiment(model="garden"), "filters", "model 'garden'"),
        (Experiment(dataset="flowers"), "anatomy", "data set 'flowers'"),
    ],
)
def test_to_measure_it_is_refused_as_well(experiment, kind, name):
    with pytest.raises(ValueError, match=rf"does not know the {name} of {experiment.identity}"):
        measure.check(kind, experiment)


def test_the_package_s_own_criteria_are_written_as_they_always_were():
    assert "criterion_reads" not in to_dict(LENET)["prune"]
    with_value = replace(LENET, prune=PruneConfig(criterion=criteria.unknown("backwards", reads="nothing")))
    assert to_dict(with_value)["prune"]["criterion_reads"] == "nothing"


def test_a_process_of_the_pool_knows_what_it_is_told_to_import(tmp_path, monkeypatch):
    (tmp_path / "garden.py").write_text("import lthcore.pruning.criteria as c\nc.register(len, name='roses')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with processes.process_pool(1, ["garden"]) as pool:
        assert pool.submit(_knows, "roses").result()
    assert not _knows("roses")


def _knows(name: str) -> bool:
    return name in criteria.CRITERIA
