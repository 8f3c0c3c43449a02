"""Runs that are killed at any moment: nothing finished is lost or computed again, and the rest comes out as ever."""

from __future__ import annotations

import itertools
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import strikes
from deeds import age

from lthcore.experiments import preset_files
from lthcore.experiments.executors import schedule
from lthcore.experiments.executors.processes import process_pool
from lthcore.experiments.records import Record
from lthcore.experiments.store import Store, doctor

PRESETS = """
[brief]
about = "Two short searches, and controls of both kinds."
shared = {dataset = "digits", trials = 2, train = {steps = 200, eval_every = 100, test_every = 100}}

[[brief.experiments]]
prune = {rounds = 5}
controls = [{kind = "shuffle", rungs = [2, 4]}, {kind = "reinit", rungs = [3]}]
"""
TESTS = Path(strikes.__file__).parent
Kept = dict[Path, tuple[int, int]]


@pytest.fixture(scope="module")
def preset(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("presets") / "brief.toml"
    path.write_text(PRESETS, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def undisturbed(preset, tmp_path_factory) -> dict[str, tuple]:
    """What comes out where nothing is killed."""
    store = Store(tmp_path_factory.mktemp("undisturbed"))
    with process_pool(1) as pool:
        list(schedule.run(preset_files.load(preset)["brief"].experiments, store, pool))
    return results(store.root)


def results(root: Path) -> dict[str, tuple]:
    """Name → what a training gave, of all records of a store, each of them sound."""
    store, found = Store(root), {}
    for record in store.records():
        path = store.path(record.experiment, record.trial, record.round, record.draw)
        found[str(path.relative_to(root))] = outcome(record)
    return found


def outcome(record: Record) -> tuple:
    """Whatever of a record a second training must give again, every bit of it."""
    columns = {name: column.tobytes() for name, column in record.history.columns.items()}
    pruned = record.pruned.digest() if record.pruned else ""
    return record.weights_sha256, record.mask_sha256, pruned, record.test, record.kept, columns


def kept(root: Path) -> Kept:
    """What tells the finished files of a store from others that replace them."""
    return {path: (about.st_ino, about.st_mtime_ns) for path in root.rglob("*.npz") if (about := path.stat())}


class Laboratory:
    """A folder of results, and the command that computes them again and again until all are there."""

    def __init__(self, preset: Path, root: Path, networks: int) -> None:
        self.root, self.networks = root, networks
        self.command = [sys.executable, "-m", "lthcore", "run", "--preset-file", str(preset), "--workers", "2"]
        self.command += ["--out", str(root)]

    def start(self, strike: strikes.Strike | None = None) -> subprocess.Popen:
        """Start the command in a group of its own."""
        command, environment = self.command, os.environ
        if strike:
            command = [*command, "--import", "strikes"]
            above = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
            environment = {**environment, "PYTHONPATH": above, **strike.environment}
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment
        )

    def run(self, strike: strikes.Strike | None = None) -> tuple[int, str, str]:
        """Run the command to its end, whatever that is; gives its exit code, what it says, and its errors."""
        process = self.start(strike)
        try:
            said, errors = process.communicate(timeout=600)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return process.returncode, said, errors

    def finish(self) -> None:
        """Run the command undisturbed."""
        code, said, errors = self.run()
        assert code == 0, errors
        assert "all results are in" in said

    def check(self, before: Kept) -> None:
        """Whatever was finished is there, untouched and sound; what was left half-written goes."""
        assert before.items() <= kept(self.root).items()
        assert doctor.examine(Store(self.root)).sound
        age(self.root)
        report = doctor.examine(Store(self.root))
        list(doctor.repair(Store(self.root), report))
        left = [path for path in self.root.rglob("*") if path.is_file() and path.suffix not in (".npz", ".lock")]
        assert left == []


def family(process: subprocess.Popen) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def wait_until(happened: Callable[[], object], process: subprocess.Popen) -> None:
    """Wait for something, or for the end of the process that does it."""
    deadline = time.monotonic() + 600
    while process.poll() is None and not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def worker_of(process: subprocess.Popen) -> psutil.Process | None:
    for child in family(process):
        with suppress(psutil.NoSuchProcess):
            if "--multiprocessing-fork" in child.cmdline():
                return child
    return None


# Who is ended, and how; what the command then exits with, and the beginning of what it says last.
ENDS: dict[str, tuple[Callable[[subprocess.Popen], object], int, str]] = {
    "the tree": (lambda process: os.killpg(process.pid, signal.SIGKILL), -9, ""),
    "the parent": (subprocess.Popen.kill, -9, ""),
    "the parent, asked": (subprocess.Popen.terminate, 143, "interrupted; finished networks are kept"),
    "a worker": (
        lambda process: worker.kill() if (worker := worker_of(process)) else None,
        1,
        "error: a worker process was ended from outside",
    ),
}


def end(laboratory: Laboratory, who: str, records: int, seconds: float) -> bool:
    """Run the command until so many more records are there, and some time more; then end it, or a part of it.

    Returns:
        Whether it was ended before it had come to its end.
    """
    kill, code, last = ENDS[who]
    before = kept(laboratory.root)
    process = laboratory.start()
    try:
        wait_until(lambda: len(kept(laboratory.root)) >= len(before) + records, process)
        time.sleep(seconds)
        relatives = family(process)
        with suppress(ProcessLookupError):  # it has come to its end
            kill(process)
        _, errors = process.communicate(timeout=300)
        _, alive = psutil.wait_procs(relatives, timeout=60)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert alive == []
    laboratory.check(before)
    assert process.returncode in (code, 0), errors
    if process.returncode and last:
        assert errors.strip().splitlines()[-1].startswith(last), errors
        assert "Traceback" not in errors
    return process.returncode != 0


def moment(number: int, rng: np.random.Generator) -> tuple[int, float]:
    """How many records to wait for, and for how many seconds then; every third time libraries are still loading."""
    if number % 3 == 0:
        return 0, rng.uniform(0, 6)
    return int(rng.integers(1, 3)), rng.uniform(0, 0.5)


def stopped_again_and_again(
    laboratories: Iterator[Laboratory], times: int, stop: Callable[[Laboratory, int], bool], expected: dict[str, tuple]
) -> None:
    """Stop a command so many times, at moments of its way to the end, and see what it comes to each time."""
    stopped = 0
    while stopped < times:
        laboratory, before = next(laboratories), {}
        # Where little is left, most of the time goes by while libraries load.
        while stopped < times and len(before) < laboratory.networks - 3 and stop(laboratory, stopped):
            stopped += 1
            before |= kept(laboratory.root)
        laboratory.finish()
        laboratory.check(before)
        assert results(laboratory.root) == expected


@pytest.fixture
def laboratories(preset, undisturbed, tmp_path) -> Iterator[Laboratory]:
    return (Laboratory(preset, tmp_path / f"results-{number}", len(undisturbed)) for number in itertools.count())


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.faults)])
def test_a_killed_tree_of_processes_costs_what_was_in_flight(laboratories, undisturbed, kills):
    rng = np.random.default_rng(kills)
    stopped_again_and_again(
        laboratories, kills, lambda one, number: end(one, "the tree", *moment(number, rng)), undisturbed
    )


