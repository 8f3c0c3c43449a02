"""Criteria: what each of them keeps, as a table; and the one word on which the main result hangs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from probes import FakeProbe

from lthcore.lottery import find_tickets
from lthcore.pruning import criteria
from lthcore.pruning.config import PruneConfig
from lthcore.pruning.criteria import CRITERIA, Evidence
from lthcore.pruning.mask import Mask
from lthcore.pruning.seeds import Seeds
from lthcore.pruning.weights import Weights
from lthcore.training.run import COLUMNS, History, Run

# Binary fractions, so that every score is exact.
INITIAL = [+1.0, -2.0, +0.5, -0.5, 0.0]
FINAL = [-1.5, -0.5, +0.5, +0.5, 0.0]

SCORES = {
    "large_final": [1.5, 0.5, 0.5, 0.5, 0.0],
    "small_final": [-1.5, -0.5, -0.5, -0.5, 0.0],
    "large_init": [1.0, 2.0, 0.5, 0.5, 0.0],
    "magnitude_increase": [0.5, -1.5, 0.0, 0.0, 0.0],
    "movement": [2.5, 1.5, 0.0, 1.0, 0.0],
}


def evidence(initial=INITIAL, final=FINAL, seed: int = 0) -> Evidence:
    return Evidence(
        mask=Mask({"w": [[True, True, True, True, False]]}),
        initial=Weights({"w": [initial], "bias": [1.0]}),
        final=Weights({"w": [final], "bias": [2.0]}),
        varying=np.array([True]),
        rng=np.random.default_rng(seed),
        probe=FakeProbe(),
    )


@pytest.mark.parametrize(("name", "expected"), SCORES.items(), ids=SCORES)
def test_scores(name, expected):
    scores = CRITERIA[name](evidence())
    assert list(scores) == ["w"], "only prunable names are scored"
    assert scores["w"].tolist() == [expected]


def test_the_table_of_scores_is_complete():
    assert set(CRITERIA) == {*SCORES, "inert_first", "random", "snip", "grasp", "synflow"}


def test_random_scores_come_from_the_given_stream_and_nothing_else():
    random = CRITERIA["random"]
    assert random(evidence())["w"].tolist() == random(evidence(initial=FINAL, final=INITIAL))["w"].tolist()
    assert random(evidence())["w"].tolist() != random(evidence(seed=1))["w"].tolist()
    assert random(evidence())["w"].shape == (1, 5)


@pytest.mark.parametrize("name", CRITERIA)
def test_criteria_said_to_need_no_training_never_look_at_trained_weights(name):
    trained, otherwise = (CRITERIA[name](evidence(final=final))["w"] for final in (FINAL, [9.0, 8.0, 7.0, 6.0, 0.0]))
    assert np.array_equal(trained, otherwise) is CRITERIA[name].untrained


class ReversingTrainer:
    """Training that turns the ranking upside down: what starts largest ends smallest."""

    prunable = ("w",)
    varying = np.array([True])
    probe = None

    def fresh(self, rng):
        return Weights({"w": [1.0, -2.0, 3.0, -4.0]})

    def train(self, ticket, *, order, keep=(), stop=None):
        final = Weights({"w": [4.0, 3.0, -2.0, -1.0]})
        history = History({name: np.array([1.0]) for name in COLUMNS})
        return Run(
            history=history,
            final=final,
            best=ticket.weights,
            snapshots={0: ticket.weights},
            test={},
            seconds=0.0,
        )


def test_mask_uses_final_not_initial_weights():
    config = PruneConfig(rounds=0, rate=0.5)
    (found,) = find_tickets(ReversingTrainer(), config, Seeds(0))
    assert found.pruned["w"].tolist() == [True, True, False, False], "the two that training left large survive"

    by_initial = PruneConfig(rounds=0, rate=0.5, criterion="large_init")
    (found,) = find_tickets(ReversingTrainer(), by_initial, Seeds(0))
    assert found.pruned["w"].tolist() == [False, False, True, True], "initial weights would keep the other two"


def test_inert_first_scores_magnitude_and_puts_inert_survivors_last():
    weights = Weights({"a": [[9.0, -9.0], [0.5, -1.0]], "b": [[2.0], [-3.0]]})
    mask = Mask({"a": [[True, True], [True, True]], "b": [[True], [False]]})
    given = Evidence(
        mask=mask, initial=weights, final=weights, varying=np.array([False, True]), rng=np.random.default_rng(0)
    )
    scores = CRITERIA["inert_first"](given)
    assert scores["a"].tolist() == [[-1.0, -1.0], [0.5, -1.0]]  # only input 1 varies, only unit 0 leads on
    assert scores["b"].tolist() == [[2.0], [-1.0]]


def upwards(evidence):
    """A criterion of somebody else's."""
    return {name: evidence.final[name] for name in evidence.mask}


@pytest.fixture
def registered():
    criteria.register(upwards, reads="initial")
    yield upwards
    CRITERIA.remove("upwards")


def test_a_function_goes_straight_into_a_configuration():
    config = PruneConfig(criterion=upwards)
    assert config.scored_by.name == config.method == "upwards"
    assert not config.scored_by.registered
    assert config.scored_by(evidence())["w"].tolist() == evidence().final["w"].tolist()
    assert config == PruneConfig(criterion=upwards) == replace(config)


def test_a_registered_criterion_is_kept_by_its_name(registered):
    for given in (registered, "upwards", CRITERIA["upwards"]):
        assert PruneConfig(criterion=given).criterion == "upwards"
    assert PruneConfig(criterion="upwards").scored_by.untrained
    assert criteria.upwards is registered


def test_own_criteria_of_the_package_may_be_given_as_functions():
    assert PruneConfig(criterion=criteria.movement) == PruneConfig(criterion="movement")


def test_names_are_taken_once(registered):
    with pytest.raises(ValueError, match="criterion 'upwards' is registered already"):
        criteria.register(registered)
    with pytest.raises(ValueError, match="'movement' is lthcore's own"):
        criteria.register(registered, name="movement", replace=True)


@pytest.mark.parametrize(
    ("criterion", "told"),
    [("magnitud", "unknown criterion 'magnitud'; known are .*large_final"), (3, "got 3"), (None, "got None")],
)
def test_what_is_no_criterion_is_refused(criterion, told):
    with pytest.raises(ValueError, match=told):
        PruneConfig(criterion=criterion)


def test_a_criterion_of_which_only_the_name_is_known_does_not_score():
    config = PruneConfig(criterion=criteria.unknown("theirs", reads="gradients"))
    assert config.scored_by.missing
    assert not config.trained_scores
    assert config.method == "theirs"
    with pytest.raises(ValueError, match=r"criterion 'theirs' is not known in this process.*--import MODULE"):
        config.scored_by(evidence())
