"""The language model gives the same bits each time."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from lthcore.text.language import skip_gram
from lthcore.text.vectors import Vectors, nearest

LIGHT = settings(deadline=None, derandomize=True, max_examples=40)
nan, inf = float("nan"), float("inf")

# Two topics whose words never meet.
GRAIN, METAL = ["wheat", "corn", "oats", "barley"], ["gold", "silver", "copper", "zinc"]


def corpus(documents: int = 60) -> list[list[str]]:
    rng = np.random.default_rng(0)
    return [list(rng.choice([GRAIN, METAL][number % 2], 12)) for number in range(documents)]


def tiny(**changes) -> Vectors:
    return skip_gram(corpus(), **{"dimension": 8, "epochs": 2, "min_count": 1} | changes)


def test_skip_gram_gives_the_same_bits_in_every_process_and_says_nothing():
    script = (
        "import hashlib, sys, test_language\n"
        "vectors = test_language.tiny()\n"
        "print(' '.join(vectors.words), hashlib.sha256(vectors.matrix.tobytes()).hexdigest())\n"
        "print({'tensorflow', 'keras'} & set(sys.modules))"
    )
    outputs = []
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONWARNINGS": "error"}
        command = [sys.executable, "-c", script]
        folder = Path(__file__).parent
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert outputs[0].endswith("set()\n")


def test_skip_gram_twice_in_one_process_gives_the_same_bits(caplog):
    with caplog.at_level(logging.WARNING):
        assert tiny().matrix.tobytes() == tiny().matrix.tobytes()
    assert caplog.records == []


@pytest.mark.parametrize(
    "changes", [{"seed": 1}, {"window": 1}, {"negative": 2}, {"epochs": 3}, {"alpha": 0.1}, {"dimension": 9}]
)
def test_every_argument_of_skip_gram_counts(changes):
    assert tiny(**changes).matrix.tobytes() != tiny().matrix.tobytes()


def test_skip_gram_orders_words_itself():
    documents = [["b", "a", "d", "c"], ["c", "d", "a", "b"], ["e", "c"]] * 3
    vectors = skip_gram(documents, dimension=2, min_count=4)
    assert vectors.words == ("c", "a", "b", "d")
    assert vectors.matrix.dtype == np.float32


def test_words_of_a_topic_come_near_each_other():
    vectors = tiny(epochs=60, alpha=0.05)
    for topic in (GRAIN, METAL):
        for word in topic:
            assert {near for near, _ in nearest(vectors, word, 3)} == set(topic) - {word}


@pytest.mark.parametrize(
    ("documents", "changes", "message"),
    [
        ([], {}, "no documents"),
        (["corn wheat"], {}, "got the text 'corn wheat': split it into words"),
        ([["corn", "wheat"]], {"min_count": 5}, "no word occurs 5 times in the 1 documents"),
        ([["corn", "wheat"]], {"dimension": 0}, "dimension is a whole number >= 1, got 0"),
        ([["corn", "wheat"]], {"window": 0}, "window is a whole number >= 1"),
        ([["corn", "wheat"]], {"negative": 0}, "negative is a whole number >= 1"),
        ([["corn", "wheat"]], {"epochs": -1}, "epochs is a whole number >= 1, got -1"),
        ([["corn", "wheat"]], {"alpha": 0.0}, "alpha is a learning rate > 0, got 0.0; 0.025 is usual"),
        ([["corn", "wheat"]], {"alpha": nan}, "alpha is a learning rate > 0, got nan"),
        ([["corn", "wheat"]], {"seed": -1}, "seed is a whole number in 0 … 2³² − 1, got -1"),
        ([["corn", "wheat"]], {"seed": 2**32}, "seed is a whole number in 0 … 2³² − 1"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(documents, changes, message):
    with pytest.raises(ValueError, match=message):
        skip_gram(documents, **{"dimension": 2, "min_count": 1} | changes)
