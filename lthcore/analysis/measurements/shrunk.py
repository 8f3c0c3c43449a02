"""What shrinking makes of trained tickets: how much smaller, how much faster, and whether anything is lost."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from lthcore.datasets.base import Dataset
from lthcore.files.array_files import packed
from lthcore.models import variables as keras_weights
from lthcore.pruning.mask import Mask
from lthcore.pruning.weights import Weights
from lthcore.shrinking import timing
from lthcore.shrinking.shrink import Shrunk, shrink

# The networks compared: the ticket as it is, zeros and all; shrunk; shrunk without the inputs that never vary.
FORMS = ("masked", "shrunk", "without constant inputs")


def compare(
    model: keras.Model, data: Dataset, masks: Sequence[Mask], trained: Sequence[Weights]
) -> dict[str, np.ndarray]:
    """Shrink trained tickets, and score all forms on the test set.

    Args:
        model: what the tickets are tickets of, a chain of dense layers.
        data: its data set. Inputs that do not vary among the *training* examples are constant; in a test example they
            may be lit all the same.
        masks: of R tickets.
        trained: their trained weights.

    Returns:
        ``density``, (R,); ``names``, the layers with units, after the inputs, as `array_files.packed` has them; and
        for each ticket and each of `FORMS`: ``units``, int32 (R, 3, layers + 1), inputs first; ``parameters``, int32
        (R, 3), biases included; ``accuracy``, (R, 3); ``changed``, int32 (R, 3), test examples that get another class
        than from the masked network; ``gap``, (R, 3), the largest difference of an output from it; ``seconds``, (R, 3),
        median time to score the test set. And ``lit``, int32, test examples with a constant input at another value.

    Raises:
        ValueError: if the model does not start in a dense layer.

    Book: chapter *Early tickets*.
    """
    x = data.train.x
    varying = x.min(axis=0) < x.max(axis=0)
    rows = []
    for mask, theta in zip(masks, trained, strict=True):
        masked = mask.apply(theta)
        forms = (shrink(model, masked), shrink(model, masked, constant=(varying, x[0])))
        rows.append({"density": np.array(mask.density), **_scored(model, masked, forms, data)})
    values = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    lit = (data.test.x[:, ~varying] != x[0][~varying]).any(axis=1)
    return {**values, "lit": np.array(lit.sum(), np.int32), "names": packed(["inputs", *forms[0].units])}


def _scored(model: keras.Model, masked: Weights, forms: Sequence[Shrunk], data: Dataset) -> dict[str, np.ndarray]:
    """The numbers of one ticket, each (3,) or (3, layers + 1)."""
    keras_weights.write(model, masked)
    models = [model, *(form.model for form in forms)]
    found = np.stack([timing.outputs(one, data.test.x) for one in models])  # (3, N, C)
    classes = found.argmax(axis=-1)
    whole = [int(np.prod(data.input_shape)), *(len(masked[f"{name}/bias"]) for name in forms[0].units)]
    return {
        "units": np.array([whole, *([form.inputs, *form.units.values()] for form in forms)], np.int32),
        "parameters": np.array([sum(a.size for a in masked.values()), *(f.parameters for f in forms)], np.int32),
        "accuracy": (classes == data.test.y).mean(axis=1),
        "changed": (classes != classes[0]).sum(axis=1).astype(np.int32),
        "gap": np.abs(found - found[0]).max(axis=(1, 2)),
        "seconds": timing.seconds(models, data.test.x),
    }
