"""What the benchmarks measured, as pages show it: numbers, a table, and the figure of step time against density."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from lthcore.analysis.figure_parts import band
from lthcore.analysis.figures import MEASURED, ROLES, Role, falling_density
from lthcore.files import paths

Results = Mapping[str, Any]

_DENSE, _SPARSE = MEASURED["dense"].color, ROLES["imp", "rewind"].color
# Column of the curve → how its line looks. What is not evaluated is drawn through, what is evaluated is dashed.
LINES = {
    "dense": Role("dense engine", _DENSE, "-", ""),
    "dense_evaluated": Role("dense engine, evaluated", _DENSE, "--", ""),
    "sparse": Role("sparse engine", _SPARSE, "-", "o"),
    "sparse_evaluated": Role("sparse engine, evaluated", ROLES["imp", "reinit"].color, "--", "s"),
}


def file(root: Path) -> Path:
    """The results beside the book at `root`, or else those of the checkout that the package lies in."""
    beside = root / "benchmarks" / "latest.json"
    return beside if beside.is_file() else paths.project_root() / "benchmarks" / "latest.json"


def read(root: Path) -> Results:
    """The results, their entries by name.

    Args:
        root: the folder that the book lies in.

    Raises:
        FileNotFoundError: if there are none; the message says which command makes them.
    """
    found = file(root)
    if not found.is_file():
        raise FileNotFoundError(f"{found} is not there; make bench writes it")
    results = json.loads(found.read_text(encoding="utf-8"))
    return results | {"entries": {entry["name"]: entry for entry in results["entries"]}}


def spoken(value: float, unit: str) -> str:
    """A number as prose has it.

    Example:
        >>> spoken(14.83, "×"), spoken(2.94, "×"), spoken(1.026, "×"), spoken(0.273, "fraction"), spoken(0.0672, "ms")
        ('15', '2.9', '1.03', '27 %', '0.067 ms')
    """
    if unit in ("fraction", "density"):
        return f"{100 * value:.0f} %" if value >= 0.1 else f"{100 * value:.2g} %"
    if unit != "×":
        return f"{_number(value, 2)} {unit}"
    return f"{value:.0f}" if value >= 10 else f"{value:.2f}" if value < 1.2 else f"{value:.1f}"


def _number(value: float, digits: int) -> str:
    """So many digits, and all of those before the point.

    Example:
        >>> _number(0.0672, 2), _number(146.6, 2), _number(7500.0, 3) == "7\N{NO-BREAK SPACE}500"
        ('0.067', '147', True)
    """
    return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}".replace(",", "\N{NO-BREAK SPACE}")


def told(results: Results, what: str) -> str:
    """What a page asks for: ``name``, ``name: spread``, ``name: median``, ``run``, or ``machine``.

    Raises:
        KeyError: naming what was not measured.

    Example:
        >>> entry = {"value": 14.8, "unit": "×", "spread": [13.9, 15.1], "medians": {"dense": 1.2}, "median_unit": "ms"}
        >>> results = {"entries": {"sparse_2": entry}}
        >>> told(results, "sparse_2"), told(results, "sparse_2: spread"), told(results, "sparse_2: dense")
        ('15', '14 to 15', '1.2 ms')
    """
    if what in ("run", "machine"):
        return _run(results) if what == "run" else str(results["machine"]["processor"])
    name, _, part = what.partition(": ")
    if name not in results["entries"]:
        raise KeyError(f"{name!r} was not measured; there are {', '.join(results['entries'])}")
    entry = results["entries"][name]
    if not part:
        return spoken(entry["value"], entry["unit"])
    if part == "spread":
        return _spread(entry)
    if part in entry.get("medians", {}):
        return spoken(entry["medians"][part], entry["median_unit"])
    if part in entry.get("further", {}):
        return _number(entry["further"][part], 3)
    known = ("spread", *entry.get("medians", {}), *entry.get("further", {}))
    raise KeyError(f"{name!r} tells {', '.join(known)}, not {part!r}")


def _spread(entry: Results) -> str:
    low, high = (spoken(value, entry["unit"]) for value in entry["spread"])
    return low if low == high else f"{low.removesuffix(' %')} to {high}"


def _run(results: Results) -> str:
    """Where, when and how often, and a warning where the run was a quick one."""
    versions, turns = results["versions"], results["repeats"]
    said = ", ".join(
        [
            str(results["machine"]["processor"]),
            "one core",
            f"TensorFlow {versions['tensorflow']}",
            f"numba {versions['numba']}",
            results["date"][:10],
            f"commit {results['commit'][:8]}",
            f"{turns} {'turn' if turns == 1 else 'turns'} of each way",
        ]
    )
    quick = "; a quick run, whose numbers show little more than that everything runs"
    return said + quick if results["quick"] else said


def rows(results: Results) -> Iterator[tuple[str, str, str, str]]:
    """The rows of the table: name, what is compared, value, least to most; the first row is the head."""
    yield "name", "what is compared", "value", "least to most"
    for name, entry in results["entries"].items():
        value, spread = spoken(entry["value"], entry["unit"]), _spread(entry)
        times = "×" if entry["unit"] == "×" else ""
        compared = re.sub(r"(?<=\d) (?=\d{3}\b)", "\N{NO-BREAK SPACE}", entry["compared"].replace("%", " %"))
        yield f"`{name}`", compared, f"{value}{times}", spread


def step_times(ax: Axes, results: Results) -> Axes:
    """Time of a step against density by both engines, with and without evaluation, the break-even marked.

    Args:
        ax: where to draw.
        results: see `read`.

    Book: chapter *What a light ticket costs*.
    """
    entry = results["entries"]["break_even"]
    curve = {name: np.array(column) for name, column in entry["curve"].items()}
    for name, look in LINES.items():
        table = {"mean": curve[name], "min": curve[f"{name}_min"], "max": curve[f"{name}_max"]}
        band(ax, 100 * curve["density"], table, look)
    at, time = 100 * entry["value"], entry["medians"]["dense"]
    if min(curve["sparse_evaluated"]) < time < max(curve["sparse_evaluated"]):  # else the lines do not cross
        ax.plot([at], [time], "*", color="#000000", markersize=12, zorder=4, label="break-even")
        ax.axvline(at, color="#000000", lw=0.8, linestyle=":", zorder=0)
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ticks = [tick * 10.0**power for power in range(-3, 3) for tick in (1, 2, 5) if low <= tick * 10.0**power <= high]
    ax.set_yticks(ticks)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_ylabel("milliseconds a step")
    ax.legend(fontsize=9)
    return falling_density(ax)
