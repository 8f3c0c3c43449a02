"""Two directives about the rooms of the package, made from its docstrings and imports: no list is kept by hand.

``room`` is the reference of one or more rooms, module by module, the lowest first. ``rooms`` is a table of all rooms.

Docstrings are written like the prose of the book, with Markdown's backticks and MyST's roles, and with the sections of
Google's style. ``autodoc`` reads reStructuredText; what differs between the two is translated here, line by line,
before ``napoleon`` takes the sections apart.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import companion
from companion.drawings.module_graph import ROOMS, imports, levels
from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.ext.autodoc import FunctionDocumenter
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

import lthcore

SECTION = """
.. _{label}:

{name}
{rule}

.. automodule:: {name}
   :members:
   :ignore-module-all:

"""

ROLE = re.compile(r"\{(\w+)\}(?=`)")
# A literal between double or single backticks; a role is none.
LITERAL = re.compile(r"``(.+?)``(?!`)|:\w+:`[^`]+`|`([^`]+)`")
#: A section that says what a function gives. Types stand in its signature, so a colon in it only ends a phrase;
#: napoleon would take what comes before for a type.
GIVES = re.compile(r"(Returns|Yields):$")
#: One line that names where something comes from or is explained.
FIELD = re.compile(r"(Source|Book): (?=\S)")


# What the command line says of a parameter beside its type.
ANNOTATED = re.compile(r"~?(?:typing|types)\.Annotated\[((?:[^\[\]]|\[[^\]]*\])+?), <typer[^>]*>\]")

# A default that Python can only describe: ``<factory>``, ``<function loss at 0x7f…>``.
DEFAULT = re.compile(r"= <[^<>]+>")


def modules(room: str) -> list[str]:
    """Full names of the modules of a room of `lthcore`, or of the companion, each after those that it imports."""
    package = companion if room == companion.__name__ else lthcore
    edges = edges_of(package)
    rooms = sorted({name.split(".")[0] for name in edges}) if package is companion else ROOMS
    found = [
        name for key, names in levels(edges, rooms).items() for name in names if package is companion or key == room
    ]
    # A package that only says what its modules are for is described by the page itself; `__main__` is a program.
    return [
        full
        for full in (f"{package.__name__}.{name}" for name in found)
        if not full.endswith("__main__") and not _is_folder(full)
    ]


@functools.cache
def edges_of(package: ModuleType) -> dict[str, tuple[str, ...]]:
    """The imports within a package, which are read once for all pages."""
    return imports(Path(package.__file__).parent)


def _is_folder(name: str) -> bool:
    module = importlib.import_module(name)
    return hasattr(module, "__path__") and not any(True for _ in public(module))


def public(module: ModuleType) -> Iterator[str]:
    """Names of the functions, kernels and classes that a module itself defines for others."""
    for name, value in vars(module).items():
        is_code = inspect.isfunction(value) or inspect.isclass(value) or is_kernel(value)
        if is_code and not name.startswith("_") and value.__module__ == module.__name__:
            yield name


def is_kernel(value: object) -> bool:
    """Whether something is a function that numba compiles; its text is kept beside the machine code."""
    return inspect.isfunction(getattr(value, "py_func", None))


class KernelDocumenter(FunctionDocumenter):
    """Describes a kernel as the function it is compiled from. Numba's own instructions (intrinsics) are left out."""

    objtype = "kernel"
    directivetype = "function"
    priority = FunctionDocumenter.priority + 1

    @classmethod
    def can_document_member(cls, member: Any, membername: str, isattr: bool, parent: Any) -> bool:
        return is_kernel(member)

    def import_object(self, raiseerror: bool = False) -> bool:
        found = super().import_object(raiseerror)
        if found:
            self.object = self.object.py_func
        return found


