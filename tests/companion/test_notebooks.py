"""Chapters as pairs: both halves agree, every one runs at smoke scale, unknown parameters are refused."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from companion import notebooks
from companion.chapter import ParameterError

from lthcore.files import paths

CHAPTERS = notebooks.sources()
EMBEDDED = {"01_background": "embedded", "02_mnist": "digits", "04_reuters": "newswire", "05_early": "embedded"}
names = [source.stem for source in CHAPTERS]


def codes(source: Path) -> list:
    return [cell for cell in notebooks.read(source).cells if cell.cell_type == "code"]


def test_there_are_chapters():
    assert set(names) == set(EMBEDDED)


@pytest.mark.parametrize("source", CHAPTERS, ids=names)
def test_the_committed_half_was_executed_from_the_text(source):
    assert notebooks.disagreements(source) == []
    committed = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    nbformat.validate(committed)
    code = [cell for cell in committed.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert set(committed.metadata) == {"kernelspec", "language_info"}
    assert not any({"papermill", "execution"} & set(cell.metadata) for cell in committed.cells)


@pytest.mark.parametrize("source", CHAPTERS, ids=names)
def test_the_first_code_cell_holds_the_parameters_and_the_next_checks_them(source):
    first, second = codes(source)[:2]
    assert first.metadata.tags == ["parameters"]
    declared = re.findall(r"^([A-Z]+) = ", first.source, re.MULTILINE)
    known = re.search(r'check_parameters\(globals\(\), known="([A-Z ]+)"\)', second.source)
    assert declared == known.group(1).split()


@pytest.mark.parametrize("source", CHAPTERS, ids=names)
def test_a_chapter_is_of_readable_size(source):
    cells = codes(source)
    assert 15 <= len(cells) <= 25
    visible = [cell for cell in cells if not {"remove-input", "remove-cell"} & set(cell.metadata.get("tags", []))]
    assert max(len(cell.source.splitlines()) for cell in visible) <= 20
    shown = [cell for cell in visible if "hide-input" not in cell.metadata.get("tags", [])]
    assert max(len(line) for cell in shown for line in cell.source.splitlines()) <= 80, "it would be cut at the right"
    words = sum(len(cell.source.split()) for cell in notebooks.read(source).cells if cell.cell_type == "markdown")
    assert 1_800 <= words <= 3_000


@pytest.mark.parametrize("source", CHAPTERS, ids=names)
def test_the_code_of_a_chapter_passes_the_linter(source):
    # Imports follow the parameters, and the texts of guards are as long as they need to be.
    code = "\n\n".join(cell.source for cell in codes(source)) + "\n"
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--ignore",
        "E402,E501,I001",
        "--stdin-filename",
        "chapter.py",
        "-",
    ]
    done = subprocess.run(command, input=code, capture_output=True, text=True, cwd=paths.project_root())
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("source", CHAPTERS, ids=names)
def test_no_result_is_typed(source):
    prose = "\n".join(cell.source for cell in notebooks.read(source).cells if cell.cell_type == "markdown")
    assert re.findall(r"\d[\d.]*\s?(?:pp|steps)\b", prose) == []
    assert re.findall(r"9\d\.\d+\s?%", prose) == []


@pytest.mark.parametrize("source", CHAPTERS, ids=names)
def test_a_chapter_runs_at_smoke_scale_on_the_embedded_data(source, tmp_path, monkeypatch):
    monkeypatch.setenv("LTH_DATA", str(tmp_path))
    executed = notebooks.execute(source, tmp_path / "out.ipynb", {"SCALE": "smoke", "DATA": EMBEDDED[source.stem]})
    outputs = [output for cell in nbformat.read(executed, 4).cells for output in cell.get("outputs", ())]
    shown = "".join(str(output.get("data", {}).get("text/markdown", "")) for output in outputs)
    assert "Smoke scale" in shown
    assert "at this scale it is not checked" in shown
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 3


@pytest.mark.parametrize("source", CHAPTERS, ids=names)
def test_our_runner_refuses_an_unknown_parameter_before_executing(source, tmp_path, monkeypatch):
    monkeypatch.setattr(papermill, "execute_notebook", lambda *_, **__: pytest.fail("executed all the same"))
    target = tmp_path / "out.ipynb"
    with pytest.raises(ParameterError, match="no parameter SCLAE; it has SCALE, DATA, COMPUTE"):
        notebooks.execute(source, target, {"SCLAE": "smoke"})
    assert not target.exists()


@pytest.mark.parametrize("source", CHAPTERS, ids=names)
def test_bare_papermill_stops_in_the_cell_after_the_parameters(source, tmp_path):
    committed, out = source.with_suffix(".ipynb"), tmp_path / "out.ipynb"
    with pytest.raises(papermill.PapermillExecutionError, match="unknown parameter SCLAE"):
        papermill.execute_notebook(str(committed), str(out), {"SCLAE": "smoke"}, progress_bar=False)


def test_reading_twice_gives_the_same_cells():
    assert notebooks.read(CHAPTERS[0]) == notebooks.read(CHAPTERS[0])


def test_a_changed_text_or_a_missing_half_is_noticed(tmp_path):
    text, half = tmp_path / "01_x.md", tmp_path / "01_x.ipynb"
    text.write_text("# Title\n\n```{code-cell} ipython3\n1 + 1\n```\n")
    assert "is missing" in notebooks.disagreements(text)[0]
    nbformat.write(notebooks.read(text), half)
    assert notebooks.disagreements(text) == []
    text.write_text("# Title\n\n```{code-cell} ipython3\n1 + 2\n```\n")
    assert notebooks.disagreements(text) == ["cell 1 differs: '1 + 2'"]


def test_a_failing_cell_leaves_no_notebook(tmp_path):
    text = tmp_path / "01_x.md"
    text.write_text(
        "---\nkernelspec:\n  name: python3\n  display_name: Python 3\n---\n\n```{code-cell} ipython3\n1 / 0\n```\n"
    )
    with pytest.raises(papermill.PapermillExecutionError, match="ZeroDivisionError"):
        notebooks.execute(text, tmp_path / "out.ipynb")
    assert not (tmp_path / "out.ipynb").exists()
