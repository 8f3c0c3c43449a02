"""An open mapping from words to values."""

from __future__ import annotations

import re

import pytest

from lthcore.registry import Registry


@pytest.fixture
def shapes():
    return Registry("shape", "shapes.register(name, corners)", values={"square": 4, "triangle": 3})


def test_what_is_registered_is_looked_up_like_in_any_mapping(shapes):
    assert shapes.register("pentagon", 5) == 5
    assert dict(shapes) == {"square": 4, "triangle": 3, "pentagon": 5}
    assert shapes.get("circle") is None
    assert "circle" not in shapes
    assert len(shapes) == 3


@pytest.mark.parametrize("name", ["circle", "", None, 3, ["square"]])
def test_an_unknown_name_is_told_the_known_ones_and_how_to_register(shapes, name):
    message = (
        f"unknown shape {name!r}; known are square, triangle; register one of your own by "
        "shapes.register(name, corners)"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        shapes[name]


def test_a_name_is_given_once_unless_told_otherwise(shapes):
    with pytest.raises(ValueError, match=r"shape 'square' is registered already; .* replace=True"):
        shapes.register("square", 5)
    assert shapes["square"] == 4
    shapes.register("square", 5, replace=True)
    assert shapes["square"] == 5
    shapes.remove("square")
    assert list(shapes) == ["triangle"]


def test_sealed_names_keep_their_meaning(shapes):
    shapes.seal()
    with pytest.raises(ValueError, match=r"'square' is lthcore's own, and stored results rely on it"):
        shapes.register("square", 5, replace=True)
    with pytest.raises(ValueError, match=r"'square' is lthcore's own"):
        shapes.remove("square")
    shapes.register("pentagon", 5)
    shapes.remove("pentagon")
    with pytest.raises(ValueError, match="unknown shape 'pentagon'"):
        shapes.remove("pentagon")


@pytest.mark.parametrize("name", ["", "two words", "a/b", "..", "-x", "a,b", "a\n"])
def test_a_name_is_a_word(shapes, name):
    with pytest.raises(ValueError, match=r"the name of a shape must be a word like 'mine'"):
        shapes.register(name, 1)


def test_a_name_is_a_string(shapes):
    with pytest.raises(TypeError, match=r"the name of a shape must be a string, got 3"):
        shapes.register(3, 1)


def test_values_of_another_kind_are_refused():
    def check(value):
        if not callable(value):
            raise TypeError(f"must be a function, got {value!r}")

    functions = Registry("function", "register", check=check)
    with pytest.raises(TypeError, match="must be a function, got 3"):
        functions.register("three", 3)
    assert list(functions) == []
    with pytest.raises(ValueError, match="known are none"):
        functions["three"]
