"""The search, with a trainer that is a few lines of NumPy: rounds, rewinding, resuming, diverging."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np
import pytest
from probes import FakeProbe

from lthcore.lottery import find_tickets
from lthcore.pruning.config import SCOPES, PruneConfig
from lthcore.pruning.criteria import CRITERIA
from lthcore.pruning.mask import Mask
from lthcore.pruning.seeds import Seeds
from lthcore.pruning.ticket import Ticket
from lthcore.pruning.weights import Weights
from lthcore.training.run import COLUMNS, DivergedError, History, Run

SMALL = {"hidden/kernel": (6, 5), "hidden/bias": (5,), "output/kernel": (5, 4), "output/bias": (4,)}
LENET = {"hidden_1/kernel": (784, 300), "hidden_2/kernel": (300, 100), "output/kernel": (100, 10)}


class FakeTrainer:
    """Training without a network: each step adds to the survivors what the data order says.

    Args:
        shapes: name → shape; names that end in kernel can be pruned.
        steps: length of a run.
        diverges: number of the training, counted from 0, that fails.
    """

    def __init__(self, shapes=SMALL, steps=4, diverges=None):
        self.shapes, self.steps, self.diverges = shapes, steps, diverges
        self.probe = FakeProbe()
        self.varying = np.ones(next(iter(shapes.values()))[0], np.bool_)
        self.prunable = tuple(name for name in shapes if name.endswith("kernel"))
        self.trained = []
        self.orders = []

    def fresh(self, rng):
        return Weights({name: rng.standard_normal(shape) for name, shape in self.shapes.items()})

    def train(self, ticket, *, order, keep=(), stop=None):
        if len(self.trained) == self.diverges:
            raise DivergedError("the training loss became nan between steps 2 and 3")
        self.trained.append(ticket)
        theta = ticket.weights
        snapshots = {ticket.at_step: theta} if ticket.at_step in keep else {}
        drawn = []
        for step in range(1, (stop or self.steps) + 1):  # the order of all steps, those before the ticket's too
            drawn.append(order.standard_normal())
            if step > ticket.at_step:
                noise = np.random.default_rng(int(abs(drawn[-1]) * 1e9))
                moved = {name: array + noise.standard_normal(array.shape) for name, array in theta.items()}
                theta = ticket.mask.apply(Weights(moved))
                if step in keep:
                    snapshots[step] = theta
        self.orders.append(drawn)
        history = History({name: np.array([1.0]) for name in COLUMNS})
        return Run(history=history, final=theta, best=theta, snapshots=snapshots, test={}, seconds=0.0)


def search(config: PruneConfig, trial: int = 0, **options):
    trainer = FakeTrainer(**options)
    return trainer, list(find_tickets(trainer, config, Seeds(trial)))


def facts(done):
    """All that a round consists of, in a form that can be compared to the last bit."""
    return (
        done.index,
        done.ticket.at_step,
        done.ticket.mask.digest(),
        done.ticket.weights.digest(),
        done.run.final.digest(),
        done.pruned.digest(),
    )


def test_round_0_is_dense_and_each_mask_is_the_next_rounds():
    trainer, rounds = search(PruneConfig(rounds=5))
    assert [done.index for done in rounds] == [0, 1, 2, 3, 4, 5]
    assert rounds[0].ticket.mask.density == 1.0
    for before, after in pairwise(rounds):
        assert after.ticket.mask == before.pruned
        assert before.pruned.within(before.ticket.mask)
        assert before.pruned.kept < before.ticket.mask.kept
    assert len(trainer.trained) == 6, "one training a round"


def test_densities_are_those_of_the_literature():
    config = PruneConfig(rounds=15, rate=0.2, layer_rates=(("output/kernel", 0.1),))
    _, rounds = search(config, shapes=LENET, steps=1)
    assert rounds[0].ticket.mask.prunable == 266_200
    # fmt: off
    assert [round(100 * done.ticket.mask.density, 2) for done in rounds] == [
        100, 80.04, 64.06, 51.28, 41.05, 32.87, 26.32, 21.07, 16.88, 13.52, 10.83, 8.68, 6.95, 5.57, 4.47, 3.58,
    ]
    # fmt: on


def test_survivors_get_their_initial_weights_back_exactly():
    trainer, rounds = search(PruneConfig(rounds=6))
    theta_0 = trainer.fresh(Seeds(0).init)
    for done in rounds:
        assert done.ticket.at_step == 0
        assert done.ticket.weights.digest() == done.ticket.mask.apply(theta_0).digest()
        for name in trainer.prunable:
            kept = done.ticket.mask[name]
            assert np.array_equal(done.ticket.weights[name][kept], theta_0[name][kept])
            assert not done.ticket.weights[name][~kept].any()
            assert not np.isin(done.run.final[name][kept], theta_0[name]).any(), "training moved them all"


def test_each_round_is_scored_by_its_own_evidence():
    seen = []

    def spying(evidence):
        seen.append(evidence)
        return CRITERIA["movement"](evidence)

    trainer, rounds = search(PruneConfig(rounds=3, rewind_step=2, criterion=spying))
    for done, evidence in zip(rounds, seen, strict=True):
        assert evidence.mask == done.ticket.mask
        assert evidence.initial == trainer.fresh(Seeds(0).init), "θ₀, whole, whatever the ticket starts from"
        assert evidence.final == done.run.final
        assert evidence.rng.random() == Seeds(0).score(done.index).random()


@pytest.mark.parametrize("k", [1, 3])
def test_with_a_rewind_step_survivors_get_the_weights_of_that_step_and_go_on_from_there(k):
    trainer, rounds = search(PruneConfig(rounds=3, rewind_step=k))
    theta_0 = trainer.fresh(Seeds(0).init)
    dense = Ticket.dense(theta_0, trainer.prunable)
    theta_k = FakeTrainer().train(dense, order=Seeds(0).order(0), keep=(k,)).snapshots[k]
    assert theta_k != theta_0
    assert rounds[0].ticket == dense, "round 0 starts at the beginning, and its path leads through θ_k"
    for done in rounds[1:]:
        assert done.ticket.at_step == k
        assert done.ticket.weights == done.ticket.mask.apply(theta_k)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("k", [0, 2])
@pytest.mark.parametrize("first", [0, 1, 2, 3, 4])
def test_a_search_resumed_at_any_round_equals_an_uninterrupted_one(first, k, criterion):
    config = PruneConfig(rounds=4, rewind_step=k, criterion=criterion)
    _, whole = search(config, trial=3)
    mask = whole[first].ticket.mask
    resumed = find_tickets(FakeTrainer(), config, Seeds(3), resume=(first, mask))
    assert [facts(done) for done in resumed] == [facts(done) for done in whole[first:]]


def test_the_data_order_of_a_round_depends_on_trial_and_round_alone():
    trainer, whole = search(PruneConfig(rounds=3))
    resumed = FakeTrainer()
    list(find_tickets(resumed, PruneConfig(rounds=3), Seeds(0), resume=(2, whole[2].ticket.mask)))
    assert resumed.orders == trainer.orders[2:]
    other, _ = search(PruneConfig(rounds=3), trial=1)
    orders = trainer.orders + other.orders
    assert len({tuple(order) for order in orders}) == 8, "every round of every trial sees its own"


def test_late_rewinding_resumes_from_round_0s_own_first_steps():
    config = PruneConfig(rounds=2, rewind_step=3)
    _, whole = search(config)
    resumed = FakeTrainer()
    (last,) = find_tickets(resumed, config, Seeds(0), resume=(2, whole[2].ticket.mask))
    three_steps = Seeds(0).order(0).standard_normal(3).tolist()
    assert resumed.orders[0] == three_steps, "three steps of round 0, no more, tell θ₃ again"
    assert len(resumed.orders) == 2
    assert last.ticket.weights == whole[2].ticket.weights


def test_a_search_resumed_after_its_last_round_does_nothing():
    trainer = FakeTrainer()
    mask = Mask({name: np.ones(SMALL[name]) for name in trainer.prunable})
    assert list(find_tickets(trainer, PruneConfig(rounds=2), Seeds(0), resume=(3, mask))) == []
    assert trainer.trained == []


def test_rounds_come_one_by_one_as_soon_as_they_are_done():
    trainer = FakeTrainer()
    rounds = find_tickets(trainer, PruneConfig(rounds=9), Seeds(0))
    assert trainer.trained == [], "nothing is trained before it is asked for"
    assert [done.index for done in islice(rounds, 2)] == [0, 1]
    assert len(trainer.trained) == 2, "nothing is trained ahead"


def test_trials_differ_and_repeat_themselves():
    (_, first), (_, again), (_, other) = (search(PruneConfig(rounds=2), trial=trial) for trial in (0, 0, 1))
    assert [facts(done) for done in first] == [facts(done) for done in again]
    assert all(left.run.final != right.run.final for left, right in zip(first, other, strict=True))


@pytest.mark.parametrize("failing", [0, 1, 3])
def test_a_diverged_run_stops_the_search_naming_trial_round_and_step(failing):
    rounds = find_tickets(FakeTrainer(diverges=failing), PruneConfig(rounds=4), Seeds(7))
    assert [done.index for done in islice(rounds, failing)] == list(range(failing)), "what was done stays done"
    message = rf"trial 7, round {failing}\b.*: the training loss became nan between steps 2 and 3"
    with pytest.raises(DivergedError, match=message):
        next(rounds)


def test_diverging_on_the_way_to_the_rewind_step_is_named_too():
    rounds = find_tickets(FakeTrainer(diverges=0), PruneConfig(rounds=4, rewind_step=2), Seeds(7))
    with pytest.raises(DivergedError, match=r"trial 7, round 0\b.*: the training loss became nan"):
        next(rounds)


def test_a_rate_for_an_unknown_layer_is_refused_before_anything_is_trained():
    trainer = FakeTrainer()
    config = PruneConfig(layer_rates=(("outptu/kernel", 0.1),))
    with pytest.raises(ValueError, match="unknown name in layer_rates 'outptu/kernel'; known are hidden/kernel, out"):
        next(find_tickets(trainer, config, Seeds(0)))
    assert trainer.trained == []


def test_layers_compete_only_under_global_scope():
    # Weights of the output layer start, and stay, a hundred times as far from zero.
    class Uneven(FakeTrainer):
        def fresh(self, rng):
            return Weights(
                {name: array * (100 if "output" in name else 1) for name, array in super().fresh(rng).items()}
            )

    kept = {}
    for scope in SCOPES:
        *_, last = find_tickets(Uneven(), PruneConfig(rounds=1, rate=0.4, scope=scope), Seeds(0))
        kept[scope] = {name: int(array.sum()) for name, array in last.ticket.mask.items()}
    assert kept["layerwise"] == {"hidden/kernel": 18, "output/kernel": 12}
    assert kept["global"]["output/kernel"] > 17
    assert sum(kept["global"].values()) == 30


def test_survivors_that_train_on_start_where_the_round_before_ended():
    _, rounds = search(PruneConfig(rounds=3, between="continue"))
    for before, after in pairwise(rounds):
        assert after.ticket.weights == before.pruned.apply(before.run.final)
        assert after.ticket.at_step == 0


def test_survivors_that_train_on_are_not_resumed_from_a_mask_alone():
    trainer = FakeTrainer()
    mask = Mask.dense(trainer.fresh(Seeds(0).init), trainer.prunable)
    with pytest.raises(ValueError, match="start at round 0"):
        next(find_tickets(trainer, PruneConfig(rounds=3, between="continue"), Seeds(0), resume=(1, mask)))


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (PruneConfig(criterion="random", budgets="erk"), "budgets and passes are for masks of untrained networks"),
        (PruneConfig(criterion="snip", passes=3), "budgets and passes are for masks of untrained networks"),
        (PruneConfig(embeddings=True), "embeddings=True needs a trainer that was made with it"),
    ],
)
def test_what_a_search_does_not_do_is_refused(config, told):
    with pytest.raises(ValueError, match=told):
        next(find_tickets(FakeTrainer(), config, Seeds(0)))
