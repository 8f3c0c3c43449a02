"""Where commands find results, and what they compute with: threads or processes that an interruption ends at once."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import typer

from lthcore.cli.endings import code_of, terminable
from lthcore.files import paths

if TYPE_CHECKING:
    from lthcore.experiments.records import Record
    from lthcore.experiments.store import Store


def load(data: Iterable[tuple]) -> None:
    """Load data sets: a missing one is better told before any process starts."""
    from lthcore import datasets

    for name, text in data:
        datasets.load(name, text)


def stores(out: Path | None) -> list[Store]:
    """The published results and one's own, or those of a folder."""
    from lthcore.experiments.store import Store

    if out is None:
        return [Store(paths.results()), Store(paths.runs())]
    if not out.is_dir():
        raise ValueError(f"there is no folder {out}; without --out, results are looked for in {paths.runs()}")
    return [Store(out)]


def find(stores: list[Store], beginning: str, trial: int, round: int, draw: int) -> tuple[Record, Store]:
    """The record in the first folder that has it; the error is that of the last."""
    from lthcore.experiments.store import StoreError

    for store in stores[:-1]:
        try:
            return store.find(beginning, trial, round, draw), store
        except StoreError as error:
            if not str(error).startswith("no stored"):
                raise
    return stores[-1].find(beginning, trial, round, draw), stores[-1]


def watched(future: Future[Record], seconds: float) -> Record:
    """What a training gives, while a bar tells how much of the recorded time has gone."""
    from tqdm import tqdm

    begin = perf_counter()
    form = "{desc} |{bar}| {elapsed} of about {total_fmt} s"
    with tqdm(total=max(round(seconds), 1), desc="training again", bar_format=form) as bar:
        while not wait([future], timeout=0.5).done:
            bar.n = min(round(perf_counter() - begin), bar.total)
            bar.refresh()
    return future.result()


@contextmanager
def executor(processes: int, modules: Sequence[str]) -> Iterator[Executor]:
    """Single-threaded processes, or a thread of this one if there are to be none; an interruption ends them at once."""
    from lthcore.experiments.executors.processes import process_pool

    executor: Executor = process_pool(processes, modules) if processes else ThreadPoolExecutor(1)
    try:
        with terminable():
            yield executor
    except KeyboardInterrupt as stop:
        typer.echo("interrupted; finished networks are kept, run the same command to go on", err=True)
        if not processes:
            os._exit(code_of(stop))  # a thread knows no other end; records are written whole or not at all
        _end(executor)
        raise typer.Exit(code_of(stop)) from None
    except Exception:
        _end(executor)
        raise
    executor.shutdown()


def _end(executor: Executor) -> None:
    """End its processes, whose work would be waited for otherwise."""
    for worker in multiprocessing.active_children():
        worker.terminate()
    executor.shutdown()


@contextmanager
def cluster(scheduler: str, shared: bool) -> Iterator[Executor]:
    """The workers of a Dask scheduler; on an interruption, what they compute at that moment comes to its end.

    Where they share the folder of results, nobody need wait for that; otherwise a second interruption ends the waiting.
    """
    from lthcore.experiments.executors.cluster import connected, has_workers

    kept = "what the workers compute now is still stored" + ("" if shared else "; interrupt again not to wait for it")
    with connected(scheduler) as executor:
        if not has_workers(executor):
            typer.echo(f"no worker has joined {scheduler} yet; the first tasks wait for one", err=True)
        try:
            with terminable(lambda: typer.echo(f"interrupted; {kept}. Run the same command to go on", err=True)):
                yield executor
        except KeyboardInterrupt as stop:
            raise typer.Exit(code_of(stop)) from None


def width() -> int | None:
    """Columns of the terminal; None where lines may be as long as they are."""
    return os.get_terminal_size().columns if sys.stdout.isatty() else None
