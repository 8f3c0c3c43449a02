"""Footer and buttons: a page says which commit it was made from, and leads to the repository if that has an address."""

from __future__ import annotations

import html
import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import yaml
from companion import notebooks
from docutils import nodes
from pages import pages

from lthcore import __version__
from lthcore.files import paths

ROOT = paths.project_root()
ADDRESS = "https://github.com/somebody/tickets"


@pytest.fixture
def imprint(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))
    monkeypatch.delenv("LTH_COMMIT", raising=False)
    yield __import__("imprint")
    sys.modules.pop("imprint")


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@b.invalid")
    return subprocess.run(
        ["git", "-C", str(folder), *identity, *words], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_footer_names_version_commit_and_changes(imprint, tmp_path):
    (tmp_path / "page.md").write_text("one")
    assert imprint.footer(tmp_path) == f"lthcore {__version__}"
    git(tmp_path, "init", "-q")
    assert imprint.footer(tmp_path) == f"lthcore {__version__}", "a repository without a commit"
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "Begin")
    name = git(tmp_path, "rev-parse", "HEAD")[:7]
    (tmp_path / "new").write_text("not tracked")
    assert imprint.footer(tmp_path) == f"lthcore {__version__}, commit {name}"
    (tmp_path / "page.md").write_text("two")
    (tmp_path / "below").mkdir()
    assert imprint.footer(tmp_path / "below") == f"lthcore {__version__}, commit {name} + changes"


def test_without_git_a_variable_names_the_commit(imprint, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert imprint.footer(tmp_path) == f"lthcore {__version__}"
    monkeypatch.setenv("LTH_COMMIT", "0123456789abcdef")
    assert imprint.footer(tmp_path) == f"lthcore {__version__}, commit 0123456"


def test_every_page_of_the_book_ends_with_the_version(site):
    for page in pages(site):
        if page not in (site / "index.html", site / "404.html"):
            assert f"lthcore {__version__}" in page.read_text().split('class="extra_footer"')[1], page


def test_every_page_of_the_book_describes_itself_and_no_two_alike(site):
    found = {}
    for folder in ("book", "notebooks"):
        for page in sorted((site / folder).rglob("*.html")):
            (text,) = re.findall(r'<meta name="description" content="([^"]*)"', page.read_text())
            assert 60 <= len(html.unescape(text)) <= 160, page
            assert not re.search(r"[<>{}`]", html.unescape(text)), page
            found.setdefault(text, []).append(page.name)
    assert {text: names for text, names in found.items() if len(names) > 1} == {}


def test_a_description_is_what_a_page_begins_with_and_no_box_or_subtitle(imprint):
    page = nodes.document(None, None)
    subtitle = nodes.paragraph("", "", nodes.emphasis(text="A subtitle of some length, to be left out"))
    note = nodes.note("", nodes.paragraph(text="A box that says something about the page, but not what it is about."))
    short, long = nodes.paragraph(text="Short."), nodes.paragraph(text="This page\nis about " + 40 * "weights ")
    page += nodes.section("", subtitle, note, short, long, nodes.paragraph(text=80 * "x "))
    text = imprint.description(page)
    assert text.startswith("Short. This page is about weights weights ")
    assert text.endswith("weights…")
    assert len(text) <= 160
    assert imprint.description(nodes.document(None, None)) == ""


@pytest.mark.parametrize(
    ("base", "address", "top"),
    [
        ("", "", "/"),
        ("", "https://github.com/somebody/tickets", "/tickets/"),
        ("", "https://github.com/somebody/tickets.git", "/tickets/"),
        ("", "https://github.com/Somebody/somebody.github.io", "/"),
        ("", "https://gitlab.com/somebody/tickets", "/"),
        ("https://tickets.example.org", ADDRESS, "/"),
        ("https://example.org/a/b/", ADDRESS, "/a/b/"),
    ],
)
def test_the_page_for_dead_addresses_leads_to_the_top_of_the_site(monkeypatch, base, address, top):
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))
    offline = importlib.import_module("offline")
    config = SimpleNamespace(html_baseurl=base, html_theme_options={"repository_url": address})
    assert offline.top(config) == top


def test_a_host_that_one_server_cannot_read_gets_no_button_for_it(imprint):
    launch = yaml.safe_load((ROOT / "_config.yml").read_text())["launch_buttons"]
    options = {"repository_url": "https://gitlab.com/somebody/tickets", "launch_buttons": launch}
    assert set(launch) - set(imprint.buttons(options)["launch_buttons"]) == {"colab_url"}
    assert "colab_url" in launch


@pytest.fixture
def small(tmp_path) -> Path:
    """A book of two pages, one of prose and one chapter, under the configuration of the real one."""
    for name in ("_ext", "_static"):
        shutil.copytree(ROOT / "book" / name, tmp_path / "book" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("references.bib", "further.bib"):
        shutil.copy(ROOT / "book" / name, tmp_path / "book")
    (tmp_path / "book" / "index.md").write_text("# Start\n\nProse.\n")
    (tmp_path / "notebooks").mkdir()
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    chapter = nbformat.v4.new_notebook(metadata={"kernelspec": kernel, "language_info": {"name": "python"}})
    chapter.cells = [nbformat.v4.new_markdown_cell("# Chapter", id="a"), nbformat.v4.new_code_cell("1 + 1", id="b")]
    nbformat.write(chapter, tmp_path / "notebooks" / "01_x.ipynb")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/index\nchapters:\n  - file: notebooks/01_x.ipynb\n")
    return tmp_path


@pytest.mark.parametrize("address", ["", ADDRESS])
def test_one_setting_decides_whether_there_are_buttons(small, address):
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    config["repository"]["url"] = address
    (small / "_config.yml").write_text(yaml.safe_dump(config))
    built = notebooks.build_site(small, small).parent
    prose, chapter = ((built / name).read_text() for name in ("book/index.html", "notebooks/01_x.html"))
    lead = {
        *re.findall(r'href="(https?://[^"]*)"[^>]*class="[^"]*btn', prose + chapter),
        *re.findall(r'class="[^"]*btn[^"]*"[^>]*href="(https?://[^"]*)"', prose + chapter),
    }
    if not address:
        assert lead == set()
        assert "launch-buttons" not in chapter
        assert "source-repository-button" not in prose + chapter
        return
    file, branch = "notebooks/01_x.ipynb", config["repository"]["branch"]
    assert {one.split("?title")[0] for one in lead} == {
        address,
        f"{address}/issues/new",
        f"{address}/blob/{branch}/book/index.md?plain=1",
        f"{address}/blob/{branch}/{file}?plain=1",
        f"https://mybinder.org/v2/gh/somebody/tickets/{branch}?urlpath=lab/tree/{file}",
        f"https://colab.research.google.com/github/somebody/tickets/blob/{branch}/{file}",
    }
    assert "mybinder" not in prose, "prose is not opened on a server"


def test_a_server_installs_what_the_chapters_need():
    """Exact versions and the package itself, on a Python that the package supports."""
    folder = ROOT / ".binder"
    assert (folder / "requirements.txt").read_text().split() == ["-r", "../requirements.txt"]
    assert "pip install" in (folder / "postBuild").read_text()
    assert (folder / "postBuild").stat().st_mode & 0o100
    assert re.fullmatch(r"python-3\.1[1-3]\s*", (folder / "runtime.txt").read_text())
