"""Figures of the site: each drawing in light and in dark colours, and larger on a click.

A page shows an SVG file as an image, which knows nothing of the theme around it. So the site has two files of each, and
the theme shows the one that suits. Colours are changed in `companion.pictures`; nothing but the site is touched, so
notebooks, the PDF and the sources keep one figure each. ``figures.js`` opens what one clicks on.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from companion import pictures
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

SVG = "image/svg+xml"


class TwoModes(SphinxPostTransform):
    """Put the dark version of every drawing behind the light one."""

    default_priority = 500  # after the outputs of notebooks are chosen
    formats = ("html",)

    def run(self, **_: Any) -> None:
        """Drawings are SVG files; other images stay alone."""
        for light in list(self.document.findall(nodes.image)):
            address = light.get("candidates", {}).get(SVG, light["uri"])
            if address.endswith(".svg"):
                dark = light.deepcopy()
                _show(light, address, "only-light")
                _show(dark, self.written(address), "only-dark")
                light.parent.insert(light.parent.index(light) + 1, dark)

    def written(self, address: str) -> str:
        """Write the dark version among what Sphinx keeps of its reading; return its address."""
        drawing = Path(self.env.srcdir, address)
        file = Path(self.env.doctreedir, f"{drawing.stem}-dark.svg")
        file.write_text(pictures.dark(drawing.read_text(encoding="utf-8")), encoding="utf-8")
        found = Path(os.path.relpath(file, self.env.srcdir)).as_posix()
        self.env.images.add_file(self.env.docname, found)
        return found


def _show(image: nodes.image, address: str, mode: str) -> None:
    """Let an image show a file in one mode of the theme."""
    image["uri"], image["candidates"] = address, {"*": address}
    image["classes"] = [*image["classes"], mode]


def add_script(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Load the script on the pages that have an image, and on no other."""
    if doctree and any(doctree.findall(nodes.image)):
        app.add_js_file("figures.js", loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_post_transform(TwoModes)
    app.connect("html-page-context", add_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
