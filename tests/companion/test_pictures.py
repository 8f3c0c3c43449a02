"""Figures: kept as drawing and as image, the same each time, and visible in light and in dark."""

from __future__ import annotations

import io
import re

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from companion import notebooks, pictures
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from lthcore.analysis import figures

CHAPTERS = notebooks.sources()
colours = st.from_regex(r"#[0-9a-f]{6}", fullmatch=True)
greys = st.integers(0, 255).map(lambda value: f"#{value:02x}{value:02x}{value:02x}")


def luminance(colour: str) -> float:
    values = np.array(to_rgb(colour))
    return float(
        np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)
    )


def contrast(left: str, right: str) -> float:
    """By the definition of the Web Content Accessibility Guidelines: 1 to 21."""
    low, high = sorted((luminance(left), luminance(right)))
    return (high + 0.05) / (low + 0.05)


def hue(colour: str) -> np.ndarray:
    """The direction of a colour's two opponent parts."""
    opponent = pictures._oklab(colour)[1:]
    return opponent / np.hypot(*opponent)


def drawing(draw=lambda ax: ax.plot([0, 1], [1, 2])) -> str:
    file = io.StringIO()
    with plt.rc_context():
        figures.style()
        figure, ax = plt.subplots()
        draw(ax)
        figure.savefig(file, format="svg", metadata=pictures.UNDATED)
        plt.close(figure)
    return file.getvalue()


def test_the_same_figure_is_the_same_file():
    assert drawing() == drawing()
    assert "date" not in drawing().lower()


@pytest.mark.parametrize("role", figures.ROLES.values(), ids=lambda role: role.label)
def test_the_colours_of_all_roles_can_be_told_from_the_dark_ground_and_keep_their_hue(role):
    found = pictures.on_dark(role.color.lower())
    assert contrast(found, pictures.GROUND) >= 4
    if role.color not in ("#000000", "#555555"):
        assert hue(found) @ hue(role.color) > 0.97


@given(greys, greys)
def test_darker_greys_become_lighter_ones(left, right):
    if luminance(left) < luminance(right):
        assert luminance(pictures.on_dark(left)) >= luminance(pictures.on_dark(right))


@given(colours)
def test_every_colour_becomes_a_colour_no_darker_than_the_ground(colour):
    found = pictures.on_dark(colour)
    assert re.fullmatch(r"#[0-9a-f]{6}", found)
    assert luminance(found) >= 0.8 * luminance(pictures.GROUND)


def test_text_without_a_colour_becomes_light_and_images_and_names_stay():
    text = drawing(lambda ax: (ax.imshow(np.eye(4)), ax.set_xlabel("x")))
    dark = pictures.dark(text)
    assert re.match(rf'<svg fill="{pictures.INK}"', dark[dark.index("<svg") :])
    assert "#ffffff" not in dark
    images, names = r'xlink:href="data:[^"]*"', r'(?:xlink:href|id)="#?[\w-]+"|url\(#\w+\)'
    for kept in (images, names):
        assert re.findall(kept, dark) == re.findall(kept, text)
        assert re.findall(kept, text)


@pytest.mark.parametrize("source", CHAPTERS, ids=lambda source: source.stem)
def test_every_figure_of_a_chapter_is_a_small_drawing_and_an_image_and_undated(source):
    outputs = [
        output for cell in nbformat.read(source.with_suffix(".ipynb"), 4).cells for output in cell.get("outputs", ())
    ]
    figures = [output.data for output in outputs if {"image/png", "image/svg+xml"} & set(output.get("data", {}))]
    assert figures
    for data in figures:
        assert {"image/png", "image/svg+xml"} <= set(data)
        assert len(data["image/svg+xml"]) < 300_000
        assert "dc:date" not in data["image/svg+xml"]
