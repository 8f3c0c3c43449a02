"""MNIST: 70 000 handwritten digits, 28×28 pixels, in the original IDX files."""

from __future__ import annotations

import math

import numpy as np

from lthcore.datasets import arrays
from lthcore.datasets.base import Dataset, Split, split
from lthcore.datasets.catalogue import register
from lthcore.files.download import DatasetError, Source, content

TEST = 10_000

_HOMES = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
# File → checksum and number of bytes.
_FILES = {
    "train-images-idx3-ubyte": ("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", 47_040_016),
    "train-labels-idx1-ubyte": ("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", 60_008),
    "t10k-images-idx3-ubyte": ("0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", 7_840_016),
    "t10k-labels-idx1-ubyte": ("ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", 10_008),
}
SOURCES = tuple(
    Source("mnist", name, sha256, tuple(f"{home}{name}.gz" for home in _HOMES), limit=size)
    for name, (sha256, size) in _FILES.items()
)

# NumPy's arrays have so many axes at most.
_AXES = 64


def load() -> Dataset:
    """MNIST as FC18 uses it: 55 000 training, 5 000 validation and 10 000 test images, pixels in [0, 1].

    Raises:
        DatasetError: if the files are missing, damaged or not MNIST.
    """
    images, labels, test_images, test_labels = (parse_idx(content(source), source.name) for source in SOURCES)
    return split(
        "mnist",
        Split(_pixels(images), labels.astype(np.int32)),
        Split(_pixels(test_images), test_labels.astype(np.int32)),
        validation=5_000,
        classes=10,
        seed=55_000,
    )


def parse_idx(data: bytes, name: str) -> np.ndarray:
    """Read the IDX format: two zero bytes, type, number of axes, their lengths as big-endian words, the bytes.

    Args:
        data: content of the file.
        name: what to call it in errors.

    Returns:
        The array, uint8.

    Raises:
        DatasetError: if it is no IDX file of bytes or its length does not match its header.

    Source: {cite}`YL`, which describes the format.
    """
    if len(data) < 4 or data[:3] != b"\x00\x00\x08":
        raise DatasetError(f"{name} is no IDX file of unsigned bytes: it starts with {data[:4]!r}")
    axes = data[3]
    if not 1 <= axes <= _AXES:
        raise DatasetError(f"{name} is no IDX file: its header announces {axes} axes, expected 1 … {_AXES}")
    header = 4 + 4 * axes
    shape = tuple(int.from_bytes(data[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(axes))
    expected = header + math.prod(shape)
    if len(data) != expected:
        raise DatasetError(f"{name} is truncated or too long: {len(data)} bytes, its header announces {expected}")
    try:
        return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
    except ValueError as error:  # no bytes at all, in axes so long that their product is beyond any memory
        raise DatasetError(f"{name} is no IDX file: its header announces the shape {shape}, {error}") from None


def _pixels(images: np.ndarray) -> np.ndarray:
    pixels = images[..., np.newaxis].astype(np.float32)
    pixels /= 255.0
    return arrays.own(pixels)


register("mnist", load, test_size=TEST, sources=SOURCES)
