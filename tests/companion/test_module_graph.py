"""Imports read from the source of a package, without importing any of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from companion.drawings import module_graph


def package(folder: Path, **files: str) -> Path:
    """A small package written to a folder; a double underscore in a name stands for a slash."""
    root = folder / "tiny"
    for name, text in files.items():
        path = root / f"{name.replace('__', '/', 1) if not name.startswith('__') else name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for inner in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        (inner / "__init__.py").touch()
    return root


def test_imports_are_read_wherever_and_however_they_are_written(tmp_path):
    root = package(
        tmp_path,
        mask="import numpy\nVALUE = 1\n",
        prune="from tiny.mask import VALUE\nfrom tiny import mask\n",
        text__words="import tiny.mask\n",
        text__tables="from .words import x\nfrom ..prune import y\n",
        train="def late():\n    from tiny import prune, text\n    from tiny.text.tables import z\n    import os\n",
    )
    assert module_graph.imports(root) == {
        "mask": (),
        "prune": ("mask",),
        "text": (),
        "text.tables": ("prune", "text.words"),
        "text.words": ("mask",),
        "train": ("prune", "text", "text.tables"),
    }


def test_nothing_is_imported_while_imports_are_read(tmp_path):
    assert module_graph.imports(package(tmp_path, bomb="raise SystemExit\n")) == {"bomb": ()}


def test_a_folder_that_is_no_package_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is no package"):
        module_graph.imports(tmp_path)
