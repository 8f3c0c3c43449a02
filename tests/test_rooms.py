"""The order of the rooms, read from the imports; what is imported where; what is not used at all."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from companion.drawings.module_graph import ROOMS, imports, levels

import lthcore

PACKAGE = Path(lthcore.__file__).parent
EDGES = imports(PACKAGE)

# Rooms that compute without any framework but NumPy.
NUMPY = ("checks", "registry", "files", "pruning", "text", "datasets", "lottery")
# What the book is made with, and the laboratory does without.
BOOKISH = ("IPython", "jupytext", "myst_nb", "nbformat", "papermill", "jupyter_book", "sphinx", "companion")


def room(name: str) -> str:
    return name.split(".")[0]


def tree(name: str) -> ast.Module:
    path = PACKAGE.joinpath(*name.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))


def imported(module: ast.Module) -> set[str]:
    """Top-level names of everything imported anywhere in a module, inside functions too."""
    found = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def after(script: str) -> subprocess.CompletedProcess:
    """What a new process says of a script."""
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


def test_every_module_stands_in_a_room_and_no_file_imports_in_a_circle():
    assert sorted(name for names in levels(EDGES).values() for name in names) == sorted(EDGES)


@pytest.mark.parametrize("name", EDGES)
def test_a_module_imports_from_its_own_room_or_from_lower_ones(name):
    allowed = ROOMS[: ROOMS.index(room(name)) + 1]
    assert {room(target) for target in EDGES[name]} <= set(allowed)


def test_a_room_holds_nine_files_at_most():
    folders = [PACKAGE, *(path for path in PACKAGE.rglob("*") if path.is_dir() and path.name != "__pycache__")]
    counts = {folder.name: len([file for file in folder.glob("*.py") if file.stem[:2] != "__"]) for folder in folders}
    assert {name: count for name, count in counts.items() if count > 9} == {}


@pytest.mark.parametrize("name", [name for name in EDGES if room(name) in NUMPY])
def test_values_words_and_the_search_do_without_tensorflow(name):
    assert imported(tree(name)).isdisjoint({"tensorflow", "keras"})


def test_searching_reading_and_the_command_line_load_no_tensorflow():
    done = after(
        "import sys, lthcore.lottery, lthcore.experiments.store, lthcore.analysis.frames, lthcore.cli\n"
        "import companion.chapter\n"
        "print({'tensorflow', 'keras', 'jax', 'torch'} & set(sys.modules))"
    )
    assert done.stdout.strip() == "set()", done.stderr


def test_the_laboratory_needs_nothing_that_the_book_is_made_with():
    modules = ", ".join(f"lthcore.{name}" for name in EDGES if name != "__main__")
    done = after(
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {BOOKISH}: raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        f"import {modules}"
    )
    assert done.returncode == 0, done.stderr


def called(module: ast.Module) -> set[str]:
    """Names of the functions a module calls as they are, without a dot."""
    return {node.func.id for node in ast.walk(module) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


@pytest.mark.parametrize("name", EDGES)
def test_nothing_is_printed_evaluated_or_pickled(name):
    module = tree(name)
    assert called(module).isdisjoint({"print", "eval", "exec", "breakpoint"})
    assert imported(module).isdisjoint({"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"})
    for node in ast.walk(module):
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant)
            assert node.value.value is False


def test_no_file_of_arrays_is_read_by_what_could_unpickle_it():
    called = {ast.unparse(node.func) for name in EDGES for node in ast.walk(tree(name)) if isinstance(node, ast.Call)}
    assert called.isdisjoint({"np.load", "numpy.load", "np.lib.format.read_array", "np.fromfile"})
