"""Chapters as pairs: MyST text is the source, the executed notebook its committed half. papermill executes.

The text names numbers, ``{glue:text}`trials` ``, and the executed half has them in their place, because a forge,
JupyterLab and nbconvert know nothing of these roles.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import jupytext
import nbformat
import papermill
import yaml
from nbformat import NotebookNode

from companion.studies import ParameterError
from lthcore.files import paths

#: A number that the text of a chapter names.
GLUED = re.compile(r"\{glue:text\}`([^`]+)`")
#: Signs that Markdown reads as more than themselves.
MARKUP = re.compile(r"[\\`*_$|<]")
#: Marks the cell that installs the package where it is missing, and the line of it that is filled in.
INSTALL, ADDRESS = "install", re.compile(r'^address = ".*"$', re.MULTILINE)


def sources() -> list[Path]:
    """The text halves of all chapters, in order."""
    return sorted((paths.project_root() / "notebooks").glob("*.md"))


def read(source: Path) -> NotebookNode:
    """A chapter's text as a notebook without outputs.

    jupytext gives cells random ids at each reading; here an id follows from chapter and place, so that the same text
    always gives the same notebook. The cell that installs the package gets the address that ``_config.yml`` names.
    """
    notebook = jupytext.read(source)
    for place, cell in enumerate(notebook.cells):
        cell["id"] = hashlib.sha256(f"{source.stem}/{place}".encode()).hexdigest()[:8]
        if INSTALL in cell.metadata.get("tags", []):
            cell["source"] = ADDRESS.sub(f'address = "{address()}"', cell.source)
    notebook.metadata = NotebookNode(
        kernelspec={"name": "python3", "display_name": "Python 3", "language": "python"},
        language_info={"name": "python"},
    )
    return notebook


def address() -> str:
    """The public address of the repository, from ``_config.yml``; empty if it has none."""
    config = yaml.safe_load((paths.project_root() / "_config.yml").read_text(encoding="utf-8"))
    return config["repository"]["url"]


def glued(notebook: NotebookNode) -> dict[str, str]:
    """The texts that an executed notebook glued, by name."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    found = {}
    for output in outputs:
        record = output.get("metadata", {}).get("scrapbook", {})
        text = output.get("data", {}).get(f"{record.get('mime_prefix', '')}text/plain")
        if record.get("name") and text:
            found[record["name"]] = ast.literal_eval(text)
    return found


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text in Markdown with the values that it names, as Markdown prints them.

    Args:
        text: the source of a cell.
        values: name → text; see `glued`.

    Raises:
        KeyError: for a name without a value.

    Example:
        >>> filled("After {glue:text}`steps` steps, in {glue:text}`file`.", {"steps": "50", "file": "a_b"})
        'After 50 steps, in a\\\\_b.'
    """
    return GLUED.sub(lambda role: MARKUP.sub(r"\\\g<0>", values[role[1]]), text)


def execute(source: Path, target: Path, parameters: Mapping[str, object] | None = None) -> Path:
    """Execute a chapter from its text through papermill and write the notebook, with values where the text names them.

    Args:
        source: the ``.md`` half.
        target: where the executed notebook goes.
        parameters: values to use instead of the chapter's own.

    Raises:
        ParameterError: for a parameter the chapter does not have; nothing is executed.
        papermill.PapermillExecutionError: if a cell fails; `target` is not written.
        RuntimeError: if the text names a value that no cell has glued; `target` is not written. With other parameters
            than its own a chapter may have nothing to say there: then the name stays.
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
    values = _Named(glued(notebook))
    prose = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    if not parameters and (unknown := {name for cell in prose for name in GLUED.findall(cell.source)} - set(values)):
        raise RuntimeError(
            f"{source.name} names {', '.join(sorted(unknown))}, but no cell glues it; `chapter.put` does that"
        )
    for cell in prose:
        cell["source"] = filled(cell.source, values)
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
    """In which cells the two halves of a chapter differ; empty if the notebook was executed from this text.

    JupyterLab saves both halves as the text has them, so the notebook may name a value or hold it.
    """
    committed = source.with_suffix(".ipynb")
    if not committed.is_file():
        return [f"{committed.name} is missing; run `python -m companion notebooks`"]
    executed = nbformat.read(committed, as_version=4)
    text, notebook, values = read(source).cells, executed.cells, _Named(glued(executed))
    for cell in (*text, *notebook):
        if cell.cell_type == "markdown":
            cell["source"] = filled(cell.source, values)
    if len(text) != len(notebook):
        return [f"{source.name} has {len(text)} cells, {committed.name} has {len(notebook)}"]
    return [
        f"cell {place} differs: {left.source[:60]!r}"
        for place, (left, right) in enumerate(zip(text, notebook, strict=True))
        if any(left.get(key) != right.get(key) for key in ("id", "cell_type", "source", "metadata"))
    ]


class _Named(dict[str, str]):
    """Values by name; what has none stands for itself."""

    def __missing__(self, name: str) -> str:
        return f"{{glue:text}}`{name}`"


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
