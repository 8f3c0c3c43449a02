"""What a study will cost: prices come out of records as they went in, and chains take turns."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import RECORD

from lthcore.experiments.experiment import Control
from lthcore.experiments.planning.prices import Prices, fitted, networks, turns
from lthcore.experiments.presets.mnist import LENET, MNIST_PAPER

SIZES = {"hidden/kernel": 10_000, "output/kernel": 1_000}
STEPS = LENET.train.steps


def record(kept: int, seconds: float, engine: str, **changes):
    machine = {"engine": engine, "threads": 1}
    shares = {"hidden/kernel": (kept, 10_000), "output/kernel": (1_000, 1_000)}
    return replace(RECORD, kept=shares, seconds=seconds, machine=machine, **changes)


def search():
    """Sparse steps of 20 µs and 5 ns a survivor, dense ones of 200 µs, sparse from half of the weights on."""
    return [
        record(10_000, 200e-6 * STEPS, "dense"),
        record(8_000, 200e-6 * STEPS, "dense"),
        *(record(kept, (20e-6 + 5e-9 * (kept + 1_000)) * STEPS, "sparse") for kept in (4_500, 2_000, 300)),
    ]


def test_prices_are_found_again():
    prices = fitted(search())
    assert prices.dense == pytest.approx(200e-6)
    assert prices.fixed == pytest.approx(20e-6)
    assert prices.per_survivor == pytest.approx(5e-9)
    assert prices.break_even == pytest.approx(5_500 / 11_000)
    assert prices.step(6_000, of=11_000) == pytest.approx(200e-6)
    assert prices.step(1_000, of=11_000) == pytest.approx(25e-6)


def test_without_the_sparse_engine_every_step_is_dense():
    prices = fitted([record(10_000, 10.0, "dense"), record(10, 14.0, "dense")])
    assert prices == Prices(dense=pytest.approx(12 / STEPS))
    assert networks(LENET, SIZES, prices) == pytest.approx([12.0] * len(LENET.networks))


def test_each_network_costs_what_its_round_keeps():
    prices = Prices(dense=1.0, fixed=0.0, per_survivor=1e-6, break_even=0.5)
    seconds = networks(LENET, SIZES, prices)
    assert seconds[:4] == [STEPS] * 4  # 51.2 % of the hidden layer are left in round 3
    assert seconds[4] == pytest.approx(STEPS * 1e-6 * (4_096 + 656))
    assert seconds == sorted(seconds, reverse=True)


def test_a_control_costs_its_own_rounds():
    control = Control(of=MNIST_PAPER[0], kind="reinit", rungs=(7, 12), draws=2)
    prices = Prices(dense=1.0, fixed=0.0, per_survivor=1e-6, break_even=1.0)
    whole = networks(MNIST_PAPER[0], SIZES, prices)
    assert networks(control, SIZES, prices) == [whole[round] for round, _ in control.networks]


@pytest.mark.parametrize(
    ("records", "wrong"),
    [
        ([], "no record tells what a dense step costs"),
        (search()[2:], "no record tells what a dense step costs"),
        (search()[:3], "one density only"),
        ([*search(), replace(search()[0], environment={"processor": "another"})], "one kind of machine"),
    ],
)
def test_what_tells_no_price_is_refused(records, wrong):
    with pytest.raises(ValueError, match=wrong):
        fitted(records)


@given(st.lists(st.lists(st.floats(0.1, 100), max_size=4), min_size=1, max_size=20), st.integers(1, 8))
def test_turns_are_bounded_by_the_longest_chain_and_all_work(chains, processes):
    lengths = [sum(chain) for chain in chains]
    seconds = turns(chains, processes)
    assert max(max(lengths), sum(lengths) / processes) <= seconds + 1e-9
    assert seconds <= sum(lengths) / processes + max(lengths) + 1e-9
