"""Records and measurements as the arrays of a file, and back; what does not make sense is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from math import prod
from typing import Any

import numpy as np

from lthcore.checks import check_whole, is_whole
from lthcore.experiments.descriptions import UnknownFieldError, from_dict, to_dict
from lthcore.experiments.experiment import AnyExperiment, FilterExperiment
from lthcore.experiments.records import Measurement, Record
from lthcore.pruning.mask import Mask
from lthcore.training.run import COLUMNS, History

# The version of the files, written into each; those of the first release name none. Raise it when a file says something
# that earlier versions would misunderstand. What they merely do not know, such as a new field of an experiment, they
# notice by themselves.
SCHEMA = 2

# Bytes of a file, and of the arrays in it: the largest published ones have less than a thousandth. They are enough for
# the mask of 500 million weights, which takes eight times as much in memory.
LIMIT = 2**26

# Bytes of the text in a file: a thousand times the longest there is. Read, it takes thirty times as much.
_TEXT = 2**22

_MASK = "mask:"
RECORD = "record"
ABOUT = "about"


class NewerError(Exception):
    """A file is whole, and says what this version does not understand."""


def encode(record: Record) -> dict[str, np.ndarray]:
    """The arrays of a record's file: one of JSON text, the history's columns, packed mask bits."""
    masks: Mapping[str, np.ndarray] = record.pruned or {}
    values = {
        "schema": SCHEMA,
        "experiment": to_dict(record.experiment),
        "trial": record.trial,
        "round": record.round,
        "draw": record.draw,
        "kept": {name: list(counts) for name, counts in record.kept.items()},
        "test": dict(record.test),
        "weights_sha256": record.weights_sha256,
        "mask_sha256": record.mask_sha256,
        "seconds": record.seconds,
        "compile_seconds": record.compile_seconds,
        "machine": dict(record.machine),
        "environment": dict(record.environment),
        "mask_shapes": {name: list(array.shape) for name, array in masks.items()},
        "columns": list(record.history.columns),
        "embedding": record.embedding,
    }
    arrays = {RECORD: _text(values)}
    arrays |= record.history.columns
    if record.counts is not None:
        arrays["counts"] = record.counts
    arrays |= {_key(name): np.packbits(array) for name, array in masks.items()}
    return arrays


def decode(arrays: Mapping[str, np.ndarray]) -> Record:
    """The record that `encode` was given.

    Raises:
        NewerError: if a later version of lthcore wrote it.
        Exception: of any kind, if it is no record.
    """
    values = _said(arrays[RECORD])
    shapes = values.pop("mask_shapes")
    columns = values.pop("columns", COLUMNS)  # records of the first release do not name theirs
    experiment = _experiment(values.pop("experiment"))
    if isinstance(experiment, FilterExperiment):
        raise ValueError("no network of an experiment with filters is stored")
    _check_known(values, Record)
    _check_values(values)
    history = History({name: _column(arrays[name]) for name in columns}, experiment.train.stop_by)
    counts = arrays.get("counts")
    _check_scores(values["test"], history, counts)
    values["kept"] = {name: (kept, prunable) for name, (kept, prunable) in values["kept"].items()}
    pruned = _mask(arrays, shapes)
    if pruned and {name: array.size for name, array in pruned.items()} != {
        name: n for name, (_, n) in values["kept"].items()
    }:
        raise ValueError("its mask is of other layers than those it counts")
    return Record(**values, experiment=experiment, history=history, pruned=pruned, counts=counts)


def encode_measurement(measurement: Measurement) -> dict[str, np.ndarray]:
    """The arrays of a measurement's file: its own, and one of JSON text."""
    about = {entry.name: getattr(measurement, entry.name) for entry in fields(measurement) if entry.name != "values"}
    about |= {"schema": SCHEMA, "experiment": to_dict(measurement.experiment)}
    return {**measurement.values, ABOUT: _text(about)}


def decode_measurement(arrays: Mapping[str, np.ndarray]) -> Measurement:
    """The measurement that `encode_measurement` was given.

    Raises:
        NewerError: if a later version of lthcore wrote it.
        Exception: of any kind, if it is no measurement.
    """
    values = {name: array for name, array in arrays.items() if name != ABOUT}
    about = _said(arrays[ABOUT])
    experiment = _experiment(about.pop("experiment"))
    _check_known(about, Measurement)
    for name, (sound, what) in _VALUES.items():
        if name in about and not sound(about[name]):
            raise ValueError(f"its {name} is not {what}")
    if not isinstance(about["kind"], str):
        raise ValueError("its kind is not a word")
    return Measurement(values=values, experiment=experiment, **about)


def seconds(text: np.ndarray) -> float:
    """How long a network or a measurement took, compiling included, by the text of its file.

    Raises:
        Exception: of any kind, if it does not say.
    """
    about = _said(text)
    return float(about["seconds"]) + float(about.get("compile_seconds", 0.0))