@pytest.mark.faults
@pytest.mark.parametrize("who", ["the parent", "the parent, asked", "a worker"])
def test_one_process_that_is_ended_takes_the_others_with_it(laboratories, undisturbed, who):
    rng = np.random.default_rng(0)
    stopped_again_and_again(laboratories, 3, lambda one, number: end(one, who, 1, rng.uniform(0, 0.5)), undisturbed)


@pytest.mark.faults
@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell the path of an open file")
@pytest.mark.parametrize("action", ["kill_process", "kill_group", "fill_disk"])
def test_workers_that_strike_at_a_call_lose_nothing(laboratories, undisturbed, action):
    said = {"kill_process": "error: a worker process was ended from outside", "fill_disk": "error: cannot write "}
    laboratory = next(laboratories)
    for number in range(1, 7):
        before = kept(laboratory.root)
        strike = strikes.Strike(action, number, "fsync,replace,rename,unlink", str(laboratory.root))
        code, _, errors = laboratory.run(strike)
        laboratory.check(before)
        assert code in (0, -9 if action == "kill_group" else 1), errors
        if code == 1:
            assert errors.strip().splitlines()[-1].startswith(said[action]), errors
            assert "Traceback" not in errors
        if code == 0:  # a folder that cannot be brought to disk stops nobody
            assert results(laboratory.root) == undisturbed
            laboratory = next(laboratories)
    before = kept(laboratory.root)
    laboratory.finish()
    laboratory.check(before)
    assert results(laboratory.root) == undisturbed


IN_A_SPACE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-ec")


def can_mount() -> bool:
    """Whether a small disk can be had without anybody's permission."""
    if not shutil.which("unshare"):
        return False
    return subprocess.run([*IN_A_SPACE, "mount -t tmpfs none /mnt"], capture_output=True).returncode == 0


@pytest.mark.faults
@pytest.mark.skipif(not can_mount(), reason="this system gives nobody a small disk")
@pytest.mark.parametrize("limit", ["size=24k", "size=48k", "nr_inodes=8", "nr_inodes=14"])
def test_a_disk_that_is_full_ends_the_command_with_advice(preset, undisturbed, tmp_path, limit):
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    run = shlex.join(Laboratory(preset, disk / "results", len(undisturbed)).command)
    script = f"""
        mount -t tmpfs -o {limit} none {disk}
        code=0; {run} || code=$?
        echo $code > {tmp_path}/code
        find {disk} -name '*.partial' > {tmp_path}/partial
        mount -o remount,size=10m,nr_inodes=1000 {disk}
        {run}
        cp -a {disk}/results {copy}
    """
    done = subprocess.run([*IN_A_SPACE, script], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "code").read_text().strip() == "1", done.stderr
    assert (tmp_path / "partial").read_text() == ""
    (told,) = [line for line in done.stderr.splitlines() if "cannot write" in line]
    assert str(disk / "results") in told
    assert "No space left on device" in told
    assert "Nothing is lost: make room and run again" in told or "Choose another folder" in told
    assert "Traceback" not in done.stderr
    assert results(copy) == undisturbed
