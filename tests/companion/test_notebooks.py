"""Chapters as pairs: both halves agree, every one runs at smoke scale, unknown parameters are refused."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbconvert
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
def test_code_begins_with_the_parameters_what_installs_the_package_and_what_checks_the_parameters(source):
    first, second, third = codes(source)[:3]
    assert first.metadata.tags == ["parameters"]
    assert second.metadata.tags == ["install", "remove-cell"]
    declared = re.findall(r"^([A-Z]+) = ", first.source, re.MULTILINE)
    known = re.search(r'check_parameters\(globals\(\), known="([A-Z ]+)"\)', third.source)
    assert declared == known.group(1).split()


@pytest.mark.parametrize("source", CHAPTERS, ids=names)
def test_the_executed_half_has_numbers_where_the_text_names_them(source):
    """On a forge, in JupyterLab or after nbconvert nothing else puts them there."""
    committed = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    prose = "\n".join(cell.source for cell in committed.cells if cell.cell_type == "markdown")
    assert "{glue:" not in prose
    assert set(notebooks.GLUED.findall(source.read_text())) <= set(notebooks.glued(committed))


def test_the_cell_that_installs_is_the_same_in_every_chapter_and_silent_where_the_package_is(capsys):
    (cell,) = {codes(source)[1].source for source in CHAPTERS}
    exec(compile(cell, "install", "exec"), {})
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("address", ["", "file:///nowhere/at/all"])
def test_without_the_package_and_without_an_address_or_a_network_a_sentence_says_what_to_do(
    tmp_path, monkeypatch, address
):
    monkeypatch.setattr(notebooks, "address", lambda: address)
    cell = codes(CHAPTERS[0])[1].source
    assert f'address = "{address}"\n' in cell
    # Isolated, and without the packages of this environment: nothing of ours can be found.
    done = subprocess.run([sys.executable, "-I", "-S", "-c", cell], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"The package lthcore is not installed here\. Run pip install [^\n]+\n", done.stdout)
    assert f"a copy of {address or 'the repository'}" in done.stdout


def test_where_the_package_is_missing_it_is_copied_and_installed_from_the_address(tmp_path, monkeypatch):
    """With a repository and a pip of the test's own."""
    monkeypatch.setattr(notebooks, "address", lambda: (tmp_path / "origin").as_uri())
    origin = tmp_path / "origin"
    (origin / "lthcore").mkdir(parents=True)
    (origin / "lthcore" / "__init__.py").write_text("")
    identity = ("-c", "user.name=A", "-c", "user.email=a@b.invalid")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "Begin"]):
        subprocess.run(["git", "-C", str(origin), *identity, *words], check=True)
    pip = tmp_path / "pip.py"
    pip.write_text("import pathlib, sys; pathlib.Path('asked').write_text(' '.join(sys.argv[1:]))")
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{codes(CHAPTERS[0])[1].source}\nimport lthcore"
    environment = {"PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "asked").read_text() == "install -e lottery[book]"


# What is glued for other pages to quote has a type that only the book shows.
@pytest.mark.filterwarnings("ignore:Your element with mimetype.*papermill.record:UserWarning")
@pytest.mark.parametrize("kind", ["html", "script"])
@pytest.mark.parametrize("source", CHAPTERS, ids=names)
def test_nbconvert_makes_a_page_and_a_program_of_a_committed_half(source, kind, tmp_path):
    text, _ = nbconvert.get_exporter(kind)().from_filename(str(source.with_suffix(".ipynb")))
    assert "{glue:" not in text
    if kind == "script":
        compile(text, source.stem, "exec")
    else:
        assert text.count("data:image/") >= 3


@pytest.mark.parametrize("source", CHAPTERS, ids=names)
def test_a_chapter_is_of_readable_size(source):
    cells = [cell for cell in codes(source) if "install" not in cell.metadata.get("tags", [])]
    assert 15 <= len(cells) <= 25
    visible = [cell for cell in cells if not {"remove-input", "remove-cell"} & set(cell.metadata.get("tags", []))]
    assert max(len(cell.source.splitlines()) for cell in visible) <= 20
    shown = [cell for cell in visible if "hide-input" not in cell.metadata.get("tags", [])]
    assert max(len(line) for cell in shown for line in cell.source.splitlines()) <= 80, "it would be cut at the right"
    prose = "\n".join(cell.source for cell in notebooks.read(source).cells if cell.cell_type == "markdown")
    prose, told = re.subn(r"^To run this page yourself, install .*$", "", prose, flags=re.MULTILINE)
    assert told == 1
    assert 1_800 <= len(prose.split()) <= 3_000


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


GLUE = """---
kernelspec:
  name: python3
  display_name: Python 3
---

# Title

Of {glue:text}`many` and | {glue:text}`odd` |.

```{code-cell} ipython3
from companion import chapter

chapter.put(many="5 000", odd="a|b_c")
```
"""


def test_the_executed_half_of_a_text_has_its_values_and_agrees_with_it_in_either_form(tmp_path):
    text, half = tmp_path / "01_x.md", tmp_path / "01_x.ipynb"
    text.write_text(GLUE)
    notebooks.execute(text, half)
    executed = nbformat.read(half, as_version=4)
    assert executed.cells[0].source == "# Title\n\nOf 5 000 and | a\\|b\\_c |."
    assert notebooks.disagreements(text) == []
    executed.cells[0]["source"] = notebooks.read(text).cells[0].source
    nbformat.write(executed, half)
    assert notebooks.disagreements(text) == [], "as JupyterLab saves it"
    executed.cells[0]["source"] = "# Title\n\nOf 6 000 and | a\\|b\\_c |."
    nbformat.write(executed, half)
    assert notebooks.disagreements(text) == ["cell 0 differs: '# Title\\n\\nOf 5 000 and | a\\\\|b\\\\_c |.'"]


def test_a_name_that_nobody_glues_is_refused(tmp_path):
    text = tmp_path / "01_x.md"
    text.write_text(GLUE.replace("`many`", "`nany`"))
    with pytest.raises(RuntimeError, match=r"01_x\.md names nany, but no cell glues it"):
        notebooks.execute(text, tmp_path / "out.ipynb")
    assert not (tmp_path / "out.ipynb").exists()


def test_a_failing_cell_leaves_no_notebook(tmp_path):
    text = tmp_path / "01_x.md"
    text.write_text(
        "---\nkernelspec:\n  name: python3\n  display_name: Python 3\n---\n\n```{code-cell} ipython3\n1 / 0\n```\n"
    )
    with pytest.raises(papermill.PapermillExecutionError, match="ZeroDivisionError"):
        notebooks.execute(text, tmp_path / "out.ipynb")
    assert not (tmp_path / "out.ipynb").exists()
