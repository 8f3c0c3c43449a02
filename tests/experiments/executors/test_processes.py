"""Processes end with the command that started them, and a command that cannot go on says so in one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from lthcore.experiments.store import Store

LONG = ("digits-smoke", "--trials", "2", "--workers", "2")
RUN = ("run", *LONG, "--rounds", "1", "--steps", "6000")
MEASURE = ("measure", "stability", *LONG)


@contextmanager
def started(*arguments: str):
    """A command of the laboratory, heard by signals of its own."""
    # A shell starts what runs in the background with interrupts ignored, and children inherit that: these tests, too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    command = [sys.executable, "-m", "lthcore", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until(happened: Callable[[], object], seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def workers(process: subprocess.Popen) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(process.pid).children():
        with suppress(psutil.NoSuchProcess):  # others come and go
            if "--multiprocessing-fork" in child.cmdline():
                found.append(child)
    return found


def training(process: subprocess.Popen, folder: Path) -> Callable[[], bool]:
    """Whether both workers hold the trial that they train."""
    return lambda: len(workers(process)) == 2 and len(list(folder.glob("*/.*.lock"))) >= 2


@pytest.mark.parametrize(
    ("command", "stop"), [(RUN, signal.SIGTERM), (MEASURE, signal.SIGKILL)], ids=["asked", "killed"]
)
def test_workers_end_with_the_command_that_started_them(tmp_path, command, stop):
    with started(*command, "--out", str(tmp_path)) as process:
        wait_until(training(process, tmp_path))
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(stop)
        _, errors = process.communicate(timeout=20)
        _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    if stop == signal.SIGTERM:
        assert process.returncode == 143
        assert errors.splitlines()[-1].startswith("interrupted; finished networks are kept")


def test_a_worker_that_is_killed_is_told_in_one_line_and_the_others_end(tmp_path):
    with started(*RUN, "--out", str(tmp_path)) as process:
        wait_until(training(process, tmp_path))
        family = psutil.Process(process.pid).children(recursive=True)
        workers(process)[0].kill()
        _, errors = process.communicate(timeout=30)
        _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("error: a worker process was ended from outside")


def test_an_interruption_from_the_keyboard_is_the_command_s_alone_to_obey(tmp_path):
    with started(*RUN, "--out", str(tmp_path)) as process:
        wait_until(training(process, tmp_path))
        for one in (*workers(process), process):  # a terminal interrupts them all
            one.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("interrupted; finished networks are kept")


@pytest.mark.parametrize("seconds", [0.5, 1.5])
def test_an_interruption_while_libraries_load_is_told_in_one_line(tmp_path, seconds):
    with started("run", *LONG, "--out", str(tmp_path)) as process:
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert list(Store(tmp_path).records()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize("command", [("frame",), ("presets",), ("--version",)])
def test_a_full_disk_behind_the_output_is_told_in_one_line(command):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-m", "lthcore", *command], stdout=full, stderr=-1, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: cannot write the output: No space left on device. Make room and try again\n"


def test_who_reads_the_first_lines_alone_is_left_in_peace():
    command = [sys.executable, "-m", "lthcore", "frame", "--csv"]
    # Without buffers Python does not notice that a write was cut short.
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=buffered) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141  # as if SIGPIPE had ended it


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit the address space")
def test_memory_too_short_for_tensorflow_is_told_in_one_line(tmp_path):
    script = f"ulimit -v 1000000; exec {sys.executable} -m lthcore run digits-smoke --out {tmp_path}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: memory is too short to load a library: ")
