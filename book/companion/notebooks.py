"""Chapters as pairs: MyST text is the source, the executed notebook its committed half. papermill executes."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import jupytext
import nbformat
import papermill
from nbformat import NotebookNode

from companion.studies import ParameterError
from lthcore.files import paths


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


# Figures that stand outside the book as well: chapter, name of the figure, file.
COVERS = (("02_mnist", "fig:mnist-accuracy", "book/images/tickets.png"),)


def renew(source: Path) -> Path:
    """Execute a chapter with its own parameters and replace its committed half, and its figures outside the book."""
    target = execute(source, source.with_suffix(".ipynb"))
    for stem, name, file in COVERS:
        if stem == source.stem:
            (paths.project_root() / file).parent.mkdir(exist_ok=True)
            (paths.project_root() / file).write_bytes(figure(source, name))
    return target


def figure(source: Path, name: str) -> bytes:
    """The PNG of a figure in a chapter's committed half.

    Raises:
        KeyError: if there is no figure of that name.
    """
    for cell in nbformat.read(source.with_suffix(".ipynb"), as_version=4).cells:
        if cell.metadata.get("mystnb", {}).get("figure", {}).get("name") == name:
            images = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
            return base64.b64decode(images[0])
    raise KeyError(f"{source.stem} has no figure {name!r}")


def disagreements(source: Path) -> list[str]:
    """In which cells the two halves of a chapter differ; empty if the notebook was executed from this text."""
    committed = source.with_suffix(".ipynb")
    if not committed.is_file():
        return [f"{committed.name} is missing; run `python -m companion notebooks`"]
    text, notebook = read(source).cells, nbformat.read(committed, as_version=4).cells
    if len(text) != len(notebook):
        return [f"{source.name} has {len(text)} cells, {committed.name} has {len(notebook)}"]
    return [
        f"cell {place} differs: {left.source[:60]!r}"
        for place, (left, right) in enumerate(zip(text, notebook, strict=True))
        if any(left.get(key) != right.get(key) for key in ("id", "cell_type", "source", "metadata"))
    ]


def build_book(progress: Callable[[Iterable[Path]], Iterable[Path]] = iter) -> Path:
    """Execute every chapter into a build folder and build the site from there; return its first page.

    The working tree is only read, so a build never touches a committed file.

    Args:
        progress: wraps the chapters as they are executed, as a progress bar does.

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
    for source in progress(sources()):
        execute(source, stage / "notebooks" / f"{source.stem}.ipynb")
    return build_site(stage, root)


def build_site(source: Path, target: Path) -> Path:
    """Build the site of the book that lies in `source` into ``_build/html`` below `target`; return its first page.

    Raises:
        RuntimeError: if the site does not build without a warning.
    """
    shutil.rmtree(target / "_build" / "html", ignore_errors=True)
    jupyter_book(source, target)
    return target / "_build" / "html" / "index.html"


def jupyter_book(source: Path, target: Path, *options: str, environment: Mapping[str, str] | None = None) -> None:
    """Run Jupyter Book's ``build``; a warning is an error.

    Args:
        source: the folder with ``_config.yml``.
        target: where ``_build`` goes.
        options: more options of the command line.
        environment: variables of the process, if not those of this one.

    Raises:
        RuntimeError: with the end of what was printed.
    """
    program = "from jupyter_book.cli.main import main; main()"
    command = ["build", str(source), "--path-output", str(target), "-W", "-n", "--keep-going", *options]
    done = subprocess.run([sys.executable, "-c", program, *command], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"the book did not build:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")


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
