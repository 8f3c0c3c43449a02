"""`SparsePredictor`: a ticket that is used, not trained: what it gives for examples, from its survivors alone."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lthcore.files import array_files
from lthcore.kernels import compiled
from lthcore.kernels.examples import room
from lthcore.kernels.stacks.layers import HEADS, DenseLayer, DenseStack
from lthcore.kernels.stacks.survivors import survivors
from lthcore.pruning.mask import Mask

# What a file of a predictor calls itself; another layout will have another number.
FORMAT = "lthcore sparse predictor 1"
# What a file says of a layer; the rest is of use in training alone.
_SAID = ("kernel", "bias", "inputs", "outputs", "activation")


class SparsePredictor:
    """A stack of dense layers that holds and reads its survivors alone. It does not change, and needs no TensorFlow.

    `lth.sparse` makes one of a Keras model. Any number of threads may predict at once.

    Args:
        stack: the layers.
        mask: of all their matrices.
        weights: of all matrices and biases; survivors are copied, pruned ones forgotten.
        input_shape: shape of one example.

    Raises:
        ValueError: if the mask, the weights or the shape do not fit the layers.
        ImportError: if kernels cannot be compiled here; the message says what to do.

    Example:
        >>> stack = DenseStack((DenseLayer("output/kernel", None, 3, 2),), "softmax")
        >>> kernel = np.array([[1, 2], [3, 0], [0, 0]])
        >>> predictor = SparsePredictor(stack, Mask({"output/kernel": kernel > 1}), {"output/kernel": kernel}, (3,))
        >>> predictor
        SparsePredictor(3 → 2 softmax; density 0.3333, 2 of 6 weights)
        >>> predictor.predict([[0.5, 1 / 3, 7]])
        array([[0.5, 0.5]], dtype=float32)
    """

    dtype = np.dtype(np.float32)

    def __init__(
        self, stack: DenseStack, mask: Mask, weights: Mapping[str, ArrayLike], input_shape: tuple[int, ...]
    ) -> None:
        if reason := compiled.missing():
            raise ImportError(f"a ticket cannot be used without its kernels: {reason}")
        if prod(input_shape) != stack.layers[0].inputs:
            raise ValueError(f"examples of shape {input_shape} are no {stack.layers[0].inputs} inputs")
        arrays = {name: np.asarray(array, self.dtype) for name, array in weights.items()}
        for name, shape in stack.shapes.items():
            if name not in arrays or arrays[name].shape != shape:
                raise ValueError(f"{name!r} must have the shape {shape}, but the weights have {_shape(arrays, name)}")
        self._stack = DenseStack(
            tuple(replace(layer, dropout=0, l2=0, bias_l2=0, max_norm=math.inf) for layer in stack.layers), stack.head
        )
        self._input_shape = tuple(int(size) for size in input_shape)
        found = survivors(self._stack, mask)
        self._structure, self._units = found.structure, found.units
        self._theta = room(found.size, self.dtype)
        self._theta[:] = found.pack(arrays)
        self._kept, self._prunable = mask.kept, mask.prunable

    def __repr__(self) -> str:
        activations = [*(layer.activation for layer in self._stack.layers[:-1]), self._stack.head]
        widths = [str(self._stack.layers[0].inputs)]
        for layer, name in zip(self._stack.layers, activations, strict=True):
            widths.append(f"{layer.outputs}" if name == "linear" else f"{layer.outputs} {name}")
        counts = f"density {self.density:.4g}, {self._kept} of {self._prunable} weights"
        return f"SparsePredictor({' → '.join(widths)}; {counts})"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self._input_shape

    @property
    def density(self) -> float:
        """Kept / prunable."""
        return self._kept / self._prunable

    @property
    def nbytes(self) -> int:
        """Bytes of all that it holds: survivors, biases, and where they are."""
        return self._theta.nbytes + sum(array.nbytes for array in self._structure)

    def predict(self, x: ArrayLike) -> np.ndarray:
        """What the model's `predict` gives for examples, up to rounding.

        Each example gives the same numbers, to the last bit, whichever others stand beside it. One that holds NaN or an
        infinity gives NaN, as it does in a model whose pruned weights are zero.

        Args:
            x: numbers of shape (N, \\*input_shape), N ≥ 0; cast to float32.

        Returns:
            float32 (N, C): logits, or probabilities where the model ends in a softmax or in sigmoids.

        Raises:
            ValueError: for another shape.
            TypeError: for what are no real numbers.
        """
        from lthcore.kernels.stacks import inference  # it needs numba, which is there if a predictor is

        rows = self._rows(x)
        out = np.empty((len(rows), self._stack.layers[-1].outputs), self.dtype)
        # All that is written to belongs to this call. Sixteen more units are where the last rows of a block may end.
        lanes = 64 if len(rows) > inference.FEW else inference.FEW
        numbers = room(lanes * (self._units + 16), self.dtype)
        inference.predict(self._structure, rows.reshape(-1), self._theta, HEADS.index(self._stack.head), numbers, out)
        return out

    __call__ = predict

    def save(self, path: Path | str) -> None:
        """Write the survivors, where they are, and a checksum to a file; all of it or nothing.

        Args:
            path: where to; missing folders are made, an older file is replaced. ``.npz`` is what it is.

        Raises:
            OSError: if the disk refuses; nothing is left behind.

        Example:
            >>> import tempfile
            >>> stack = DenseStack((DenseLayer("kernel", None, 2, 1),), "linear")
            >>> predictor = SparsePredictor(stack, Mask({"kernel": [[1], [0]]}), {"kernel": [[3], [5]]}, (2,))
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     predictor.save(f"{folder}/ticket.npz")
            ...     SparsePredictor.load(f"{folder}/ticket.npz").predict([[1, 1]])
            array([[3.]], dtype=float32)
        """
        layers = [{name: getattr(layer, name) for name in _SAID} for layer in self._stack.layers]
        about = {"format": FORMAT, "input_shape": self._input_shape, "head": self._stack.head, "layers": layers}
        arrays = {"about": np.frombuffer(json.dumps(about).encode(), np.uint8), **self._content()}
        array_files.write(Path(path), arrays)

    @classmethod
    def load(cls, path: Path | str) -> SparsePredictor:
        """Read what `save` wrote; neither Keras nor TensorFlow is loaded.

        Raises:
            OSError: if there is no such file, or it cannot be read.
            ValueError: if the file is damaged or no predictor; the message names it.
            ImportError: if kernels cannot be compiled here.
        """
        try:
            arrays = array_files.read(Path(path))
            about = json.loads(arrays["about"].tobytes())
            if about["format"] != FORMAT:
                raise ValueError(f"its format is {about['format']!r}, not {FORMAT!r}")
            stack = DenseStack(tuple(DenseLayer(**layer) for layer in about["layers"]), about["head"])
            mask, weights = _weights(stack, arrays)
            return cls(stack, mask, weights, tuple(about["input_shape"]))
        except (OSError, ImportError):
            raise
        except Exception as error:
            raise ValueError(
                f"{path} cannot be read as a predictor: {error}. Only what SparsePredictor.save wrote can be"
            ) from error

    def _rows(self, x: ArrayLike) -> np.ndarray:
        """Examples as the kernels take them, checked; never written to."""
        given = np.asarray(x)
        if given.dtype.kind not in "biuf":
            raise TypeError(f"examples must be real numbers, not {given.dtype}")
        if given.shape[1:] != self._input_shape or not given.ndim:
            wanted = ", ".join(map(str, ("N", *self._input_shape)))
            advice = "; for one example pass x[None]" if given.shape == self._input_shape else ""
            raise ValueError(f"examples must have the shape ({wanted}), not {given.shape}{advice}")
        with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, as in TensorFlow
            rows = np.require(given, self.dtype, ["C", "A"]).view()
        rows.flags.writeable = False  # what a caller froze and what not shall be of one type to the compiler
        return rows

    def _content(self) -> dict[str, np.ndarray]:
        """The survivors by their order in the matrices, how far each is from the one before, and the biases."""
        gaps, values, biases = [np.zeros(0, np.int64)], [], []
        before = begin = 0
        for number, layer in enumerate(self._stack.layers):
            flat, theta = self._layer(number)
            order = np.argsort(flat)
            places = begin + flat[order]
            gaps.append(np.diff(places, prepend=before))
            values.append(theta[order])
            if layer.bias:
                place = self._structure.stop[number]
                biases.append(self._theta[place : place + layer.outputs])
            before = places[-1] if len(places) else before
            begin += layer.inputs * layer.outputs
        far = np.concatenate(gaps)
        return {
            "gaps": far.astype(np.min_scalar_type(far.max(initial=0))),
            "values": np.concatenate(values),
            "biases": np.concatenate([np.zeros(0, self.dtype), *biases]),
        }

    def _layer(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Where the survivors of a layer are in its matrix, and their values, in the order of the kernels."""
        _, _, _, _, outputs, first, last, *_ = self._structure.layers[number]
        begins = self._structure.first[first : last + 1]
        these = slice(begins[0], begins[-1])
        units = np.repeat(self._structure.unit[first:last], np.diff(begins))
        return self._structure.source[these] * np.int64(outputs) + units, self._theta[these]


