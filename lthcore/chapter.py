"""What every chapter needs: checked parameters, a study to draw from, cards, glued numbers, verdicts."""

from __future__ import annotations

import ast
import inspect
import shutil
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pandas as pd
from IPython.display import Markdown, display
from myst_nb import glue

from lthcore import datasets, frames, paths, presets
from lthcore.config import Experiment
from lthcore.store import Record, Store, StoreError


class ParameterError(Exception):
    """A notebook was given a parameter that it does not have, or a value it cannot take."""


@dataclass(frozen=True)
class Study:
    """The experiments of a chapter at one scale, and the store their results are in.

    Args:
        name: the preset's name.
        experiments: what is compared; the tickets come first.
        store: where the results lie.
        published: whether these are the results the book is printed from.
    """

    name: str
    experiments: presets.Preset
    store: Store
    published: bool

    @property
    def tickets(self) -> Experiment:
        """The experiment that finds the tickets."""
        return self.experiments[0]

    @property
    def test_size(self) -> int:
        """Number of test examples behind each accuracy."""
        return datasets.TEST_SIZES[self.tickets.dataset]

    def frame(self) -> pd.DataFrame:
        """All its results, as one tidy frame."""
        return frames.results(self.store, self.experiments)

    def records(self, experiment: Experiment, rounds: Iterable[int] | None = None) -> list[Record]:
        """The records of one experiment, all trials, draw 0."""
        chosen = experiment.rounds if rounds is None else rounds
        return [self.store.load(experiment, trial, round) for trial in range(experiment.trials) for round in chosen]


def check_parameters(namespace: Mapping[str, object], known: str) -> None:
    """Refuse parameters that the notebook does not have; call it in the cell after ``parameters``.

    papermill only warns of an unknown parameter and then ignores it, and a misspelt ``SCLAE`` would publish the wrong
    results under the right name.

    Args:
        namespace: the notebook's ``globals()``.
        known: names of its parameters, separated by spaces.

    Raises:
        ParameterError: for any other upper-case name.
    """
    names = known.split()
    unknown = [name for name in namespace if name.isupper() and not name.startswith("_") and name not in names]
    if unknown:
        raise ParameterError(f"unknown parameter {', '.join(unknown)}; this chapter has {', '.join(names)}")


def study(scale: str, *, published: Mapping[str, str], data: str = "auto", compute: bool = False) -> Study:
    """The study a chapter asks for by its parameters.

    Args:
        scale: a key of `published`, or ``"smoke"``: the same path at a size that takes seconds, computed here.
        published: scale → name of the preset whose stored results the book is printed from.
        data: at smoke scale, the data set; ``"auto"`` takes the real one where it can be had without a download.
        compute: compute everything on this machine, into ``data/runs``, instead of reading published results.

    Raises:
        ParameterError: for an unknown scale or data set.
        lthcore.store.StoreError: if a stored result is missing; the message names it and the command to compute it.
    """
    if scale == "smoke":
        return _smoke(published, data)
    if scale not in published:
        raise ParameterError(f"unknown SCALE {scale!r}; known are {', '.join([*published, 'smoke'])}")
    experiments = presets.preset(published[scale])
    chosen = Study(published[scale], experiments, Store(paths.runs() if compute else paths.results()), not compute)
    if compute:
        _compute(chosen)
    _check_complete(chosen)
    return chosen


def card(experiment: Experiment) -> Markdown:
    """The experiment as a table, rendered from the configuration that ran."""
    train, prune = experiment.train, experiment.prune
    options = "".join(f", {name} {value:g}" for name, value in train.optimizer_options)
    exceptions = "".join(f", {100 * rate:g} % of `{name}`" for name, rate in prune.layer_rates)
    rows = {
        "Identity": f"`{experiment.identity}`",
        "Data, model": f"{experiment.dataset}, `{experiment.model}`",
        "Training": f"{whole(train.steps)} steps of {train.batch_size} examples",
        "Optimizer": f"{train.optimizer}, learning rate {train.learning_rate:g}{options}",
        "Evaluation": f"validation every {train.eval_every} steps, test every {train.test_every}",
        "Pruning": f"{100 * prune.rate:g} % of each layer{exceptions}, per round; criterion `{prune.criterion}`",
        "Survivors": f"rewound to step {prune.rewind_step}",
        "Extent": f"{experiment.trials} trials, rounds 0 to {prune.rounds}",
    }
    return table(["", "Experiment"], [[key, value] for key, value in rows.items()])


def table(header: list[str], rows: list[list[str]]) -> Markdown:
    """A Markdown table, which the book renders as one of its own."""
    lines = [header, ["---"] * len(header), *rows]
    return Markdown("\n".join("| " + " | ".join(line) + " |" for line in lines))


