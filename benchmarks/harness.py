"""What all benchmarks share: repeats that take turns, medians with their spread, one core, one file of results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

LATEST = Path(__file__).parent / "latest.json"

# Of each library that computes; read when it is first imported.
_THREADS = (
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)

Way = Callable[[], float]
Times = dict[str, list[float]]


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    Args:
        repeats: how often each way takes its turn, after one turn that warms up.
        steps: training steps of a turn, a multiple of 100.
        quick: whether every part only has to run once; the numbers then mean little.
    """

    repeats: int = 9
    steps: int = 300
    quick: bool = False


@dataclass(frozen=True)
class Entry:
    """One result.

    Args:
        name: what others call it.
        value: the number to quote.
        unit: of `value`; ``"×"`` for a ratio of two times.
        compared: what is compared with what, in a sentence.
        spread: the least and the most of `value` in single repeats.
        repeats: how many there were.
        medians: what was compared → its median, in `median_unit`.
        median_unit: of the medians.
        further: other numbers that belong to it, by names that tell their unit.
        curve: columns of equal length, where it was measured at several densities.
    """

    name: str
    value: float
    unit: str
    compared: str
    spread: tuple[float, float]
    repeats: int
    medians: Mapping[str, float] = field(default_factory=dict)
    median_unit: str = ""
    further: Mapping[str, float] = field(default_factory=dict)
    curve: Mapping[str, Sequence[float]] = field(default_factory=dict)


def interleaved(ways: dict[str, Way], repeats: int) -> Times:
    """Let all ways take turns, so that a machine that slows down slows all of them.

    Every second turn goes backwards: what a way finds in the processor's memory was left there by the one before.

    Args:
        ways: name → what does the work and returns the seconds that count.
        repeats: turns of each, after a first one that warms up and is forgotten.

    Returns:
        Name → its seconds, turn by turn.
    """
    times: Times = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name in reversed(ways) if turn % 2 else ways:
            seconds = ways[name]()
            if turn:
                times[name].append(seconds)
    return times


def timed(work: Callable[[], object]) -> Way:
    """A way that counts all of its work."""

    def way() -> float:
        begin = perf_counter()
        work()
        return perf_counter() - begin

    return way


def ratio(
    name: str,
    times: Mapping[str, Sequence[float]],
    above: str,
    below: str,
    compared: str,
    *,
    unit: str = "×",
    per: float = 1.0,
    further: Mapping[str, float] | None = None,
) -> Entry:
    """The ratio of two medians; its spread is that of the ratios turn by turn.

    Args:
        name, compared, unit, further: as in `Entry`.
        times: way → seconds, turn by turn.
        above, below: the ways to divide.
        per: what the seconds are divided by to give those of one step; the medians are milliseconds.
    """
    each = [a / b for a, b in zip(times[above], times[below], strict=True)]
    middle = {way: median(times[way]) for way in (above, below)}
    return Entry(
        name=name,
        value=middle[above] / middle[below],
        unit=unit,
        compared=compared,
        spread=(min(each), max(each)),
        repeats=len(each),
        medians={way: 1e3 * seconds / per for way, seconds in middle.items()},
        median_unit="ms",
        further=further or {},
    )


def environment() -> dict[str, str]:
    """What a new process needs: this package within reach, and one thread for each library that computes."""
    root = str(Path(__file__).parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return os.environ | {"PYTHONPATH": path} | dict.fromkeys(_THREADS, "1")


def stay_on_core(number: int = -1) -> None:
    """Keep this process on one core, where the system can.

    Args:
        number: which of those that it may use; the last one if not given.
    """
    if hasattr(os, "sched_setaffinity"):
        usable = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {usable[number % len(usable)]})


def in_new_process(module: str, *arguments: str) -> list[Entry]:
    """Run a part of the benchmarks in a process of its own, of one thread, which writes its entries to a file.

    Args:
        module: a program that takes the file by its option ``--into``.
        arguments: what else it is told.

    Raises:
        subprocess.CalledProcessError: if it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "entries.json")
        command = [sys.executable, "-m", module, *arguments, "--into", str(file)]
        subprocess.run(command, check=True, env=environment())
        return [entry(found) for found in json.loads(file.read_text(encoding="utf-8"))]


def hand_over(file: Path, entries: Iterable[Entry]) -> None:
    """Write entries for the process that asked for them."""
    file.write_text(json.dumps([asdict(each) for each in entries]), encoding="utf-8")


def entry(found: Mapping[str, Any]) -> Entry:
    """An entry as it was before it was written."""
    return Entry(**{**found, "spread": tuple(found["spread"])})


def write(file: Path, entries: Iterable[Entry], about: Mapping[str, object]) -> None:
    """Write what was measured, and where and when."""
    rows = [{key: rounded(value) for key, value in asdict(each).items() if value not in ({}, "")} for each in entries]
    file.write_text(json.dumps({**about, "entries": rows}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def rounded(value: Any) -> Any:
    """The same with four digits for each number: no benchmark knows more."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {key: rounded(part) for key, part in value.items()}
    return [rounded(part) for part in value] if isinstance(value, (list, tuple)) else value
