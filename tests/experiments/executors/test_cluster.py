"""A cluster of separate processes: what it computes, what its losses cost, what is refused."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from distributed import Client
from typer.testing import CliRunner

from lthcore.cli import app
from lthcore.experiments import presets
from lthcore.experiments.executors import cluster, schedule, tasks
from lthcore.experiments.executors.processes import WorkerError
from lthcore.experiments.executors.software import check_software
from lthcore.experiments.experiment import Control, Experiment
from lthcore.experiments.store import Store, StoreError
from lthcore.pruning.config import PruneConfig
from lthcore.training.config import TrainConfig

TICKETS = Experiment(
    dataset="digits",
    train=TrainConfig(steps=300, eval_every=100, test_every=100),
    prune=PruneConfig(rounds=3),
    trials=2,
)
REINIT = Control(of=TICKETS, kind="reinit", rungs=(2,))
SHUFFLE = Control(of=TICKETS, kind="shuffle", rungs=(3,))
ALL = (TICKETS, REINIT, SHUFFLE)


def dask(*arguments: str, folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def worker(address: Path, threads: int = 1) -> subprocess.Popen:
    options = "--no-nanny", "--nthreads", str(threads), "--local-directory", str(address.parent)
    return dask("worker", "--scheduler-file", str(address), *options, folder=address.parent)


@contextmanager
def ended(processes: list[subprocess.Popen]):
    """Whatever happens, none of these processes is left."""
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    """A scheduler, as the file that names it, and two workers, which end with it."""
    folder = tmp_path_factory.mktemp("cluster")
    address = folder / "scheduler.json"
    options = "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(address)
    scheduler = dask("scheduler", *options, folder=folder)
    workers = [worker(address), worker(address)]
    with ended([scheduler, *workers]):
        with Client(scheduler_file=str(address), timeout=60, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield address, workers
        scheduler.terminate()
        _, alive = psutil.wait_procs([psutil.Process(process.pid) for process in workers if process.poll() is None], 30)
        assert alive == []


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Store:
    """The same experiments, computed in this process."""
    store = Store(tmp_path_factory.mktemp("results"))
    with ThreadPoolExecutor(1) as executor:
        list(schedule.run(ALL, store, executor))
    return store


def contents(store: Store) -> dict:
    """All of the records that must not depend on who computed them, and when."""
    return {
        (record.experiment.identity, record.trial, record.round, record.draw): (
            record.kept,
            record.history,
            dict(record.test),
            record.weights_sha256,
            record.pruned,
        )
        for record in store.records()
    }


def test_without_a_common_folder_a_stop_and_a_killed_worker_lose_nothing_that_was_finished(
    machines, finished, tmp_path
):
    address, workers = machines
    store = Store(tmp_path / "here")
    with cluster.connected(str(address)) as executor:
        done = schedule.run(ALL, store, executor, shared=False)
        while next(done) < 1:
            pass
        done.close()  # rounds that are being trained come to their end
        stopped_at = len(contents(store))
        assert stopped_at >= 2
        for count in schedule.run(ALL, store, executor, shared=False):
            if count > stopped_at:
                workers[0].kill()
    assert contents(store) == contents(finished)
    assert {record.machine["threads"] for record in store.records()} == {1}
    assert list(store.root.glob("*/*/.*.partial")) == []


@pytest.fixture
def preset():
    """The experiments under a name that the command line knows."""
    presets.register("spread", ALL, about="Spread over several machines.")
    yield "spread"
    presets.PRESETS.remove("spread")


def test_in_a_common_folder_the_command_line_computes_the_same(machines, finished, preset, tmp_path):
    address, _ = machines
    options = "--executor", "dask", "--scheduler", str(address), "--out", str(tmp_path)
    done = CliRunner().invoke(app, ["run", preset, *options])
    assert done.exit_code == 0, done.output
    assert contents(Store(tmp_path)) == contents(finished)


def test_a_worker_of_many_threads_is_refused(machines):
    address, _ = machines
    many = worker(address, threads=2)
    with ended([many]), Client(scheduler_file=str(address), set_as_default=False) as client:
        while 2 not in client.nthreads().values():
            time.sleep(0.05)
        with (
            pytest.raises(WorkerError, match=r"has 2 threads.*dask worker --nthreads 1 --nworkers 2"),
            cluster.connected(str(address)),
        ):
            pass


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "no.host.of.this.name:9"])
def test_a_scheduler_that_does_not_answer_is_told_within_seconds(address):
    begin = time.monotonic()
    with pytest.raises(ValueError, match=f"no scheduler answers at {address}"), cluster.connected(address, timeout=1.0):
        pass
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--executor", "dask"), "--executor dask --scheduler ADDRESS, both of them"),
        (("--scheduler", "tcp://127.0.0.1:9"), "--executor dask --scheduler ADDRESS, both of them"),
        (("--executor", "ray"), "unknown executor 'ray'; known are processes, dask"),
        (("--executor", "dask", "--scheduler", "/no/such/file.json"), "no scheduler answers at /no/such/file.json"),
    ],
)
def test_a_cluster_that_cannot_be_is_told(options, message, tmp_path):
    done = CliRunner().invoke(app, ["run", "digits-smoke", *options, "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert message in done.output


def test_workers_of_other_versions_are_refused_by_name():
    ours = {"python": "3.11", "lthcore": "0.1.0", "tensorflow": "2.21.0"}
    check_software("node7", ours, ours)
    with pytest.raises(
        WorkerError, match=r"node7 has python 3\.12 \(here 3\.11\), tensorflow missing \(here 2\.21\.0\)"
    ):
        check_software("node7", {"python": "3.12", "lthcore": "0.1.0"}, ours)


def elsewhere(store: Store) -> tasks.Origin:
    """Who asks, as a worker on another machine hears of it."""
    return replace(tasks.Origin.here(mark=tasks.mark(store)), host="elsewhere")


def test_a_worker_that_sees_another_folder_says_so_and_stores_nothing(tmp_path):
    origin = elsewhere(Store(tmp_path / "theirs"))
    with pytest.raises(WorkerError, match=r"does not see .*ours.*--no-shared-folder"):
        tasks.in_place(TICKETS, 0, Store(tmp_path / "ours"), "auto", [(0, 0)], origin, "1")
    assert not (tmp_path / "ours").exists()


def test_a_damaged_record_does_not_travel(finished, tmp_path):
    store = Store(tmp_path)
    for round in (0, 1):
        store.save(finished.load(TICKETS, 0, round))
    path = store.path(TICKETS, 0, 1)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(StoreError, match=r"round-01\.npz is damaged"):
        tasks.pack(TICKETS, 0, store, [(2, 0)])


def test_what_comes_back_damaged_is_not_stored(finished, tmp_path):
    parcel = tasks.pack(TICKETS, 0, finished, [(1, 0)])
    assert [name.rpartition("/")[2] for name in parcel] == ["round-00.npz"]
    tasks.receive(parcel, Store(tmp_path / "sound"), replace=False)
    assert len(contents(Store(tmp_path / "sound"))) == 1
    with pytest.raises(StoreError, match="damaged"):
        tasks.receive({name: content[:-9] for name, content in parcel.items()}, Store(tmp_path / "not"), replace=False)
    assert contents(Store(tmp_path / "not")) == {}