def source(function: Callable) -> Markdown:
    """The source of a function as it ran, its docstring left out."""
    lines, _ = inspect.getsourcelines(function)
    tree = ast.parse(textwrap.dedent("".join(lines)))
    body = tree.body[0].body
    if ast.get_docstring(tree.body[0]):
        del lines[body[0].lineno - 1 : body[0].end_lineno]
    name = f"{function.__module__}.{function.__qualname__}"
    return Markdown(f"```{{code-block}} python\n:caption: {name}\n\n{''.join(lines)}```")


def put(**values: str) -> None:
    """Glue texts, so that prose can quote them: ``{glue:text}`name` ``. No number in prose is typed."""
    for name, text in values.items():
        glue(name, text, display=False)


# A space that no line break separates from its number.
_SPACE = "\N{NO-BREAK SPACE}"


def percent(value: float, digits: int = 1) -> str:
    """A fraction as per cent: 0.9825 → ``98.2 %``."""
    return f"{100 * value:.{digits}f}{_SPACE}%"


def whole(value: int) -> str:
    """A whole number with its thousands apart: 5000 → ``5 000``."""
    return f"{value:,}".replace(",", _SPACE)


def points(gap: Mapping[str, float], digits: int = 2) -> str:
    """A difference of fractions as percentage points with its interval: ``+0.28 pp [+0.04, +0.52]``."""
    mean, low, high = (
        f"{100 * gap[key]:+.{digits}f}".replace("-", "\N{MINUS SIGN}") for key in ("mean", "low", "high")
    )
    return f"{mean}{_SPACE}pp [{low},{_SPACE}{high}]"


def steps(gap: Mapping[str, float]) -> str:
    """A difference of steps with its interval: ``+1 700 steps [+562, +2 838]``."""
    mean, low, high = (
        f"{gap[key]:+,.0f}".replace(",", _SPACE).replace("-", "\N{MINUS SIGN}") for key in ("mean", "low", "high")
    )
    return f"{mean}{_SPACE}steps [{low},{_SPACE}{high}]"


def claims(
    rows: Sequence[tuple[str, str, Mapping[str, float], float]],
    verdicts: Sequence[str],
    text: Callable[[Mapping[str, float]], str],
) -> Markdown:
    """The table of claims: density, claim, measured difference (written by `text`), verdict."""
    return table(
        ["density", "claim", "difference measured here", "verdict"],
        [[density, claim, text(gap), word] for (density, claim, gap, _), word in zip(rows, verdicts, strict=True)],
    )


def verdict(gap: Mapping[str, float], *, above: float) -> str:
    """What an interval says of the claim that the true difference exceeds `above`.

    Returns:
        ``"holds"`` if the whole interval lies above, ``"fails"`` if it lies below, otherwise ``"undecided"``.
    """
    if gap["low"] > above:
        return "holds"
    return "fails" if gap["high"] < above else "undecided"


def guard(study: Study, statements: Mapping[str, bool]) -> None:
    """Hold the prose to the results it was written for: every statement must be true at the published scale.

    Raises:
        AssertionError: naming the statements that no longer hold, so that the text gets rewritten.
    """
    if not study.published:
        display(
            Markdown("*The prose of this page was written for the published results; at this scale it is not checked.*")
        )
        return
    if broken := [statement for statement, true in statements.items() if not true]:
        raise AssertionError(f"the text says what the results no longer show: {'; '.join(broken)}")


def _smoke(published: Mapping[str, str], data: str) -> Study:
    real = presets.preset(next(iter(published.values())))[0].dataset
    reason = ""
    if data == "auto" and not datasets.available(real):
        data, reason = "digits", f", because {real} is not on this machine"
    elif data == "auto":
        data = real
    if data not in (real, "digits"):
        raise ParameterError(f"unknown DATA {data!r}; known are auto, {real}, digits")
    name, folder = f"{data}-smoke", paths.runs() / "smoke"
    shutil.rmtree(folder, ignore_errors=True)  # a smoke pass is there to be walked, not to be read
    chosen = Study(name, presets.preset(name), Store(folder), published=False)
    _compute(chosen)
    kind = "the real data" if data == real else f"the embedded {data}{reason}"
    display(
        Markdown(f"```{{note}}\nSmoke scale on {kind}: it shows that the code runs, and nothing about tickets.\n```")
    )
    return chosen


def _compute(chosen: Study) -> None:
    from lthcore import trials  # brings TensorFlow, which a chapter that only reads results does without

    with ThreadPoolExecutor(1) as executor:
        for _ in trials.run(chosen.experiments, chosen.store, executor):
            pass


def _check_complete(chosen: Study) -> None:
    for experiment in chosen.experiments:
        for trial in range(experiment.trials):
            for round in experiment.rounds:
                if not chosen.store.has(experiment, trial, round):
                    raise StoreError(
                        f"no stored result for {experiment.identity}, trial {trial}, round {round} in "
                        f"{chosen.store.root}. Compute it with `python -m lthcore run {chosen.name} --out "
                        f"{chosen.store.root}`, or set COMPUTE = True"
                    )
