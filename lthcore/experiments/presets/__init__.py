"""The experiments of the book, as constants: each value with its source.

A preset is a sequence of experiments in the order they are computed. The first is the chain of tickets the others are
compared with; controls read their masks from it.
"""

from __future__ import annotations

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
from lthcore.experiments.presets.preset import PRESETS, Preset, labels, preset, price, register
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

__all__ = ["PRESETS", "Preset", "labels", "preset", "price", "register"]

register(
    "mnist-short",
    MNIST_SHORT,
    about="Tickets on MNIST at a tenth of the paper's steps, with both controls and two other methods.",
    chapter="notebooks/02_mnist",
)
register(
    "mnist-paper",
    MNIST_PAPER,
    about="The paper's own search on MNIST, 50 000 steps and five trials, with fresh values at its densities.",
    chapter="notebooks/02_mnist",
)
register(
    "mnist-20k",
    MNIST_20K,
    about="What the paper's appendices vary: shuffles, one-shot, late rewinding, training on, inert first.",
    chapter="notebooks/02_mnist",
)
register(
    "mnist-sgd",
    MNIST_SGD,
    about="Tickets and fresh values under plain gradient descent.",
    chapter="notebooks/02_mnist",
)
register(
    "mnist-early",
    MNIST_EARLY,
    about="Tickets on MNIST whose search trains every network for 100 to 10 000 steps only.",
    chapter="notebooks/05_early",
)
register(
    "mnist-early-20k",
    MNIST_EARLY_20K,
    about="The same at two more densities, their tickets trained for 20 000 steps.",
    chapter="notebooks/05_early",
)
register(
    "mnist-init",
    MNIST_INIT,
    about="Masks made before any training, by SNIP, GraSP, SynFlow, size and chance, each with both controls.",
    chapter="notebooks/05_early",
)
register(
    "mnist-snip",
    MNIST_SNIP,
    about="SNIP under the protocol of its authors' code, at 5 and 2 % density.",
    chapter="notebooks/05_early",
)
register(
    "mnist-snip-long",
    MNIST_SNIP_LONG,
    about="The same for a hundred epochs, with a falling learning rate.",
    chapter="notebooks/05_early",
)
register(
    "reuters-r90",
    REUTERS_R90,
    about="Tickets of Kim's network on the ninety topics of Reuters-21578, with both controls.",
    chapter="notebooks/04_reuters",
)
register(
    "reuters-r10",
    REUTERS_R10,
    about="Tickets and fresh values on the ten largest topics, word vectors standing still.",
    chapter="notebooks/04_reuters",
)
register(
    "reuters-variants",
    REUTERS_VARIANTS,
    about="Dense networks of the variants of Kim's network that are not searched.",
    chapter="notebooks/04_reuters",
)
register(
    "reuters-r115",
    REUTERS_R115,
    about="One dense network on all topics with a training document.",
    chapter="notebooks/04_reuters",
)
register(
    "reuters-bilstm",
    REUTERS_BILSTM,
    about="Tickets of a network of another kind, a bidirectional LSTM.",
    chapter="notebooks/04_reuters",
)
register(
    "reuters-early",
    REUTERS_EARLY,
    about="Tickets of Kim's network found after one, two and five of fourteen epochs.",
    chapter="notebooks/05_early",
)
register(
    "mnist-filters",
    MNIST_FILTERS,
    about="Filters removed early from a convolutional LeNet, by the clock, against training from scratch.",
    chapter="notebooks/05_early",
)
register(
    "reuters-filters",
    REUTERS_FILTERS,
    about="Filters removed early from Kim's network, by the clock, against training from scratch.",
    chapter="notebooks/05_early",
)
register(
    "mnist-smoke",
    smoke(MNIST_SHORT, "mnist"),
    about="The experiments of mnist-short at a size that takes seconds.",
)
register(
    "digits-smoke",
    smoke(MNIST_SHORT, "digits"),
    about="The same on the digits that come with the package: a first try that needs no download.",
)
PRESETS.seal()
