"""Tables of the command line: what can be computed, what is stored, and one's own results beside the published ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from io import StringIO

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lthcore.analysis import frames
from lthcore.experiments import presets as known
from lthcore.experiments.store import Store, UnreadableError
from lthcore.files import paths

# What the results of the folders are called: the published ones come first.
WHOSE = ("published", "yours")
NOTHING = "–"


def presets(stores: Sequence[Store]) -> pd.DataFrame:
    """A row per preset: data, minutes judged by the first folder of results, chapter where there is one, sentence."""
    rows = []
    for name, preset in known.PRESETS.items():
        minutes = known.price(preset, stores[0])
        chapter = f"{preset.chapter}.md"
        rows.append(
            {
                "preset": name,
                "data": ", ".join(preset.data),
                "minutes": NOTHING if minutes is None else f"{minutes:.0f}" if minutes >= 1 else "< 1",
                "chapter": chapter if (paths.project_root() / chapter).is_file() else "",
                "what": preset.about,
            }
        )
    table = pd.DataFrame(rows)
    return table if table["chapter"].any() else table.drop(columns="chapter")


def stored(
    stores: Sequence[Store], preset: str | None = None, *, skipped: Callable[[UnreadableError], object] | None = None
) -> Iterator[tuple[str, pd.DataFrame]]:
    """What is stored: title and table of everything, or round by round of each experiment of a preset.

    Args:
        stores: one folder; or two, the published results and one's own.
        preset: its name.
        skipped: called with the error of each file that cannot be read, and is left out.

    Raises:
        ValueError: for an unknown preset.
        UnreadableError: at the first file that cannot be read, if `skipped` is not given.
    """
    experiments = () if preset is None else known.preset(preset)
    wanted = {experiment.identity for experiment in experiments}
    parts: dict[str, pd.DataFrame] = {}
    for store, whose in zip(stores, WHOSE if len(stores) > 1 else (str(stores[0].root),), strict=True):
        table = frames.frame(store.records(wanted if preset else None, skipped=skipped))
        if len(table):
            parts[whose] = table
    if not parts:
        return
    if preset is None:
        yield "", overview(parts, _names())
    for experiment in experiments:
        mine = {whose: table[table["experiment"] == experiment.identity] for whose, table in parts.items()}
        mine = {whose: table for whose, table in mine.items() if len(table)}
        if mine:
            label = known.labels(preset)[experiment.identity] if preset else ""
            title = f"{label} · {' beside '.join(reversed(mine))}\n{experiment.identity}"
            yield title, side_by_side(*reversed(mine.values()))


def overview(parts: Mapping[str, pd.DataFrame], names: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """A row per experiment: preset, what differs, whose results, how many, and the accuracy of the sparsest round.

    Args:
        parts: whose results → frame of them.
        names: identity → preset, and what the experiment is called in it.
    """
    rows = []
    for whose, table in parts.items():
        for identity, group in table.groupby("experiment"):
            preset, what = names.get(str(identity), (NOTHING, str(group["label"].iloc[0])))
            last = group[group["round"] == group["round"].max()]
            rows.append(
                {
                    "preset": preset,
                    "what": what,
                    "results": whose,
                    "trials": group["trial"].nunique(),
                    "rounds": group["round"].nunique(),
                    "steps": group["steps"].max(),
                    "density": last["density"].mean(),
                    "accuracy": last[frames.score_of(last)].mean(),
                    "experiment": identity,
                }
            )
    order = {identity: place for place, identity in enumerate(names)}
    return pd.DataFrame(rows).sort_values("experiment", key=lambda column: column.map(order), kind="stable")


def side_by_side(rows: pd.DataFrame, published: pd.DataFrame | None = None) -> pd.DataFrame:
    """An experiment round by round, and beside it the same experiment as published.

    Args:
        rows: the frame of one experiment.
        published: another frame of it. Differences, rows − published, are those of the trials that both have.
    """
    table = frames.by_round(rows)
    if published is None:
        return table.reset_index()
    value = frames.score_of(rows)
    theirs = frames.by_round(published)[[value, "trials"]].add_prefix("published_")
    differences = {}
    for round in sorted(set(rows["round"]) & set(published["round"])):
        ours, others = (part[part["round"] == round] for part in (rows, published))
        if set(ours["trial"]) & set(others["trial"]):
            differences[round] = frames.difference(ours, others, value)["mean"]
    return table.join(theirs, how="outer").assign(difference=pd.Series(differences, dtype=float)).reset_index()


def text(table: pd.DataFrame, width: int | None = None, title: str = "") -> str:
    """A table as lines of text.

    Args:
        table: the table; its index is left out.
        width: columns of the terminal, into which long texts are folded; None where lines may be as long as they are.
        title: what stands above it.

    Example:
        >>> table = pd.DataFrame({"round": [0, 1], "density": [1.0, 0.8], "what": ["dense", None]})
        >>> text(table, title="Tickets").splitlines()
        ['Tickets', 'round  density  what', '    0   1.0000  dense', '    1   0.8000  –']
    """
    shown = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in table:
        right = pd.api.types.is_numeric_dtype(table[name]) or name == "minutes"
        shown.add_column(Text(str(name)), justify="right" if right else "left", overflow="fold")
    for row in table.itertuples(index=False):
        shown.add_row(*(Text(_cell(str(name), value)) for name, value in zip(table, row, strict=True)))
    console = Console(file=StringIO(), width=width or 10_000, color_system=None)
    with console.capture() as captured:
        console.print(shown)
    lines = [title] if title else []
    return "\n".join([*lines, *(line.rstrip() for line in captured.get().splitlines())])


def _cell(name: str, value: object) -> str:
    if pd.isna(value):
        return NOTHING
    if isinstance(value, float):
        whole = name in _COUNTS  # a column with gaps holds its whole numbers as fractions
        return f"{value:.0f}" if whole else f"{value:+.4f}" if name == "difference" else f"{value:.4f}"
    return str(value)


_COUNTS = ("trials", "published_trials", "early_stop_step", "round")


def _names() -> dict[str, tuple[str, str]]:
    """Identity → the first preset that has the experiment, and what it is called there."""
    names: dict[str, tuple[str, str]] = {}
    for preset in known.PRESETS:
        for identity, label in known.labels(preset).items():
            names.setdefault(identity, (preset, label.removeprefix(f"{preset} · ")))
    return names
