"""Presets from TOML files: experiments of one's own without a line of Python.

A file holds presets by name, each with a sentence about it and its experiments in the order they are computed:

.. code-block:: toml

    [faster]
    about = "Three tenths of each layer go per round, instead of a fifth."

    [faster.shared]                  # what all its experiments have in common; may be left out
    dataset = "mnist"
    trials = 3
    train = {steps = 5_000, optimizer_options = {epsilon = 1e-8}}

    [[faster.experiments]]           # the first is the search the others are compared with
    prune = {rate = 0.3, layer_rates = {"output/kernel" = 0.1}, rounds = 12}
    controls = [{kind = "reinit"}, {kind = "shuffle", rungs = [3, 7]}]

    [[faster.experiments]]
    prune = {rate = 0.3, rounds = 12, criterion = "random"}

Tables and keys are the classes and fields of `lthcore.experiments.experiment`: an experiment holds ``text``, ``train``
and ``prune``, and may hold ``controls``; ``[[name.filter_experiments]]`` hold ``text``, ``train`` and ``filters``.
Options are tables. What is left out has its default.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lthcore.checks import check_known
from lthcore.experiments.experiment import AnyExperiment, Control, Experiment, FilterExperiment
from lthcore.experiments.presets.preset import Preset
from lthcore.pruning.config import PruneConfig
from lthcore.shrinking.config import FilterConfig
from lthcore.text.config import TextConfig
from lthcore.training.config import TrainConfig

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_INNER = {"text": TextConfig, "train": TrainConfig, "prune": PruneConfig, "filters": FilterConfig}
_PRESET = ("about", "chapter", "shared", "experiments", "filter_experiments")
# First word of a field's type → what a file may hold there, and how that is called.
_TYPES = {
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "str": ((str,), "a text"),
    "bool": ((bool,), "true or false"),
    "tuple[int,": ((list,), "a list of whole numbers"),
    "Options": ((dict,), "a table"),
    "Rates": ((dict,), "a table"),
}


# Far above what people write. A key of many parts takes quadratic time to read, and nested brackets Python's stack.
_BYTES = 1 << 16
_DOTS = 1_000  # a line
_DEPTH = 20
_NESTED = f"holds tables or lists nested deeper than {_DEPTH} times"

# TOML's own numbers have 64 bits; its dates are nothing that an experiment holds.
_WHOLE = range(-(2**63), 2**63)


class PresetFileError(ValueError):
    """A file of presets that cannot be read; the message names the file, the table and the key."""


def load(path: Path | str) -> dict[str, Preset]:
    """The presets of a file, by name.

    Args:
        path: a TOML file; the module's own text shows one.

    Raises:
        PresetFileError: if it cannot be read, or for an unknown key or an impossible value, with the same words as the
            constructor's.
    """
    path = Path(path)
    content = _content(path)
    if not content:
        raise PresetFileError(f"{path} holds no preset: a table [name] with about = and [[name.experiments]] is one")
    return {name: _preset(values, (str(path), name)) for name, values in content.items()}


def _content(path: Path) -> dict[str, object]:
    """The tables of a file, which nest no deeper and hold no other values than presets do."""
    try:
        with path.open("rb") as file:
            data = file.read(_BYTES + 1)
    except OSError as error:
        raise PresetFileError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > _BYTES:
        raise PresetFileError(f"{path} has more than {_BYTES:,} bytes, which presets never need")
    if any(line.count(b".") > _DOTS for line in data.splitlines()):
        raise PresetFileError(f"{path} {_NESTED}")
    try:
        content = tomllib.loads(data.decode().replace("\r\n", "\n"))
    except RecursionError:
        raise PresetFileError(f"{path} {_NESTED}") from None
    except ValueError as error:  # also what is no text at all
        raise PresetFileError(f"{path} is no TOML: {error}") from error
    if fault := _fault(content):
        raise PresetFileError(f"{path} {fault}")
    return content


def _fault(content: Mapping) -> str:
    """What no field can hold, found before anything is made of it that prints, counts or nests it."""
    level: list[object] = [content]
    for _ in range(_DEPTH):
        level = [inner for value in level if isinstance(value, (dict, list)) for inner in _inside(value)]
        for value in level:
            if isinstance(value, int) and value not in _WHOLE:
                return "holds a whole number of more than 64 bits"
            if not isinstance(value, (dict, list, str, int, float)):
                return f"holds a date or time, {value}, which no field takes"
    return _NESTED if level else ""


def _inside(value: dict | list) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else value


_Made = TypeVar("_Made", bound="DataclassInstance")

# Where a value stands: the file, the preset, and the tables below it.
_Place = tuple[str, ...]


def _preset(values: object, at: _Place) -> Preset:
    table = _table(values, _PRESET, at)
    about, chapter = _text(table, "about", at), _text(table, "chapter", at)
    if not about:
        raise _error('a preset needs a sentence about it: about = "…"', at)
    shared = table.get("shared", {})
    experiments: list[AnyExperiment] = [
        experiment
        for number, one in enumerate(_list(table, "experiments", at), 1)
        for experiment in _experiment(one, shared, (*at, f"experiments {number}"))
    ]
    experiments += [
        _made(FilterExperiment, _merged(shared, one, FilterExperiment), (*at, f"filter_experiments {number}"))
        for number, one in enumerate(_list(table, "filter_experiments", at), 1)
    ]
    try:
        return Preset(tuple(experiments), about, chapter)
    except ValueError as error:
        raise _error(str(error), at) from error


def _experiment(values: object, shared: object, at: _Place) -> list[AnyExperiment]:
    """A search, and its controls after it."""
    joined = _merged(shared, values, Experiment)
    controls: list = []
    if isinstance(joined, dict):
        controls = _list(joined, "controls", at)
        joined.pop("controls", None)
    tickets = _made(Experiment, joined, at, besides=("controls",))
    made = [
        _made(Control, one, (*at, f"controls {number}"), without=("of",), of=tickets)
        for number, one in enumerate(controls, 1)
    ]
    return [tickets, *made]


def _merged(shared: object, own: object, kind: type) -> object:
    """Both tables, and the tables in them, joined; what stands in `own` counts."""
    if not isinstance(shared, Mapping) or not isinstance(own, Mapping):
        return own if isinstance(shared, Mapping) else shared  # whichever is no table, to be refused
    own_kind = {entry.name for entry in fields(kind)} | ({"controls"} if kind is Experiment else set())
    other = {"prune", "filters", "rungs", "controls"} - own_kind
    joined = {key: value for key, value in shared.items() if key not in other} | dict(own)
    for key in _INNER:
        if isinstance(shared.get(key), Mapping) and isinstance(own.get(key), Mapping):
            joined[key] = {**shared[key], **own[key]}
    return joined


def _made(
    kind: type[_Made],
    values: object,
    at: _Place,
    *,
    besides: Sequence[str] = (),
    without: Sequence[str] = (),
    **more: object,
) -> _Made:
    """A value of a dataclass from a table."""
    types = {entry.name: str(entry.type) for entry in fields(kind) if entry.name not in without}
    table = _table(values, (*types, *besides), at)
    arguments = {
        key: _made(_INNER[key], value, (*at, key)) if key in _INNER else _checked(value, types[key], key, at)
        for key, value in table.items()
    }
    try:
        return kind(**arguments, **more)
    except ValueError as error:
        raise _error(str(error), at) from error


def _checked(value: object, annotation: str, key: str, at: _Place) -> object:
    """A value of the type that a field says, with tuples for lists and pairs for tables."""
    types, called = _TYPES[annotation.split(" ")[0]]
    # Python takes true for a whole number, and people do not.
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise _error(f"{key} must be {called}, got {value!r}", at)
    return _frozen(value)


def _frozen(value: object) -> object:
    if isinstance(value, Mapping):
        return tuple((key, _frozen(inner)) for key, inner in value.items())
    return tuple(_frozen(inner) for inner in value) if isinstance(value, list) else value


def _table(values: object, known: Sequence[str], at: _Place) -> Mapping:
    if not isinstance(values, Mapping):
        raise _error(f"here belongs a table, got {values!r}", at)
    try:
        for key in values:
            check_known("key", key, known)
    except ValueError as error:
        raise _error(str(error), at) from error
    return values


def _text(table: Mapping, key: str, at: _Place) -> str:
    return str(_checked(table.get(key, ""), "str", key, at))


def _list(table: Mapping, key: str, at: _Place) -> list:
    found = table.get(key, [])
    if not isinstance(found, list):
        raise _error(f"{key} must be a list of tables: [[{key}]]", at)
    return found


def _error(what: str, at: _Place) -> PresetFileError:
    file, *tables = at
    return PresetFileError(f"{file}, table [{'.'.join(tables)}]: {what}")
