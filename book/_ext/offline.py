"""Keep the built site self-contained, and label citations as the proposal does.

Four small jobs that Jupyter Book has no setting for:

* Jupyter Book always loads ``sphinx_thebe``. It asks a CDN for the thebe kernel client and
  declares one constant twice, an error in every reader's console. This book starts no kernels,
  so the extension is unplugged. What any other extension adds from a web host is left out too,
  with a warning, so that a strict build fails instead of publishing a page that needs the net.
* The book's first page lies in a folder, and the redirect that is written beside it by default is
  no full page: it names no icon, so browsers ask for one that does not exist. Ours does.
* A server shows ``404.html`` for any address that leads nowhere, however deep. So that page carries its own style, and
  its links begin at the top of the site.
* The thesis proposal cites ``[FC18]`` or ``[LSZ+18]``. BibTeX keys cannot carry the plus sign
  safely; the bibliography style ``proposal`` derives each label from the key and sorts by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pybtex.backends.plaintext import Backend as PlainTextBackend
from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style.formatting.unsrt import Style as PlainStyle
from pybtex.style.labels import BaseLabelStyle
from pybtex.style.sorting import BaseSortingStyle
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)

#: Extensions whose event handlers are taken out before they run, and what they register even before that.
UNPLUGGED = ("sphinx_thebe",)
LEFTOVERS = ("sphinx-thebe.css",)

#: The page at the top of the site, which leads to the first page of the book.
FRONT_DOOR = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>{title}</title><link rel="icon" href="_static/{icon}">
<meta http-equiv="refresh" content="0; url={first}"><a href="{first}">{title}</a></html>
"""

#: What a server shows for an address that leads nowhere.
NOT_FOUND = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex"><title>Page not found – {title}</title>
<link rel="icon" href="{top}_static/{icon}">
<style>
  :root {{ background: Canvas; color-scheme: light dark; font: 1.1rem/1.6 system-ui, sans-serif; }}
  body {{ margin: 15vh auto; max-width: 34rem; padding: 0 1.5rem; }}
  img {{ height: 4rem; }}
</style></head>
<body><main><img src="{top}_static/{icon}" alt=""><h1>Page not found</h1>
<p>There is no page at this address; it may have moved.</p>
<p>Go to the <a href="{top}{first}">first page of {title}</a>, or <a href="{top}search.html">search it</a>.</p></main>
</body></html>
"""


def unplug(app: Sphinx) -> None:
    """Disconnect every event handler of the unplugged extensions."""
    for listeners in app.events.listeners.values():
        for listener in tuple(listeners):
            if getattr(listener.handler, "__module__", "").split(".")[0] in UNPLUGGED:
                app.disconnect(listener.id)


def drop_remote_files(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Leave out leftovers silently and remote files with a warning."""
    for kind in ("css_files", "script_files"):
        files = context.get(kind, [])
        for file in tuple(files):
            name = str(getattr(file, "filename", file) or "")
            if name.split("/")[-1].split("?")[0] in LEFTOVERS:
                files.remove(file)
            elif re.match(r"(https?:)?//", name):
                LOGGER.warning("%s: left out, the book is read offline: %s", page, name)
                files.remove(file)


def write_front_door(app: Sphinx, failure: Exception | None) -> None:
    """Write the redirect; the default one is only written where there is none."""
    if failure is None and app.builder.name == "html" and app.config.root_doc != "index":
        page = FRONT_DOOR.format(
            title=escape(app.config.html_title),
            icon=Path(app.config.html_favicon).name,
            first=app.builder.get_target_uri(app.config.root_doc),
        )
        Path(app.outdir, "index.html").write_text(page, encoding="utf-8")


def top(config: Config) -> str:
    """The path of the site on its server: from ``html: baseurl``, or where GitHub puts the pages of a repository."""
    base = urlsplit(config.html_baseurl).path
    address = urlsplit(config.html_theme_options.get("repository_url", ""))
    if not config.html_baseurl and address.hostname == "github.com":
        owner, _, name = address.path.strip("/").removesuffix(".git").partition("/")
        base = "" if name.lower() == f"{owner}.github.io".lower() else name
    return f"/{base.strip('/')}/".replace("//", "/")


def write_not_found(app: Sphinx, failure: Exception | None) -> None:
    """Write the page for addresses that lead nowhere."""
    if failure is None and app.builder.name == "html":
        page = NOT_FOUND.format(
            title=escape(app.config.html_title),
            icon=Path(app.config.html_favicon).name,
            top=top(app.config),
            first=app.builder.get_target_uri(app.config.root_doc),
        )
        Path(app.outdir, "404.html").write_text(page, encoding="utf-8")


def label(key: str, authors: int) -> str:
    """The proposal's label for a BibTeX key: more than four authors earn a plus sign.

    Example:
        >>> label("FC18", authors=2), label("LSZ18", authors=5), label("Lew", authors=1)
        ('FC18', 'LSZ+18', 'Lew')
    """
    return re.sub(r"(\d\d)$", r"+\1", key) if authors > 4 else key


class KeyLabels(BaseLabelStyle):
    """Labels made from keys, so that text, source and bibliography use one name."""

    def format_labels(self, sorted_entries: Iterable[Entry]) -> Iterator[str]:
        for entry in sorted_entries:
            yield label(entry.key, len(entry.persons.get("author", ())))


class KeyOrder(BaseSortingStyle):
    """Entries in the order of their labels, the order a reader looks them up in."""

    def sorting_key(self, entry: Entry) -> str:
        return entry.key.lower()


class ProposalStyle(PlainStyle):
    """The plain BibTeX style under the proposal's labels."""

    default_label_style = "proposal"
    default_sorting_style = "proposal"


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx, after the extensions of Jupyter Book itself."""
    register_plugin("pybtex.style.labels", "proposal", KeyLabels)
    register_plugin("pybtex.style.sorting", "proposal", KeyOrder)
    register_plugin("pybtex.style.formatting", "proposal", ProposalStyle)
    # Every citation asks for this by name; registered, it is found without a search of all that is installed.
    register_plugin("pybtex.backends", "plaintext", PlainTextBackend, force=True)
    unplug(app)
    # Late, so that no other handler adds a file afterwards.
    app.connect("html-page-context", drop_remote_files, priority=900)
    app.connect("build-finished", write_front_door, priority=100)
    app.connect("build-finished", write_not_found)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
