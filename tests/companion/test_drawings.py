"""Figures drawn while the book is built: each from its source, which the pages that show them agree with."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest
from companion.drawings import flow

from lthcore.files import paths

ROOT = paths.project_root()
BOOK = ROOT / "book"


def milestones() -> list[dict[str, str]]:
    with (BOOK / "milestones.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_milestone_is_told_and_cited_with_its_year():
    cited = {
        key for keys in re.findall(r"\{cite\}`([^`]+)`", (BOOK / "history.md").read_text()) for key in keys.split(",")
    }
    entries = "".join((BOOK / f"{name}.bib").read_text() for name in ("references", "further"))
    years = dict(re.findall(r"^@\w+\{(\w+),.*?\byear\s*=\s*\{(\d+)\}", entries, re.MULTILINE | re.DOTALL))
    for row in milestones():
        assert row["key"] in cited
        assert row["year"] == years[row["key"]], row


def test_milestones_lie_in_their_wave_or_between_two():
    waves = flow.WAVES
    for row in milestones():
        inside = [number for number, (first, last) in waves.items() if first <= int(row["year"]) <= last]
        assert inside == ([int(row["wave"])] if row["wave"] != "0" else []), row


def test_the_waves_of_the_page_are_those_of_the_drawing():
    text = (BOOK / "history.md").read_text()
    for first, last in list(flow.WAVES.values())[:2]:
        assert f"  - {first}–{last}\n" in text
    assert f"  - since {flow.WAVES[3][0]}\n" in text


CONFIGURATION = f"""
import sys
sys.path.insert(0, {str(BOOK / "_ext")!r})
extensions = ["myst_parser", "drawings"]
html_theme, project, numfig = "basic", "Small", True
"""
PAGE = (
    "# Page\n\nSee {numref}`fig:it`.\n\n```{drawing} NAME\n:name: fig:it\n:alt: What it shows.\n\nThe caption.\n```\n"
)


def build(folder: Path, name: str) -> subprocess.CompletedProcess:
    (folder / "conf.py").write_text(CONFIGURATION)
    (folder / "milestones.csv").write_text("year,label,wave,key\n1943,Threshold neuron,1,MP43\n")
    (folder / "index.md").write_text(PAGE.replace("NAME", name))
    # From the root, so that the package under test is the one that is imported.
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-n", str(folder), str(folder / "site")]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize("name", ["timeline", "data_flow", "architecture"])
def test_a_drawing_is_a_figure_like_any_other(name, tmp_path):
    done = build(tmp_path, name)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "index.html").read_text()
    image = re.search(r'<figure[^>]*>\s*<img alt="What it shows\." src="([^"]+)"', page).group(1)
    assert "<svg" in (tmp_path / "site" / image).read_text()[:1_000]
    assert "Fig. 1" in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["conf.py", "index.md", "milestones.csv", "site"]


def test_an_unknown_drawing_is_refused_and_the_known_are_named(tmp_path):
    done = build(tmp_path, "portrait")
    assert done.returncode
    assert "unknown drawing 'portrait'; known are timeline, data_flow, architecture" in done.stderr
