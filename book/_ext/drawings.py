"""The directive ``drawing``: a figure that code draws while the book is built.

Its argument names an entry of `DRAWINGS`. Each is drawn from its source, a table or the imports of the package itself,
so no picture in the book can fall behind what it shows.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import matplotlib.pyplot as plt
import pandas as pd
from companion import speed
from companion.drawings import flow, module_graph
from companion.pictures import UNDATED
from docutils import nodes
from docutils.parsers.rst import directives
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawn
from sphinx.application import Sphinx
from sphinx.directives.patches import Figure
from sphinx.environment import BuildEnvironment

import lthcore
from lthcore.analysis import figures

PACKAGE = Path(lthcore.__file__).parent


def milestones(book: Path) -> Path:
    """The table the timeline is drawn from."""
    return book / "milestones.csv"


def timeline(ax: Axes, book: Path) -> Axes:
    """The milestones of the history."""
    return flow.timeline(ax, pd.read_csv(milestones(book)))


def data_flow(ax: Axes, _: Path) -> Axes:
    """What flows where in a search."""
    return flow.data_flow(ax)


def architecture(ax: Axes, _: Path) -> Axes:
    """The imports of the package, room by room."""
    edges = module_graph.imports(PACKAGE)
    edges.pop("__main__", None)  # a program, which only starts the command line
    return flow.architecture(ax, edges, module_graph.levels(edges))


def step_times(ax: Axes, book: Path) -> Axes:
    """What a step costs at each density, as the benchmarks measured it."""
    return speed.step_times(ax, speed.read(book.parent))


#: Name → what draws it, given axes and the folder of the page; its size in inches.
DRAWINGS: dict[str, tuple[Callable[[Axes, Path], Axes], tuple[float, float]]] = {
    "timeline": (timeline, (5.5, 8)),
    "data_flow": (data_flow, (6.5, 3.7)),
    "architecture": (architecture, (6, 9)),
    "step_times": (step_times, (6.5, 3.9)),
}


def written(drawn: Drawn, name: str, environment: BuildEnvironment) -> str:
    """Save a figure among what Sphinx keeps of its reading, so that a build writes nothing beside the sources.

    Pages take it as SVG, LaTeX as PDF.

    Returns:
        Its address, as the argument of a figure; the builder puts the ending that it can show in place of the star.
    """
    file = Path(environment.doctreedir, f"{name}.*")
    with plt.rc_context():
        figures.style()
        drawn.savefig(file.with_suffix(".svg"), metadata=UNDATED)
        drawn.savefig(file.with_suffix(".pdf"), metadata={"CreationDate": None, "Producer": None})
    return "/" + Path(os.path.relpath(file, environment.srcdir)).as_posix()


class Drawing(Figure):
    """A figure whose argument is a name of `DRAWINGS` and whose content is the caption."""

    option_spec: ClassVar[dict[str, Any]] = {
        "name": directives.unchanged,
        "alt": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        """The figure, drawn anew."""
        environment, name = self.state.document.settings.env, self.arguments[0]
        if name not in DRAWINGS:
            raise self.error(f"unknown drawing {name!r}; known are {', '.join(DRAWINGS)}")
        book = Path(environment.doc2path(environment.docname)).parent
        for file in (milestones(book), speed.file(book.parent), *sorted(PACKAGE.rglob("*.py"))):
            environment.note_dependency(str(file))  # where one changes, a later build reads the page again
        draw, size = DRAWINGS[name]
        with plt.rc_context():
            figures.style()
            drawn = Drawn(figsize=size, layout="constrained")
            draw(drawn.subplots(), book)
            self.arguments[0] = written(drawn, name, environment)
        return super().run()


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("drawing", Drawing)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