class Room(SphinxDirective):
    """The modules of some rooms with what each is for, then the modules themselves."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        names = [name for room in self.arguments[0].split() for name in modules(room)]
        lines = [line for name in names for line in entry(name)]
        lines += [line for name in names for line in section(name)]
        parent = nodes.Element()
        nested_parse_with_titles(self.state, StringList(lines, source=self.get_source_info()[0]), parent)
        return parent.children


class Rooms(SphinxDirective):
    """A table of the rooms for a page in Markdown: name, what it is for, modules; its content is the caption."""

    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {"name": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        edges = edges_of(lthcore)
        rows = [
            f"* - {cell}" if not place else f"  - {cell}"
            for row in self.rows(levels(edges))
            for place, cell in enumerate(row)
        ]
        caption = " ".join(self.content)
        # The pages of prose are Markdown, and so is what a directive hands back to their parser.
        lines = [f"```{{list-table}} {caption}", f":name: {self.options['name']}", ":widths: 16 40 44"]
        lines += [":header-rows: 1", "", *rows, "```"]
        parent = nodes.Element()
        nested_parse_with_titles(self.state, StringList(lines, source=self.get_source_info()[0]), parent)
        return parent.children

    @staticmethod
    def rows(rooms: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str, str]]:
        yield "room", "what it is for", "modules"
        for room, names in rooms.items():
            if not room.startswith("_"):
                inside = [name.removeprefix(f"{room}.") for name in names if name != room]
                yield f"`{room}`", summary(f"lthcore.{room}"), ", ".join(f"`{name}`" for name in inside) or "–"


def summary(name: str) -> str:
    """The first paragraph of a module's docstring, in Markdown."""
    return " ".join(inspect.getdoc(importlib.import_module(name)).split("\n\n")[0].splitlines())


def entry(name: str) -> list[str]:
    """An item of the list: the name, which leads to the module's section, and the first sentence of its docstring."""
    return [f":ref:`{name} <{label(name)}>`", f"   {inline(summary(name))}", ""]


def section(name: str) -> list[str]:
    """The section of a module."""
    return SECTION.format(name=name, label=label(name), rule="-" * len(name)).splitlines()


def label(name: str) -> str:
    return "api-" + name.replace(".", "-").replace("_", "-")


def inline(line: str) -> str:
    """A line of a docstring in reStructuredText: ``{cite}`FC18` `` is ``:cite:`FC18` ``, single backticks double."""
    line, done, parts = ROLE.sub(r":\1:", line), 0, []
    for found in LITERAL.finditer(line):
        parts += [line[done : found.start()].replace("|", r"\|")]
        literal = found[1] or found[2]
        parts += [f"``{literal.strip()}``" if literal else found[0]]
        done = found.end()
    return "".join([*parts, line[done:].replace("|", r"\|")])


def translated(lines: list[str]) -> Iterator[str]:
    """The lines of a docstring in reStructuredText; examples stay as they are, for they are code."""
    example = field = False
    for line in lines:
        if line and not line.startswith(" "):
            example = line == "Example:"
        if not line.strip():
            field = False
        if example:
            yield line
        elif gives := GIVES.match(line):
            yield from ("", ":returns:" if gives[1] == "Returns" else ":Yields:")
        elif FIELD.match(line):
            yield from ([] if field else [""])
            yield FIELD.sub(r":\1: ", inline(line))
            field = True
        else:
            yield ("   " if field else "") + inline(line)


def translate(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Translate a docstring in place, as autodoc wants it."""
    lines[:] = list(translated(lines))


def sign(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, signature: str | None, result: str | None
) -> tuple[str, str | None] | None:
    """A protocol has no signature: it is not called. Of annotated types the type alone is shown, not the annotation.

    A default that is no expression is shown as dots; with it the signature could not be read, nor types be shortened.
    """
    if what == "class" and getattr(thing, "_is_protocol", False):
        return ("", None)
    return (DEFAULT.sub("= ...", ANNOTATED.sub(r"\1", signature)), result) if signature else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    for extension in ("sphinx.ext.autodoc", "sphinx.ext.napoleon"):
        app.setup_extension(extension)
    app.add_autodocumenter(KernelDocumenter)
    app.add_directive("room", Room)
    app.add_directive("rooms", Rooms)
    app.connect("autodoc-process-docstring", translate, priority=400)  # napoleon comes at 500
    app.connect("autodoc-process-signature", sign)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
