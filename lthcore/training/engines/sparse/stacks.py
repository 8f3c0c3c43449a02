"""The sparse engine of stacks of dense layers: a step costs what its ticket weighs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lthcore.datasets.base import Dataset
from lthcore.kernels import examples
from lthcore.kernels.examples import Blocks
from lthcore.kernels.stacks import program
from lthcore.kernels.stacks.layers import DenseStack
from lthcore.kernels.stacks.survivors import Survivors, survivors
from lthcore.pruning.mask import Mask
from lthcore.pruning.weights import Weights
from lthcore.training.engines.sparse.packed import PackedEngine
from lthcore.training.engines.sparse.rules import Rule


class StackEngine(PackedEngine):
    """Trains stacks of dense layers by their survivors.

    Args:
        network: the model's layers.
        rule, data, order, options: as for a `PackedEngine`; inputs are float32.
    """

    def __init__(self, network: DenseStack, rule: Rule, data: Dataset, order: tuple[str, ...], **options: Any) -> None:
        self._stack = network
        self._divisor = examples.common_divisor(data.train.x, data.validation.x, data.test.x)
        self._rows = examples.rows(data.train.x, self._divisor)
        self._columns = examples.room(64 * self._rows.width, self._rows.numbers.dtype)
        super().__init__(network, rule, data, order, **options)

    def _survivors_of(self, mask: Mask) -> Survivors:
        return survivors(self._stack, mask)

    def _lay_out(self, found: Any, weights: Mapping[str, np.ndarray]) -> None:
        super()._lay_out(found, weights)
        units = (examples.room(64 * found.units, self._dtype) for _ in range(3))
        self._room = (*units, examples.room(192, self._dtype))

    def _examples(self, x: np.ndarray) -> Blocks:
        return examples.blocks(x, self._divisor)

    def _train(self, batches: np.ndarray, rates: np.ndarray, begun: int) -> float:
        rule, rows = self._rule, self._rows
        return program.train(
            self._survivors.structure,
            (rows.numbers, rows.width, rows.divisor),
            self._targets,
            batches,
            self._classes,
            (rule.number, rule.coefficients, rule.decay),
            rates,
            begun,
            self._theta,
            self._gradient,
            self._slots,
            self._room,
            self._columns,
            self._noise,
        )

    def _hits(self, x: Blocks, classes: np.ndarray) -> tuple[float, int]:
        given = (x.numbers, x.width, x.divisor, x.count)
        return program.score(self._survivors.structure, given, classes, self._scored(), self._room, self._noise)

    def _logits(self, x: Blocks, out: np.ndarray) -> None:
        given = (x.numbers, x.width, x.divisor, x.count)
        program.logits(self._survivors.structure, given, self._scored(), self._room, self._noise, out)

    def _arrays(self) -> Mapping[str, np.ndarray]:
        return self._survivors.unpack(self._theta)

    def _parameters_of(self, weights: Weights) -> np.ndarray:
        packed = examples.room(self._survivors.size, self._dtype)
        packed[:] = self._survivors.pack(weights, self._dtype)
        return packed

    def _scored(self) -> np.ndarray:
        """The parameters of the network that is scored."""
        return self._theta if self._shown is None else self._shown
