"""The doctor: what is wrong with a store, told in full; and a repair that loses nothing."""

from __future__ import annotations

import errno
import os
import shutil
import time
from dataclasses import replace

import pytest
from records import RECORD, files

from lthcore.experiments import presets
from lthcore.experiments.experiment import Control
from lthcore.experiments.presets.mnist import LENET
from lthcore.experiments.records import Measurement, Record
from lthcore.experiments.store import Store, doctor, remedies
from lthcore.files import paths
from lthcore.pruning.mask import Mask

SHUFFLE = Control(of=LENET, kind="shuffle", rungs=(3,))
STABILITY = Measurement(
    kind="stability", experiment=LENET, trial=2, values={}, seconds=1.0, machine={}, environment={"python": "3"}
)
OTHER = Mask({"hidden/kernel": [[True] * 4] * 3, "output/kernel": [[False] * 4]})


def record(round: int, **changes: object) -> Record:
    """A round whose mask is the one that every round leaves, as tests have it."""
    trained_with = RECORD.pruned.digest() if round else ""
    return replace(RECORD, round=round, mask_sha256=trained_with, **changes)


@pytest.fixture
def searched(store) -> Store:
    """Five rounds of a search, and a control of the third."""
    for round in range(5):
        store.save(record(round))
    store.save(record(3, experiment=SHUFFLE, pruned=None))
    store.save_measurement(STABILITY)
    return store


def told(store: Store) -> dict[str, bool]:
    """Name of each file that the doctor speaks of → whether a result is lost or not to be believed."""
    return {finding.path.name: finding.unsound for finding in doctor.examine(store).findings}


def test_a_sound_store_has_nothing_to_tell(searched):
    report = doctor.examine(searched)
    assert (report.sound, report.findings, report.files) == (True, (), 7)
    assert remedies.commands(report, searched.root) == []


@pytest.mark.parametrize("preset", ["mnist-short", "reuters-r10"])
def test_published_results_are_sound(preset, tmp_path):
    for experiment in presets.preset(preset):
        shutil.copytree(paths.results() / experiment.identity, tmp_path / experiment.identity)
    report = doctor.examine(Store(tmp_path))
    assert report.sound, report.findings
    assert report.files > 30


def test_a_store_that_is_not_there_is_sound(tmp_path):
    assert doctor.examine(Store(tmp_path / "nowhere")).sound


def test_lock_files_are_counted_and_do_no_harm(searched):
    with searched.lock(LENET, 2), searched.lock(LENET, 3):
        pass
    (searched.root / LENET.identity / ".stability-2.lock").touch()
    report = doctor.examine(searched)
    assert report.sound
    assert ["lock files are left in" in finding.what for finding in report.findings] == [True]
    before = files(searched)
    assert list(doctor.repair(searched, report)) == []
    assert files(searched) == before


def cut(path) -> None:
    path.write_bytes(path.read_bytes()[:300])


def old(path) -> None:
    path.touch()
    os.utime(path, (time.time() - 2 * doctor.OLD,) * 2)


def test_everything_that_is_wrong_is_told_at_once(searched):
    folder = searched.folder(LENET, 2)
    cut(folder / "round-04.npz")
    cut(folder / "stability.npz")
    (folder / "round-01.npz").unlink()
    (folder / "round-02.npz").rename(folder / "round-03.npz")
    (folder / "round-01 (copy).npz").touch()
    (searched.root / "notes.txt").touch()
    old(folder / ".a.partial")
    (folder / ".b.partial").touch()
    assert told(searched) == {
        "notes.txt": False,
        ".a.partial": False,
        ".b.partial": False,
        "round-01 (copy).npz": False,
        "round-03.npz": True,
        "round-04.npz": True,
        "stability.npz": True,
        "round-01.npz": True,
        "round-02.npz": True,
    }


def test_a_mask_that_a_search_no_longer_has_is_told_of_whatever_was_trained_with_it(searched):
    searched.save(record(2, pruned=OTHER))
    report = doctor.examine(searched)
    assert {finding.path for finding in report.findings} == {
        searched.path(SHUFFLE, 2, 3),
        searched.path(LENET, 2, 3),
    }
    assert all("trained with another mask than" in finding.what for finding in report.findings)


