"""What tests of the built site share: its pages, and what a page names."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path


def pages(site: Path) -> list[Path]:
    """Every page of the site, in a fixed order."""
    return sorted(page for page in site.rglob("*.html") if "_static" not in page.parts)


class Loads(HTMLParser):
    """Collects every address a browser would load by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("src", "srcset", "poster", "data") or (tag == "link" and name == "href"):
                self.found.append(value or "")
