"""The command line: helpful, resumable, one clear error."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from typer.testing import CliRunner

from lthcore import frames, paths
from lthcore.cli import app

RUN = ["run", "digits-smoke", "--trials", "1", "--rounds", "1", "--steps", "20"]


def invoke(*arguments: str):
    return CliRunner().invoke(app, list(arguments), terminal_width=200)


def test_help_teaches_the_first_steps():
    text = invoke("--help").output
    for word in ("data", "run", "show", "frame", "notebooks", "book", "digits-smoke"):
        assert word in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "mnist-huge"], "unknown preset 'mnist-huge'; known are mnist-short"),
        (["data", "fetch", "letters"], "unknown data set 'letters'; known are mnist, digits"),
        (["data", "verify", "letters"], "unknown data set 'letters'"),
        (["run", "digits-smoke", "--steps", "0"], "steps must be a whole number >= 1"),
        (["show", "mnist-huge"], "unknown preset"),
    ],
)
def test_a_mistake_gets_one_clear_error(arguments, message):
    result = invoke(*arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output


def test_missing_data_is_told_before_anything_is_trained(monkeypatch, tmp_path):
    monkeypatch.setenv("LTH_DATA", str(tmp_path))
    monkeypatch.setattr(paths, "raw", lambda: [tmp_path])
    result = invoke("data", "verify", "mnist")
    assert result.exit_code == 1
    assert "train-images-idx3-ubyte is not on this machine" in result.output


def test_run_show_and_frame_speak_of_the_same_results(tmp_path):
    out = ["--out", str(tmp_path)]
    assert invoke(*RUN, *out).exit_code == 0
    shown = invoke("show", *out).output
    assert "digits-lenet_300_100-imp-reinit" in shown
    table = pd.read_csv(io.StringIO(invoke("frame", "--csv", *out).output))
    assert tuple(table.columns) == frames.COLUMNS
    assert len(table) == 2 + 4
    again = invoke(*RUN, *out)
    assert again.exit_code == 0
    assert len(pd.read_csv(io.StringIO(invoke("frame", "--csv", *out).output))) == 6


def test_the_frame_holds_the_published_results():
    table = pd.read_csv(io.StringIO(invoke("frame", "--csv").output))
    dense = table[(table["method"] == "imp") & (table["control"] == "rewind") & (table["round"] == 0)]
    assert len(dense) >= 3


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    file = tmp_path / "file"
    file.write_text("not a folder")
    result = invoke(*RUN, "--out", str(file))
    assert result.exit_code == 1
    assert "Choose another folder" in result.output
