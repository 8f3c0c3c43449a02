"""What every chapter needs: checked parameters, cards, glued numbers, claims and their verdicts, guarded prose."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from IPython.display import Markdown, display
from myst_nb import glue

from companion.studies import ParameterError, Study
from lthcore.checks import Options
from lthcore.experiments.experiment import AnyExperiment, Control, Experiment, FilterExperiment
from lthcore.pruning.config import PruneConfig
from lthcore.text.config import TextConfig


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


def card(experiment: AnyExperiment) -> Markdown:
    """The experiment as a table, rendered from the configuration that ran."""
    train = experiment.train
    options = "".join(f", {name} {_setting(value)}" for name, value in train.optimizer_options)
    decay = f", times {train.decay:g} every {whole(train.decay_every)} steps" if train.decay_every else ""
    decay += f", schedule {train.schedule}" if train.schedule != "step" else ""
    decay += f", warm-up of {whole(train.warmup)} steps" if train.warmup else ""
    variant = "".join(f", {name} {value}" for name, value in experiment.model_options)
    rows = {
        "Label": experiment.label,
        "Identity": f"`{experiment.identity}`",
        "Data, model": f"{experiment.dataset}, `{experiment.model}`{variant}",
        **({"Documents": _reading(experiment.text)} if experiment.text else {}),
        "Training": f"{whole(train.steps)} steps of {train.batch_size} examples",
        "Optimizer": f"{train.optimizer}, learning rate {train.learning_rate:g}{decay}{options}",
        "Evaluation": f"validation every {train.eval_every} steps, test every {train.test_every}; "
        f"early stop by {train.stop_by.replace('micro_f1', 'micro-F1').replace('_', ' ')}",
        **(_removal(experiment) if isinstance(experiment, FilterExperiment) else _pruning(experiment)),
    }
    return table(["", "Experiment"], [[key, value] for key, value in rows.items()])


def _removal(experiment: FilterExperiment) -> dict[str, str]:
    filters = experiment.filters
    often = f"{filters.removals} times, " if filters.removals > 1 else ""
    shares, norm = _shares(filters.rate, filters.layer_rates), filters.norm.upper()
    return {
        "Pruning": f"{often}every {whole(filters.every)} steps {shares}: filters of smallest {norm} norm",
        "Extent": f"{experiment.trials} trials",
    }


def _pruning(experiment: Experiment | Control) -> dict[str, str]:
    prune = experiment.prune
    return {
        "Pruning": f"{prune.schedule}, {prune.scope}: {_shares(prune.rate, prune.layer_rates)}, per round; "
        f"criterion `{prune.scored_by.name}`{_scoring(prune)}",
        "Survivors": _survivors(experiment),
        "Extent": f"{experiment.trials} trials, rounds 0 to {prune.rounds}",
    }


def _shares(rate: float, exceptions: Options) -> str:
    """What goes of each layer, in words."""
    return f"{100 * rate:g} % of each layer" + "".join(f", {100 * other:g} % of `{name}`" for name, other in exceptions)


def _scoring(prune: PruneConfig) -> str:
    """What else there is to say about a criterion, in words."""
    step = "" if prune.prune_step is None else f", scored at step {whole(prune.prune_step)}"
    step += "" if prune.averaged else ", by the weights themselves"
    passes = f" in {prune.passes} passes" if prune.passes > 1 else ""
    budgets = "" if prune.budgets == "schedule" else f"; layer budgets: {prune.budgets}"
    return f"{step}{passes}{budgets}{'; word vectors too' if prune.embeddings else ''}"


def _reading(text: TextConfig) -> str:
    """How documents become tensors, in words."""
    source = f"`{text.vectors}`"
    if text.vectors == "skip-gram":
        source = f"skip-gram, window {text.window}, {text.negative} noise words, {text.epochs} epochs"
    kept = {"labelled": "those with a label", "all": "all"}[text.documents]
    bodiless = {"keep": "headlines alone kept", "drop": "headlines alone dropped"}[text.bodiless]
    return (
        f"{kept}, {bodiless}; first {text.length} tokens; words seen at least {text.min_count} times in training; "
        f"vectors of {text.dimension} numbers ({source}); words without one: {text.oov}"
    )


def _setting(value: float | bool | str) -> str:
    """The value of an option: numbers short, anything else as it is."""
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _survivors(experiment: Experiment | Control) -> str:
    """What the survivors of an experiment start from, in words."""
    step = experiment.prune.rewind_step
    return {
        "rewind": f"rewound to step {step}",
        "continue": "train on from their trained values",
        "reinit": "start from fresh values",
        "shuffle": f"rewound to step {step}, under a shuffled mask",
    }[experiment.control]


def table(header: list[str], rows: list[list[str]]) -> Markdown:
    """A Markdown table, which the book renders as one of its own."""
    lines = [header, ["---"] * len(header), *rows]
    return Markdown("\n".join("| " + " | ".join(line) + " |" for line in lines))


def source(function: Callable | str) -> Markdown:
    """The source of a function as it ran, its docstring left out.

    Args:
        function: a function, or its full name; by its name it is found without importing its module, so that a page may
            show what needs TensorFlow and yet not start it.
    """
    name = function if isinstance(function, str) else f"{function.__module__}.{function.__qualname__}"
    lines = _lines_of(function) if isinstance(function, str) else inspect.getsourcelines(function)[0]
    tree = ast.parse(textwrap.dedent("".join(lines)))
    body = tree.body[0].body
    if ast.get_docstring(tree.body[0]):
        del lines[body[0].lineno - 1 : body[0].end_lineno]
    return Markdown(f"```{{code-block}} python\n:caption: {name}\n\n{''.join(lines)}```")


def _lines_of(name: str) -> list[str]:
    module, _, function = name.rpartition(".")
    package, *below = module.split(".")
    # The spec of the module itself would be found by importing the packages it lies in.
    folder = Path(importlib.util.find_spec(package).origin).parent
    text = folder.joinpath(*below).with_suffix(".py").read_text(encoding="utf-8")
    (node,) = (node for node in ast.parse(text).body if getattr(node, "name", None) == function)
    return text.splitlines(keepends=True)[node.lineno - 1 : node.end_lineno]


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


def times(ratio: Mapping[str, float]) -> str:
    """A ratio with its interval: ``2.52 [1.80, 3.24]``."""
    return f"{ratio['mean']:.2f} [{ratio['low']:.2f},{_SPACE}{ratio['high']:.2f}]"


def steps(gap: Mapping[str, float]) -> str:
    """A difference of steps with its interval: ``+1 700 steps [+562, +2 838]``."""
    mean, low, high = (
        f"{gap[key]:+,.0f}".replace(",", _SPACE).replace("-", "\N{MINUS SIGN}") for key in ("mean", "low", "high")
    )
    return f"{mean}{_SPACE}steps [{low},{_SPACE}{high}]"


def plain(gap: Mapping[str, float], digits: int = 4) -> str:
    """A difference in its own unit with its interval: ``+0.0012 [-0.0040, +0.0064]``."""
    mean, low, high = (f"{gap[key]:+.{digits}f}".replace("-", "\N{MINUS SIGN}") for key in ("mean", "low", "high"))
    return f"{mean} [{low},{_SPACE}{high}]"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement of the paper about a difference, and what was measured here.

    Args:
        where: the density it speaks of.
        text: what is claimed.
        theirs: the number they report, or an en dash.
        gap: the difference measured here: ``mean, low, high``.
        unit: how to write it: `points`, `plain`, `steps` or `times`.
        above: what the difference must exceed for the claim to hold.
    """

    where: str
    text: str
    theirs: str
    gap: Mapping[str, float]
    unit: Callable[[Mapping[str, float]], str]
    above: float

    @property
    def verdict(self) -> str:
        """``"holds"``, ``"fails"`` or ``"undecided"``."""
        return verdict(self.gap, above=self.above)


def claims(rows: Sequence[Claim]) -> Markdown:
    """The table of claims: density, claim, their number where there is any, ours with its interval, verdict."""
    columns = {
        "density": [claim.where for claim in rows],
        "claim": [claim.text for claim in rows],
        "they report": [claim.theirs for claim in rows],
        "measured here": [claim.unit(claim.gap) for claim in rows],
        "verdict": [claim.verdict for claim in rows],
    }
    if set(columns["they report"]) == {"\N{EN DASH}"}:
        del columns["they report"]
    return table(list(columns), list(zip(*columns.values(), strict=True)))


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
