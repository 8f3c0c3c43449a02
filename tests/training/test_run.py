"""Histories: validation chooses, test reports."""

from __future__ import annotations

import numpy as np
import pytest

from lthcore.training.run import COLUMNS, History, best_row

nan = float("nan")


def columns(validation_loss: list[float], **changes: list[float]) -> dict[str, np.ndarray]:
    rows = len(validation_loss)
    found = {name: np.zeros(rows, np.float32) for name in COLUMNS}
    found |= {"step": np.arange(0, 100 * rows, 100, np.int32), "validation_loss": np.float32(validation_loss)}
    return found | {name: np.array(values) for name, values in changes.items()}


@pytest.mark.parametrize(
    ("validation_loss", "row", "step"),
    [
        ([3.0, 2.0, 1.0], 2, 200),
        ([3.0, 1.0, 2.0], 1, 100),
        ([1.0, 2.0, 3.0], 0, 0),
        ([3.0, 1.0, 2.0, 1.0], 1, 100),  # the first of two equal minima
        ([2.0, 2.0, 2.0], 0, 0),
        ([0.5], 0, 0),
    ],
)
def test_the_early_stop_is_the_first_minimum_of_the_validation_loss(validation_loss, row, step):
    history = History(columns(validation_loss))
    assert (history.early_stop, history.early_stop_step) == (row, step)


@pytest.mark.parametrize(
    ("values", "row"),
    [
        ([0.1, 0.2, 0.3], 2),
        ([0.1, 0.3, 0.2], 1),
        ([0.3, 0.2, 0.1], 0),
        ([0.1, 0.3, 0.2, 0.3], 1),  # the first of two equal maxima
        ([0.0, 0.0, 0.0], 0),
        ([0.5], 0),
    ],
)
def test_the_early_stop_by_micro_f1_is_its_first_maximum(values, row):
    falling = list(range(len(values), 0, -1))  # the loss would choose the last row
    history = History(columns(falling, validation_micro_f1=np.float32(values)), "validation_micro_f1")
    assert (history.early_stop, history.early_stop_step) == (row, 100 * row)
    assert best_row(values, "validation_micro_f1") == row
    assert History(history.columns).early_stop == len(values) - 1
    assert history != History(history.columns), "what stops a run belongs to its history"


@pytest.mark.parametrize(
    "changes",
    [
        {"test_loss": [0.0, 9.0, 0.0, 0.0], "test_accuracy": [1.0, 0.0, 1.0, 1.0]},
        {"test_loss": [nan, nan, nan, 0.0], "test_accuracy": [nan, nan, nan, 1.0]},
        {"validation_accuracy": [1.0, 0.0, 1.0, 1.0], "train_loss": [nan, 9.0, 0.0, 0.0]},
    ],
    ids=["the test set would choose otherwise", "the test set was hardly scored", "other columns would too"],
)
def test_the_early_stop_follows_no_other_column(changes):
    assert History(columns([3.0, 1.0, 2.0, 1.5], **changes)).early_stop == 1


def test_the_early_stop_never_looks_at_a_test_column():
    class Guarded(dict):
        closed = False

        def __getitem__(self, name):
            assert not (self.closed and name.startswith("test")), "the early stop looked at the test set"
            return super().__getitem__(name)

    guarded = Guarded(columns([3.0, 1.0, 2.0]))
    history = History(guarded)
    guarded.closed = True
    assert history.early_stop_step == 100
    with pytest.raises(AssertionError, match="looked at the test set"):
        history["test_loss"]


def test_histories_are_compared_by_their_values_missing_ones_included():
    unscored = {"test_loss": [nan, 1.0], "test_accuracy": [nan, 0.5]}
    history = History(columns([2.0, 1.0], **unscored))
    assert history == History(columns([2.0, 1.0], **unscored))
    assert history != History(columns([2.0, 1.0]))
    assert history != History(columns([2.0, 1.5], **unscored))
    assert history != "another thing"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (columns([]), "a history needs the columns step, train_loss"),
        (columns([1.0, 2.0], test_loss=[1.0]), "equally long; got .*'test_loss': 1"),
        (columns([1.0, 2.0], step=[100, 100]), "the steps of a history must increase"),
        (columns([1.0, 2.0], step=[200, 100]), "the steps of a history must increase"),
    ],
    ids=["no row", "unequal columns", "a step twice", "steps going back"],
)
def test_a_history_that_cannot_be_is_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        History(bad)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_history_without_one_of_its_columns_is_refused(name):
    rest = columns([1.0, 2.0])
    del rest[name]
    with pytest.raises(ValueError, match=f"a history needs the columns .*{name}"):
        History(rest)
