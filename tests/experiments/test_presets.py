"""Presets: the paper's values, and the same path at any size."""

from __future__ import annotations

from dataclasses import replace

import pytest
from records import RECORD

from lthcore import datasets
from lthcore.experiments.experiment import Control, Experiment, FilterExperiment
from lthcore.experiments.presets import (
    MNIST_FILTERS,
    MNIST_PAPER,
    MNIST_SHORT,
    PRESETS,
    REUTERS_FILTERS,
    REUTERS_R10,
    REUTERS_R90,
    preset,
    price,
    register,
)
from lthcore.experiments.presets.mnist import LENET, with_controls
from lthcore.experiments.presets.reuters import EPOCHS
from lthcore.experiments.presets.sizes import adjusted, smoke
from lthcore.experiments.store import Store
from lthcore.files import paths


def test_the_published_experiment_is_trained_and_pruned_as_in_the_paper():
    assert (LENET.dataset, LENET.model, LENET.trials, LENET.control) == ("mnist", "lenet_300_100", 5, "rewind")
    train, prune = LENET.train, LENET.prune
    assert (train.optimizer, train.learning_rate, train.batch_size, train.steps) == ("adam", 1.2e-3, 60, 50_000)
    assert dict(train.optimizer_options) == {"epsilon": 1e-8}
    assert prune.rates(("hidden_1/kernel", "hidden_2/kernel", "output/kernel")) == {
        "hidden_1/kernel": 0.2,
        "hidden_2/kernel": 0.2,
        "output/kernel": 0.1,
    }
    assert (prune.method, prune.rewind_step) == ("imp", 0)


def test_nothing_shorter_than_the_paper_is_called_paper():
    assert {experiment.train.steps for experiment in MNIST_PAPER} == {50_000}
    assert {experiment.trials for experiment in MNIST_PAPER} == {5}
    assert {experiment.train.steps for experiment in MNIST_SHORT} == {5_000}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_starts_with_the_tickets_its_controls_read_their_masks_from(name):
    first, *others = preset(name)
    if isinstance(first, FilterExperiment):
        assert others == []
        return
    assert first.is_chain
    assert first.prune.method == "imp"
    for other in others:
        if not other.is_chain and other.text:
            assert other.model_options == first.model_options
        if not other.is_chain or other.text is None:
            assert (other.dataset, other.model) == (first.dataset, first.model)
            assert other.train in [experiment.train for experiment in preset(name) if experiment.is_chain]
        early = other.prune.prune_step is not None
        if not other.is_chain and other.prune.trained_scores and other.prune.schedule == "iterative" and not early:
            assert other.search.identity in [experiment.identity for experiment in preset(name)]
        assert max(other.rounds) <= max(first.prune.rounds, 1)


@pytest.mark.parametrize("name", PRESETS)
def test_no_two_experiments_of_a_preset_share_their_results(name):
    identities = [experiment.identity for experiment in preset(name)]
    assert len(set(identities)) == len(identities)


def test_with_controls_adds_the_two_controls_and_the_two_other_methods():
    assert [(experiment.control, experiment.prune.method) for experiment in with_controls(LENET)] == [
        ("rewind", "imp"),
        ("reinit", "imp"),
        ("shuffle", "imp"),
        ("rewind", "large_init"),
        ("rewind", "oneshot"),
    ]


def test_adjusted_to_nothing_is_the_same():
    assert adjusted(MNIST_PAPER) == MNIST_PAPER


def test_another_extent_is_the_same_experiment_and_another_length_is_not():
    for before, longer in zip(MNIST_SHORT, adjusted(MNIST_SHORT, trials=9, rounds=20), strict=True):
        assert (longer.trials, longer.prune.rounds) == (9, 20)
        assert longer.identity == before.identity
    for before, shorter in zip(MNIST_SHORT, adjusted(MNIST_SHORT, steps=700), strict=True):
        assert shorter.train.steps == 700
        assert shorter.identity != before.identity


def test_rungs_beyond_the_last_round_are_dropped():
    tickets, reinit, large_init = adjusted(MNIST_PAPER, rounds=12)
    assert tickets.rounds == tuple(range(13))
    assert (reinit.rounds, large_init.rounds) == ((3, 7, 9, 12), (7, 12))


def test_experiments_of_which_nothing_is_left_are_dropped():
    assert [experiment.control for experiment in adjusted(MNIST_PAPER, rounds=5)] == ["rewind", "reinit"]
    assert [experiment.rounds for experiment in adjusted(MNIST_PAPER, rounds=0)] == [(0,)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trials": 0}, "trials must be a whole number >= 1, got 0"),
        ({"steps": 0}, "steps must be a whole number >= 1, got 0"),
        ({"rounds": -1}, "rounds must be a whole number >= 0"),
    ],
)
def test_an_impossible_adjustment_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        adjusted(MNIST_PAPER[-1:], **changes)


