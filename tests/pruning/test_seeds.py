"""Seeds: streams that never shift one another, the same for ever."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from lthcore.pruning.seeds import Seeds

# Every stored result was computed with these numbers: should one change, none of them can be recomputed.
FROZEN = {
    "init": (lambda: Seeds(0).init, 501_471_070),
    "init of another trial": (lambda: Seeds(3).init, 780_142_691),
    "order of round 0": (lambda: Seeds(0).order(0), 715_491_209),
    "order of round 7": (lambda: Seeds(3).order(7), 815_833_958),
    "another order of round 7": (lambda: Seeds(3).order(7, 1), 681_778_413),
    "control": (lambda: Seeds(0).control(2, 1), 295_322_059),
    "score": (lambda: Seeds(0).score(5), 472_358_633),
}


def streams(trial: int) -> dict[str, np.random.Generator]:
    """Every stream of a trial's first rounds, by a name that says which it is."""
    seeds = Seeds(trial)
    found = {f"{trial} init": seeds.init}
    for round in range(4):
        found[f"{trial} order {round}"] = seeds.order(round)
        found[f"{trial} another order {round}"] = seeds.order(round, 1)
        found[f"{trial} noise {round}"], found[f"{trial} shuffle {round}"] = seeds.order(round).spawn(2)
        found[f"{trial} score {round}"] = seeds.score(round)
        for draw in range(3):
            found[f"{trial} control {round} {draw}"] = seeds.control(round, draw)
    return found


@pytest.mark.parametrize(("stream", "number"), FROZEN.values(), ids=FROZEN)
def test_the_numbers_of_a_stream_are_frozen(stream, number):
    assert int(stream().integers(10**9)) == number


def test_no_two_streams_share_their_numbers():
    first = {name: rng.random() for trial in range(3) for name, rng in streams(trial).items()}
    assert len(set(first.values())) == len(first) == 3 * (1 + 4 * 8)


@pytest.mark.parametrize("name", streams(2))
def test_a_stream_read_twice_gives_the_same_numbers_twice(name):
    assert streams(2)[name].random(5).tolist() == streams(2)[name].random(5).tolist()


def test_drawing_from_one_stream_leaves_the_others_where_they_are():
    seeds = Seeds(1)
    untouched = {name: rng.random() for name, rng in streams(1).items()}
    used = seeds.init
    used.random(1_000)
    used.spawn(3)
    assert {name: rng.random() for name, rng in streams(1).items()} == untouched


def test_children_of_a_stream_are_the_same_each_time_it_is_read():
    first, second = (Seeds(4).order(2).spawn(2)[1].random() for _ in range(2))
    assert first == second


def test_a_numpy_integer_names_the_same_trial():
    for trial, round in product((0, 5), (0, 2)):
        assert Seeds(np.int64(trial)).order(np.int32(round)).random() == Seeds(trial).order(round).random()


@pytest.mark.parametrize("trial", [-1, 1.5, "0", None])
def test_a_trial_that_is_no_whole_number_is_refused(trial):
    with pytest.raises(ValueError, match=r"trial must be a whole number >= 0, got"):
        Seeds(trial)
