"""The command line beside results that cannot be read, written, or believed."""

from __future__ import annotations

import errno
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from records import RECORD
from typer.testing import CliRunner

from lthcore.cli import app
from lthcore.experiments import presets
from lthcore.experiments.presets import sizes
from lthcore.experiments.store import Store

RUN = ["run", "digits-smoke", "--trials", "1", "--rounds", "1", "--steps", "20"]
UNREADABLE = 3


def invoke(*arguments: str):
    return CliRunner().invoke(app, list(arguments), terminal_width=200)


@pytest.fixture
def complete(store) -> Store:
    """All that `RUN` computes, though nothing was trained for it."""
    for experiment in sizes.adjusted(presets.preset("digits-smoke"), trials=1, rounds=1, steps=20):
        for round, draw in experiment.networks:
            store.save(replace(RECORD, experiment=experiment, trial=0, round=round, draw=draw))
    return store


def all_files(store: Store) -> list[Path]:
    return sorted(path for path in store.root.rglob("*.npz"))


@pytest.mark.parametrize("command", [["show"], ["frame"], ["show", "digits-smoke"], ["frame", "--csv"]])
def test_damaged_records_are_left_out_and_all_of_them_named(complete, command):
    own = replace(RECORD, trial=1)
    sound = complete.save(own)
    first, second, *_ = all_files(complete)
    sound.with_name("round-05 (copy).npz").touch()
    for path in (first, second):
        path.write_bytes(path.read_bytes()[:200])
    # Of a preset only its own files are read, and at another length it is another experiment.
    preset = len(command) == 2 and command[1] == "digits-smoke"
    result = invoke(*command, "--out", str(complete.root))
    assert result.exit_code == (0 if preset else UNREADABLE), result.output
    named = [line for line in result.stderr.splitlines() if "is damaged" in line]
    assert [str(path) in line for path, line in zip((first, second), named, strict=not preset)] == [True] * len(named)
    assert "copy" not in result.output
    assert preset or own.experiment.identity in result.stdout
    assert "Traceback" not in result.output


def test_a_record_that_is_asked_for_itself_ends_the_command(complete):
    path = all_files(complete)[0]
    path.write_bytes(b"")
    result = invoke("verify", path.parts[-3], "--round", "1", "--out", str(complete.root))
    assert result.exit_code == UNREADABLE
    assert f"{path} is damaged" in result.stderr


