"""The one-way order of the modules, read from their imports; what is imported where; what is not used at all."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lthcore
from lthcore.module_graph import LEVELS

PACKAGE = Path(lthcore.__file__).parent

# A module may import only from modules before its own, whether in its level or in those above.
ORDER = [module for level in LEVELS.values() for module in level]

ON_TENSORFLOW = {
    "windows",
    "layers",
    "patches",
    "text_models",
    "models",
    "weights",
    "graph",
    "surgery",
    "portable",
    "liveness",
    "shrink",
    "inference",
    "compact",
    "costs",
    "optimizers",
    "loop",
    "evaluation",
    "fit",
    "probe",
    "train",
    "trials",
    "filters",
}


def modules() -> dict[str, ast.Module]:
    """Name below the package → syntax tree; the package's own ``__init__`` has the empty name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


MODULES = modules()


def imported(tree: ast.Module) -> set[str]:
    """Full names of everything imported anywhere in a module, inside functions too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def needs(name: str) -> set[str]:
    """The modules of the package that a module imports from."""
    found = set()
    for target in imported(MODULES[name]):
        if target.split(".")[0] != "lthcore":
            continue
        below = target.split(".")[1:]
        while below and ".".join(below) not in MODULES:
            below.pop()  # a name inside a module
        found.add(".".join(below))
    return found - {""}  # the package itself: its version


def test_every_module_has_its_place_in_the_order():
    assert sorted(set(MODULES) - {""}) == sorted(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_a_module_imports_only_from_rows_above_its_own(name):
    above = set(ORDER[: ORDER.index(name)])
    assert needs(name) <= above


def test_the_package_itself_imports_no_module():
    assert needs("") == set()
    assert imported(MODULES[""]) <= {"os", "sys"}


def test_imports_are_found_wherever_they_stand():
    assert needs("lottery") >= {"config", "criteria", "history", "mask", "prune", "seeds", "ticket"}
    assert "trials" in needs("cli"), "inside a function"
    assert needs("datasets") >= {"datasets.mnist", "datasets.base"}


@pytest.mark.parametrize("name", ORDER)
def test_tensorflow_is_imported_where_it_computes_and_nowhere_else(name):
    roots = {target.split(".")[0] for target in imported(MODULES[name])}
    assert name in ON_TENSORFLOW or roots.isdisjoint({"tensorflow", "keras"})


def test_searching_reading_and_the_command_line_do_without_tensorflow():
    script = (
        "import sys, lthcore.lottery, lthcore.store, lthcore.frames, lthcore.chapter, lthcore.cli\n"
        "print({'tensorflow', 'keras', 'jax', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def called(tree: ast.Module) -> set[str]:
    """Names of the functions a module calls as they are, without a dot."""
    return {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


@pytest.mark.parametrize("name", ORDER)
def test_nothing_is_printed_evaluated_or_pickled(name):
    tree = MODULES[name]
    assert called(tree).isdisjoint({"print", "eval", "exec", "breakpoint"})
    roots = {target.split(".")[0] for target in imported(tree)}
    assert roots.isdisjoint({"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"})
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant)
            assert node.value.value is False


def test_arrays_are_loaded_in_one_place_and_never_with_pickle():
    loads = {
        name: ast.unparse(node)
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.load", "numpy.load")
    }
    assert list(loads) == ["archive"]
    assert "allow_pickle=False" in loads["archive"]
