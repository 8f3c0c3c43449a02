"""Numbers of a configuration, Python's and NumPy's."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lthcore.checks import Options, check_positive_whole, check_rate, check_whole, make_plain, plain
from lthcore.text.config import TextConfig


@pytest.mark.parametrize("kind", [float, np.float16, np.float32, np.float64])
def test_a_rate_may_be_any_real_number(kind):
    check_rate(kind(0.5))
    check_rate(kind(0))
    for rate in (1, 1.5, -0.25, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"must lie in \[0, 1\)"):
            check_rate(kind(rate))


@pytest.mark.parametrize("rate", [False, np.bool_(False), "0.5", None, [0.5], np.array([0.5]), 0.5j])
def test_what_is_no_number_is_no_rate(rate):
    with pytest.raises(ValueError, match=r"a pruning rate must lie in \[0, 1\), got"):
        check_rate(rate)


@pytest.mark.parametrize("kind", [int, np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_a_whole_number_may_be_of_any_kind(kind):
    check_positive_whole("steps", kind(1))
    check_whole("steps", kind(0))
    with pytest.raises(ValueError, match="steps must be a whole number >= 1, got"):
        check_positive_whole("steps", kind(0))


@pytest.mark.parametrize("value", [-1, True, np.bool_(True), 1.0, np.float32(1.0), "1", None, np.array([1])])
def test_what_is_not_whole_is_refused(value):
    with pytest.raises(ValueError, match="steps must be a whole number >= 0, got"):
        check_whole("steps", value)


@dataclass(frozen=True)
class Config:
    rate: float = 0.2
    rates: Options = ()
    word: str = "a"

    def __post_init__(self) -> None:
        make_plain(self)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Config(np.float32(0.2)), Config()),
        (Config(np.float64(0.2)), Config()),
        (Config(np.int64(0)), Config(0)),
        (Config(rates=[["dense", np.float32(0.1)]]), Config(rates=(("dense", 0.1),))),
        (Config(rates={"dense": np.float16(0.1)}), Config(rates=(("dense", 0.1),))),
        (Config(rates=(("amsgrad", np.True_),)), Config(rates=(("amsgrad", True),))),
        (Config(word=np.str_("a")), Config()),
    ],
)
def test_a_configuration_is_the_same_whoever_made_its_numbers(given, expected):
    assert given == expected
    assert hash(given) == hash(expected)
    assert json.dumps(vars(given)) == json.dumps(vars(expected))


@given(st.floats(allow_nan=False, width=32))
def test_a_plain_number_is_the_number(value):
    assert np.float32(plain(np.float32(value))) == np.float32(value)
    assert plain(np.float64(value)) == value
    assert plain(value) is value


def test_a_text_configuration_takes_numpys_numbers_and_keeps_pythons():
    given = TextConfig(length=np.int64(40), dimension=np.uint8(4), epochs=np.int32(1))
    assert given == TextConfig(length=40, dimension=4, epochs=1)
    assert {type(value) for value in vars(given).values()} == {int, str}
    with pytest.raises(ValueError, match=r"window must be a whole number >= 1, got 2\.0"):
        replace(given, window=np.float64(2))


def test_a_text_configuration_takes_a_path_of_vectors_as_its_text(tmp_path):
    assert TextConfig(vectors=tmp_path / "vectors.txt") == TextConfig(vectors=str(tmp_path / "vectors.txt"))
