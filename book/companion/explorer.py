"""The ticket explorer: what a search shows round by round, as plain data and as a still figure.

The book's page draws the data in the reader's browser, one round at a time; on paper the figure stands for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from companion.studies import Study
from lthcore.analysis import figures
from lthcore.analysis.figure_parts import gradation
from lthcore.experiments.experiment import Control

# Neighbouring bins of the stored histograms are joined: the last rounds leave about a hundred weights of some layers.
JOINED = 2


def data(study: Study) -> dict[str, Any]:
    """What the explorer shows of a study's search, read from its store.

    Args:
        study: a search on square images, first in its preset; its control of fresh initial values, if it has one.

    Returns:
        Values that JSON can hold: ``search``, the identity; ``label``, what it is called; ``side`` of the square of
        pixels; ``layers``, each with ``name`` and number of prunable ``weights``; ``trials``, each with

        - ``reach``: the first and the last edge of each layer's histogram, and
        - ``rounds``, each with the ``kept`` weights of every layer; test ``accuracy`` at the early stop; ``reinit``,
          the same for the control, None where it was not trained; the survivors on each of the ``pixels``, row by row;
          ``bright``, how many of them the brightest colour stands for, the 98th percentile; ``initial``, for every
          layer how many survivors started in each bin.

    Raises:
        lthcore.experiments.store.errors.StoreError: if a result is missing; the message says which.

    Book: the page *Ticket explorer*.
    """
    measured = study.measured("anatomy")
    trials = [_trial(study, trial, values) for trial, values in enumerate(measured)]
    sizes = study.store.load(study.tickets, 0, 0).kept
    return {
        "search": study.tickets.identity,
        "label": study.tickets.label,
        "side": int(np.sqrt(len(trials[0]["rounds"][0]["pixels"]))),
        "layers": [{"name": name.split("/")[0], "weights": prunable} for name, (_, prunable) in sizes.items()],
        "trials": trials,
    }


def _trial(study: Study, trial: int, measured: Mapping[str, np.ndarray]) -> dict[str, Any]:
    records = [study.store.load(study.tickets, trial, number) for number in study.tickets.rounds]
    reinit = _reinit(study, trial)
    layers = list(records[0].kept)
    # A record holds the mask of the round after its own; the dense network keeps everything.
    masks = [np.ones_like(records[0].pruned[layers[0]]), *(record.pruned[layers[0]] for record in records[:-1])]
    rounds = []
    for number, (record, mask) in enumerate(zip(records, masks, strict=True)):
        pixels = mask.sum(axis=1)
        initial = [measured[f"initial/{layer}"][number].reshape(-1, JOINED).sum(axis=1) for layer in layers]
        rounds.append(
            {
                "kept": [record.kept[layer][0] for layer in layers],
                "accuracy": _accuracy(record.test),
                "reinit": reinit.get(number),
                "pixels": pixels.tolist(),
                "bright": int(np.percentile(pixels, 98, method="higher")) or 1,
                "initial": [counts.tolist() for counts in initial],
            }
        )
    reach = [[round(float(measured[f"edges/{layer}"][end]), 6) for end in (0, -1)] for layer in layers]
    return {"reach": reach, "rounds": rounds}


def _reinit(study: Study, trial: int) -> dict[int, float]:
    """Round → accuracy of the same mask with fresh initial values, where the study trained it."""
    controls = [one for one in study.experiments if isinstance(one, Control) and one.kind == "reinit"]
    controls = [one for one in controls if one.of.identity == study.tickets.identity]
    return {
        number: _accuracy(study.store.load(control, trial, number).test)
        for control in controls[:1]
        for number in control.rounds
    }


def _accuracy(test: Mapping[str, float]) -> float:
    return round(test["accuracy"], 6)  # a number of right answers in single precision; this is what it stands for


def figure(found: Mapping[str, Any], rounds: Sequence[int], *, trial: int = 0) -> Figure:
    """The explorer as a still figure: some rounds of one trial.

    Args:
        found: what `data` returns.
        rounds: whose pixels are shown; of every other one the initial values, too.
        trial: number of the trial.
    """
    chosen = found["trials"][trial]
    drawn = Figure(figsize=(7.5, 6.6), layout="constrained")
    with plt.rc_context():
        figures.style()
        maps, chart, values = drawn.subfigures(3, 1, height_ratios=(1.1, 2.6, 2.1))
        for number, ax in zip(rounds, maps.subplots(1, len(rounds), squeeze=False)[0], strict=True):
            _pixels(found, chosen["rounds"][number], ax)
        _accuracies(found, trial, chart.subplots())
        for layer, ax in enumerate(values.subplots(1, len(found["layers"]), squeeze=False)[0]):
            _initial(found, chosen, layer, rounds[::2], ax)
        ax.legend(fontsize=7)
    return drawn


def _pixels(found: Mapping[str, Any], one: Mapping[str, Any], ax: Axes) -> None:
    square = np.reshape(one["pixels"], (found["side"], -1))
    ax.imshow(square, cmap="viridis", vmin=0, vmax=one["bright"])
    ax.set_title(f"{100 * _density(found, one):.3g} %", fontsize=8, pad=2)
    ax.set_axis_off()


def _accuracies(found: Mapping[str, Any], trial: int, ax: Axes) -> None:
    """The trial's accuracies as lines, those of all trials as bands from the worst to the best."""
    for key, role in (("accuracy", figures.ROLES["imp", "rewind"]), ("reinit", figures.ROLES["imp", "reinit"])):
        # None, where nothing was trained, becomes NaN.
        values = 100 * np.array([[one[key] for one in each["rounds"]] for each in found["trials"]], float)
        there = ~np.isnan(values[trial])
        if there.any():
            x = 100 * np.array([_density(found, one) for one in found["trials"][trial]["rounds"]])[there]
            low, high = values[:, there].min(axis=0), values[:, there].max(axis=0)
            look = {"color": role.color, "linestyle": role.style, "marker": role.marker, "markersize": 4}
            ax.fill_between(x, low, high, color=role.color, alpha=0.12, lw=0)
            ax.plot(x, values[trial, there], label=role.label, **look)
    dense = found["trials"][trial]["rounds"][0]["accuracy"]
    look = figures.MEASURED["dense"]
    ax.axhline(100 * dense, color=look.color, lw=0.8, zorder=0, label=look.label)
    figures.falling_density(ax)
    ax.set_ylabel("test accuracy (%)")
    ax.legend(loc="lower left")


def _initial(found: Mapping[str, Any], chosen: Mapping[str, Any], layer: int, rounds: Sequence[int], ax: Axes) -> None:
    """Where the survivors of a layer started: outlines of area one, darker where fewer weights are left."""
    labels = [f"{100 * _density(found, chosen['rounds'][number]):.3g} %" for number in rounds]
    for number, look in zip(rounds, gradation(labels), strict=True):
        counts = np.array(chosen["rounds"][number]["initial"][layer])
        edges = np.linspace(*chosen["reach"][layer], len(counts) + 1)
        shares = counts / max(counts.sum(), 1) / np.diff(edges)
        ax.stairs(shares, edges, color=look.color, linestyle=look.style, label=look.label)
    ax.set_title(found["layers"][layer]["name"], fontsize=10)
    ax.set_xlabel("initial value")
    ax.set_yticks([])
    ax.locator_params(axis="x", nbins=4)


def _density(found: Mapping[str, Any], one: Mapping[str, Any]) -> float:
    """Density of a round over all layers."""
    return sum(one["kept"]) / sum(layer["weights"] for layer in found["layers"])
