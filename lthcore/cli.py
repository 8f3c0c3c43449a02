"""The command line: ``python -m lthcore``."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from tqdm import tqdm

from lthcore import datasets
from lthcore.analysis import frames
from lthcore.experiments import presets
from lthcore.experiments.experiment import Experiments
from lthcore.experiments.presets.sizes import adjusted
from lthcore.experiments.store import Store, StoreError
from lthcore.experiments.verify import VerificationError, compare
from lthcore.files import paths
from lthcore.training.run import DivergedError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A laboratory for the lottery ticket hypothesis.\n\n"
    "A first round: `data fetch` gets MNIST, `run digits-smoke` takes the whole path in seconds, `run mnist-short "
    "--workers 2` searches tickets in a quarter of an hour on two cores, `show mnist-short` prints what came out, "
    "`verify` trains a stored network again.",
)
data_app = typer.Typer(no_args_is_help=True, help="Get and check data sets.")
app.add_typer(data_app, name="data")

Workers = Annotated[int, typer.Option(help="Processes, one thread each; 1 stays in this process.")]
Out = Annotated[Path | None, typer.Option(help="Folder of results; data/runs if not given.", show_default=False)]


@contextmanager
def _one_clear_error() -> Iterator[None]:
    """Turn the errors a user can mend into one line; any other is a defect and keeps its traceback."""
    try:
        yield
    except (datasets.DatasetError, DivergedError, StoreError, VerificationError, ValueError) as error:
        typer.secho(f"error: {error}", err=True, fg="red")
        raise typer.Exit(1) from None


@data_app.command("fetch")
def data_fetch(name: Annotated[str, typer.Argument(help="Data set.")] = "mnist") -> None:
    """Download a data set from its public homes, verify its checksums, and put it into data/raw."""
    with _one_clear_error():
        for source in tqdm(datasets.sources(name), desc=name, unit="file"):
            datasets.content(source)
        for line in datasets.verify(name):
            typer.echo(line)


@data_app.command("verify")
def data_verify(name: Annotated[str, typer.Argument(help="Data set.")] = "mnist") -> None:
    """Check a data set on disk against its checksums. Downloads nothing."""
    with _one_clear_error():
        for line in datasets.verify(name):
            typer.echo(line)


@app.command()
def run(
    preset: Annotated[str, typer.Argument(help=f"One of: {', '.join(presets.PRESETS)}.")],
    trials: Annotated[int | None, typer.Option(help="Number of trials.", show_default=False)] = None,
    rounds: Annotated[int | None, typer.Option(help="Number of the last round.", show_default=False)] = None,
    steps: Annotated[int | None, typer.Option(help="Training steps per network.", show_default=False)] = None,
    out: Out = None,
    workers: Workers = 1,
) -> None:
    """Compute a preset: tickets and controls, trial by trial.

    Finished networks are kept; interrupt it at any time and run it again to go on. Other values of --steps are another
    experiment with results of its own; --trials and --rounds extend or shorten the same one.
    """
    with _one_clear_error():
        experiments = adjusted(presets.preset(preset), trials=trials, rounds=rounds, steps=steps)
        if not any(experiment.networks for experiment in experiments):
            raise ValueError(f"{preset} compares networks by the clock: `python -m lthcore measure filters {preset}`")
        store = Store(out or paths.runs())
        _run(experiments, store, workers)
        typer.echo(f"{preset}: all results are in {store.root}; see `python -m lthcore show {preset}`")


def _run(experiments: Experiments, store: Store, workers: int) -> None:
    from lthcore.experiments import trials as engine

    for data in dict.fromkeys((experiment.dataset, experiment.text) for experiment in experiments):
        datasets.load(*data)  # a missing data set is better told before any process starts
    with (
        _executor(_processes(workers)) as executor,
        tqdm(total=engine.expected(experiments), unit="network", smoothing=0.02) as bar,
    ):
        for finished in engine.run(experiments, store, executor):
            bar.update(finished - bar.n)


@app.command()
def measure(
    kind: Annotated[str, typer.Argument(help="stability, anatomy, settling, shrunk, filters or corpus.")],
    preset: Annotated[str, typer.Argument(help="The preset whose tickets are looked at.")],
    trials: Annotated[int | None, typer.Option(help="Number of trials.", show_default=False)] = None,
    out: Out = None,
    workers: Workers = 1,
) -> None:
    """Measure what the records of a preset do not hold.

    stability: how far apart two trainings of one ticket in different data orders end. anatomy: where the survivors of
    each round started, and how far training moved them. settling: the masks its dense network would give if its
    training were cut short. shrunk: its sparsest tickets as smaller dense networks, their size and speed. For these
    four, networks of its tickets are trained again, and those that are missing trained first. filters: filter pruning
    before convergence against training from scratch, by the clock; best with one worker on a quiet machine. corpus:
    counts, words and baselines of its documents; nothing is trained.
    """
    from lthcore.analysis import measure

    with _one_clear_error():
        tickets = adjusted(presets.preset(preset), trials=trials)[0]
        measure.check(kind, tickets)
        datasets.load(tickets.dataset, tickets.text)
        count = 1 if kind in measure.UNTRAINED else tickets.trials
        with _executor(_processes(workers)) as executor:
            done = measure.run(kind, tickets, Store(out or paths.runs()), executor)
            list(tqdm(done, total=count, unit="trial"))


@app.command()
def verify(
    experiment: Annotated[str, typer.Argument(help="Identity of a stored experiment, or how it begins.")],
    trial: Annotated[int, typer.Option(help="Number of the trial.")] = 0,
    round: Annotated[int, typer.Option(help="Number of the round.")] = 0,
    draw: Annotated[int, typer.Option(help="Repetition of a control.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder of results; data/results if not given.")] = None,
) -> None:
    """Train a stored network again from its recorded identity, and compare.

    On the same kind of machine every bit of the final weights, the measurements and the masks must agree. Elsewhere
    rounding differs and grows during training: there the test accuracy must agree within half a point, and the loss
    before the first step within a hundred-thousandth of itself.
    """
    from lthcore.experiments import trials as engine  # brings TensorFlow, which only computing needs

    with _one_clear_error():
        store = Store(out or paths.results())
        stored = store.find(experiment, trial, round, draw)
        datasets.load(stored.experiment.dataset, stored.experiment.text)
        with _executor(processes=1 if stored.machine["threads"] == 1 else 0) as executor:
            again = executor.submit(engine.recompute, stored, store).result()
        found = compare(stored, again)
        found.check()
        typer.echo(
            f"{stored.experiment.identity}, trial {trial}, round {round}: "
            f"{'bit for bit the same' if found.identical else 'the same within the tolerance between machines'}\n"
            f"test accuracy at the early stop {stored.test['accuracy']:.4f}, again {again.test['accuracy']:.4f}; "
            f"final weights {stored.weights_sha256[:12]}, again {again.weights_sha256[:12]}"
        )


def _processes(workers: int) -> int:
    """How many processes besides this one."""
    return 0 if workers == 1 else workers


@contextmanager
def _executor(processes: int) -> Iterator[Executor]:
    """Single-threaded processes, or a thread of this one if there are to be none; an interruption ends them at once."""
    from lthcore.experiments import trials as engine  # brings TensorFlow, which only computing needs

    executor: Executor = engine.process_pool(processes) if processes else ThreadPoolExecutor(1)
    try:
        yield executor
    except KeyboardInterrupt:
        typer.echo("interrupted; finished networks are kept, run the same command to go on", err=True)
        for worker in multiprocessing.active_children():
            worker.terminate()
        os._exit(130)  # a training in a thread knows no other end; records are written whole or not at all
    executor.shutdown()


@app.command()
def show(
    preset: Annotated[str | None, typer.Argument(help="A preset; all stored experiments if not given.")] = None,
    out: Out = None,
) -> None:
    """Print stored results: per experiment, or round by round for one preset.

    Test accuracy is read at the early stop: its mean, worst and best trial, and the number of trials. For documents of
    several topics it is micro-F1 at the threshold chosen on the validation set.
    """
    with _one_clear_error():
        wanted = None if preset is None else [experiment.identity for experiment in presets.preset(preset)]
        shown = False
        for store in _stores(out):
            table = frames.frame(store.records())
            table = table if wanted is None else table[table["experiment"].isin(wanted)]
            if len(table):
                shown = True
                typer.secho(f"\n{store.root}", bold=True)
                _show(table, wanted)
        if not shown:
            typer.echo(f"no results yet; compute some: python -m lthcore run {preset or 'digits-smoke'}")


def _show(table: pd.DataFrame, wanted: list[str] | None) -> None:
    """Print an overview of all experiments, or those wanted round by round."""
    if wanted is None:
        typer.echo(frames.overview(table).to_string())
    for identity in wanted or []:
        if len(rows := table[table["experiment"] == identity]):
            typer.echo(f"\n{identity}\n{frames.by_round(rows).to_string()}")


@app.command()
def frame(
    csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values instead of a table.")] = False,
    out: Out = None,
) -> None:
    """Print every stored result, one row per trained network.

    Densities, accuracies and F1 are fractions. Without --out, published results are printed and after them those of
    data/runs that repeat none of these.
    """
    with _one_clear_error():
        table = frames.frame(record for store in _stores(out) for record in store.records())
        table = table.drop_duplicates(["experiment", "trial", "round", "draw"])
        typer.echo(table.to_csv(index=False) if csv else table.to_string(index=False), nl=not csv)


def _stores(out: Path | None) -> list[Store]:
    return [Store(out)] if out else [Store(paths.results()), Store(paths.runs())]


def main() -> None:
    """Entry point of ``python -m lthcore``."""
    app()
