"""The directive ``modules``: the reference of some modules of the package, made from their docstrings.

Docstrings are written like the prose of the book, with Markdown's backticks and MyST's roles, and with the sections of
Google's style. ``autodoc`` reads reStructuredText; what differs between the two is translated here, line by line,
before ``napoleon`` takes the sections apart.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

PACKAGE = "lthcore"

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
#: One line that names where something comes from or is explained.
FIELD = re.compile(r"(Source|Book): (?=\S)")


# What the command line says of a parameter beside its type.
ANNOTATED = re.compile(r"~?(?:typing|types)\.Annotated\[((?:[^\[\]]|\[[^\]]*\])+?), <typer[^>]*>\]")


def full(name: str) -> str:
    return f"{PACKAGE}.{name}"


class Modules(SphinxDirective):
    """A list of modules with what each is for, then the modules themselves."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        names = [full(name) for name in self.arguments[0].split()]
        lines = [line for name in names for line in entry(name)]
        lines += [line for name in names for line in section(name)]
        parent = nodes.Element()
        nested_parse_with_titles(self.state, StringList(lines, source=self.get_source_info()[0]), parent)
        return parent.children


def entry(name: str) -> list[str]:
    """An item of the list: the name, which leads to the module's section, and the first sentence of its docstring."""
    module = importlib.import_module(name)
    first = " ".join(inspect.getdoc(module).split("\n\n")[0].splitlines())
    return [f":ref:`{name} <{label(name)}>`", f"   {inline(first)}", ""]


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
    """A protocol has no signature: it is not called. Of annotated types the type alone is shown, not the annotation."""
    if what == "class" and getattr(thing, "_is_protocol", False):
        return ("", None)
    return (ANNOTATED.sub(r"\1", signature), result) if signature else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    for extension in ("sphinx.ext.autodoc", "sphinx.ext.napoleon"):
        app.setup_extension(extension)
    app.add_directive("modules", Modules)
    app.connect("autodoc-process-docstring", translate, priority=400)  # napoleon comes at 500
    app.connect("autodoc-process-signature", sign)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
