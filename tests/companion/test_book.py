"""The book: builds without a warning right after a clone, twice the same, and loads nothing from the network."""

from __future__ import annotations

import filecmp
import re
from pathlib import Path

from companion import notebooks
from pages import Loads, pages

from lthcore.files import paths

ROOT = paths.project_root()
# The labels of the proposal; BibTeX keys are the same without the plus sign.
LABELS = """
    Aro11 ARTL19 Bel18 CC15 CDC18 CMS12 DMK+12 DS05 DZ19 FC18 FDRC19 Gib16 HPTD15 HRFS16 HS93 HZRS15 KHB+18 Kim14 LDS90
    Lew LF11 LSZ+18 LWL17 LZS19 MS89 RDS+15 SNY15 SSS+17 VKC+15 YL ZLLY19
""".split()


def test_every_page_is_there(site):
    found = {str(page.relative_to(site)) for page in pages(site)}
    assert {"404.html", "search.html", "genindex.html"} <= found
    thesis, results, appendix = (
        ("abstract", "introduction", "related_work", "design", "implementation"),
        ("evaluation", "analysis", "conclusions"),
        ("history", "reproduce", "cluster", "explorer"),
    )
    names = ("index", *thesis, *results, *appendix, "glossary", "bibliography")
    assert {"index.html", *(f"book/{name}.html" for name in names)} <= found
    assert {f"notebooks/{source.stem}.html" for source in notebooks.sources()} <= found


def test_no_page_loads_anything_from_the_network(site):
    for page in pages(site):
        parser, text = Loads(), page.read_text()
        parser.feed(text)
        remote = [address for address in parser.found if re.match(r"(https?:)?//", address)]
        assert parser.found, f"{page} loads nothing at all, so this test looked at nothing"
        assert not remote, f"{page} loads {remote}"
        assert "thebe" not in text.lower(), page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", sheet.read_text(errors="ignore")), sheet


def test_math_is_rendered_from_the_site_itself(site):
    text = (site / "notebooks" / "02_mnist.html").read_text()
    script = re.search(r'src="([^"]*mathjax[^"]*\.js)[^"]*"', text, re.IGNORECASE).group(1)
    assert (site / "notebooks" / script).resolve().is_file()


def test_the_chapter_shows_numbers_figures_and_verdicts(site):
    text = (site / "notebooks" / "02_mnist.html").read_text()
    assert len(re.findall(r"<img[^>]+alt=\"[^\"]{80,}\"", text)) >= 3
    assert re.search(r"<td[^>]*><p>holds</p></td>", text)
    assert re.search(r"reaches 9\d\.\d+.% test accuracy", text)
    assert "glue" not in re.sub(r"<[^>]+>", " ", text.split("<article")[1].split("</article>")[0]).lower()


#: Thousands that stand together, apart by a comma or by a space at which a line may break. Years stay as they are.
THOUSANDS = re.compile(r"(?<![\d.,:/#^-])(?!(?:1[89]|20)\d\d\b)(?:\d{4,}|\d{1,3}[ ,]\d{3})(?![\d-])\b")


def test_thousands_stand_apart_by_a_space_that_no_line_breaks_at(site):
    found = {}
    for page in [*(site / "book").glob("*.html"), *(site / "notebooks").glob("*.html")]:
        if page.stem == "bibliography":
            continue  # numbers of pages
        article = page.read_text().split("<article")[1].split("</article>")[0]
        text = re.sub(r"<(pre|code|script|style)\b.*?</\1>|<[^>]+>", "¦", article, flags=re.DOTALL)
        if wrong := [match[0] for match in THOUSANDS.finditer(text)]:
            found[page.name] = wrong
    assert found == {}


def test_thousands_are_found_however_they_are_written():
    text = "1234 12,345 1 234 in 1987, 2 006; Reuters-21578, 0.1234 [12, 345], 3\N{NO-BREAK SPACE}000"
    assert THOUSANDS.findall(text) == ["1234", "12,345", "1 234", "2 006"]


def test_all_references_are_listed_those_of_the_proposal_first(site):
    """Both lists are sorted by label, and the text cites nothing that stands in neither."""
    keys = {}
    for file in ("references", "further"):
        keys[file] = re.findall(r"^@\w+\{(\w+),", (ROOT / "book" / f"{file}.bib").read_text(), re.MULTILINE)
        assert keys[file] == sorted(keys[file], key=str.lower)
    assert sorted(keys["references"]) == sorted(label.replace("+", "") for label in LABELS)
    listed = (site / "book" / "bibliography.html").read_text()
    found = re.findall(r'<span class="fn-bracket">\[</span>([^<]+)<', re.sub(r"</?a[^>]*>", "", listed))
    assert found[: len(LABELS)] == sorted(LABELS, key=str.lower)
    assert [label.replace("+", "") for label in found[len(LABELS) :]] == keys["further"]


def test_every_further_reference_is_cited(clone):
    """By a page or by a docstring; those of the proposal are listed whether they are cited or not."""
    folders = ("book", "lthcore", "notebooks")
    files = [path for folder in folders for path in (clone / folder).rglob("*") if path.suffix in (".md", ".py")]
    texts = "".join(path.read_text() for path in files)
    cited = {key for keys in re.findall(r"\{cite\}`([^`]+)`", texts) for key in keys.split(",")}
    assert set(re.findall(r"^@\w+\{(\w+),", (clone / "book" / "further.bib").read_text(), re.MULTILINE)) <= cited


def test_a_second_build_is_byte_identical(clone, site, tmp_path):
    again = notebooks.build_site(clone, tmp_path).parent
    first = {str(page.relative_to(site)) for page in site.rglob("*") if page.is_file()}
    assert first == {str(page.relative_to(again)) for page in again.rglob("*") if page.is_file()}
    _, differing, _ = filecmp.cmpfiles(site, again, first, shallow=False)
    assert differing == []


def test_the_readme_shows_the_figure_of_the_chapter():
    readme = (ROOT / "README.md").read_text()
    figure = re.search(r"!\[[^\]]{40,}\]\(([^)]+)\)", readme).group(1)
    assert (ROOT / figure).read_bytes() == notebooks.figure(ROOT / "notebooks" / "02_mnist.md", "fig:mnist-accuracy")


def test_no_file_speaks_of_the_machine_it_was_made_on(clone):
    for path in clone.rglob("*"):
        if path.is_file() and path.suffix in {".md", ".py", ".ipynb", ".yml", ".toml", ".txt", ".cff"}:
            text = path.read_text()
            assert str(ROOT) not in text, path
            assert f"{Path.home()}/" not in text, path