def _weights(stack: DenseStack, arrays: Mapping[str, np.ndarray]) -> tuple[Mask, dict[str, np.ndarray]]:
    """The mask and the weights of a file's content."""
    sizes = [layer.inputs * layer.outputs for layer in stack.layers]
    kept, theta = np.zeros(sum(sizes), np.bool_), np.zeros(sum(sizes), np.float32)
    places = np.cumsum(arrays["gaps"], dtype=np.int64)
    kept[places] = True
    theta[places] = arrays["values"]
    ends = np.cumsum(sizes)[:-1]
    shapes, weights, masks = stack.shapes, {}, {}
    for name, part, bits in zip(stack.kernels, np.split(theta, ends), np.split(kept, ends), strict=True):
        weights[name], masks[name] = part.reshape(shapes[name]), bits.reshape(shapes[name])
    widths = [layer.outputs for layer in stack.layers if layer.bias]
    biases = np.split(arrays["biases"], np.cumsum(widths)[:-1]) if widths else []
    names = [layer.bias for layer in stack.layers if layer.bias]
    return Mask(masks), {**weights, **dict(zip(names, biases, strict=True))}


def _shape(arrays: Mapping[str, np.ndarray], name: str) -> Any:
    return arrays[name].shape if name in arrays else "none of that name"
