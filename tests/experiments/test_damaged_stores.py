"""A store that is damaged everywhere at once: no command fails, believes it, changes it, or leaves a file unnamed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import faults
import numpy as np
import pytest
from deeds import MEASUREMENT
from records import RECORD
from typer.testing import CliRunner

from lthcore.cli import app
from lthcore.experiments import presets
from lthcore.experiments.presets import sizes
from lthcore.experiments.records import Measurement, Record
from lthcore.experiments.store import Store, UnreadableError
from lthcore.files import array_files

TRIALS = 4
SIZE = ("--trials", str(TRIALS), "--rounds", "2", "--steps", "20")
UNREADABLE = 3


def invoke(*arguments: str):
    return CliRunner().invoke(app, list(arguments), terminal_width=300)


def filled(store: Store) -> dict[Path, Record | Measurement]:
    """Save records of all that a preset computes, and a measurement of each trial; gives where each lies."""
    saved: dict[Path, Record | Measurement] = {}
    experiments = sizes.adjusted(presets.preset("digits-smoke"), trials=TRIALS, rounds=2, steps=20)
    for trial in range(TRIALS):
        for experiment in experiments:
            for round, draw in experiment.networks:
                record = replace(RECORD, experiment=experiment, trial=trial, round=round, draw=draw)
                saved[store.save(record)] = record
        taken = replace(MEASUREMENT, experiment=experiments[0], trial=trial)
        saved[store.save_measurement(taken)] = taken
    return saved


def damaged(paths: list[Path], rng: np.random.Generator) -> Iterator[None]:
    """Strike each of the files once, and give way after each round of them."""
    whole, arrays = ({path: read(path) for path in paths} for read in (Path.read_bytes, array_files.read))
    strange = [fault for kind in (faults.foreign, faults.greedy) for fault in kind(whole[paths[0]])]
    while True:
        for path in paths:
            kind = rng.integers(3)
            if kind == 0:
                drawn(faults.physical(whole[path], rng, 1), 9, rng).strike(path)
            elif kind == 1:
                drawn(iter(strange), len(strange), rng).strike(path)
            else:
                text = "record" if "round" in path.name else "about"
                _, nonsense = drawn(faults.malformed(arrays[path], text), 490, rng)
                faults.write(path, nonsense)
        yield


def drawn(choices: Iterator[Any], number: int, rng: np.random.Generator) -> Any:
    """One of the first so many."""
    return next(islice(choices, rng.integers(number), None))


def told(content: Record | Measurement) -> tuple:
    """What must be as it was saved; under a checksum that agrees, a file may say other things of its machine, or of how
    far its experiment goes.
    """
    if isinstance(content, Record):
        values = replace(content, machine={}, environment={}, experiment=RECORD.experiment)
        return content.experiment.identity, values
    return content.experiment.identity, content.kind, content.trial


def believed(store: Store, saved: dict[Path, Record | Measurement]) -> set[Path]:
    """The files that are believed, each of which must say what was saved."""
    found = set()
    for path, before in saved.items():
        with suppress(UnreadableError):
            read = store.read(path) if "round" in path.name else store.read_measurement(path)
            assert told(read) == told(before)
            found.add(path)
    return found


@pytest.mark.parametrize("times", [1, pytest.param(30, marks=pytest.mark.faults)])
def test_no_command_fails_beside_damage_everywhere(store, times):
    saved = filled(store)
    struck = damaged(list(saved), np.random.default_rng(times))
    refused_in_all = 0
    for _ in range(times):
        next(struck)
        refused = saved.keys() - believed(Store(store.root), saved)
        refused_in_all += len(refused)
        records = {path for path in refused if "round" in path.name}
        files = {path: path.read_bytes() for path in saved}
        for command in (["doctor"], ["show"], ["frame"], ["frame", "--csv"], ["run", "digits-smoke", *SIZE]):
            result = invoke(*command, "--out", str(store.root))
            assert result.exit_code == UNREADABLE, (command, result.output, result.exception)
            named = {path for path in saved if str(path) in result.output}
            if command[0] == "run":  # a trial ends at the first of its files that cannot be read
                assert named
                assert named <= records
                assert "all results are in" not in result.output
            else:
                assert named >= (refused if command == ["doctor"] else records)
        for path in sorted(records)[:: max(len(records) // 20, 1)]:
            record = saved[path]
            place = ("--trial", record.trial, "--round", record.round, "--draw", record.draw)
            result = invoke("verify", record.experiment.identity, *map(str, place), "--out", str(store.root))
            assert result.exit_code == UNREADABLE, (result.output, result.exception)
            assert str(path) in result.stderr
        assert {path: path.read_bytes() for path in saved} == files
    assert refused_in_all > 0.7 * times * len(saved)
    print(f"{times * len(saved)} files struck, {refused_in_all} of them refused")


def test_repairing_what_is_damaged_everywhere_loses_no_byte(store):
    saved = filled(store)
    next(damaged(list(saved), np.random.default_rng(0)))
    before = sorted(path.read_bytes() for path in saved)
    sound = believed(store, saved)
    invoke("doctor", "--repair", "--out", str(store.root))
    left = [path for path in store.root.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert sorted(path.read_bytes() for path in left) == before
    assert {path for path in left if path.suffix == ".npz"} == sound


def test_a_store_that_is_moved_is_the_same_store(store, tmp_path):
    saved = filled(store)
    assert invoke("run", "digits-smoke", *SIZE, "--out", str(store.root)).exit_code == 0
    said = [invoke(command, "--out", str(store.root)).output for command in ("show", "frame")]
    moved = tmp_path / "another" / "place"
    moved.parent.mkdir()
    store.root.rename(moved)
    for command, before in zip(("show", "frame"), said, strict=True):
        after = invoke(command, "--out", str(moved)).output
        assert after.replace(str(moved), "").split() == before.replace(str(store.root), "").split()
    result = invoke("run", "digits-smoke", *SIZE, "--out", str(moved))
    assert f"all results are in {moved}" in result.output
    assert f"{moved}: {len(saved)} files, all sound" in invoke("doctor", "--out", str(moved)).output
    assert not store.root.exists()