@pytest.mark.parametrize("dataset", ["mnist", "digits"])
def test_smoke_is_the_same_path_in_seconds(dataset):
    small = smoke(MNIST_SHORT, dataset)
    assert [(one.control, one.prune.method) for one in small] == [
        (one.control, one.prune.method) for one in MNIST_SHORT
    ]
    for experiment in small:
        assert experiment.dataset == dataset
        assert (experiment.trials, experiment.prune.rounds) == (2, 4)
        assert experiment.train.steps <= 200
        assert experiment.train.optimizer_options == LENET.train.optimizer_options
    assert {one.identity for one in small}.isdisjoint(one.identity for one in MNIST_SHORT)


def test_smoke_reads_documents_too():
    for experiment in smoke(REUTERS_R90, "newswire"):
        assert (experiment.dataset, experiment.model_options) == ("newswire", REUTERS_R90[0].model_options)
        assert experiment.text.dimension < REUTERS_R90[0].text.dimension


def test_filters_are_removed_from_networks_trained_as_the_others_are():
    (images,), (documents,) = MNIST_FILTERS, REUTERS_FILTERS
    assert (images.model, images.train.steps, images.train.learning_rate) == ("lenet_5", 10_000, 1.2e-3)
    assert documents.train == REUTERS_R90[0].train
    for experiment, dataset in ((images, "digits"), (documents, "newswire")):
        assert (experiment.rounds, experiment.networks, experiment.trials) == ((), (), 3)
        (small,) = smoke((experiment,), dataset)
        assert small.filters.every * small.filters.removals < small.train.steps <= 200
        assert small.filters.rate == experiment.filters.rate


def test_a_document_is_seen_once_an_epoch_and_scored_after_each():
    for experiment in (REUTERS_R90[0], REUTERS_R10[0]):
        train = experiment.train
        assert train.steps == EPOCHS * train.eval_every == train.test_every
        assert train.stop_by == "validation_micro_f1"


def test_an_unknown_preset_is_told_with_the_known_ones():
    with pytest.raises(ValueError, match=f"unknown preset 'mnist-shrot'; known are {', '.join(PRESETS)}"):
        preset("mnist-shrot")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_says_what_it_computes_and_where_that_is_reported(name):
    found = preset(name)
    assert found.about.endswith(".")
    assert set(found.data) <= set(datasets.NAMES)
    assert ("smoke" in name) == (found.chapter == "")
    assert not found.chapter or (paths.project_root() / f"{found.chapter}.md").is_file()


def test_a_preset_of_ones_own_has_a_name_like_the_others():
    tickets = Experiment(dataset="digits", trials=1)
    mine = register("mine", [tickets, Control(of=tickets)], about="One of my own.", replace=True)
    try:
        assert preset("mine") is mine
        assert (list(mine), len(mine), mine[1], mine[:1]) == (
            [tickets, Control(of=tickets)],
            2,
            Control(of=tickets),
            (tickets,),
        )
        with pytest.raises(ValueError, match="preset 'mine' is registered already"):
            register("mine", [tickets], about="Another.")
    finally:
        PRESETS.remove("mine")
    with pytest.raises(ValueError, match="'mnist-short' is lthcore's own"):
        register("mnist-short", [tickets], about="Not the book's.", replace=True)


@pytest.mark.parametrize(
    ("experiments", "message"),
    [
        ([], "a preset holds experiments, at least one"),
        (["mnist"], "a preset holds experiments, .* got .'mnist'"),
        ([LENET, adjusted([LENET], trials=2)[0]], f"would share their results: {LENET.identity}"),
    ],
)
def test_a_preset_that_is_none_is_refused(experiments, message):
    with pytest.raises(ValueError, match=message):
        register("mine", experiments, about="x")
    assert "mine" not in PRESETS


def test_a_price_is_what_the_stored_networks_took_two_processes(store):
    tickets = adjusted([RECORD.experiment], trials=4, rounds=3)[0]
    assert price([tickets], store) is None
    for round, seconds in ((0, 60.0), (1, 120.0)):
        store.save(replace(RECORD, experiment=tickets, trial=0, round=round, seconds=seconds, compile_seconds=0.0))
    assert price([tickets], store) == pytest.approx(4 * 4 * 90 / 60 / 2), "four rounds of four trials at the mean"
    both = [tickets, Control(of=tickets, kind="reinit", rungs=(1, 2))]
    assert price(both, store) == pytest.approx(1.5 * price([tickets], store)), "what is not stored costs like the rest"


def test_the_price_of_an_early_search_counts_the_networks_that_are_only_scored(store):
    early = replace(LENET, trials=1, prune=replace(LENET.prune, prune_step=500), rungs=(2,))
    for experiment, rounds in ((early, (2,)), (early.search, (0, 1))):
        for round in rounds:
            store.save(replace(RECORD, experiment=experiment, trial=0, round=round, seconds=60.0, compile_seconds=0.0))
    assert price([early], store) == pytest.approx(1.5)


@pytest.mark.parametrize("name", ["mnist-short", "reuters-r90", "mnist-filters"])
def test_published_presets_have_a_price(name):
    assert 1 < price(preset(name), Store(paths.results())) < 24 * 60


def test_a_number_of_rounds_for_what_has_none_is_refused():
    with pytest.raises(ValueError, match="removes filters and has no rounds"):
        adjusted(MNIST_FILTERS, rounds=3)
