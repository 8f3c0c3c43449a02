"""A cluster of Dask as an executor: connected to in a few seconds, or refused with one clear error."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lthcore.experiments.executors.processes import WorkerError
from lthcore.experiments.executors.software import check_software, software
from lthcore.files import environment

if TYPE_CHECKING:
    from distributed import Client

# Seconds until a scheduler must have answered.
TIMEOUT = 10.0


@contextmanager
def connected(address: str, *, timeout: float = TIMEOUT) -> Iterator[Executor]:
    """An executor whose tasks the workers of a Dask scheduler take.

    Workers are single-threaded processes with the same versions of Python, of this package and of what computes; they
    may come and go while tasks are under way.

    Args:
        address: of the scheduler, like ``tcp://host:8786``; or the file that ``dask scheduler --scheduler-file`` wrote.
        timeout: seconds until the scheduler must have answered.

    Raises:
        ValueError: if Dask is not installed, or no scheduler answers.
        WorkerError: if a worker has other versions, or several threads.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise ValueError("Dask is not installed; `pip install 'lthcore[cluster]'` brings it") from None
    # What it says of lost connections is told by the errors that follow.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        where = json.loads(Path(address).read_text())["address"] if address.endswith(".json") else address
        client = Client(where, timeout=timeout, set_as_default=False)
    except (OSError, KeyError, ValueError) as error:  # a timeout is an OSError
        raise ValueError(
            f"no scheduler answers at {address}: {error}. `dask scheduler` starts one and prints its address"
        ) from None
    with client:
        check_workers(client)
        yield client.get_executor()


def has_workers(executor: Executor) -> bool:
    """Whether a worker has joined the cluster of such an executor."""
    return bool(executor._client.nthreads())  # type: ignore[attr-defined]  # Dask has no other way to its client


def check_workers(client: Client) -> None:
    """Refuse workers that would compute something else, or get in each other's way; those that come later check
    themselves.

    Raises:
        WorkerError: naming one of them and what is wrong with it.
    """
    ours = software(environment.describe())
    for worker, threads in client.nthreads().items():
        if threads != 1:
            raise WorkerError(
                f"the worker {worker} has {threads} threads, and TensorFlow wants a process for each: start workers "
                f"with `dask worker --nthreads 1 --nworkers {threads}`"
            )
    for worker, described in client.run(environment.describe, on_error="return").items():
        if isinstance(described, BaseException):
            raise WorkerError(f"the worker {worker} cannot import this package: {described}. Install it there as here")
        check_software(worker, software(described), ours)
