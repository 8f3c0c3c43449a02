"""`Engines`: which engine trains which ticket."""

from __future__ import annotations

import copy
import warnings
from functools import cached_property

import keras
import numpy as np

from lthcore.checks import check_known, is_number
from lthcore.datasets.base import Dataset
from lthcore.kernels import compiled
from lthcore.kernels.stacks.stack import UnsupportedError
from lthcore.kernels.stacks.stack import read as read_stack
from lthcore.models import variables
from lthcore.training.config import TrainConfig
from lthcore.training.engines import rules
from lthcore.training.engines.break_even import WORTH_MEASURING, measured
from lthcore.training.engines.dense import DenseEngine
from lthcore.training.engines.engine import Engine

ENGINES = ("auto", "dense", "sparse")


class Engines:
    """The dense engine of a trainer, the sparse one where there can be one, and the density that divides them.

    Args:
        dense: the engine of any model.
        model, optimizer, data, config: what it trains, by what, on what and how.
        engine: ``"dense"`` or ``"sparse"`` for all tickets, ``"auto"`` for the faster one of each.
        break_even: the density up to which ``"auto"`` takes the sparse engine, where it is known.

    Raises:
        ValueError: for another word, or a sparse engine that there cannot be; the message says why.
    """

    def __init__(
        self,
        dense: DenseEngine,
        model: keras.Model,
        optimizer: keras.Optimizer,
        data: Dataset,
        config: TrainConfig,
        *,
        engine: str,
        break_even: float | None,
    ) -> None:
        if break_even is not None and not (is_number(break_even) and 0 <= break_even <= 1):
            raise ValueError(f"break_even must be a density between 0, never, and 1, always; got {break_even!r}")
        self.dense = dense
        self._model, self._optimizer, self._data, self._config = model, optimizer, data, config
        self._made: list[Engine] = []
        self._break_even = self._fixed_by(engine, break_even)

    @property
    def break_even(self) -> float:
        """The density up to which the sparse engine trains, measured if it must be."""
        if self._break_even == 0 or self._unsupported:
            return 0.0
        if self._break_even is None and self._config.steps < WORTH_MEASURING:
            return 0.0
        if reason := compiled.missing():
            message = f"sparse tickets train at the price of the dense network, because {reason}"
            warnings.warn(message, RuntimeWarning, stacklevel=4)
            return 0.0
        if self._break_even is None:
            data, weights = self._data, variables.read(self._model)
            sizes = tuple(len(split) for split in (data.train, data.validation, data.test))
            stack = read_stack(self._model)
            self._break_even = measured(self.dense, self._sparse, stack, self._config, sizes, weights)
        return self._break_even

    def deciding_by(self, break_even: float) -> Engines:
        """The same engines, with a break-even that was fixed before."""
        made = copy.copy(self)
        made._break_even = break_even
        return made

    def named(self, engine: str) -> Engines:
        """The same engines, with one of them for all tickets, or the choice left to measurement."""
        made = copy.copy(self)
        made._break_even = self._fixed_by(engine, None)
        return made

    def _fixed_by(self, engine: str, break_even: float | None) -> float | None:
        check_known("engine", engine, ENGINES)
        if engine == "sparse" and (reason := self._unsupported or compiled.missing()):
            raise ValueError(
                f"engine='sparse' trains stacks of dense layers on a processor, and this it cannot train: {reason}; "
                f"use engine='auto'"
            )
        return {"dense": 0.0, "sparse": 1.0}.get(engine, break_even)

    def of(self, density: float) -> Engine:
        """What trains tickets of a density."""
        if density >= 1 and self._break_even is None:
            return self.dense  # there is nothing to decide yet
        return self._sparse if density <= self.break_even else self.dense

    def close(self) -> None:
        """End the session of whichever engine has one."""
        self.dense.owner = None
        for sparse in self._made:
            sparse.owner = None

    @cached_property
    def _unsupported(self) -> str | None:
        """Why the sparse engine cannot train this model; None if it can."""
        try:
            read_stack(self._model)
            rules.read(self._optimizer)
        except UnsupportedError as error:
            return str(error)
        if self.dense.machine["device"] == "gpu":
            return "there is a GPU"
        if self._data.train.x.dtype != np.float32:
            return f"its inputs are {self._data.train.x.dtype}, not float32"
        return None

    @property
    def _sparse(self) -> Engine:
        """The sparse engine, one for all that were made from one another; numba is imported only where it is wanted."""
        if not self._made:
            from lthcore.training.engines.sparse import SparseEngine

            stack, rule = read_stack(self._model), rules.read(self._optimizer)
            names, threads = tuple(variables.variables(self._model)), self.dense.machine["threads"]
            self._made.append(SparseEngine(stack, rule, self._data, names, threads=threads))
        return self._made[0]
