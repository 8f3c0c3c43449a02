"""Chapters as pairs: MyST text is the source, the executed notebook its committed half. papermill executes."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import jupytext
import nbformat
import papermill
from nbformat import NotebookNode

from lthcore import paths
from lthcore.chapter import ParameterError


def sources() -> list[Path]:
    """The text halves of all chapters, in order."""
    return sorted((paths.project_root() / "notebooks").glob("*.md"))


def read(source: Path) -> NotebookNode:
    """A chapter's text as a notebook without outputs.

    jupytext gives cells random ids at each reading; here an id follows from chapter and place, so that the same text
    always gives the same notebook.
    """
    notebook = jupytext.read(source)
    for place, cell in enumerate(notebook.cells):
        cell["id"] = hashlib.sha256(f"{source.stem}/{place}".encode()).hexdigest()[:8]
    notebook.metadata = NotebookNode(
        kernelspec={"name": "python3", "display_name": "Python 3", "language": "python"},
        language_info={"name": "python"},
    )
    return notebook


def execute(source: Path, target: Path, parameters: Mapping[str, object] | None = None) -> Path:
    """Execute a chapter from its text through papermill and write the notebook.

    Args:
        source: the ``.md`` half.
        target: where the executed notebook goes.
        parameters: values to use instead of the chapter's own.

    Raises:
        ParameterError: for a parameter the chapter does not have; nothing is executed.
        papermill.PapermillExecutionError: if a cell fails; `target` is not written.
    """
    parameters = dict(parameters or {})
    with tempfile.TemporaryDirectory() as folder:
        plain, executed = Path(folder) / f"{source.stem}.ipynb", Path(folder) / "executed.ipynb"
        nbformat.write(read(source), plain)
        known = papermill.inspect_notebook(str(plain))
        if unknown := sorted(set(parameters) - set(known)):
            raise ParameterError(f"{source.name} has no parameter {', '.join(unknown)}; it has {', '.join(known)}")
        papermill.execute_notebook(
            str(plain), str(executed), parameters, cwd=str(source.parent), progress_bar=False, log_output=False
        )
        notebook = _stripped(nbformat.read(executed, as_version=4))
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)
    return target


def renew(source: Path) -> Path:
    """Execute a chapter with its own parameters and replace its committed half."""
    return execute(source, source.with_suffix(".ipynb"))


def disagreements(source: Path) -> list[str]:
    """In which cells the two halves of a chapter differ; empty if the notebook was executed from this text."""
    committed = source.with_suffix(".ipynb")
    if not committed.is_file():
        return [f"{committed.name} is missing; run `python -m lthcore notebooks`"]
    text, notebook = read(source).cells, nbformat.read(committed, as_version=4).cells
    if len(text) != len(notebook):
        return [f"{source.name} has {len(text)} cells, {committed.name} has {len(notebook)}"]
    return [
        f"cell {place} differs: {left.source[:60]!r}"
        for place, (left, right) in enumerate(zip(text, notebook, strict=True))
        if any(left.get(key) != right.get(key) for key in ("id", "cell_type", "source", "metadata"))
    ]


def build_book(parameters: Mapping[str, object] | None = None) -> Path:
    """Execute every chapter into a build folder and build the site from there; return its first page.

    The working tree is only read, so a build never touches a committed file.

    Raises:
        RuntimeError: if the site does not build without a warning.
    """
    root = paths.project_root()
    stage = root / "_build" / "stage"
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(root / name, stage)
    shutil.copytree(root / "book", stage / "book")
    for source in sources():
        execute(source, stage / "notebooks" / f"{source.stem}.ipynb", parameters)
    shutil.rmtree(root / "_build" / "html", ignore_errors=True)
    command = ["jupyter_book", "build", str(stage), "--path-output", str(root), "-W", "-n", "--keep-going"]
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the book did not build:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return root / "_build" / "html" / "index.html"


def _stripped(notebook: NotebookNode) -> NotebookNode:
    """The notebook without what differs from run to run: times, paths, kernel details."""
    notebook.metadata = NotebookNode(
        {key: notebook.metadata[key] for key in ("kernelspec", "language_info") if key in notebook.metadata}
    )
    notebook.metadata["language_info"] = NotebookNode(name="python")
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if cell.metadata.get("tags") == []:
            del cell.metadata["tags"]
    return notebook