def test_where_everything_is_there_nothing_is_written_or_locked(complete, monkeypatch):
    def read_only(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    before = {path: path.stat().st_mtime_ns for path in complete.root.rglob("*")}
    for name in ("os.open", "pathlib.Path.mkdir", "tempfile.mkstemp"):
        monkeypatch.setattr(name, read_only)
    result = invoke(*RUN, "--out", str(complete.root))
    assert result.exit_code == 0, result.output
    assert f"all results are in {complete.root}" in result.stdout
    assert {path: path.stat().st_mtime_ns for path in complete.root.rglob("*")} == before
    for command in (["show"], ["frame"], ["doctor"]):
        assert invoke(*command, "--out", str(complete.root)).exit_code == 0


def test_a_run_beside_a_damaged_record_says_so_and_never_that_all_is_there(complete):
    path = all_files(complete)[0]
    path.write_bytes(path.read_bytes()[:-300])
    before = path.read_bytes()
    result = invoke(*RUN, "--out", str(complete.root))
    assert result.exit_code == UNREADABLE, result.output
    assert f"{path} is damaged" in result.stderr
    assert "`python -m lthcore doctor`" in result.stderr
    assert "all results are in" not in result.output
    assert path.read_bytes() == before


def test_an_empty_file_is_no_result(complete):
    for path in all_files(complete):
        path.write_bytes(b"")
    result = invoke(*RUN, "--out", str(complete.root))
    assert result.exit_code == UNREADABLE
    assert all(str(path) in result.stderr for path in all_files(complete)[:1])
    assert "all results are in" not in result.output


def test_the_doctor_tells_repairs_and_then_finds_all_sound(complete):
    assert "all sound" in invoke("doctor", "--out", str(complete.root)).output
    path = all_files(complete)[0]
    path.write_bytes(path.read_bytes()[:200])
    told = invoke("doctor", "--out", str(complete.root))
    assert told.exit_code == UNREADABLE
    assert f"{path} is damaged" in told.output
    assert f"python -m lthcore run digits-smoke --steps 20 --out {complete.root}" in told.output
    repaired = invoke("doctor", "--repair", "--out", str(complete.root))
    assert repaired.exit_code == UNREADABLE
    assert f"renamed {path} to {path.name}.damaged" in repaired.output
    again = invoke("doctor", "--out", str(complete.root))
    assert again.exit_code == 0, again.output
    assert "was put aside" in again.output


def test_the_doctor_looks_at_all_known_results(complete, monkeypatch, tmp_path):
    monkeypatch.setattr("lthcore.files.paths.results", lambda: complete.root)
    monkeypatch.setattr("lthcore.files.paths.runs", lambda: tmp_path / "runs")
    output = invoke("doctor").output
    assert f"{complete.root}: {len(all_files(complete))} files, all sound" in output
    assert f"{tmp_path / 'runs'}: 0 files, all sound" in output


@pytest.mark.parametrize("command", [["show"], ["frame"], ["doctor"], ["verify", "digits"], RUN])
@pytest.mark.parametrize(("out", "message"), [("", "has an empty name"), ("file", "is a file. Choose another folder")])
def test_what_is_no_folder_gets_one_clear_error(command, out, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    result = invoke(*command, "--out", out)
    assert result.exit_code == 1
    assert result.stderr.count("error:") == 1
    assert message in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


@pytest.mark.parametrize("command", [["show"], ["frame"], ["doctor"], RUN])
def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(command, complete, monkeypatch):
    folder = all_files(complete)[0].parent
    listed = Path.iterdir

    def iterdir(path):
        if path == folder:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return listed(path)

    opened = Path.open

    def denied(path, *arguments, **options):
        if path.parent == folder:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    monkeypatch.setattr(Path, "open", denied)
    result = invoke(*command, "--out", str(complete.root))
    assert result.exit_code == UNREADABLE
    assert f"cannot read {folder}" in result.output
    assert "Permission denied. It may be sound and is kept" in result.output
    assert "damaged" not in result.output


@pytest.mark.parametrize("option", ["--rounds", "--trials", "--steps"])
def test_an_absurd_number_gets_one_clear_error_at_once(option):
    begin = time.process_time()
    result = invoke("run", "digits-smoke", option, "99999999999")
    assert result.exit_code == 1
    assert f"error: {option[2:]} must be a whole number <= " in result.stderr
    assert time.process_time() - begin < 10


@pytest.mark.parametrize("workers", ["1", *[pytest.param("2", marks=pytest.mark.faults, id=f"{n}") for n in range(5)]])
def test_two_writers_and_a_reader_lose_nothing_and_compute_nothing_twice(tmp_path, workers):
    command = [sys.executable, "-m", "lthcore", *RUN, "--workers", workers, "--out", str(tmp_path)]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    seen: dict[Path, tuple[int, int]] = {}
    while any(writer.poll() is None for writer in writers):
        for record in Store(tmp_path).records():  # whatever is there is whole
            path = Store(tmp_path).path(record.experiment, record.trial, record.round, record.draw)
            about = path.stat()
            assert seen.setdefault(path, (about.st_ino, about.st_mtime_ns)) == (about.st_ino, about.st_mtime_ns)
        time.sleep(0.02)
    for writer in writers:
        output, errors = writer.communicate()
        assert writer.returncode == 0, errors
        assert "all results are in" in output
    expected = sizes.adjusted(presets.preset("digits-smoke"), trials=1, rounds=1, steps=20)
    assert len(list(Store(tmp_path).records())) == sum(len(experiment.networks) for experiment in expected)
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith((".partial", ".replaced"))]