def test_records_of_the_first_release_tell_no_mask_and_are_sound(searched):
    searched.save(replace(record(3), mask_sha256=""))
    searched.save(record(2, pruned=OTHER))
    assert set(told(searched)) == {"round-03-draw-0.npz"}


def test_to_examine_changes_nothing(searched):
    cut(searched.path(LENET, 2, 4))
    old(searched.folder(LENET, 2) / ".a.partial")
    before = files(searched)
    doctor.examine(searched)
    assert files(searched) == before


def test_a_repair_renames_what_is_damaged_and_removes_what_is_half_written(searched):
    folder = searched.folder(LENET, 2)
    cut(folder / "round-04.npz")
    damaged = (folder / "round-04.npz").read_bytes()
    (folder / "round-04.npz.damaged").write_bytes(b"of before")
    (folder / "round-01 (copy).npz").touch()
    old(folder / ".a.partial")
    (folder / ".b.partial").touch()
    done = list(doctor.repair(searched, doctor.examine(searched)))
    assert [sentence.split()[0] for sentence in done] == ["removed", "renamed"]
    names = {path.name for path in folder.iterdir()}
    assert {".b.partial", "round-01 (copy).npz", "round-03.npz"} < names
    assert not {".a.partial", "round-04.npz"} & names
    assert (folder / "round-04.npz.damaged-2").read_bytes() == damaged
    assert (folder / "round-04.npz.damaged").read_bytes() == b"of before"
    assert list(doctor.repair(searched, doctor.examine(searched))) == []


def test_what_was_mended_since_is_left_alone(searched):
    path = searched.path(LENET, 2, 4)
    cut(path)
    report = doctor.examine(searched)
    searched.save(record(4))
    assert list(doctor.repair(searched, report)) == []
    assert doctor.examine(searched).sound


def test_a_trial_that_is_being_computed_is_left_alone(searched):
    cut(searched.path(LENET, 2, 4))
    report = doctor.examine(searched)
    for what in ("trial", "stability"):
        with searched.lock(LENET, 2, what):
            (sentence,) = doctor.repair(searched, report)
        assert sentence.endswith("is left as it is: another process is computing its trial")
    assert searched.path(LENET, 2, 4).exists()


def test_where_nothing_can_be_written_nothing_is_repaired(searched, monkeypatch):
    cut(searched.path(LENET, 2, 4))

    def read_only(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("os.open", read_only)
    report = doctor.examine(searched)
    (sentence,) = doctor.repair(searched, report)
    assert "round-04.npz is left as it is: " in sentence
    assert "Read-only file system" in sentence


def test_the_command_that_computes_what_is_lost_is_named(searched):
    search = presets.MNIST_PAPER[0]
    cut(searched.save(replace(RECORD, experiment=search)))
    cut(searched.save_measurement(replace(STABILITY, experiment=search)))
    assert remedies.commands(doctor.examine(searched), searched.root) == [
        f"python -m lthcore run mnist-paper --out {searched.root}",
        f"python -m lthcore measure stability mnist-paper --out {searched.root}",
    ]


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"trial": 7}, " --trials 8"),
        ({"round": 30}, " --rounds 30"),
        ({"experiment": replace(LENET, train=replace(LENET.train, steps=1234))}, " --steps 1234"),
    ],
)
def test_the_command_has_the_options_that_reach_what_is_lost(store, changes, options):
    for round in (changes.get("round", 5), changes.get("round", 5) - 1):
        path = store.save(replace(RECORD, **{"round": round} | {k: v for k, v in changes.items() if k != "round"}))
    cut(store.path(changes.get("experiment", LENET), changes.get("trial", 2), changes.get("round", 5)))
    report = doctor.examine(store)
    assert path.exists()
    assert any(
        command.startswith("python -m lthcore run ") and options in command
        for command in remedies.commands(report, store.root)
    )


def test_what_no_preset_computes_is_told_by_its_identity(store):
    own = replace(LENET, train=replace(LENET.train, learning_rate=0.5))
    cut(store.save(replace(RECORD, experiment=own)))
    (sentence,) = remedies.commands(doctor.examine(store), store.root)
    assert sentence == f"run {own.identity} again as it was run first; no preset that is known here has it"
