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
from lthcore.kernels.documents import network as documents
from lthcore.kernels.documents.network import DocumentNetwork
from lthcore.kernels.stacks import stack as stacks
from lthcore.kernels.stacks.stack import DenseStack, UnsupportedError
from lthcore.models import variables
from lthcore.training.config import TrainConfig
from lthcore.training.engines.dense import DenseEngine
from lthcore.training.engines.engine import Engine
from lthcore.training.engines.sparse import rules
from lthcore.training.engines.sparse.break_even import WORTH_MEASURING, measured

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
            network, _ = self._served
            self._break_even = measured(self.dense, self._sparse, network, self._config, sizes, weights)
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
                f"engine='sparse' trains stacks of dense layers, and Kim's network, on a processor, and this it cannot "
                f"train: {reason}; use engine='auto'"
            )
        return {"dense": 0.0, "sparse": 1.0}.get(engine, break_even)

    def of(self, density: float) -> Engine:
        """What trains tickets of a density."""
        if density >= 1 and self._break_even is None:
            return self.dense  # whatever would be measured
        return self._sparse if density <= self.break_even else self.dense

    def close(self) -> None:
        """End the session of whichever engine has one."""
        self.dense.owner = None
        for sparse in self._made:
            sparse.owner = None

    @cached_property
    def _unsupported(self) -> str | None:
        """Why no sparse engine can train this model; None if one can."""
        try:
            network, _ = self._served
        except UnsupportedError as error:
            return str(error)
        if self.dense.machine["device"] == "gpu":
            return "there is a GPU"
        if network.kernels != self.dense.prunable:
            return f"what is pruned are {', '.join(self.dense.prunable)}, not {', '.join(network.kernels)} alone"
        return None

    @cached_property
    def _served(self) -> tuple[DenseStack | DocumentNetwork, rules.Rule]:
        """The model and the optimizer as one of the sparse engines describes them."""
        x, rule = self._data.train.x, rules.read(self._optimizer)
        if x.dtype == np.int32:
            network = documents.read(self._model)
            splits = (self._data.train, self._data.validation, self._data.test)
            if any(split.x.min() < 0 or split.x.max() >= network.words for split in splits):
                raise UnsupportedError(f"its documents have words that are not among the {network.words} of its table")
            return network, rule
        if rule.average is not None:
            raise UnsupportedError("the optimizer keeps moving averages of the weights")
        return stacks.read(self._model), rule

    @property
    def _sparse(self) -> Engine:
        """The sparse engine, one for all that were made from one another; numba is imported only where it is wanted."""
        if not self._made:
            network, rule = self._served
            names, threads = tuple(variables.variables(self._model)), self.dense.machine["threads"]
            if isinstance(network, DocumentNetwork):
                from lthcore.training.engines.sparse.documents import DocumentEngine

                self._made.append(DocumentEngine(network, rule, self._data, names, threads=threads))
            else:
                from lthcore.training.engines.sparse.stacks import StackEngine

                self._made.append(StackEngine(network, rule, self._data, names, threads=threads))
        return self._made[0]
