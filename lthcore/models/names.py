"""Names of variables that do not depend on how a model came about.

Keras' own `path` of a variable tells the scopes that were open when it was made. A clone, a model read from a file and
a renamed one have other paths, and two variables may have the same. The names here come from the tree of layers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import keras
from keras.src.models.functional import Functional  # Keras has no public name for it
from keras.src.utils.naming import to_snake_case

Path = tuple[str, ...]

# These only call other layers. Keras leaves them out of most paths, and names that are unique without them do, too.
_TRANSPARENT = (Functional, keras.Sequential, keras.layers.Wrapper, keras.layers.Bidirectional)


def is_graph(layer: object) -> bool:
    """Whether something is a functional or Sequential model, whose layers can be walked through."""
    return isinstance(layer, (Functional, keras.Sequential))


@dataclass(frozen=True, eq=False)
class Place:
    """Where in the tree of layers a variable is.

    Args:
        layer: the layer it belongs to.
        short: layers around it and its own name, without those that only call others.
        full: the same with all layers.
        frozen: whether the layer, or one around it, is not trainable.
    """

    layer: keras.Layer
    short: Path
    full: Path
    frozen: bool


def names(model: keras.Model) -> dict[int, str]:
    """The id of each variable → its name, ``layer/variable``; the state of random generators has none.

    It is equal for a model, its clone, what is saved and loaded again, and the model renamed. Layers within layers are
    separated by ``/``. Models within models and wrappers such as `Bidirectional` are left out, except from names that
    several variables would share.

    Example:
        >>> inner = keras.Sequential([keras.layers.Dense(3, name="hidden")], name="inner")
        >>> model = keras.Sequential([keras.Input((4,)), inner, keras.layers.Dense(2, name="output")])
        >>> list(names(model).values())
        ['hidden/kernel', 'hidden/bias', 'output/kernel', 'output/bias']
    """
    by_id = places(model)
    times = Counter(place.short for place in by_id.values())
    return {key: "/".join(place.short if times[place.short] == 1 else place.full) for key, place in by_id.items()}


def places(model: keras.Model) -> dict[int, Place]:
    """The id of each variable → where it is. A variable that several layers hold belongs to the innermost."""
    by_id: dict[int, Place] = {}
    _walk(Place(model, (), (), not model.trainable), by_id, set())
    return by_id


def own_name(layer: keras.Layer, variable: keras.Variable) -> str:
    """What a layer calls one of its variables: the variable's name, or the attribute that holds one without a name."""
    if not _automatic(variable.name, "variable"):
        return variable.name
    unnamed = [other for other in own_variables(layer) if _automatic(other.name, "variable")]
    return _attribute(layer, variable) or _numbered(layer, "variable", unnamed, variable)


def own_variables(layer: keras.Layer) -> list[keras.Variable]:
    """A layer's variables without those of the layers in it, and without the state of its random generators."""
    return layer._trainable_variables + layer._non_trainable_variables


def _walk(around: Place, by_id: dict[int, Place], visited: set[int]) -> None:
    """Collect the places of all variables in a layer, which is given with its own place."""
    layer = around.layer
    visited.add(id(layer))
    for child, name in _children(layer):
        if id(child) not in visited:
            short = around.short if isinstance(child, _TRANSPARENT) else (*around.short, name)
            _walk(Place(child, short, (*around.full, name), around.frozen or not child.trainable), by_id, visited)
    # After the children: a wrapper also holds the variables of the layer in it, to which they belong.
    for variable in own_variables(layer):
        own = own_name(layer, variable)
        ending = (*around.full[-1:], own) if isinstance(layer, _TRANSPARENT) else (own,)
        place = Place(layer, (*around.short, *ending), (*around.full, own), around.frozen)
        by_id.setdefault(id(variable), place)


def _children(layer: keras.Layer) -> Iterator[tuple[keras.Layer, str]]:
    """The layers in a layer, with names that are the same in a copy."""
    for child in layer._layers:
        kind = to_snake_case(type(child).__name__)
        if not _automatic(child.name, kind) or _name_is_copied(layer, child):
            yield child, child.name
        else:
            alike = [other for other in layer._layers if type(other) is type(child) and _automatic(other.name, kind)]
            yield child, _attribute(layer, child) or _numbered(layer, kind, alike, child)


def _name_is_copied(layer: keras.Layer, child: keras.Layer) -> bool:
    """Whether a copy of the layer gives the layer in it the same name.

    The configurations of Keras' own models and wrappers contain the layers in them with their names. A class of the
    user's own makes its layers in `__init__`, where they get new automatic names each time; and without a `get_config`
    its own name is not in any configuration.
    """
    if not _of_keras(layer):
        return False
    try:
        return _of_keras(child) or "name" in child.get_config()
    except NotImplementedError:  # Keras cannot copy it either
        return True


def _of_keras(layer: keras.Layer) -> bool:
    return type(layer).__module__.split(".")[0] == "keras"


def _automatic(name: str, kind: str) -> bool:
    """Whether a name is one that Keras gives: the kind, and a number that the process counts."""
    return re.fullmatch(rf"{re.escape(kind)}(_\d+)?", name) is not None


def _attribute(layer: keras.Layer, value: object) -> str | None:
    """The public attribute that holds a value, with its place in a list or its key."""
    for name, held in vars(layer).items():
        if name.startswith("_"):
            continue
        if held is value:
            return name
        entries = held.items() if isinstance(held, dict) else enumerate(held) if isinstance(held, (list, tuple)) else ()
        for key, entry in entries:
            if entry is value:
                return f"{name}_{key}"
    return None


def _numbered(layer: keras.Layer, kind: str, alike: list, value: object) -> str:
    """The kind, numbered among those alike that no public attribute holds."""
    place = next(place for place, other in enumerate(x for x in alike if not _attribute(layer, x)) if other is value)
    return f"{kind}_{place}" if place else kind
