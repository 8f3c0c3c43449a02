"""Figures of documents and their categories: values or a frame and an `Axes` in, the `Axes` out."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from lthcore.analysis import figures
from lthcore.analysis.topics import CLASSES


def lengths(values: Mapping[str, np.ndarray], limit: int, ax: Axes) -> Axes:
    """Histogram of document lengths, with the length at which documents are cut.

    Args:
        values: of the measurement ``corpus``.
        limit: words that are read.
        ax: where to draw.
    """
    tokens = np.concatenate([values["lengths/train"], values["lengths/test"]])
    edges = np.geomspace(max(tokens.min(), 1), tokens.max() + 1, 40)
    for name, role in (("train", "ticket"), ("test", "dense")):
        look = figures.MEASURED[role]
        counts = np.histogram(values[f"lengths/{name}"], edges)[0]
        label = {"train": "training", "test": "test"}[name]
        ax.stairs(counts / counts.sum(), edges, color=look.color, lw=1.4, label=f"{label} documents")
    ax.axvline(limit, color="black", lw=1, ls="--", label=f"read: {limit} tokens")
    ax.set_xscale("log")
    ax.set_xlabel("tokens in a document")
    ax.set_ylabel("share of documents")
    return ax


def sizes(values: Mapping[str, np.ndarray], ax: Axes) -> Axes:
    """Training documents of each category, the largest first, on a logarithmic axis."""
    ordered = np.sort(values["documents/category"][:, 0])[::-1]
    ax.plot(np.arange(1, len(ordered) + 1), ordered, ".-", color=figures.MEASURED["ticket"].color, lw=0.8)
    ax.set_yscale("log")
    ax.set_xlabel("topic, by rank")
    ax.set_ylabel("training documents")
    return ax


def document_image(values: Mapping[str, np.ndarray], ax: Axes) -> Axes:
    """A document as the network sees it: a row of pixels per number of the word vectors, a column per word."""
    image = values["image"].astype(np.float32).T
    bound = np.percentile(np.abs(image), 99) or 1
    ax.imshow(image, cmap="PuOr", vmin=-bound, vmax=bound, aspect="auto", interpolation="nearest")
    ax.set_xlabel("word of the document")
    ax.set_ylabel("number of the vector")
    ax.grid(visible=False)
    return ax


def by_class(table: pd.DataFrame, ax: Axes) -> Axes:
    """Micro-F1 against density, one line per class of categories: mean of the trials and their range.

    Args:
        table: of `lthcore.analysis.topics.by_class`.
        ax: where to draw.
    """
    colors = plt.get_cmap("viridis")(np.linspace(0.0, 0.9, len(CLASSES)))
    for place, (label, color) in enumerate(zip(CLASSES.values(), colors, strict=True)):
        rounds = table[table["class"] == label].groupby("round")
        if not len(rounds):
            continue
        density, value = 100 * rounds["density"].mean(), rounds["micro_f1"].agg(["mean", "min", "max"])
        style, marker = ("-", "--", "-.", ":", (0, (4, 1, 1, 1, 1, 1)))[place], "os^Dv"[place]
        ax.plot(density, value["mean"], color=color, linestyle=style, marker=marker, markersize=4, label=label)
        ax.fill_between(density, value["min"], value["max"], color=color, alpha=0.12, lw=0)
    figures.falling_density(ax)
    ax.set_ylabel("micro-F1 within the class")
    return ax
