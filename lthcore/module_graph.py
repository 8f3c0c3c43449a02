"""Which module of a package imports which, read from its source without importing anything."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

# The modules of this package by what they are for, the lowest first: the rows of the table in the book's chapter
# *Implementation*, and the levels of its drawing.
LEVELS: dict[str, tuple[str, ...]] = {
    "values": ("seeds", "mask", "identity", "config", "experiment", "paths", "archive"),
    "words and vectors": (
        "text.tokens",
        "text.vocabulary",
        "text.vectors",
        "text.vector_files",
        "text.language",
        "text.tables",
        "text",
    ),
    "quality on text": ("metrics", "published", "baselines"),
    "masks": ("connectivity", "criteria", "prune", "budgets"),
    "tickets and runs": (
        "ticket",
        "history",
        "environment",
        "presets.mnist",
        "presets.reuters",
        "presets.sizes",
        "presets",
    ),
    "data": (
        "datasets.base",
        "datasets.download",
        "datasets.sgml",
        "datasets.corpus",
        "datasets.reuters",
        "datasets.nltk_reuters",
        "datasets.newswire",
        "datasets.documents",
        "datasets.mnist",
        "datasets.digits",
        "datasets",
    ),
    "models": ("windows", "layers", "patches", "text_models", "models", "weights"),
    "smaller networks": ("graph", "surgery", "portable", "liveness", "shrink", "inference", "compact", "costs"),
    "training": ("optimizers", "loop", "evaluation", "fit", "probe", "train"),
    "search": ("lottery", "stability", "anatomy"),
    "results": ("records", "store", "trials", "verify"),
    "measurements": ("description", "settling", "filters", "measurements"),
    "statistics": ("frames", "filter_tables", "topics"),
    "figures": (
        "figures",
        "drawing",
        "sketching",
        "diagrams",
        "window_diagrams",
        "flow_diagrams",
        "module_graph",
        "early_figures",
        "text_figures",
    ),
    "chapters": ("studies", "explorer", "chapter", "notebooks", "printing"),
    "command line": ("cli", "__main__"),
}


def imports(package_path: Path | str) -> dict[str, tuple[str, ...]]:
    """The imports between the modules of a package, wherever they stand, inside functions too.

    Args:
        package_path: the folder of the package.

    Returns:
        Module → the modules of the package that it imports from, both by their names below the package, such as
        ``"text.tokens"``, in alphabetical order. A subpackage goes by its own name; the package itself is left out.

    Raises:
        ValueError: if the folder is no package.

    Example:
        >>> import lthcore
        >>> imports(Path(lthcore.__file__).parent)["ticket"]
        ('mask',)

    Book: chapter *Implementation*.
    """
    root = Path(package_path)
    if not (root / "__init__.py").is_file():
        raise ValueError(f"{root} is no package: it has no __init__.py")
    files = {_name(path, root): path for path in sorted(root.rglob("*.py"))}
    found = {}
    for name, path in files.items():
        targets = _targets(ast.parse(path.read_text(encoding="utf-8")), _home(name, path, root))
        below = {_module(target, root.name, files) for target in targets}
        found[name] = tuple(sorted(below - {"", name}))
    del found[""]
    return found


def _name(path: Path, root: Path) -> str:
    """Name of a module below its package; empty for the package itself."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _home(name: str, path: Path, root: Path) -> list[str]:
    """The package that relative imports of a module start from, as parts of its full name."""
    parts = [root.name, *filter(None, name.split("."))]
    return parts if path.name == "__init__.py" else parts[:-1]


def _targets(tree: ast.Module, home: list[str]) -> set[str]:
    """Full names of everything a module imports."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = home[: len(home) - node.level + 1] if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def _module(target: str, package: str, known: Iterable[str]) -> str:
    """The module of the package that a name belongs to; empty if there is none."""
    first, *below = target.split(".")
    if first != package:
        return ""
    while below and ".".join(below) not in known:
        below.pop()  # a name inside a module
    return ".".join(below)
