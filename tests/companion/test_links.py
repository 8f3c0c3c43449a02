"""Links of the built site: those within it lead somewhere, those out of it are well formed. Nothing is fetched."""

from __future__ import annotations

import functools
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from pages import pages

#: Addresses of the proposal's own references, kept as it prints them.
AS_PRINTED = (
    "http://www.daviddlewis.com/resources/testcollections/reuters21578/",
    "http://yann.lecun.com/exdb/mnist/",
)


class Anchors(HTMLParser):
    """What a page links to, and the places in it that can be linked to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.places |= {found[name] for name in ("id", "name") if found.get(name)}
        for name in ("href", "src"):
            if found.get(name):
                self.links.append(found[name])


@functools.cache
def anchors(page: Path) -> Anchors:
    parser = Anchors()
    parser.feed(page.read_text())
    return parser


def fault(page: Path, link: str, site: Path) -> str | None:
    """What is wrong with a link of a page; None if nothing is."""
    address = urlsplit(link)
    if address.scheme == "data" or link in AS_PRINTED:
        return None
    if address.scheme or address.netloc:
        host = re.fullmatch(r"([a-z0-9-]+\.)+[a-z]{2,}", address.netloc)
        return None if address.scheme == "https" and host and not re.search(r"[\s<>\"]", link) else "not a good address"
    # An address from the top of the site works on one server only, unless it is asked for from any depth.
    if address.path.startswith("/") and page.name != "404.html":
        return "not from here"
    place = site / address.path[1:] if address.path.startswith("/") else page.parent / unquote(address.path)
    target = Path(os.path.normpath(place)) if address.path else page
    if not target.is_relative_to(site) or not target.is_file():
        return "no such file"
    if address.fragment and target.suffix == ".html" and unquote(address.fragment) not in anchors(target).places:
        return "no such place"
    return None


def test_every_link_leads_somewhere(site):
    found = {
        (str(page.relative_to(site)), link): wrong
        for page in pages(site)
        for link in anchors(page).links
        if (wrong := fault(page, link, site))
    }
    assert found == {}
    assert sum(len(anchors(page).links) for page in pages(site)) > 1000, "links were found at all"


@pytest.mark.parametrize(
    ("link", "wrong"),
    [
        ("b.html", None),
        ("b.html#here", None),
        ("#top", None),
        ("#", None),
        ("b.html#there", "no such place"),
        ("c.html", "no such file"),
        ("/b.html", "not from here"),
        ("../b.html", "no such file"),
        ("https://example.org/a?b#c", None),
        ("http://example.org", "not a good address"),
        ("https://example", "not a good address"),
        ("https://example.org/a b", "not a good address"),
        ("//example.org/x", "not a good address"),
        ("mailto:a@example.org", "not a good address"),
    ],
)
def test_faults_are_told_apart(tmp_path, link, wrong):
    (tmp_path / "a.html").write_text('<p id="top">')
    (tmp_path / "b.html").write_text('<a name="here">')
    assert fault(tmp_path / "a.html", link, tmp_path) == wrong


def test_every_page_can_be_reached_from_the_first(site):
    """By links alone: no page is an orphan, but for those the theme offers by other means."""
    seen, open_ = set(), [site / "book" / "index.html"]
    while open_:
        page = open_.pop()
        if page in seen or page.suffix != ".html" or not page.is_file():
            continue
        seen.add(page)
        addresses = [urlsplit(link) for link in anchors(page).links]
        open_ += [
            Path(os.path.normpath(page.parent / unquote(address.path)))
            for address in addresses
            if address.path and not address.scheme and not address.netloc
        ]
    left = {str(page.relative_to(site)) for page in set(pages(site)) - seen}
    assert left <= {"index.html", "404.html", "genindex.html", "search.html"}


def test_every_source_of_a_page_is_a_page(clone, site):
    """No prose lies beside the table of contents: what is in `book` is in the site."""
    sources = [path for path in (clone / "book").rglob("*") if path.suffix in (".md", ".rst")]
    missing = [str(path) for path in sources if not (site / path.relative_to(clone)).with_suffix(".html").is_file()]
    assert missing == []
