"""`FilterConfig`: how filters are removed before convergence, frozen and checked."""

from __future__ import annotations

from dataclasses import dataclass

from lthcore.checks import Rates, check_known, check_positive_whole, check_rate, make_plain, with_exceptions

NORMS = ("l1", "l2")
DROPOUT = ("keep", "scale")


@dataclass(frozen=True, kw_only=True)
class FilterConfig:
    """How filters are removed before convergence.

    Args:
        every: training steps before each removal.
        rate: share of a layer's filters that a removal takes.
        removals: how many there are; what is left then trains to the end.
        norm: of a filter's kernel, by which it is ranked within its layer: ``"l1"`` or ``"l2"``.
        layer_rates: exceptions to `rate`, as (layer name, rate) pairs.
        dropout: ``"keep"`` leaves the rate of dropout as it is, ``"scale"`` multiplies it by the square root of the
            share that is left of the units it drops from, for a smaller network overfits less ({cite}`HPTD15`,
            section 3.2).
    """

    every: int = 500
    rate: float = 0.5
    removals: int = 1
    norm: str = "l1"
    layer_rates: Rates = ()
    dropout: str = "keep"

    def __post_init__(self) -> None:
        make_plain(self)
        for name in ("every", "removals"):
            check_positive_whole(name, getattr(self, name))
        for rate in (self.rate, *dict(self.layer_rates).values()):
            check_rate(rate)
        check_known("norm", self.norm, NORMS)
        check_known("dropout", self.dropout, DROPOUT)

    def rates(self, layers: tuple[str, ...]) -> dict[str, float]:
        """Share of its filters that each layer loses per removal.

        Raises:
            ValueError: if `layer_rates` speaks of a layer whose filters cannot be removed.
        """
        return with_exceptions(self.rate, self.layer_rates, layers)
