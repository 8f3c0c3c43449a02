"""The embedded digits: 1 797 images of 8×8 pixels that come with scikit-learn, for tests and a first try."""

from __future__ import annotations

import numpy as np

from lthcore.datasets.base import Dataset, Split, split
from lthcore.datasets.catalogue import register

TEST = 400


def load() -> Dataset:
    """The digits: 1 197 training, 200 validation and 400 test images, pixels in [0, 1]. Needs no download."""
    from sklearn.datasets import load_digits  # takes a second to import, and published pages never need it

    bunch = load_digits()
    images = (bunch.images.astype(np.float32) / 16.0)[..., np.newaxis]
    labels = bunch.target.astype(np.int32)
    return split(
        "digits",
        Split(images[:-TEST], labels[:-TEST]),
        Split(images[-TEST:], labels[-TEST:]),
        validation=200,
        classes=10,
        seed=1_797,
    )


register("digits", load, test_size=TEST)
