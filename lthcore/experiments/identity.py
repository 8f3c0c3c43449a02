"""The hash of a configuration: all that differs from the defaults, and so says what was computed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING

from lthcore.checks import Options, check_file_name
from lthcore.pruning.criteria import Criterion

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# Fields that only say how much is computed; they count only where an experiment is extended.
EXTENT = frozenset({"trials", "rounds", "rungs", "draws"})

# Trials of an experiment, draws of a control: far more than anyone trains.
MOST = 100_000


def variant(options: Options) -> list[str]:
    """The variant of a model, which names of folders tell, if its options name one."""
    return [str(value) for name, value in options if name == "variant"]


def check_names(dataset: str, model: str, options: Options) -> None:
    """Refuse names that no folder of results could have."""
    check_file_name("the name of a data set", dataset)
    check_file_name("the name of a model", model)
    for word in variant(options):
        check_file_name("the variant of a model", word)


def digest(meaning: Mapping[str, object]) -> str:
    """Ten hexadecimal digits that follow from the fields of a configuration that differ from their defaults.

    Args:
        meaning: those fields, nested, as `non_defaults` gives them.
    """
    canonical = json.dumps(meaning, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:10]


def non_defaults(config: DataclassInstance) -> dict[str, object]:
    """Nested dict of the fields that differ from their defaults, extent left out."""
    found: dict[str, object] = {}
    for entry in fields(config):
        value = getattr(config, entry.name)
        if entry.name in EXTENT:
            continue
        if isinstance(value, Criterion):  # not registered: its name is all that can be written down of it
            found[entry.name] = value.name
        elif is_dataclass(value) and not isinstance(value, type):
            if inner := non_defaults(value):
                found[entry.name] = inner
        elif value != (entry.default if entry.default_factory is MISSING else entry.default_factory()):
            found[entry.name] = float(value) if entry.type == "float" else value
    return found
