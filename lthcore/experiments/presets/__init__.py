"""The experiments of the book, as constants: each value with its source.

A preset is a tuple of experiments in the order they are computed. The first is the chain of tickets the others are
compared with; controls read their masks from it.
"""

from __future__ import annotations

from lthcore.experiments.experiment import Preset
from lthcore.experiments.labels import within
from lthcore.experiments.presets.mnist import (
    MNIST_20K,
    MNIST_EARLY,
    MNIST_EARLY_20K,
    MNIST_FILTERS,
    MNIST_INIT,
    MNIST_PAPER,
    MNIST_SGD,
    MNIST_SHORT,
    MNIST_SNIP,
    MNIST_SNIP_LONG,
)
from lthcore.experiments.presets.reuters import (
    REUTERS_BILSTM,
    REUTERS_EARLY,
    REUTERS_FILTERS,
    REUTERS_R10,
    REUTERS_R90,
    REUTERS_R115,
    REUTERS_VARIANTS,
)
from lthcore.experiments.presets.sizes import smoke

PRESETS: dict[str, Preset] = {
    "mnist-short": MNIST_SHORT,
    "mnist-paper": MNIST_PAPER,
    "mnist-20k": MNIST_20K,
    "mnist-sgd": MNIST_SGD,
    "mnist-early": MNIST_EARLY,
    "mnist-early-20k": MNIST_EARLY_20K,
    "mnist-init": MNIST_INIT,
    "mnist-snip": MNIST_SNIP,
    "mnist-snip-long": MNIST_SNIP_LONG,
    "reuters-r90": REUTERS_R90,
    "reuters-r10": REUTERS_R10,
    "reuters-variants": REUTERS_VARIANTS,
    "reuters-r115": REUTERS_R115,
    "reuters-bilstm": REUTERS_BILSTM,
    "reuters-early": REUTERS_EARLY,
    "mnist-filters": MNIST_FILTERS,
    "reuters-filters": REUTERS_FILTERS,
    "mnist-smoke": smoke(MNIST_SHORT, "mnist"),
    "digits-smoke": smoke(MNIST_SHORT, "digits"),
}


def preset(name: str) -> Preset:
    """The experiments of a preset.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
    """
    try:
        return PRESETS[name]
    except KeyError:
        raise ValueError(f"unknown preset {name!r}; known are {', '.join(PRESETS)}") from None


def labels(name: str) -> dict[str, str]:
    """Identity → label of each experiment of a preset: the preset's name, and what sets it apart from the first.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.

    Example:
        >>> list(labels("mnist-short").values())[:3]
        ['mnist-short · tickets', 'mnist-short · reinit', 'mnist-short · shuffled mask']
    """
    return within(name, preset(name))
