"""Which module of a package imports which, read from its source without importing anything."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from graphlib import TopologicalSorter
from pathlib import Path

# The rooms of `lthcore`, the lowest first. A room is a subpackage, or one module at the top; its files import only from
# rooms that stand before it, and from one another without a circle. All other lists of modules follow from this one.
ROOMS = (
    "checks",
    "registry",
    "files",
    "pruning",
    "text",
    "datasets",
    "models",
    "kernels",
    "training",
    "shrinking",
    "lottery",
    "experiments",
    "analysis",
    "cli",
    "__main__",
)


def levels(edges: Mapping[str, Iterable[str]], rooms: Sequence[str] = ROOMS) -> dict[str, tuple[str, ...]]:
    """The modules of each room, each after those that it imports.

    Args:
        edges: module → the modules it imports from; see `imports`.
        rooms: the rooms, the lowest first.

    Returns:
        Room → its modules, by their names below the package.

    Raises:
        ValueError: for a module outside of all rooms.
        graphlib.CycleError: if modules import one another in a circle.

    Example:
        >>> levels({"low.b": (), "low.a": ("low.b",), "high": ("low.a",)}, ("low", "high"))
        {'low': ('low.b', 'low.a'), 'high': ('high',)}

    Book: chapter *Implementation*.
    """
    if strange := [name for name in edges if name.split(".")[0] not in rooms]:
        raise ValueError(f"module {strange[0]!r} stands in no room; rooms are {', '.join(rooms)}")
    order = tuple(TopologicalSorter({name: sorted(edges[name]) for name in sorted(edges)}).static_order())
    return {room: tuple(name for name in order if name.split(".")[0] == room) for room in rooms}


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
        >>> imports(Path(lthcore.__file__).parent)["pruning.ticket"]
        ('pruning.mask', 'pruning.weights')

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
