"""The paper's study with both engines: how long it takes, and whether it comes out the same.

First compute the study into an empty folder, ``python -m lthcore run mnist-paper --workers 2 --out FOLDER``; then
``python -m benchmarks.paper_study FOLDER`` compares its searches with the published ones, trial by trial. Those were
trained by the dense engine throughout, from the same initial weights and in the same order of examples. The clock is
that of the files: a record is written when its network is finished.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from lthcore.analysis import frames
from lthcore.experiments.presets import preset
from lthcore.experiments.records import Record
from lthcore.experiments.store import Store
from lthcore.files import paths

HERE = Path(__file__).parent


def main(
    store: Annotated[Path, typer.Argument(help="Folder that the study was computed into.")],
    out: Annotated[Path, typer.Option(help="Where the comparison goes.")] = HERE / "study.json",
) -> None:
    """Compare a study with the published one, and write what came out."""
    search, *rest = preset("mnist-paper")
    new, published = Store(store), Store(paths.results())
    both = [
        [one.load(search, trial, round) for trial in range(5) for round in search.rounds] for one in (new, published)
    ]
    found = {
        "networks": len(both[0]),
        "steps": search.train.steps,
        "minutes": _minutes(new, both[0]),
        "break_even": sorted({float(record.machine["break_even"]) for record in both[0]}),
        "commit": both[0][-1].environment["commit"],
        "environment": dict(both[0][-1].environment),
        "rounds": _rounds(*both),
    }
    others = list(new.records({experiment.identity for experiment in rest}))
    if len(others) == sum(len(experiment.networks) * experiment.trials for experiment in rest):
        found |= {
            "networks_with_controls": len(both[0]) + len(others),
            "minutes_with_controls": _minutes(new, both[0] + others),
        }
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    typer.echo(f"{found['networks']} networks in {found['minutes']} minutes; see {out}")


def _minutes(store: Store, records: list[Record]) -> float:
    """From the beginning of the first training to the end of the last."""
    ends = [store.path(r.experiment, r.trial, r.round, r.draw).stat().st_mtime for r in records]
    begins = [end - r.seconds - r.compile_seconds for end, r in zip(ends, records, strict=True)]
    return round((max(ends) - min(begins)) / 60, 1)


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
                "published_seconds": float(np.median(other["seconds"])),
            }
        )
    return rows


if __name__ == "__main__":
    typer.run(main)
