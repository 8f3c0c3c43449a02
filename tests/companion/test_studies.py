"""Studies: complete or refused, at every scale, with their measurements and their cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from companion import studies
from companion.studies import ParameterError, Study

from lthcore.experiments import presets
from lthcore.experiments.presets.sizes import smoke
from lthcore.experiments.store import Store, StoreError
from lthcore.files import paths

PUBLISHED = {"short": ("mnist-short",)}


def test_unknown_scale_and_data_list_the_known_ones():
    with pytest.raises(ParameterError, match="known are short, smoke"):
        studies.load("large", published=PUBLISHED)
    with pytest.raises(ParameterError, match="known are auto, embedded, mnist, digits"):
        studies.load("smoke", published=PUBLISHED, data="letters")


def test_smoke_passes_side_by_side_keep_apart_and_out_of_the_results(monkeypatch):
    monkeypatch.setattr(studies, "_compute", lambda study: None)
    first, second = (studies.load("smoke", published=PUBLISHED, data="embedded")[0].store.root for _ in range(2))
    assert first != second
    assert not any(root.is_relative_to(paths.project_root()) for root in (first, second))


def test_the_published_study_is_complete():
    (study,) = studies.load("short", published=PUBLISHED)
    assert study.published
    assert len(study.frame()) == sum(len(e.networks) * e.trials for e in study.experiments)
    assert [mask.kept for mask in study.masks(3)] == [136_511] * 3


def test_a_missing_result_names_itself_and_the_command_that_computes_it(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "results", lambda: tmp_path)
    identity = presets.preset("mnist-short")[0].identity
    with pytest.raises(StoreError, match=rf"{identity}, trial 0, round 0(.|\n)*lthcore run mnist-short"):
        studies.load("short", published=PUBLISHED)


def test_a_missing_measurement_names_the_command_that_takes_it(tmp_path):
    study = Study("mnist-short", presets.MNIST_SHORT, Store(tmp_path), published=True)
    with pytest.raises(StoreError, match=r"no stored anatomy(.|\n)*lthcore measure anatomy mnist-short"):
        study.measured("anatomy")


def test_where_nothing_is_published_a_measurement_is_taken_and_then_read(tmp_path):
    experiments = smoke(presets.MNIST_SHORT[:1], "digits")
    study = Study("x", (replace(experiments[0], trials=1),), Store(tmp_path), published=False)
    (values,) = study.measured("anatomy")
    assert np.array_equal(values["varying"], study.measured("anatomy")[0]["varying"])
    assert len(study.records(study.tickets)) == 5


def test_costs_add_up_what_the_records_say():
    (study,) = studies.load("short", published=PUBLISHED)
    cost = studies.costs([study]).loc["mnist-short"]
    assert cost["networks"] == len(study.frame())
    assert cost["steps"] == 5_000 * cost["networks"]
    assert cost["hours"] >= study.frame()["seconds"].sum() / 3_600
