"""`Preset`: experiments that belong together, what there is to say of them, and the open registry of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from lthcore.experiments.experiment import AnyExperiment, Control, Experiment, Experiments, FilterExperiment
from lthcore.experiments.labels import within
from lthcore.experiments.store import Store
from lthcore.registry import Registry

# Two processes of one thread each: what the prices speak of, and what the published results were computed by.
PROCESSES = 2


@dataclass(frozen=True)
class Preset(Sequence[AnyExperiment]):
    """Experiments that belong together, in the order they are computed; a sequence of them.

    Args:
        experiments: the first is the search the others are compared with.
        about: one sentence: what is computed.
        chapter: name of the book's document that reports it, if one does.

    Example:
        >>> tickets = Experiment(trials=1)
        >>> preset = Preset((tickets, Control(of=tickets, kind="reinit")), "Tickets and fresh values.")
        >>> len(preset), preset.data
        (2, ('mnist',))
    """

    experiments: tuple[AnyExperiment, ...]
    about: str
    chapter: str = ""

    def __post_init__(self) -> None:
        kinds = (Experiment, Control, FilterExperiment)
        object.__setattr__(self, "experiments", tuple(self.experiments))
        if not self.experiments or not all(isinstance(experiment, kinds) for experiment in self.experiments):
            raise ValueError(
                f"a preset holds experiments, at least one: Experiment, Control or FilterExperiment; got "
                f"{self.experiments!r}"
            )
        identities = [experiment.identity for experiment in self.experiments]
        if twice := {identity for identity in identities if identities.count(identity) > 1}:
            raise ValueError(
                f"two experiments of a preset would share their results: {', '.join(sorted(twice))}; they differ at "
                f"most in trials, rounds, rungs or draws"
            )

    @overload
    def __getitem__(self, place: int) -> AnyExperiment: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[AnyExperiment, ...]: ...

    def __getitem__(self, place: int | slice) -> AnyExperiment | tuple[AnyExperiment, ...]:
        return self.experiments[place]

    def __len__(self) -> int:
        return len(self.experiments)

    @property
    def data(self) -> tuple[str, ...]:
        """The data sets it needs."""
        return tuple(dict.fromkeys(experiment.dataset for experiment in self.experiments))


PRESETS: Registry[Preset] = Registry("preset", "lth.presets.register(name, experiments, about=...)")


def register(name: str, experiments: Experiments, *, about: str, chapter: str = "", replace: bool = False) -> Preset:
    """Give experiments a name that the command line knows.

    Args:
        name: its name.
        experiments: the experiments; the first is what the others are compared with.
        about: one sentence: what is computed.
        chapter: the document of the book that reports it.
        replace: take a name that is taken, unless it is one of the package's own.

    Raises:
        ValueError: if the name is taken, or the experiments are none or would share results.

    Example:
        >>> tickets = Experiment(dataset="digits", trials=1)
        >>> register("digits-once", [tickets], about="One search on the digits.").data
        ('digits',)
        >>> PRESETS.remove("digits-once")
    """
    return PRESETS.register(name, Preset(tuple(experiments), about, chapter), replace=replace)


def preset(name: str) -> Preset:
    """The preset of a name.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
    """
    return PRESETS[name]


def labels(name: str) -> dict[str, str]:
    """Identity → label of each experiment of a preset: the preset's name, and what sets it apart from the first.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.

    Example:
        >>> tickets = Experiment(dataset="digits", trials=1)
        >>> both = register("digits-twice", [tickets, Control(of=tickets, kind="reinit")], about="A search, a control.")
        >>> list(labels("digits-twice").values())
        ['digits-twice · tickets', 'digits-twice · reinit']
        >>> PRESETS.remove("digits-twice")
    """
    return within(name, PRESETS[name])


def price(preset: Sequence[AnyExperiment], store: Store) -> float | None:
    """Minutes that a preset takes two processes of one thread each, judged by what is stored of it.

    Searches among networks that are pruned early are counted where they must be computed first. Records are read at a
    glance and those of an experiment's first trial alone; networks of which none is stored count like the others'
    mean.

    Returns:
        None where nothing is stored.
    """
    spent, counted, missing = 0.0, 0, 0
    for experiment, networks in _work(preset).values():
        seconds = [store.seconds(experiment, 0, *network) for network in networks]
        there = [value for value in seconds if value is not None]
        mean = sum(there) / len(there) if there else 0.0
        spent += mean * len(networks) * experiment.trials
        counted, missing = counted + len(networks) * bool(there), missing + len(networks) * (not there)
    clocks = [
        experiment.trials * (store.measurement_seconds("filters", experiment, 0) or 0.0)
        for experiment in preset
        if isinstance(experiment, FilterExperiment)
    ]
    if not counted and not any(clocks):
        return None
    # Filters are compared by the clock, which wants the machine to itself.
    return (spent / PROCESSES * (1 + missing / max(counted, 1)) + sum(clocks)) / 60


def _work(preset: Sequence[AnyExperiment]) -> dict[str, tuple[Experiment | Control, tuple[tuple[int, int], ...]]]:
    """Identity → experiment and networks, of all that must be trained."""
    work: dict[str, tuple[Experiment | Control, tuple[tuple[int, int], ...]]] = {}
    for experiment in preset:
        if isinstance(experiment, FilterExperiment):
            continue
        if not experiment.is_chain and experiment.search.is_chain:
            needed = tuple(network for network in experiment.search.networks if network[0] < max(experiment.rounds))
            work.setdefault(experiment.search.identity, (experiment.search, needed))
        work[experiment.identity] = (experiment, experiment.networks)
    return work