def _key(name: str) -> str:
    return f"{_MASK}{name.replace('/', '|')}"


def _text(values: Mapping[str, object]) -> np.ndarray:
    return np.frombuffer(json.dumps(values).encode(), np.uint8)


def _said(text: np.ndarray) -> dict[str, Any]:
    """The values that a file tells of itself, if they are of a version that is known here."""
    if text.nbytes > _TEXT:
        raise ValueError(f"its text has {text.nbytes:,} bytes, more than {_TEXT:,}")
    values = json.loads(text.tobytes())
    if not isinstance(values, dict):
        raise ValueError("its text tells no values by name")
    schema = values.pop("schema", 1)
    check_whole("its schema", schema, least=1)
    if schema > SCHEMA:
        raise NewerError(f"its schema is {schema}, and those up to {SCHEMA} are known here")
    return values


def _experiment(values: object) -> AnyExperiment:
    if not isinstance(values, dict):
        raise ValueError("it does not describe its experiment")
    try:
        return from_dict(values)
    except UnknownFieldError as error:
        raise NewerError(str(error)) from error


def _check_known(values: Mapping[str, object], kind: type) -> None:
    if unknown := [name for name in values if name not in {entry.name for entry in fields(kind)}]:
        raise NewerError(f"its field {unknown[0]!r} is not known here")


def _check_values(values: Mapping) -> None:
    """Refuse a record whose values are not what records hold, though its checksum agrees."""
    for name, (sound, what) in _VALUES.items():
        if name in values and not sound(values[name]):
            raise ValueError(f"its {name} is not {what}")
    for name, (kept, prunable) in values["kept"].items():
        if not (is_whole(kept) and is_whole(prunable) and 0 <= kept <= prunable < 2**63):
            raise ValueError(f"it keeps {kept} of {prunable} weights of {name!r}")
    if not sum(prunable for _, prunable in values["kept"].values()):
        raise ValueError("it has no prunable weights")
    if not {"loss", "accuracy"} <= set(values["test"]):
        raise ValueError("its test scores lack loss or accuracy")
    if values["test"]["loss"] < 0 or not 0 <= values["test"]["accuracy"] <= 1:
        raise ValueError("its test scores are impossible")
    if "break_even" in values["machine"] and not _is_real(values["machine"]["break_even"]):
        raise ValueError("its break-even is no density")


def _is_count(value: object) -> bool:
    return is_whole(value) and 0 <= value < 2**31


def _is_real(value: object) -> bool:
    return isinstance(value, float) or (is_whole(value) and abs(value) < 2**63)


def _is_mapping(of: Callable[[Any], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, dict) and all(map(of, value.values()))


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


# Field → what must be true of it, and in words.
_VALUES: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("trial", "round", "draw"), (_is_count, "a number from 0")),
    "embedding": (lambda value: is_whole(value) and 0 <= value < 2**63, "a number of weights"),
    "kept": (_is_mapping(lambda pair: isinstance(pair, list) and len(pair) == 2), "pairs of counts by name"),
    "test": (_is_mapping(_is_real), "scores by name"),
    "weights_sha256": (_is_digest, "a digest"),
    "mask_sha256": (lambda value: value == "" or _is_digest(value), "a digest"),
    **dict.fromkeys(("seconds", "compile_seconds"), (lambda value: _is_real(value) and value >= 0, "a time")),
    "machine": (_is_mapping(lambda value: value is None or isinstance(value, (str, int, float))), "words by name"),
    "environment": (_is_mapping(lambda value: isinstance(value, str)), "words by name"),
}


def _column(values: np.ndarray) -> np.ndarray:
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise ValueError("a column of its history is none")
    return values


def _check_scores(test: Mapping[str, float], history: History, counts: np.ndarray | None) -> None:
    needed = [history.stop_by] + (["validation_micro_f1"] if counts is not None else [])
    if lacking := [name for name in needed if name not in history.columns]:
        raise ValueError(f"its history lacks the column {lacking[0]!r}")
    if counts is not None and (counts.ndim != 3 or counts.shape[::2] != (2, 3) or counts.dtype.kind not in "iu"):
        raise ValueError("its counts are none")


def _mask(arrays: Mapping[str, np.ndarray], shapes: object) -> Mask | None:
    if not isinstance(shapes, dict) or {_key(name) for name in shapes} != {
        key for key in arrays if key.startswith(_MASK)
    }:
        raise ValueError("it does not tell the shapes of its mask")
    return Mask({name: _bits(arrays[_key(name)], shape) for name, shape in shapes.items()}) if shapes else None


def _bits(packed: np.ndarray, shape: list[int]) -> np.ndarray:
    count = prod(shape)
    if packed.dtype != np.uint8 or packed.shape != (-(-count // 8),):  # NumPy would make up those that are missing
        raise ValueError(f"its mask has another size than {shape}")
    return np.unpackbits(packed, count=count).view(np.bool_).reshape(shape)
