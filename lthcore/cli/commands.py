"""The commands of ``python -m lthcore``. What a command needs is imported when it runs, so that help comes at once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from lthcore.cli.computing import cluster, executor, find, load, stores, watched, width
from lthcore.cli.endings import ended
from lthcore.cli.examining import examined, lines
from lthcore.cli.options import (
    IDENTITY,
    PRESET,
    UNREADABLE,
    Data,
    Engine,
    Files,
    Imports,
    Kind,
    Out,
    Scheduler,
    Shared,
    Stored,
    Trials,
    Version,
    Workers,
    one_clear_error,
    tell,
    without_unreadable,
)
from lthcore.files import paths

if TYPE_CHECKING:
    from lthcore.experiments.store import Store

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A laboratory for the lottery ticket hypothesis.\n\n"
    "A first round: `presets` lists what can be computed, `data fetch` gets MNIST, `run digits-smoke` takes the whole "
    "path in seconds, `run mnist-short --workers 2` searches tickets in a quarter of an hour on two cores, "
    "`show mnist-short` prints what came out, `verify` trains a stored network again.",
    epilog=paths.runs_explained(),
)
data_app = typer.Typer(no_args_is_help=True, help="Get and check data sets.")
app.add_typer(data_app, name="data")


@app.callback()
def _before(version: Version = False) -> None:
    """Options that come before a command."""


@data_app.command("fetch")
def data_fetch(name: Data = "mnist", modules: Imports = None) -> None:
    """Download a data set from its public homes and verify its checksums; `results` are the published records."""
    from tqdm import tqdm

    from lthcore import datasets
    from lthcore.files.download import published_results

    with one_clear_error():
        if name == "results":
            typer.echo(f"the published records are in {published_results()}")
            return
        for source in tqdm(datasets.sources(name), desc=name, unit="file"):
            datasets.content(source)
    data_verify(name)


@data_app.command("verify")
def data_verify(name: Data = "mnist", modules: Imports = None) -> None:
    """Check a data set on disk against its checksums. Downloads nothing."""
    from lthcore import datasets

    with one_clear_error():
        for line in datasets.verify(name):
            typer.echo(line)


@app.command()
def presets(modules: Imports = None, files: Files = None) -> None:
    """List what can be computed: its data, its price, and what it is; in a checkout also the chapter that reports it.

    Minutes are those of two processes, judged by what is stored.
    """
    from lthcore.analysis import tables

    with one_clear_error():
        typer.echo(tables.text(tables.presets(stores(None)), width()))


@app.command()
def run(
    preset: Annotated[str | None, PRESET] = None,
    trials: Trials = None,
    rounds: Annotated[int | None, typer.Option(help="Number of the last round.", show_default=False)] = None,
    steps: Annotated[int | None, typer.Option(help="Training steps per network.", show_default=False)] = None,
    out: Out = None,
    workers: Workers = 1,
    kind: Kind = "processes",
    scheduler: Scheduler = None,
    shared: Shared = True,
    engine: Engine = "auto",
    modules: Imports = None,
    files: Files = None,
) -> None:
    """Compute a preset: tickets and controls, trial by trial.

    Finished networks are kept; interrupt it at any time and run it again to go on. Other values of --steps are another
    experiment with results of its own; --trials and --rounds extend or shorten the same one. Where a --preset-file has
    one preset only, its name can be left out. On a cluster, workers store what they compute in the folder of results if
    all of them see it; with --no-shared-folder, records travel.
    """
    from tqdm import tqdm

    from lthcore.checks import check_known
    from lthcore.experiments.presets import preset as named
    from lthcore.experiments.presets import sizes
    from lthcore.experiments.store import Store, lineage

    with one_clear_error():
        if preset is None:
            preset = _only(files or [])
        experiments = sizes.adjusted(named(preset), trials=trials, rounds=rounds, steps=steps)
        if not any(experiment.networks for experiment in experiments):
            raise ValueError(f"{preset} compares networks by the clock: `python -m lthcore measure filters {preset}`")
        check_known("executor", kind, ("processes", "dask"))
        if (kind == "dask") != (scheduler is not None):
            raise ValueError("a cluster is named by --executor dask --scheduler ADDRESS, both of them")
        store, modules = Store(out or paths.runs(), waiting=tell), modules or []
        if lineage.all_complete(store, experiments):
            typer.echo(_all_there(preset, store))
            return
        load({(experiment.dataset, experiment.text) for experiment in experiments})
        computing = cluster(scheduler, shared) if scheduler else executor(workers if workers > 1 else 0, modules)
        with computing as pool:
            from lthcore.experiments.executors import schedule

            done = schedule.run(experiments, store, pool, engine, shared=shared or not scheduler, modules=modules)
            with closing(done), tqdm(total=schedule.expected(experiments), unit="network", smoothing=0.02) as bar:
                for finished in done:
                    bar.update(finished - bar.n)
        typer.echo(_all_there(preset, store))


def _all_there(preset: str, store: Store) -> str:
    return f"{preset}: all results are in {store.root}; see `python -m lthcore show {preset}`"


def _only(names: Sequence[object]) -> str:
    if len(names) != 1:
        raise ValueError("name a preset; `python -m lthcore presets` lists them")
    return str(names[0])


@app.command()
def measure(
    kind: Annotated[str, typer.Argument(help="stability, anatomy, settling, shrunk, filters or corpus.")],
    preset: Annotated[str, PRESET],
    trials: Trials = None,
    out: Out = None,
    workers: Workers = 1,
    modules: Imports = None,
    files: Files = None,
) -> None:
    """Measure what the records of a preset do not hold.

    stability: how far apart two trainings of one ticket in different data orders end. anatomy: where the survivors of
    each round started, and how far training moved them. settling: the masks its dense network would give if its
    training were cut short. shrunk: its sparsest tickets as smaller dense networks, their size and speed. For these
    four, networks of its tickets are trained again, and those that are missing trained first. filters: filter pruning
    before convergence against training from scratch, by the clock; best with one worker on a quiet machine. corpus:
    counts, words and baselines of its documents; nothing is trained.
    """
    from tqdm import tqdm

    from lthcore.analysis import measure
    from lthcore.experiments.presets import preset as named
    from lthcore.experiments.presets import sizes
    from lthcore.experiments.store import Store

    with one_clear_error():
        tickets = sizes.adjusted(named(preset), trials=trials)[0]
        measure.check(kind, tickets)
        load([(tickets.dataset, tickets.text)])
        count = 1 if kind in measure.UNTRAINED else tickets.trials
        with executor(workers if workers > 1 else 0, modules or []) as pool:
            done = measure.run(kind, tickets, Store(out or paths.runs(), waiting=tell), pool)
            list(tqdm(done, total=count, unit="trial"))


@app.command()
def verify(
    experiment: Annotated[str, IDENTITY],
    trial: Annotated[int, typer.Option(help="Number of the trial.")] = 0,
    round: Annotated[int, typer.Option(help="Number of the round.")] = 0,
    draw: Annotated[int, typer.Option(help="Repetition of a control.")] = 0,
    out: Stored = None,
    modules: Imports = None,
) -> None:
    """Train a stored network again from its recorded identity, and compare.

    On the same kind of machine every bit of the final weights, the measurements and the masks must agree. Elsewhere
    rounding differs and grows during training: there the test accuracy must agree within half a point, and the loss
    before the first step within a hundred-thousandth of itself.
    """
    from lthcore.experiments.verify import compare

    with one_clear_error():
        stored, store = find(stores(out), experiment, trial, round, draw)
        load([(stored.experiment.dataset, stored.experiment.text)])
        from lthcore.experiments import trials as engine  # brings TensorFlow, which only computing needs

        with executor(1 if stored.machine.get("threads") == 1 else 0, modules or []) as pool:
            again = watched(pool.submit(engine.recompute, stored, store), stored.seconds + stored.compile_seconds)
        found = compare(stored, again)
        found.check()
        typer.echo(
            f"{stored.experiment.identity}, trial {trial}, round {round}: "
            f"{'bit for bit the same' if found.identical else 'the same within the tolerance between machines'}\n"
            f"test accuracy at the early stop {stored.test['accuracy']:.4f}, again {again.test['accuracy']:.4f}; "
            f"final weights {stored.weights_sha256[:12]}, again {again.weights_sha256[:12]}"
        )


@app.command()
def show(
    preset: Annotated[str | None, PRESET] = None,
    out: Stored = None,
    modules: Imports = None,
    files: Files = None,
) -> None:
    """Print stored results: all experiments, or one preset round by round, yours beside the published ones.

    Test accuracy is read at the early stop: its mean, worst and best trial, and the number of trials. For documents of
    several topics it is micro-F1 at the threshold chosen on the validation set. Differences are those of the trials
    that both have, yours − published.
    """
    from lthcore.analysis import tables

    with one_clear_error(), without_unreadable() as skipped:
        stored = tables.stored(stores(out), preset, skipped=skipped)
        parts = [tables.text(table, width(), title) for title, table in stored]
        nothing = f"no results yet; compute some: python -m lthcore run {preset or 'digits-smoke'}"
        typer.echo("\n\n".join(parts) or nothing)


@app.command()
def frame(
    csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values instead of a table.")] = False,
    out: Stored = None,
    modules: Imports = None,
) -> None:
    """Print every stored result, one row per trained network.

    Densities, accuracies and F1 are fractions. Published results are printed first, and then those of your own that
    repeat none of these.
    """
    from lthcore.analysis import frames

    with one_clear_error(), without_unreadable() as skipped:
        table = frames.frame(record for store in stores(out) for record in store.records(skipped=skipped))
        table = table.drop_duplicates(["experiment", "trial", "round", "draw"])
        typer.echo(table.to_csv(index=False) if csv else table.to_string(index=False), nl=not csv)


@app.command()
def doctor(
    out: Stored = None,
    repair: Annotated[bool, typer.Option("--repair", help="Put aside what cannot be believed.")] = False,
    modules: Imports = None,
    files: Files = None,
) -> None:
    """Read every stored result, and say what is damaged, missing, out of date or in the way.

    Nothing is changed without --repair. With it, files that cannot be believed get another name, which ends in .damaged
    or in what else is wrong with them, and files that a killed process left half-written are removed. Then the commands
    that are printed compute again what is missing. Ends with 0 if all results are sound and with 3 otherwise, as every
    command does that met a result it could not read; 1 is any other error, 2 a wrong option.
    """
    sound = True
    with one_clear_error():
        for store in stores(out):
            report = examined(store)
            sound = sound and report.sound
            for line in lines(store, report, repair=repair):
                typer.echo(line)
    if not sound:
        raise typer.Exit(UNREADABLE)


def main() -> None:
    """Entry point of ``python -m lthcore``."""
    ended(app)
