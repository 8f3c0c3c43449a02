"""Make the printed book: what LaTeX needs and Jupyter Book does not do.

Jupyter Book's own LaTeX extension turns the captions of ``_toc.yml`` into parts and leaves out what the website folds
away. Four small jobs are left:

* Chapters have the numbers they have on the website: parts that are not ``numbered`` in ``_toc.yml`` get none.
* The first page keeps its title, and its headings look like headings.
* Each bibliography stays where its page puts it; Sphinx would move all into one list at the end.
* What a ``dropdown`` folds, a solution for example, is set as a paragraph with its title in front.

How all that looks is said in ``book/_latex``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import matplotlib
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.builders.latex.nodes import thebibliography
from sphinx.config import Config
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import texescape
from sphinx_jupyterbook_latex.nodes import RootHeader

import lthcore

#: The typeface of code has every sign that code prints; it comes with matplotlib, so nothing has to be installed.
CODE_FONT = ("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique")

#: Set by whoever builds: which commit the book is made from.
COMMIT = "LTH_COMMIT"


class FrontHeading(nodes.TextElement):
    """A heading of the first page, which belongs to no chapter."""


class Folded(nodes.Element):
    """What the website shows on a click, with its ``title``."""


class CitationList(nodes.Element):
    """Keeps the entries of one bibliography out of Sphinx' sight, in ``entries``."""


def macro(name: str, text: str) -> str:
    r"""The definition of a LaTeX macro without arguments.

    Example:
        >>> macro("bookversion", "0.1_a")
        '\\newcommand{\\bookversion}{0.1\\_a}\n'
    """
    return rf"\newcommand{{\{name}}}{{{texescape.escape(text, 'xelatex')}}}" + "\n"


def prepare(app: Sphinx, config: Config) -> None:
    """Hand class, version and the typeface of code to LaTeX."""
    config["latex_theme"] = "printed"  # book/_latex/printed.cls; Jupyter Book knows no setting for it
    texescape.init()
    facts = macro("bookversion", lthcore.__version__) + macro("bookcommit", os.environ.get(COMMIT, ""))
    config.latex_elements["preamble"] = facts + config.latex_elements.get("preamble", "")
    fonts = Path(matplotlib.get_data_path(), "fonts", "ttf")
    config.latex_additional_files = [
        *config.latex_additional_files,
        *(str(fonts / f"{font}.ttf") for font in CODE_FONT),
    ]


def latex(text: str) -> nodes.raw:
    """A node that is written as it is."""
    return nodes.raw("", text, format="latex")


class Structure(SphinxPostTransform):
    """Say which parts are numbered, and give the first page its headings."""

    default_priority = 710  # Jupyter Book arranges parts and chapters at 700
    formats = ("latex",)

    def run(self, **_: Any) -> None:
        """Only the document that holds all others has parts."""
        if self.env.docname != self.config.root_doc:
            return
        title = self.env.titles[self.config.root_doc].astext()
        self.document.insert(0, latex(rf"\bookfront{{{texescape.escape(title, 'xelatex')}}}"))
        for heading in list(self.document.findall(RootHeader)):
            heading.replace_self(FrontHeading("", "", *heading.children))
        for part in self.env.external_site_map.root.subtrees:
            for file in list(self.document.findall(addnodes.start_of_file)):
                if part.caption and file["docname"] == part.caption:
                    file.parent.insert(0, latex(rf"\book{'' if part.numbered else 'un'}numbered"))


class HideCitations(SphinxPostTransform):
    """Put the entries of each bibliography where Sphinx does not find them."""

    default_priority = 740  # Sphinx collects at 750
    formats = ("latex",)

    def run(self, **_: Any) -> None:
        """Entries that follow each other are one list."""
        for first in list(self.document.findall(nodes.citation)):
            parent = first.parent
            if parent is None:
                continue  # taken with an earlier one
            place = parent.index(first)
            entries = [node for node in parent[place:] if isinstance(node, nodes.citation)]
            for entry in entries:
                parent.remove(entry)
                entry.parent = None
            parent.insert(place, CitationList(entries=entries))


class ShowCitations(SphinxPostTransform):
    """Bring them back, each list in its place."""

    default_priority = 760
    formats = ("latex",)

    def run(self, **_: Any) -> None:
        """A list is written by Sphinx' own writer."""
        for kept in list(self.document.findall(CitationList)):
            kept.replace_self(thebibliography("", *kept["entries"]))


class Unfold(SphinxPostTransform):
    """Turn every dropdown into a paragraph with its title in front."""

    default_priority = 450
    formats = ("latex",)

    def run(self, **_: Any) -> None:
        """sphinx-design marks its containers and puts the title first, as a rubric."""
        for box in list(self.document.findall(nodes.container)):
            if box.get("design_component") == "dropdown":
                title, content = "", box.children
                if content and isinstance(content[0], nodes.rubric):
                    title, content = content[0].astext(), content[1:]
                box.replace_self(Folded("", *content, title=title))


# The writer of LaTeX calls these; the environments are those of printed.sty.
def open_heading(writer: Any, _: FrontHeading) -> None:
    """Before the words of a heading."""
    writer.body.append("\n\\bookfrontsection{")


def close_heading(writer: Any, _: FrontHeading) -> None:
    """After them."""
    writer.body.append("}\n")


def open_folded(writer: Any, node: Folded) -> None:
    """Before what was folded: its title."""
    writer.body.append(f"\n\\begin{{bookfolded}}{{{writer.encode(node['title'])}}}\n")


def close_folded(writer: Any, _: Folded) -> None:
    """After it."""
    writer.body.append("\\end{bookfolded}\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx; what is set here only matters to the LaTeX builder."""
    app.add_node(FrontHeading, latex=(open_heading, close_heading))
    app.add_node(Folded, latex=(open_folded, close_folded))
    for transform in (Structure, HideCitations, ShowCitations, Unfold):
        app.add_post_transform(transform)
    app.connect("config-inited", prepare, priority=900)  # after Jupyter Book's own extension
    return {"parallel_read_safe": True, "parallel_write_safe": True}
