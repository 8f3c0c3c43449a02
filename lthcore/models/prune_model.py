"""A mask for a trained model, in one call, and the model under its mask."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from lthcore.checks import check_known
from lthcore.models import variables
from lthcore.pruning.mask import Mask
from lthcore.pruning.prune import SCOPES, keep
from lthcore.pruning.weights import Weights


def prune_model(
    model: keras.Model,
    density: float,
    *,
    scope: str = "global",
    exclude: Sequence[str] = (),
    embeddings: bool = False,
) -> Mask:
    """Keep the largest weights of a trained model, exactly so many; needs no data and changes nothing.

    Layers that are excluded stay whole: the density counts the others alone, as if there were nothing else to prune,
    and that of the whole mask is higher.

    Args:
        model: any built Keras model with named layers.
        density: kept / prunable over the layers that are not excluded, in (0, 1].
        scope: ``"global"`` lets all layers compete for one budget, ``"layerwise"`` prunes each to the same density.
        exclude: layers, or single weights such as ``"output/kernel"``, that stay whole.
        embeddings: whether trained tables of word vectors are prunable too.

    Returns:
        A mask of all prunable names; of n weights round(density · n) are kept, but at least one a layer.

    Raises:
        ValueError: for a density outside (0, 1], an unknown scope, a name to exclude that the model does not have,
            weights that are NaN, or if nothing is left to prune.

    Example:
        >>> dense = keras.layers.Dense
        >>> model = keras.Sequential([keras.Input((3,)), dense(20, name="hidden"), dense(2, name="output")])
        >>> prune_model(model, 0.05, exclude=("output",)).densities
        {'hidden/kernel': 0.05, 'output/kernel': 1.0}

    Source: {cite}`HPTD15`, pruning by magnitude.
    """
    check_known("scope", scope, SCOPES)
    if isinstance(density, bool) or not isinstance(density, (int, float)) or not 0 < density <= 1:
        raise ValueError(f"a density must lie in (0, 1], got {density!r}; 0.05 keeps a twentieth of the weights")
    theta = variables.read(model)
    dense = Mask.dense(theta, variables.prunable(model, embeddings=embeddings))
    left_out = _left_out(model, dense, exclude)
    pruned = Mask({name: array for name, array in dense.items() if name not in left_out})
    if not pruned:
        raise ValueError(f"all prunable layers of model {model.name!r} are excluded, so nothing is left to prune")
    counts = _counts(pruned, density, scope)
    kept = keep(pruned, {name: np.abs(theta[name]) for name in pruned}, counts, scope=scope)
    return Mask({**dense, **kept})


def apply(mask: Mask, model: keras.Model) -> Weights:
    """Set the pruned weights of a model to zero.

    Nothing holds them there if the model is trained further; `lthcore.training.trainer.Trainer` does that.

    Args:
        mask: which weights stay.
        model: the model the mask was made for; its other weights keep their values.

    Returns:
        The weights the model has now, as `lthcore.shrinking.shrink.shrink` takes them.

    Raises:
        ValueError: if names or shapes of the mask differ from the model's; nothing is changed then.

    Example:
        >>> ones = keras.layers.Dense(1, kernel_initializer="ones", name="output")
        >>> model = keras.Sequential([keras.Input((2,)), ones])
        >>> apply(Mask({"output/kernel": [[True], [False]]}), model)["output/kernel"].tolist()
        [[1.0], [0.0]]
    """
    theta = mask.apply(variables.read(model))
    variables.write(model, theta)
    return theta


def _left_out(model: keras.Model, dense: Mask, exclude: Sequence[str]) -> set[str]:
    """The prunable names that excluded layers and weights have."""
    if isinstance(exclude, str):
        raise ValueError(f"exclude must be several names, not one text: exclude=({exclude!r},)")
    found = set()
    for excluded in exclude:
        names = {name for name in dense if name == excluded or name.startswith(f"{excluded}/")}
        if not names:
            layers = dict.fromkeys(name.rsplit("/", 1)[0] for name in dense)
            raise ValueError(
                f"model {model.name!r} has no prunable layer {excluded!r} to exclude; it has {', '.join(layers)}"
            )
        found |= names
    return found


def _counts(mask: Mask, density: float, scope: str) -> dict[str, int]:
    """How many weights each layer keeps; with global scope only the sum counts."""
    if scope == "layerwise":
        return {name: max(round(density * array.size), 1) for name, array in mask.items()}
    total = max(round(density * mask.prunable), len(mask))
    # Shared out in any way that no layer is asked for more than it has.
    counts = {}
    for name, array in mask.items():
        counts[name] = min(array.size, total)
        total -= counts[name]
    return counts
