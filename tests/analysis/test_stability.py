"""Stability: distances and lines by hand, and the comparison with a trainer of a few lines."""

from __future__ import annotations

import numpy as np
import pytest

from lthcore.analysis.measurements.stability import ALPHAS, barrier, compare, distance, interpolate
from lthcore.pruning.mask import Mask
from lthcore.pruning.ticket import Ticket, rewind
from lthcore.pruning.weights import Weights
from lthcore.training.run import COLUMNS, History, Run


def test_distance_counts_survivors_only():
    left, right = Weights({"w": [1.0, 5.0, 2.0], "bias": [7.0]}), Weights({"w": [1.0, 1.0, 5.0], "bias": [0.0]})
    assert distance(left, right, Mask({"w": [True, True, True]})) == 5.0
    assert distance(left, right, Mask({"w": [True, False, True]})) == 3.0
    assert distance(left, left, Mask({"w": [True, True, True]})) == 0.0


def test_interpolation_ends_at_its_ends_and_moves_biases_too():
    left, right = Weights({"w": [1.0], "bias": [2.0]}), Weights({"w": [3.0], "bias": [-2.0]})
    assert interpolate(left, right, 0.0) == left
    assert interpolate(left, right, 1.0) == right
    assert interpolate(left, right, 0.5) == Weights({"w": [2.0], "bias": [0.0]})


@pytest.mark.parametrize(
    ("errors", "expected"), [([0.1, 0.5, 0.3], 0.3), ([0.1, 0.1, 0.1], 0.0), ([0.2, 0.1, 0.0], 0.1)]
)
def test_the_barrier_is_the_rise_above_the_mean_of_the_ends(errors, expected):
    assert barrier(np.array(errors)) == pytest.approx(expected)


class Drifting:
    """Training adds a number drawn from the data order to every survivor; error grows with the square of weights."""

    def train(self, ticket, *, order):
        moved = Weights({"w": ticket.weights["w"] + np.float32(order.integers(1, 9))})
        history = History({name: np.array([1.0]) for name in COLUMNS})
        final = ticket.mask.apply(moved)
        return Run(history=history, final=final, best=final, snapshots={}, test={}, seconds=0.0)

    def test(self, weights):
        return {"accuracy": 1 - float((weights["w"] ** 2).sum()) / 1_000}


def test_each_ticket_is_compared_with_itself_and_with_the_dense_network_in_the_same_order():
    theta = Weights({"w": np.zeros(4)})
    tickets = {
        "dense": Ticket.dense(theta, ("w",)),
        "ticket": rewind(Mask({"w": [True, False, False, False]}), to=theta),
    }
    found = compare(Drifting(), tickets, lambda number: np.random.default_rng(number))
    first, second = (int(np.random.default_rng(number).integers(1, 9)) for number in (0, 1))
    assert first != second
    assert found["dense/order_distance"] == pytest.approx(2 * abs(first - second))
    assert found["ticket/order_distance"] == pytest.approx(abs(first - second))
    assert found["dense/pruning_distance"].tolist() == found["ticket/pruning_distance"].tolist() == [0.0, 0.0]
    assert found["ticket/errors"].shape == ALPHAS.shape == (30,)
    assert found["ticket/errors"][[0, -1]] == pytest.approx([first**2 / 1_000, second**2 / 1_000])
    assert found["dense/errors"][0] == pytest.approx(4 * first**2 / 1_000)
