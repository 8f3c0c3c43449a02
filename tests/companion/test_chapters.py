"""How chapters and prose are built: one order, figures that explain themselves, and no number that nobody computed."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from companion import notebooks

from lthcore.files import paths

ROOT = paths.project_root()
CHAPTERS = notebooks.sources()
names = [source.stem for source in CHAPTERS]
PROSE = sorted((ROOT / "book").glob("*.md"))

# Headings that every chapter has, in this order; others stand between.
FRAME = ("Overview", "Summary", "Exercises", "Sources")
# A chapter that reports an experiment has these after its overview.
REPORT = ("Overview", "Idea", "In code", "Experiment", "Summary")
# What was not done is said before the summary.
LIMITS = re.compile(r"What (we did not check|this chapter leaves out)")

#: Words for what a run gives, and a number as precise as one.
RESULT = re.compile(r"\b(accura|error|micro-F1|macro-F1|loss)\w*", re.IGNORECASE)
PRECISE = re.compile(r"(?<![\w.])(\d{1,2}\.\d+\s?(%|points|pp)|0\.\d{2,})")
#: A paragraph or table may type what was read elsewhere, follows from arithmetic, or was expected before the run.
OTHER = re.compile(r"\{cite\}|\breport|\bread\b|\bpaper\b|\bproposal|\(computed\)|\*\*What we expected")


def markdown(source: Path) -> list[str]:
    return [cell.source for cell in notebooks.read(source).cells if cell.cell_type == "markdown"]


def headings(source: Path) -> list[str]:
    return re.findall(r"^## (.+)$", "\n\n".join(markdown(source)), re.MULTILINE)


def section(source: Path, name: str) -> str:
    """The text below a heading of the second level."""
    text = "\n\n".join(markdown(source))
    return text.split(f"## {name}\n", 1)[1].split("\n## ", 1)[0]


def in_order(wanted: tuple[str, ...], found: list[str]) -> bool:
    """Whether all of the wanted headings are there, in this order.

    Example:
        >>> in_order(("a", "c"), ["a", "b", "c"]), in_order(("c", "a"), ["a", "b", "c"])
        (True, False)
    """
    return [one for one in found if one in wanted] == list(wanted)


def typed(text: str) -> list[str]:
    """Sentences that type a result without saying where it is from.

    Example:
        >>> typed("Tickets reach an accuracy of 98.3 %. They keep 3.6 % of the weights.")
        ['Tickets reach an accuracy of 98.3 %.']
        >>> typed("{cite}`FC18` reports an accuracy of 98.3 %."), typed("An accuracy of {glue:text}`best`.")
        ([], [])
    """
    plain = re.sub(r"```.*?```|\$[^$]+\$|\{glue:\w+\}`[^`]+`", "", text, flags=re.DOTALL)
    own = [part for part in re.split(r"\n\s*\n", plain) if not OTHER.search(part)]
    sentences = [one for part in own for one in re.split(r"(?<=[.!?:])\s+", part)]
    return [one for one in sentences if RESULT.search(one) and PRECISE.search(one)]


@pytest.mark.parametrize("source", CHAPTERS, ids=names)
def test_a_chapter_begins_with_label_title_and_the_short_answer(source):
    first = markdown(source)[0]
    assert re.match(r"\(ch:[\w-]+\)=\n# [^\n]+\n\n\*\*The short answer\.\*\* [^\n]+\n\n## Overview\n", first)


@pytest.mark.parametrize("source", CHAPTERS, ids=names)
def test_a_chapter_keeps_to_the_order(source):
    found = headings(source)
    assert found[0] == "Overview"
    assert found[-3:] == ["Summary", "Exercises", "Sources"]
    assert in_order(FRAME, found)
    assert LIMITS.match(found[-4])
    assert in_order(REPORT, found) or "Experiment" not in found
    assert len(found) == len(set(found))


@pytest.mark.parametrize("source", [one for one in CHAPTERS if "Experiment" in headings(one)], ids=lambda one: one.stem)
def test_an_experiment_says_what_was_expected_before_what_was_seen(source):
    text = "\n".join(markdown(source))
    expected, seen = (re.search(rf"\*\*What we {word}\b", text) for word in ("expected", "saw"))
    assert expected.start() < seen.start()
    assert "chapter.card(" in source.read_text()


@pytest.mark.parametrize("source", CHAPTERS, ids=names)
def test_every_exercise_has_a_solution_to_unfold_and_the_sources_cite(source):
    exercises = section(source, "Exercises")
    numbers = re.findall(r"^(\d+)\. ", exercises, re.MULTILINE)
    assert numbers == [str(place) for place in range(1, len(numbers) + 1)]
    assert len(numbers) >= 3
    assert exercises.count("```{dropdown} Solution") == len(numbers)
    assert "{cite}" in section(source, "Sources")


@pytest.mark.parametrize("source", CHAPTERS, ids=names)
def test_every_figure_has_name_caption_and_text_and_is_mentioned_before_it_appears(source):
    said, figures = "", []
    for cell in nbformat.read(source.with_suffix(".ipynb"), as_version=4).cells:
        if cell.cell_type == "markdown":
            said += cell.source
        elif any("image/png" in output.get("data", {}) for output in cell.outputs):
            shown = cell.metadata["mystnb"]
            name, caption, alt = shown["figure"]["name"], shown["figure"]["caption"], shown["image"]["alt"]
            assert name.startswith("fig:")
            assert f"{{numref}}`{name}`" in said, f"{name} appears before it is mentioned"
            assert len(caption.split()) >= 15, name
            assert len(alt) >= 80, name
            figures.append(name)
    assert len(figures) == len(set(figures)) >= 2


@pytest.mark.parametrize("source", CHAPTERS, ids=names)
def test_no_figure_has_a_title_inside_its_axes(source):
    assert "suptitle(" not in source.read_text()


@pytest.mark.parametrize("source", [*PROSE, *CHAPTERS], ids=lambda one: one.stem)
def test_no_result_of_ours_is_typed(source):
    parts = markdown(source) if source in CHAPTERS else [source.read_text()]
    assert [one for part in parts for one in typed(part)] == []


@pytest.mark.parametrize("source", PROSE, ids=lambda one: one.stem)
def test_every_figure_of_a_prose_page_has_a_name_and_a_text(source):
    for body in re.findall(r"^(`{3,}|:{3,})\{figure\}(.*?)^\1", source.read_text(), re.DOTALL | re.MULTILINE):
        assert re.search(r"^:name: fig:\S+$", body[1], re.MULTILINE)
        assert re.search(r"^:alt: .{80,}$", body[1], re.MULTILINE)


def test_headings_stand_in_the_order_they_are_asked_for():
    assert in_order(("a", "c"), ["a", "b", "c"])
    assert not in_order(("c", "a"), ["a", "b", "c"])
    assert not in_order(("a", "d"), ["a", "b", "c"])
