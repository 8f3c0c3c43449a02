"""Tickets found early: the prune step is what it says, and at 0 it is the initial weights that are scored."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from lthcore.analysis import frames
from lthcore.experiments import trainers, trials
from lthcore.experiments.executors import schedule
from lthcore.experiments.experiment import Control, Experiment
from lthcore.experiments.presets.mnist import LENET
from lthcore.lottery import find_tickets
from lthcore.pruning.config import PruneConfig
from lthcore.pruning.seeds import Seeds
from lthcore.training.config import TrainConfig

SMALL = Experiment(
    dataset="digits",
    train=TrainConfig(steps=60, batch_size=20, eval_every=20, test_every=20),
    prune=PruneConfig(rounds=3, rate=0.5, prune_step=10),
    trials=1,
    rungs=(1, 3),
)


def early(step: int | None, **changes: object) -> Experiment:
    return replace(SMALL, prune=replace(SMALL.prune, prune_step=step, **changes), rungs=())


def masks(experiment: Experiment, store) -> list:
    if experiment.search.is_chain:
        trials.complete(experiment.search, 0, store)
    mask_of = trials.masks(experiment.search, 0, store)
    return [mask_of(round) for round in (1, 2, 3)]


def test_early_prune_step_is_the_prune_step(store):
    """The code of 2020 compared the training epoch with the number of the round, so its prune step changed nothing."""
    found = {step: masks(early(step), store) for step in (0, 10, 40, None)}
    for step, others in found.items():
        for other in found.keys() - {step}:
            assert all(mine != theirs for mine, theirs in zip(others, found[other], strict=True))


def test_prune_step_0_gives_exactly_the_masks_by_initial_size(store):
    assert masks(early(0), store) == masks(early(None, criterion="large_init"), store)


def test_the_last_network_is_trained_in_full_and_all_before_it_to_the_prune_step(store):
    trainer = trainers.trainer_of(SMALL)
    rounds = list(find_tickets(trainer, SMALL.prune, Seeds(0)))
    assert [int(done.run.history["step"][-1]) for done in rounds] == [10, 10, 10, 60]


def test_the_search_and_the_stored_networks_agree(store):
    trials.complete(SMALL, 0, store)
    *_, last = find_tickets(trainers.trainer_of(SMALL), SMALL.prune, Seeds(0))
    stored = store.load(SMALL, 0, 3)
    assert stored.weights_sha256 == last.run.final.digest()
    assert stored.kept == {name: (int(array.sum()), array.size) for name, array in last.ticket.mask.items()}
    assert not store.has(SMALL, 0, 2), "only what was asked for is trained in full"


def test_oneshot_from_a_step_prunes_the_network_of_that_step(store):
    experiment = early(10, schedule="oneshot")
    trainer = trainers.trainer_of(experiment)
    theta = trainer.train(
        trials.Ticket.dense(trainer.fresh(Seeds(0).init), trainer.prunable), order=Seeds(0).order(0), stop=10
    ).final
    mask = masks(experiment, store)[0]
    kept, gone = (np.abs(theta["output/kernel"])[place] for place in (mask["output/kernel"], ~mask["output/kernel"]))
    assert kept.min() >= gone.max()


@pytest.mark.parametrize(
    ("experiment", "steps"),
    [
        (early(None), [0, 60, 120, 180]),
        (early(10), [0, 10, 20, 30]),
        (early(0), [0, 0, 0, 0]),
        (early(None, schedule="oneshot"), [0, 60, 60, 60]),
        (early(10, schedule="oneshot"), [0, 10, 10, 10]),
        (early(None, rewind_step=20), [0, 60, 100, 140]),
        (early(None, criterion="large_init"), [0, 0, 0, 0]),
        (Control(of=early(10), kind="reinit"), [0, 10, 20, 30]),
    ],
    ids=lambda value: value.prune.method if isinstance(value, (Experiment, Control)) else "",
)
def test_search_steps_count_all_that_was_trained_to_find_the_mask(experiment, steps):
    assert [experiment.search_steps(round) for round in range(4)] == steps


def test_the_frame_says_what_the_search_cost(store):
    with ThreadPoolExecutor(1) as executor:
        list(schedule.run([SMALL], store, executor))
    found = frames.results(store, [SMALL])
    assert found["method"].unique().tolist() == ["imp_early"]
    assert found[["round", "prune_step", "search_steps", "steps"]].to_numpy().tolist() == [
        [1, 10, 10, 60],
        [3, 10, 30, 60],
    ]


def test_the_same_search_serves_final_tickets_of_any_length():
    longer = replace(SMALL, train=replace(SMALL.train, steps=600))
    assert longer.search == replace(SMALL.search)
    assert longer.search.is_chain
    assert longer.identity != SMALL.identity


def test_a_search_can_score_the_weights_themselves_instead_of_their_average(store):
    options = (("use_ema", True), ("ema_momentum", 0.99))
    averaged = replace(SMALL, train=replace(SMALL.train, optimizer_options=options))
    raw = replace(averaged, prune=replace(averaged.prune, averaged=False))
    assert raw.search == replace(SMALL.search), "the search is that of the plain optimizer, and shares its records"
    assert raw.search != averaged.search
    assert masks(raw, store) == masks(SMALL, store)
    assert masks(raw, store)[-1] != masks(averaged, store)[-1]
    trials.complete(raw, 0, store)
    assert store.load(raw, 0, 3).experiment.prune.method == "imp_early_raw"
    with pytest.raises(ValueError, match="give it an optimizer without use_ema"):
        next(find_tickets(trainers.trainer_of(averaged), raw.prune, Seeds(0)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prune_step": -1}, "prune_step must be a whole number >= 0"),
        ({"prune_step": 2.5}, "prune_step must be a whole number >= 0"),
        ({"prune_step": 10, "criterion": "random"}, "looks at no trained weights: use prune_step=None"),
        ({"prune_step": 10, "between": "continue"}, "survivors that train on are never cut short"),
        ({"prune_step": 10, "rewind_step": 10}, r"rewind_step \(10\) must come before prune_step \(10\)"),
        ({"prune_step": None, "averaged": False}, "averaged=False is for an iterative search"),
        ({"prune_step": 10, "schedule": "oneshot", "averaged": False}, "averaged=False is for an iterative search"),
        ({"budgets": "erk"}, "budgets='erk' are for criteria that look at no trained weights"),
        ({"budgets": "uniform", "criterion": "snip", "scope": "global"}, "compared layer by layer"),
        ({"budgets": "equal"}, "unknown budgets 'equal'; known are schedule, uniform, erk"),
        ({"passes": 3}, "looks at trained weights: use passes=1"),
        ({"passes": 0, "criterion": "snip"}, "passes must be a whole number >= 1"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        PruneConfig(**changes)


def test_a_prune_step_at_the_end_of_training_is_refused():
    with pytest.raises(ValueError, match=r"prune_step \(50000\) must come before the end of training \(50000\)"):
        replace(LENET, prune=replace(LENET.prune, prune_step=50_000))


def test_a_search_that_trains_nothing_is_refused():
    with pytest.raises(ValueError, match=r"for masks of one network use lthcore\.pruning\.prune\.ladder"):
        next(find_tickets(None, PruneConfig(prune_step=0), Seeds(0)))
