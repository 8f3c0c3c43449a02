"""Which survivors can tell examples apart: those on a path from an input that varies to an output."""

from __future__ import annotations

import numpy as np

from lthcore.pruning.mask import Mask


def effective(mask: Mask, varying: np.ndarray) -> Mask:
    """The survivors that lie on a path from a varying input to an output; the others are inert.

    A weight is inert if it lies on an input that never varies, leads into a unit whose outgoing weights are all
    pruned, or out of a unit that no varying input reaches. It counts in the nominal density, but no difference between
    training examples passes through it; at most it adds a constant, as a bias does. Where the inputs that never vary
    are zero, as in MNIST, a first-layer weight on one gets no gradient at all.

    Args:
        mask: masks of consecutive dense layers, each of shape (inputs, outputs), in their order.
        varying: bool array, which of the first layer's inputs differ between training examples; any shape, read flat.

    Returns:
        A mask within `mask`; its density is the *effective* density.

    Raises:
        ValueError: if the layers do not follow one another, as in a network with convolutions or branches.

    Example:
        >>> mask = Mask({"a": [[True, True], [True, False]], "b": [[True], [False]]})
        >>> effective(mask, np.array([False, True]))["a"].tolist()  # input 0 never varies, unit 1 leads nowhere
        [[False, False], [True, False]]
    """
    reached: np.ndarray = np.asarray(varying, np.bool_).reshape(-1)
    _check_chain(mask, len(reached))
    alive: dict[str, np.ndarray] = {}
    for name, kept in mask.items():
        alive[name] = kept & reached[:, np.newaxis]
        reached = np.any(alive[name], axis=0)
    leads_on: np.ndarray = np.ones_like(reached)
    for name in reversed(list(mask)):
        alive[name] &= leads_on
        leads_on = np.any(alive[name], axis=1)
    return Mask(alive)


def _check_chain(mask: Mask, inputs: int) -> None:
    shapes = {name: array.shape for name, array in mask.items()}
    expected = inputs
    for name, shape in shapes.items():
        if len(shape) != 2 or shape[0] != expected:
            raise ValueError(
                f"{name!r} has shape {shape}, but ({expected}, outputs) would follow: which weights are inert is "
                f"known for consecutive dense layers only; the mask has {shapes}"
            )
        expected = shape[1]
