"""``python -m benchmarks``: measure speed and memory, write them down, and print them as a table."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import harness
from benchmarks.harness import Entry, Scale

# Module → what it measures on one core, in the order of the table.
ON_ONE_CORE = {
    "dense": ("dense_vs_fit", "dense_vs_fit_mask", "dense_vs_fit_spe_jit", "dense_vs_eager_torch"),
    "limits": ("matrix_rate_fraction", "sparse_limit_2", "sparse_vs_sparseprop_2"),
    "sparse": (
        "sparse_20",
        "sparse_10",
        "sparse_5",
        "sparse_2",
        "sparse_1",
        "sparse_2_pruned",
        "sparse_2_evaluated",
        "break_even",
        "auto_loss",
    ),
    "study": ("chain_fraction",),
    "predictor": ("predict_2",),
    "text": ("kim_vs_keras_static", "kim_vs_keras_trained"),
    "kim": ("kim_sparse_5",),
}
# What `study` measures in processes of its own, or reads.
APART = ("two_process_throughput", "peak_memory_gb", "study_minutes")
# What `cluster` measures, with workers of its own.
ON_A_CLUSTER = ("dask_two_workers",)
# What `capacity` works out from stored searches.
WORKED_OUT = ("plan_error", "sweep_hours", "scheduling_overhead")
NAMES = (*(name for names in ON_ONE_CORE.values() for name in names), *APART, *ON_A_CLUSTER, *WORKED_OUT)
PROGRAM = "benchmarks"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    only: Annotated[list[str] | None, typer.Option(metavar="NAME…", help="What to measure, if not everything.")] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="NAME…", help="More names to measure.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Turns of each way.")] = 9,
    quick: Annotated[bool, typer.Option("--quick", help="Run every part once, for its own sake.")] = False,
    out: Annotated[Path, typer.Option(help="The file to write.")] = harness.LATEST,
    into: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Measure speed and memory, side by side with what one would use instead."""
    asked = {*(only or ()), *(more or ())}
    if strange := sorted(asked - {*NAMES}):
        raise typer.BadParameter(f"{strange[0]!r} is no benchmark; known are {', '.join(NAMES)}", param_hint="--only")
    names = tuple(name for name in NAMES if not asked or name in asked)
    scale = Scale(repeats=1, steps=100, quick=True) if quick else Scale(repeats=repeats)
    if into:
        harness.hand_over(into, _on_this_core(names, scale))
        return
    entries = _measure(names, scale)
    harness.write(out, entries, _about(scale))
    _show(entries, missing=[name for name in names if name not in {each.name for each in entries}], out=out)


def _measure(names: Sequence[str], scale: Scale) -> list[Entry]:
    """All names: those of one core in one process after another, the others in processes of their own."""
    options = ["--repeats", str(scale.repeats), *(["--quick"] if scale.quick else [])]
    entries: list[Entry] = []
    for modules in (ON_ONE_CORE.keys() - FROM_SECONDS.keys(), *({module} for module in FROM_SECONDS)):
        known = {name for module in modules if _is_here(module) for name in ON_ONE_CORE[module]}
        if here := [name for name in names if name in known]:
            entries += harness.in_new_process(PROGRAM, "--only", *here, *options)
    if apart := tuple(name for name in names if name in APART):
        from benchmarks import study

        entries += study.measure_apart(apart, scale)
    if any(name in ON_A_CLUSTER for name in names):
        from benchmarks import cluster

        entries += cluster.measure_apart(scale)
    if worked_out := tuple(name for name in names if name in WORKED_OUT):
        from benchmarks import capacity

        entries += capacity.measure(worked_out, scale)
    return sorted(entries, key=lambda each: NAMES.index(each.name))


def _is_here(module: str) -> bool:
    return find_spec(f"{PROGRAM}.{module}") is not None


def _on_this_core(names: Sequence[str], scale: Scale) -> list[Entry]:
    """What is measured in this process."""
    harness.stay_on_core()
    entries: list[Entry] = []
    for module, known in ON_ONE_CORE.items():
        wanted = tuple(name for name in known if name in names)
        if not wanted or not _is_here(module):
            continue
        found = importlib.import_module(f"{PROGRAM}.{module}")
        if module in FROM_SECONDS:
            entries.append(FROM_SECONDS[module](found.measure(scale.repeats)))
        else:
            entries += found.measure(wanted, scale)
    return entries


def _predict(seconds: dict[str, list[float]]) -> Entry:
    """Of the ways to predict, ours against the fastest of Keras'."""
    ours = next(way for way in seconds if "sparse" in way.lower())
    fastest = min((way for way in seconds if way != ours), key=lambda way: median(seconds[way]))
    return harness.ratio(
        "predict_2", seconds, fastest, ours, f"10 000 examples at 2%: {fastest}, Keras' fastest ÷ the sparse predictor"
    )


def _kim(seconds: dict[str, list[float]]) -> Entry:
    """Of Kim's network, the dense step against that of a ticket of five per cent."""
    dense = next(way for way in seconds if "dense" in way.lower())
    sparse = next(way for way in seconds if way != dense and _percent(way) == 5)
    what = "Kim's network, word vectors frozen: dense step ÷ sparse step at 5%"
    return harness.ratio("kim_sparse_5", seconds, dense, sparse, what)


def _percent(way: str) -> float:
    """The density that a way is named after, in per cent, whether it says 0.05 or 5."""
    words = (word.strip("%,:()") for word in way.split())
    numbers = [float(word) for word in words if word.replace(".", "", 1).isdigit()]
    percent = numbers[-1] if numbers else 0.0
    return 100 * percent if percent < 1 else percent


# Modules that hand back the seconds of each way, turn by turn. They set up TensorFlow themselves.
FROM_SECONDS = {"predictor": _predict, "kim": _kim}


def _about(scale: Scale) -> dict[str, object]:
    """Where, when and how."""
    from lthcore import datasets
    from lthcore.files import environment

    here = environment.describe()
    versions = ("python", *environment.PACKAGES, "lthcore")
    return {
        "quick": scale.quick,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": here["commit"],
        "machine": {key: here[key] for key in ("processor", "vectors", "cores", "system")},
        "versions": {key: here[key] for key in versions},
        "data": "mnist" if datasets.available("mnist") else "noise",
        "repeats": scale.repeats,
    }


def _show(entries: Sequence[Entry], missing: Sequence[str], out: Path) -> None:
    """Print what was measured, and what could not be."""
    table = Table(title="Benchmarks")
    for column in ("name", "value", "unit", "least to most"):
        table.add_column(column, no_wrap=True)
    table.add_column("what is compared")
    for each in entries:
        low, high = each.spread
        table.add_row(each.name, f"{each.value:.3g}", each.unit, f"{low:.3g} to {high:.3g}", each.compared)
    console = Console()
    console.print(table)
    if missing:
        console.print(f"Not measured, because what they need is not here: {', '.join(missing)}.")
    console.print(f"Written to {out}.")


if __name__ == "__main__":
    app()
