"""The directive ``ticket-explorer``: a stored search for the reader to move through, round by round.

When the book is built, the data go into the page, where a script of the book's own finds them: no request, so the page
works from a folder as well as from a server. Beside them stands a still figure with the caption of the page; it is what
other formats than HTML, paper and browsers without scripts show. Both come from stored results, and no network is
trained or loaded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from companion import explorer
from companion.studies import Study
from docutils import nodes
from docutils.parsers.rst import directives
from drawings import written
from sphinx.application import Sphinx
from sphinx.directives.patches import Figure
from sphinx.environment import BuildEnvironment

from lthcore.experiments import presets
from lthcore.experiments.store import Store, StoreError
from lthcore.files import paths

#: Marks the part of a page that the script looks for.
CLASS = "ticket-explorer"

LIVE = """<script type="application/json">{data}</script>
<noscript><p>This page can move through all rounds of the search, but needs JavaScript for it. The figure shows some of
them.</p></noscript>
"""


class TicketExplorer(Figure):
    """A figure that the reader can move: its argument is a preset, its content the caption."""

    option_spec: ClassVar[dict[str, Any]] = {
        "name": directives.unchanged,
        "alt": directives.unchanged_required,
        "rounds": directives.positive_int_list,
    }

    def run(self) -> list[nodes.Node]:
        """The data, and the figure with some ``rounds`` of them."""
        environment = self.state.document.settings.env
        try:
            study = self.study(environment)
            found = explorer.data(study)
        except (ValueError, StoreError) as error:
            raise self.error(str(error)) from error
        folders = [study.store.root / experiment.identity for experiment in study.experiments]
        for file in (explorer.__file__, *(file for folder in folders for file in sorted(folder.rglob("*.npz")))):
            environment.note_dependency(str(file))  # where one changes, a later build reads the page again
        drawn = explorer.figure(found, [0, *self.options.pop("rounds", [])])
        self.arguments[0] = written(drawn, f"{study.name}-explorer", environment)
        # No text of the data may end the element it stands in.
        data = json.dumps(found, separators=(",", ":")).replace("<", "\\u003c")
        live = nodes.raw("", LIVE.format(data=data), format="html")
        return [nodes.container("", live, *super().run(), classes=[CLASS])]

    def study(self, environment: BuildEnvironment) -> Study:
        """The preset's results: those beside the book, or else those of the installed package."""
        beside = Path(environment.srcdir, "data", "results")
        store = Store(beside if beside.is_dir() else paths.results())
        name = self.arguments[0]
        return Study(name, presets.preset(name), store, published=True)


def add_files(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Load script and style on the pages that need them, and on no other."""
    if doctree and any(CLASS in node["classes"] for node in doctree.findall(nodes.container)):
        app.add_js_file("explorer.js", loading_method="defer")
        app.add_css_file("explorer.css")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("ticket-explorer", TicketExplorer)
    app.connect("html-page-context", add_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
