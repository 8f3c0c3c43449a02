"""What the benchmarks measured, on a page: a role for a number, a directive for the table.

``{measured}`sparse_2` `` is a number of ``benchmarks/latest.json``; see `companion.speed.told` for what can be asked.
``benchmarks`` is the table of all of them, its content the caption. Nothing is measured while the book is built.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from companion import speed
from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective, SphinxRole
from sphinx.util.nodes import nested_parse_with_titles


def results(environment: BuildEnvironment) -> speed.Results:
    """The results beside the book; where they change, a later build reads the page again."""
    root = Path(environment.srcdir)
    environment.note_dependency(str(speed.file(root)))
    return speed.read(root)


class Measured(SphinxRole):
    """A number, as prose has it."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        try:
            return [nodes.Text(speed.told(results(self.env), self.text))], []
        except (KeyError, FileNotFoundError) as error:
            message = self.inliner.reporter.error(f"measured: {error.args[0]}", line=self.lineno)
            return [self.inliner.problematic(self.rawtext, self.rawtext, message)], [message]


class Benchmarks(SphinxDirective):
    """The table of what was measured."""

    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {"name": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        rows = [
            f"{'  -' if place else '* -'} {cell}"
            for row in speed.rows(results(self.env))
            for place, cell in enumerate(row)
        ]
        # The pages of prose are Markdown, and so is what a directive hands back to their parser. A caption may hold
        # backticks, which a fence of backticks may not.
        lines = [f"~~~{{list-table}} {' '.join(self.content)}", f":name: {self.options['name']}", ":class: longtable"]
        lines += [":widths: 33 41 11 15", ":header-rows: 1", "", *rows, "~~~"]
        parent = nodes.Element()
        nested_parse_with_titles(self.state, StringList(lines, source=self.get_source_info()[0]), parent)
        return parent.children


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_role("measured", Measured())
    app.add_directive("benchmarks", Benchmarks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
