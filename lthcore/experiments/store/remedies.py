"""The commands that compute again what a store has lost."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lthcore.experiments.experiment import AnyExperiment, Experiments, FilterExperiment
from lthcore.experiments.presets import PRESETS, sizes
from lthcore.experiments.store import places
from lthcore.experiments.store.doctor import Examination
from lthcore.files import paths


@dataclass(frozen=True)
class _Source:
    """A preset that computes an experiment, at some length.

    Args:
        preset: its name.
        options: those of the command line that give it this length.
        experiment: the experiment.
        measured: whether measurements of the preset are measurements of it.
    """

    preset: str
    options: str
    experiment: AnyExperiment
    measured: bool


def commands(report: Examination, root: Path) -> list[str]:
    """What to type, each command once; where no preset has an experiment, a sentence.

    Args:
        report: what was found in the store.
        root: the folder of the store.
    """
    lost = [finding.path for finding in report.findings if finding.unsound and finding.path.suffix == ".npz"]
    if not lost:
        return []
    # What can be read tells at which lengths the presets were computed.
    lengths = sorted({experiment.train.steps for experiment in report.experiments.values()})
    sources: dict[str, list[_Source]] = {}
    for steps in (None, *lengths):
        for identity, source in _sources(steps):
            sources.setdefault(identity, []).append(source)
    out = "" if root == paths.runs() else f" --out {shlex.quote(str(root))}"
    return list(dict.fromkeys(_remedy(path, sources.get(path.parts[-3], []), out) for path in lost))


def _sources(steps: int | None) -> Iterator[tuple[str, _Source]]:
    """Identity and source of all that the presets compute at a length, the searches they hang off included."""
    options = f" --steps {steps}" if steps else ""
    for name, preset in PRESETS.items():
        for place, experiment in enumerate(_adjusted(preset, steps)):
            # The command that measures has no option for the length.
            yield experiment.identity, _Source(name, options, experiment, place == 0 and not steps)
            if not isinstance(experiment, FilterExperiment) and experiment.search.identity != experiment.identity:
                yield experiment.search.identity, _Source(name, options, experiment, False)


def _adjusted(preset: Experiments, steps: int | None) -> Experiments:
    try:
        return sizes.adjusted(preset, steps=steps)
    except ValueError:  # a length at which it could not be pruned
        return ()


def _remedy(path: Path, sources: list[_Source], out: str) -> str:
    match, trial = places.RECORD.fullmatch(path.name), int(path.parent.name.removeprefix("trial-"))
    for source in sources:
        options = source.options + (f" --trials {trial + 1}" if trial >= source.experiment.trials else "")
        if match is None and source.measured:
            return f"python -m lthcore measure {path.stem} {source.preset}{options}{out}"
        if match is not None and not isinstance(source.experiment, FilterExperiment):
            round = int(match[1])
            options += f" --rounds {round}" if round > source.experiment.prune.rounds else ""
            return f"python -m lthcore run {source.preset}{options}{out}"
    return f"run {path.parts[-3]} again as it was run first; no preset that is known here has it"
