"""The paper's study with both engines: how long it takes, and whether it comes out the same.

First compute the study into an empty folder, ``python -m lthcore run mnist-paper --workers 2 --out FOLDER``; then
``python -m benchmarks.paper_study FOLDER`` compares its searches with the published ones, trial by trial. Those were
trained by the dense engine throughout, from the same initial weights and in the same order of examples. Minutes are
what the records tell of the fastest search, one given to each of two processes in turn: a study may be interrupted, and
a machine be busy with something else for a while.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from lthcore.analysis import frames
from lthcore.experiments.planning.prices import turns
from lthcore.experiments.presets import preset
from lthcore.experiments.records import Record
from lthcore.experiments.store import Store
from lthcore.files import paths

HERE = Path(__file__).parent
PROCESSES = 2


def main(
    store: Annotated[Path, typer.Argument(help="Folder that the study was computed into.")],
    out: Annotated[Path, typer.Option(help="Where the comparison goes.")] = HERE / "study.json",
) -> None:
    """Compare a study with the published one, and write what came out. Trials that are not complete are left out."""
    search = preset("mnist-paper")[0]
    new, published = Store(store), Store(paths.results())
    trials = [n for n in range(search.trials) if all(new.has(search, n, round) for round in search.rounds)]
    if not trials:
        raise typer.BadParameter(f"no search in {store} is complete", param_hint="store")
    both = [[one.load(search, n, round) for n in trials for round in search.rounds] for one in (new, published)]
    each, dense = min(_clock(record for record in both[0] if record.trial == n) for n in trials)
    found = {
        "trials": len(trials),
        "networks": len(both[0]),
        "steps": search.train.steps,
        "minutes": round(turns([[each]] * search.trials, PROCESSES) / 60, 1),
        "minutes_of_a_search": round(each / 60, 1),
        "chain_fraction": round(each / (len(search.rounds) * dense), 3),
        "break_even": sorted({float(record.machine["break_even"]) for record in both[0]}),
        "commit": both[0][-1].environment["commit"],
        "environment": dict(both[0][-1].environment),
        "rounds": _rounds(*both),
    }
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    typer.echo(f"{found['networks']} networks; {search.trials} searches take {found['minutes']} minutes; see {out}")


def _clock(chain: Iterable[Record]) -> tuple[float, float]:
    """Seconds of a search, compiling included, and of its dense network."""
    records = list(chain)
    return sum(record.seconds + record.compile_seconds for record in records), records[0].seconds


def _rounds(new: list[Record], published: list[Record]) -> list[dict[str, object]]:
    """What both searches reached in each round, and the paired difference over the trials."""
    left, right = frames.frame(new), frames.frame(published)
    engines = {record.round: record.machine["engine"] for record in new}
    rows = []
    for round in sorted(set(left["round"])):
        one, other = (part[part["round"] == round] for part in (left, right))
        rows.append(
            {
                "round": int(round),
                "density": float(one["density"].mean()),
                "engine": engines[round],
                "accuracy": float(one["test_accuracy"].mean()),
                "published_accuracy": float(other["test_accuracy"].mean()),
                "difference": frames.difference(one, other, "test_accuracy"),
                "early_stop": float(one["early_stop_step"].mean()),
                "published_early_stop": float(other["early_stop_step"].mean()),
                "seconds": float(np.median(one["seconds"])),
            }
        )
    return rows


if __name__ == "__main__":
    typer.run(main)
