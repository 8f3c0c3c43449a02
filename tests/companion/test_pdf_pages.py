"""The printed book: builds without a fault in the log, twice the same, and holds every chapter."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from companion.pdf import build_pdf, faults, missing

from lthcore.files import paths

ROOT = paths.project_root()
READERS = ("pdftotext", "pdfinfo")


@pytest.fixture(scope="module", autouse=True)
def _latex():
    absent = missing() + ["poppler-utils"] * any(shutil.which(reader) is None for reader in READERS)
    if absent:
        pytest.skip(f"the PDF is neither built nor read without: {' '.join(absent)}")


@pytest.fixture(scope="module")
def pdf(tmp_path_factory) -> Path:
    """Built from the working tree; `build_pdf` refuses a log with faults."""
    return build(tmp_path_factory.mktemp("pdf"))


def build(target: Path) -> Path:
    """A build on a fixed day."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        return build_pdf(ROOT, target)


@pytest.fixture(scope="module")
def text(pdf) -> str:
    """The words of the PDF, one space between two."""
    done = subprocess.run(["pdftotext", "-layout", str(pdf), "-"], capture_output=True, text=True, check=True)
    return re.sub(r"\s+", " ", done.stdout)


def files(entries: list[dict]) -> list[str]:
    """All pages below some entries of ``_toc.yml``."""
    return [file for entry in entries for file in (entry["file"], *files(entry.get("sections", [])))]


def chapters() -> list[str]:
    """The titles of all pages in ``_toc.yml``."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    return [title(file) for part in toc["parts"] for file in files(part["chapters"])]


def title(file: str) -> str:
    """The first heading of a page."""
    if file.endswith(".ipynb"):
        cells = json.loads((ROOT / file).read_text())["cells"]
        source = "".join(line for cell in cells for line in [*cell["source"], "\n"])
    else:
        page = ROOT / f"{file.removesuffix('.md')}.md"
        source = page.read_text() if page.is_file() else f"# {page.with_suffix('.rst').read_text()}"
    return re.search(r"^# (.+)$", source, re.MULTILINE).group(1).strip()


def test_every_chapter_is_in_the_table_of_contents_and_in_the_text(text):
    found = chapters()
    assert len(found) >= 6
    assert [name for name in found if text.count(re.sub(r"[*`]", "", name)) < 2] == []


def test_figures_and_tables_count_within_their_chapter_and_through_where_there_is_none(text):
    assert {"Fig. 2.1. ", "Table 6.1. ", "Fig. 1. ", "Table 1. "} <= set(re.findall(r"(?:Fig\.|Table) [\d.]+ ", text))


def test_the_log_has_no_fault(pdf):
    """Read once more here, because a build that stopped reading its log would not fail by itself."""
    log = pdf.with_suffix(".log").read_text(errors="replace")
    assert re.search(r"Output written on .*\d+ pages", log)
    assert faults(log) == []


def test_there_are_pages_enough(pdf):
    facts = subprocess.run(["pdfinfo", str(pdf)], capture_output=True, text=True, check=True).stdout
    assert int(re.search(r"^Pages: +(\d+)", facts, re.MULTILINE).group(1)) >= 40
    assert re.search(r"^Title: +The Lottery Ticket Laboratory$", facts, re.MULTILINE)
    assert re.search(r"^Author: +The lthcore contributors$", facts, re.MULTILINE)


def test_nothing_is_left_of_the_machinery(text):
    """References that lead nowhere, glue that was not pasted, objects without a printed form."""
    for trace in ("<IPython", "<Figure", "<matplotlib", " object at 0x"):
        assert trace not in text, trace
    prose = text[: text.rindex("Reference of the package")]  # where docstrings speak of roles
    # Three question marks are the proposal's.
    assert re.findall(r"(?<!\?)\?\?(?!\?)|\{glue|\{cite\}|\{term\}|\{numref\}", prose) == []


def test_both_bibliographies_stand_under_their_headings(text):
    page = text[text.rindex("These are the references of the thesis proposal.") :]
    first, second = page.split("The proposal does not cite these", 1)
    assert {"[Aro11]", "[FC18]", "[ZLLY19]"} <= set(re.findall(r"\[[^\] ]+\]", first))
    assert {"[FDRC20]", "[SCC+20]"} <= set(re.findall(r"\[[^\] ]+\]", second))


def test_a_second_build_is_byte_identical(pdf, tmp_path):
    assert build(tmp_path).read_bytes() == pdf.read_bytes()
