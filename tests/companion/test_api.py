"""The reference of the package: no module is forgotten, and docstrings come out as they were meant."""

from __future__ import annotations

import importlib
import re

import pytest
import yaml
from companion.drawings.module_graph import ROOMS, imports

from lthcore.files import paths

ROOT = paths.project_root()


@pytest.fixture
def api(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))
    return importlib.import_module("api")


def layers() -> list[str]:
    """The pages of the reference in the order of the table of contents."""
    listed = re.findall(r"file: (book/api/\w+)", (ROOT / "_toc.yml").read_text())
    return [name for name in listed if name != "book/api/index"]


def test_every_room_has_a_page_and_the_pages_keep_the_order_of_the_rooms():
    shown = [
        room
        for layer in layers()
        for rooms in re.findall(r"^\.\. room:: (.+)$", (ROOT / f"{layer}.rst").read_text(), re.MULTILINE)
        for room in rooms.split()
    ]
    assert shown == [*(room for room in ROOMS if room != "__main__"), "companion"]


def test_every_page_of_the_reference_is_in_the_table_of_contents():
    assert sorted(layers()) == sorted(f"book/api/{one.stem}" for one in (ROOT / "book/api").glob("[!i]*.rst"))


def test_every_public_function_and_class_of_a_module_is_described(site, api):
    text = "".join((site / f"{layer}.html").read_text() for layer in layers())
    described = set(re.findall(r'id="(lthcore\.[\w.]+)"', text))
    expected = set()
    for name in imports(ROOT / "lthcore"):
        if name != "__main__":
            module = importlib.import_module(f"lthcore.{name}")
            expected |= {f"{module.__name__}.{key}" for key in api.public(module)}
    assert len(expected) > 200
    assert expected - described == set()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("`name` and ``x = 1``", "``name`` and ``x = 1``"),
        ("as {cite}`FC18` do", "as :cite:`FC18` do"),
        ("one {term}`ticket`, a `mask`", "one :term:`ticket`, a ``mask``"),
        ("|w_f| and ``a | b``", r"\|w_f\| and ``a | b``"),
        ("``{glue:text}`name` ``.", "``{glue:text}`name```."),
        ("chapter *Text*", "chapter *Text*"),
    ],
)
def test_a_line_is_translated(api, written, meant):
    assert api.inline(written) == meant


def test_sources_become_fields_and_examples_stay_as_they_are(api):
    lines = [
        "Do.",
        "",
        "Example:",
        "    >>> `x` | {cite}`y`",
        "",
        "Source: {cite}`A`, and",
        "more.",
        "Book: *Text*.",
        "",
        "End.",
    ]
    assert list(api.translated(lines)) == [
        *lines[:5],
        "",
        ":Source: :cite:`A`, and",
        "   more.",
        ":Book: *Text*.",
        "",
        "End.",
    ]


def test_what_a_function_gives_is_no_type_even_if_it_holds_a_colon(api):
    lines = [
        "Do.",
        "",
        "Returns:",
        "    For each name: a `number`,",
        "    and more.",
        "",
        "Raises:",
        "    KeyError: never.",
    ]
    assert list(api.translated(lines)) == [
        *lines[:2],
        "",
        ":returns:",
        "    For each name: a ``number``,",
        *lines[4:],
    ]
    assert list(api.translated(["Yields:", "    Pairs: two."])) == ["", ":Yields:", "    Pairs: two."]


def test_no_page_of_the_reference_names_a_type_beside_the_signature(site):
    for layer in layers():
        assert "Return type" not in (site / f"{layer}.html").read_text(), layer


def test_no_markup_is_left_over_on_a_page(site):
    """What the translation misses would stand there as it was written: a role in braces, a lone backtick."""
    for layer in layers():
        text = re.sub(r"<(pre|code)\b.*?</\1>", "", (site / f"{layer}.html").read_text(), flags=re.DOTALL)
        article = re.sub(r"<[^>]+>", "", text.split("<article")[1].split("</article>")[0])
        assert re.findall(r".{20}(?:\{\w+\}|`).{20}", article) == [], layer


def test_citations_in_docstrings_lead_to_the_bibliography(site):
    text = (site / "book" / "api" / "pruning.html").read_text()
    assert re.search(r'href="\.\./bibliography\.html#[^>]*>FC18</a>', text)
    assert re.search(r"<dt[^>]*>Source<", text)


def test_the_configuration_ignores_only_names_of_other_packages():
    ignored = yaml.safe_load((ROOT / "_config.yml").read_text())["sphinx"]["config"]["nitpick_ignore_regex"]
    assert [re.fullmatch(pattern, "lthcore.pruning.mask.Mask") for _, pattern in ignored] == [None]
