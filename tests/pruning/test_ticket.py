"""Tickets: one verb gives survivors their values, for the search and for every control."""

from __future__ import annotations

import numpy as np
import pytest

from lthcore.pruning.mask import Mask
from lthcore.pruning.ticket import Ticket, reinit, rewind, shuffle
from lthcore.pruning.weights import Weights

THETA = Weights({"a/kernel": [[1.5, -2.5], [3.5, -4.5]], "a/bias": [0.1, 0.2], "b/kernel": [[5.5], [6.5]]})
MASK = Mask({"a/kernel": [[1, 0], [0, 1]], "b/kernel": [[0], [1]]})


def drawn(rng: np.random.Generator) -> Weights:
    return Weights({name: rng.uniform(1, 2, array.shape) for name, array in THETA.items()})


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (MASK, {"a/kernel": [[1.5, 0.0], [0.0, -4.5]], "b/kernel": [[0.0], [6.5]]}),
        (Mask({"a/kernel": [[1, 1], [1, 1]]}), {"a/kernel": [[1.5, -2.5], [3.5, -4.5]], "b/kernel": [[5.5], [6.5]]}),
        (Mask({"a/kernel": [[0, 0], [0, 0]]}), {"a/kernel": [[0.0, 0.0], [0.0, 0.0]], "b/kernel": [[5.5], [6.5]]}),
    ],
    ids=["half", "nothing pruned", "a layer gone"],
)
def test_rewind_gives_survivors_their_values_back_and_zeroes_the_rest(mask, expected):
    ticket = rewind(mask, to=THETA)
    assert ticket.mask == mask
    assert {name: ticket.weights[name].tolist() for name in expected} == expected
    assert np.array_equal(ticket.weights["a/bias"], THETA["a/bias"]), "what cannot be pruned is rewound whole"
    assert ticket.at_step == 0


def test_a_late_ticket_remembers_its_step():
    assert rewind(MASK, to=THETA, at_step=500).at_step == 500


def test_the_dense_ticket_is_the_whole_network():
    ticket = Ticket.dense(THETA, ("a/kernel", "b/kernel"))
    assert ticket.mask.density == 1.0
    assert tuple(ticket.mask) == ("a/kernel", "b/kernel")
    assert ticket.weights == THETA


def test_reinit_keeps_the_structure_and_nothing_else():
    ticket = rewind(MASK, to=THETA, at_step=7)
    control = reinit(ticket, drawn, np.random.default_rng(0))
    assert control.mask == ticket.mask
    assert control.weights == MASK.apply(drawn(np.random.default_rng(0))), "one draw of fresh weights, masked"
    assert not np.isin(control.weights["a/kernel"][MASK["a/kernel"]], THETA["a/kernel"]).any()
    assert control.at_step == 0, "fresh weights start at the beginning"


def test_shuffle_keeps_the_layer_densities_and_the_initial_values_of_other_places():
    theta = drawn(np.random.default_rng(1))
    wide = Weights({"w": np.random.default_rng(2).uniform(1, 2, (30, 30))})
    ticket = rewind(Mask({"w": np.arange(900).reshape(30, 30) % 10 == 0}), to=wide, at_step=7)
    control = shuffle(ticket, wide, np.random.default_rng(3))
    assert control.mask.densities == ticket.mask.densities
    assert control.mask.overlap(ticket.mask) < 0.2
    assert control.weights == control.mask.apply(wide)
    assert control.at_step == 7
    assert shuffle(rewind(MASK, to=theta), theta, np.random.default_rng(3)).mask.kept == MASK.kept


def test_controls_are_repeated_exactly_by_the_same_stream():
    ticket = rewind(MASK, to=THETA)
    for control in (lambda rng: reinit(ticket, drawn, rng), lambda rng: shuffle(ticket, THETA, rng)):
        assert control(np.random.default_rng(5)) == control(np.random.default_rng(5))


@pytest.mark.parametrize(
    ("theta", "message"),
    [
        ({"a/kernel": np.ones((2, 2))}, "the mask names 'b/kernel', which is not among a/kernel"),
        ({"a/kernel": np.ones((2, 3)), "b/kernel": np.ones((2, 1))}, r"'a/kernel' has shape \(2, 2\) in the mask"),
    ],
)
def test_weights_that_do_not_fit_the_mask_are_refused(theta, message):
    with pytest.raises(ValueError, match=message):
        rewind(MASK, to=Weights(theta))


def test_a_ticket_never_holds_the_values_of_pruned_weights():
    ticket = Ticket(Mask({"w": [True, False]}), Weights({"w": [3.0, 4.0], "b": [5.0]}))
    assert ticket.weights == Weights({"w": [3.0, 0.0], "b": [5.0]})
