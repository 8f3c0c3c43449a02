"""Studies: the experiments a chapter draws from, at the scale it is asked for, and where their results lie."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from lthcore import datasets
from lthcore.analysis import frames
from lthcore.experiments import presets
from lthcore.experiments.experiment import Control, Experiment, Experiments
from lthcore.experiments.presets.sizes import smoke
from lthcore.experiments.records import Record
from lthcore.experiments.store import Store, StoreError
from lthcore.files import paths
from lthcore.pruning.mask import Mask


class ParameterError(Exception):
    """A notebook was given a parameter that it does not have, or a value it cannot take."""


@dataclass(frozen=True)
class Study:
    """Experiments that belong together, and the store their results are in.

    Args:
        name: the preset's name.
        experiments: what is compared; the tickets come first.
        store: where the results lie.
        published: whether these are the results the book is printed from.
    """

    name: str
    experiments: Experiments
    store: Store
    published: bool

    @property
    def tickets(self) -> Experiment:
        """The experiment that finds the tickets."""
        return self.experiments[0]

    @property
    def test_size(self) -> int:
        """Number of test examples behind each accuracy."""
        return datasets.test_size(self.tickets.dataset)

    def frame(self) -> pd.DataFrame:
        """All its results, as one tidy frame."""
        return frames.results(self.store, self.experiments)

    def records(self, experiment: Experiment | Control, rounds: Iterable[int] | None = None) -> list[Record]:
        """The records of one experiment, all trials, draw 0."""
        chosen = experiment.rounds if rounds is None else rounds
        return [self.store.load(experiment, trial, round) for trial in range(experiment.trials) for round in chosen]

    def masks(self, round: int) -> list[Mask]:
        """The masks that the tickets of one round, from 1 on, were trained with, trial by trial."""
        return [record.pruned for record in self.records(self.tickets, [round - 1])]

    def corpus(self) -> Mapping[str, np.ndarray]:
        """The description of the documents; see `lthcore.analysis.measurements.corpus`."""
        return self.measured("corpus", trials=1)[0]

    def measured(self, kind: str, *, trials: int | None = None) -> list[Mapping[str, np.ndarray]]:
        """The values of a measurement of the tickets, trial by trial; where nothing is published, it is taken first.

        Raises:
            StoreError: if a published one is missing; the message names the command that takes it.
        """
        if not self.published:
            _measure(self, kind)
        chosen = range(trials or self.tickets.trials)
        for trial in chosen:
            if not self.store.has_measurement(kind, self.tickets, trial):
                raise StoreError(
                    f"no stored {kind} of {self.tickets.label}: {self.tickets.identity}, trial {trial}, that covers "
                    f"its rounds. Take it with `python -m lthcore measure {kind} {self.name} --out "
                    f"{self.store.root}`, or set COMPUTE = True"
                )
        return [self.store.load_measurement(kind, self.tickets, trial).values for trial in chosen]


def load(
    scale: str, *, published: Mapping[str, Sequence[str]], data: str = "auto", compute: bool = False
) -> list[Study]:
    """The studies a chapter asks for by its parameters.

    Args:
        scale: a key of `published`, or ``"smoke"``: the same path at a size that takes seconds, computed here.
        published: scale → names of the presets whose stored results the book is printed from.
        data: at smoke scale, the data set; ``"auto"`` takes the real one where it can be had without a download,
            ``"embedded"`` the small one that comes with the package.
        compute: compute everything on this machine, into ``data/runs``, instead of reading published results.

    Raises:
        ParameterError: for an unknown scale or data set.
        StoreError: if a stored result is missing; the message names it and the command to compute it.
    """
    if scale == "smoke":
        return _smoke(next(iter(published.values())), data)
    if scale not in published:
        raise ParameterError(f"unknown SCALE {scale!r}; known are {', '.join([*published, 'smoke'])}")
    store = Store(paths.runs() if compute else paths.results())
    found = [Study(name, presets.preset(name), store, not compute) for name in published[scale]]
    for study in found:
        if compute:
            _compute(study)
        _check_complete(study)
    return found


def costs(studies: Sequence[Study]) -> pd.DataFrame:
    """What the stored runs of some studies cost: one row per study.

    Returns:
        Columns ``networks, steps`` (of training, in all), ``hours`` (wall-clock time, summed over the processes that
        shared the machine, evaluation included), ``processor``, ``threads`` (of each process).
    """
    rows = []
    for study in studies:
        records = [
            study.store.load(experiment, trial, *network)
            for experiment in study.experiments
            for trial in range(experiment.trials)
            for network in experiment.networks
        ]
        rows.append(
            {
                "networks": len(records),
                "steps": sum(int(record.history["step"][-1] - record.history["step"][0]) for record in records),
                "hours": sum(record.seconds + record.compile_seconds for record in records) / 3_600,
                "processor": ", ".join(sorted({record.environment["processor"] for record in records})),
                "threads": ", ".join(sorted({str(record.machine["threads"]) for record in records})),
            }
        )
    return pd.DataFrame(rows, index=[study.name for study in studies])


def _smoke(names: Sequence[str], data: str) -> list[Study]:
    published = {name: presets.preset(name) for name in names}
    chosen = {name: _data(preset[0].dataset, data) for name, preset in published.items()}
    folder = _scratch()
    found = [
        Study(name, smoke(preset, chosen[name]), Store(folder), published=False) for name, preset in published.items()
    ]
    for study in found:
        _compute(study)
    kinds = dict.fromkeys(_told(preset[0].dataset, chosen[name], data) for name, preset in published.items())
    display(
        Markdown(
            f"```{{note}}\nSmoke scale on {' and '.join(kinds)}: it shows that the code runs, and nothing about "
            f"tickets.\n```"
        )
    )
    return found


def _scratch() -> Path:
    """A folder of this process alone, gone with it: a smoke pass is there to be walked, not to be read."""
    folder = Path(tempfile.mkdtemp(prefix="lthcore-smoke-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _embedded(real: str) -> str:
    """The small data set that comes with the package, of the same kind."""
    return "newswire" if real in datasets.TEXTS else "digits"


def _data(real: str, data: str) -> str:
    """The data set of a smoke pass."""
    if data == "auto":
        return real if datasets.available(real) else _embedded(real)
    known = {"embedded": _embedded(real), real: real, _embedded(real): _embedded(real)}
    if data not in known:
        raise ParameterError(f"unknown DATA {data!r}; known are {', '.join(['auto', *known])}")
    return known[data]


def _told(real: str, chosen: str, data: str) -> str:
    if chosen == real:
        return f"the real {real}"
    return f"the embedded {chosen}" + (f", because {real} is not on this machine" if data == "auto" else "")


def _compute(study: Study) -> None:
    # It brings TensorFlow, which a chapter that only reads results does without.
    from lthcore.experiments.executors import schedule

    with ThreadPoolExecutor(1) as executor:
        for _ in schedule.run(study.experiments, study.store, executor):
            pass


def _measure(study: Study, kind: str) -> None:
    from lthcore.analysis import measure  # brings TensorFlow too

    with ThreadPoolExecutor(1) as executor:
        for _ in measure.run(kind, study.tickets, study.store, executor):
            pass


def _check_complete(study: Study) -> None:
    for experiment in study.experiments:
        for trial in range(experiment.trials):
            for round, draw in experiment.networks:
                if not study.store.has(experiment, trial, round, draw):
                    raise StoreError(
                        f"no stored result of {experiment.label}: {experiment.identity}, trial {trial}, round {round}, "
                        f"draw {draw} in {study.store.root}. Compute it with `python -m lthcore run {study.name} --out "
                        f"{study.store.root}`, or set COMPUTE = True"
                    )
