"""Say in the footer which version and commit a page was made from, and lead to the repository if it has an address.

* A number is worth as much as the way back to the code behind it. Every page ends with the version of the package and
  the commit: told by the variable ``LTH_COMMIT`` or else by git; where there is neither, the version stands alone.
  A tree that differs from its commit says so.
* ``repository: url`` in ``_config.yml`` is the one place for the public address of the repository. Empty, no page has a
  button that would lead nowhere. Set, chapters can be opened on public servers, and every page links to its source.
* Search engines print a description below the title of a page. Each page gives them the beginning of its text.
"""

from __future__ import annotations

import os
import subprocess
from html import escape
from pathlib import Path
from textwrap import shorten
from typing import Any
from urllib.parse import urlsplit

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

from lthcore import __version__

#: Buttons of the theme that need the address of the repository.
BUTTONS = ("use_repository_button", "use_issues_button", "use_source_button")

#: A shorter paragraph says too little alone, in characters.
SENTENCE = 60


def git(folder: Path, *words: str) -> str | None:
    """What git answers about a folder; None without git or outside of a repository."""
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(folder), *words], capture_output=True, text=True, check=True
        )
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def commit(folder: Path) -> str | None:
    """The short name of the commit in a folder, with ``+ changes`` if a tracked file differs from it."""
    if name := os.environ.get("LTH_COMMIT"):
        return name[:7]
    name = git(folder, "rev-parse", "--short=7", "HEAD")
    return name and name + (" + changes" if git(folder, "status", "--porcelain", "--untracked-files=no") else "")


def footer(folder: Path) -> str:
    """The line in the footer."""
    found = commit(folder)
    return f"lthcore {__version__}" + (f", commit {found}" if found else "")


def buttons(options: dict[str, Any]) -> dict[str, Any]:
    """The theme's options, with the buttons that the address of the repository allows."""
    address = options.get("repository_url", "")
    launch = dict(options.get("launch_buttons", {})) if address else {}
    if "github" not in (urlsplit(address).hostname or ""):
        launch.pop("colab_url", None)  # it opens notebooks from there alone
    return {**options, "launch_buttons": launch, **dict.fromkeys(BUTTONS, bool(address))}


def configure(app: Sphinx, config: Config) -> None:
    """Set buttons and footer before the theme reads its options."""
    config.html_theme_options = {**buttons(config.html_theme_options), "extra_footer": footer(Path(app.srcdir))}


def description(doctree: nodes.document) -> str:
    """The beginning of what a page says by itself, subtitles left out, as long as search engines print it."""
    text = ""
    for node in doctree.findall(nodes.paragraph):
        subtitle = all(isinstance(child, nodes.emphasis) for child in node.children)
        if isinstance(node.parent, nodes.section) and not subtitle and len(text) < SENTENCE:
            text = f"{text} {node.astext()}"
    return shorten(text, 160, placeholder="…")


def describe(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Put the description into the head of a page."""
    if doctree and (text := description(doctree)):
        context["metatags"] = f'{context.get("metatags", "")}\n<meta name="description" content="{escape(text)}" />'


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("config-inited", configure, priority=100)
    app.connect("html-page-context", describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
