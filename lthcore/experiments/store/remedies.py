"""The commands that compute again what a store has lost."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from lthcore.experiments.experiment import AnyExperiment, FilterExperiment
from lthcore.experiments.presets import PRESETS, sizes
from lthcore.experiments.store import places
from lthcore.experiments.store.doctor import Report
from lthcore.files import paths


def commands(report: Report, root: Path) -> list[str]:
    """What to type, each command once; where no preset has an experiment, a sentence.

    Args:
        report: what was found in the store.
        root: the folder of the store.
    """
    out = "" if root == paths.runs() else f" --out {shlex.quote(str(root))}"
    lost = [finding.path for finding in report.findings if finding.unsound and finding.path.suffix == ".npz"]
    wanted: dict[str, None] = {}
    for path in lost:
        identity = path.parts[-3]
        wanted[_command(path, report.experiments.get(identity)) or _sentence(identity)] = None
    return [line + out if line.startswith("python") else line for line in wanted]


def _sentence(identity: str) -> str:
    return f"run {identity} again as it was run first; no preset that is known here has it"


def _command(path: Path, experiment: AnyExperiment | None) -> str:
    """The command that computes a file; empty if none is known."""
    match = places.RECORD.fullmatch(path.name)
    trial, round = int(path.parent.name.removeprefix("trial-")), int(match[1]) if match else 0
    for name, first, known, options in _known(path.parts[-3], experiment):
        if trial >= known.trials:
            options += f" --trials {trial + 1}"
        if match is None:
            if first and not options.count("--steps"):
                return f"python -m lthcore measure {path.stem} {name}{options}"
        elif not isinstance(known, FilterExperiment):
            return f"python -m lthcore run {name}{options}" + (
                f" --rounds {round}" if round > known.prune.rounds else ""
            )
    return ""


def _known(identity: str, experiment: AnyExperiment | None) -> Iterator[tuple[str, bool, AnyExperiment, str]]:
    """Preset, whether it is its first, the experiment itself, and options, of each preset that computes it."""
    for steps in (None, *([experiment.train.steps] if experiment else [])):
        for name, preset in PRESETS.items():
            for place, known in enumerate(_adjusted(preset, steps)):
                hidden = "" if isinstance(known, FilterExperiment) else known.search.identity
                if identity in (known.identity, hidden):
                    yield name, place == 0 and identity == known.identity, known, f" --steps {steps}" if steps else ""


def _adjusted(preset, steps: int | None) -> tuple[AnyExperiment, ...]:
    try:
        return sizes.adjusted(preset, steps=steps)
    except ValueError:  # a length at which it could not be pruned
        return ()
