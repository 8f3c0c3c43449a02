"""A process that is killed, or finds the disk full, at any of its calls to the system leaves all or nothing."""

from __future__ import annotations

import hashlib
import itertools
import multiprocessing
import sys
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
import strikes
from deeds import DEEDS, age

from lthcore.experiments.store import Store, doctor

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell the path of an open file")

KILLED = -9


@pytest.fixture(scope="module")
def forks() -> ForkServerContext:
    """Processes that begin with what takes long to import."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lthcore.experiments.executors.tasks", "lthcore.experiments.presets"])
    return context


def struck(forks: ForkServerContext, strike: strikes.Strike, deed: str) -> int:
    """The exit code of a process that does something to a store while a strike threatens."""
    process = forks.Process(target=strikes.under, args=(strike, deed))
    process.start()
    process.join(120)
    return process.exitcode


def contents(root: Path) -> dict[str, str]:
    """Name → content of all records and measurements, every one of which must be sound."""
    store = Store(root)
    paths = sorted(root.rglob("*.npz"))
    return {path.name: repr((store.read if "round" in path.name else store.read_measurement)(path)) for path in paths}


def digests(root: Path) -> set[str]:
    """The bytes of all files but locks and half-written ones."""
    paths = [path for path in root.rglob("*") if path.is_file() and path.suffix not in (".lock", ".partial")]
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.mark.parametrize("calls", ["fsync,replace,rename,unlink", pytest.param("write", marks=pytest.mark.faults)])
@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("action", ["kill_process", "fill_disk"])
def test_a_strike_at_any_call_leaves_all_or_nothing(forks, tmp_path, action, deed, calls):
    undisturbed = tmp_path / "undisturbed" / "results"
    DEEDS[deed].prepare(undisturbed)
    DEEDS[deed].work(undisturbed)
    for number in itertools.count(1):
        root = tmp_path / str(number) / "results"
        DEEDS[deed].prepare(root)
        before, partial = digests(root), set(root.rglob("*.partial"))
        earlier = {} if deed == "repair" else contents(root)
        code = struck(forks, strikes.Strike(action, number, calls, str(root)), deed)
        if code == strikes.MISSED:
            break
        assert code == KILLED if action == "kill_process" else code in (0, strikes.FAILED)
        if code == strikes.FAILED:
            told = root.with_name(strikes.ERROR).read_text()
            assert told.startswith("cannot ")
            assert f"{root}/" in told
            assert "Nothing is lost" in told
        if action == "fill_disk":
            assert set(root.rglob("*.partial")) <= partial
        # What was there is there, though perhaps under another name; what is new is whole.
        assert deed == "save over" or before <= digests(root)
        if deed != "repair":
            assert set(contents(root).values()) <= {*earlier.values(), *contents(undisturbed).values()}
        DEEDS[deed].work(root)
        age(root)
        list(doctor.repair(Store(root), doctor.examine(Store(root))))
        assert contents(root) == contents(undisturbed)
        assert not list(root.rglob("*.partial"))
    assert number > 1 or (deed, calls) == ("repair", "write")
