"""The search for winning tickets, on one screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lthcore.config import PruneConfig
from lthcore.criteria import CRITERIA, Evidence
from lthcore.history import DivergedError, Run
from lthcore.mask import Mask, Weights
from lthcore.prune import prune
from lthcore.seeds import Seeds
from lthcore.ticket import Ticket, rewind


class Trains(Protocol):
    """What the search needs of a trainer; `lthcore.train.Trainer` is one."""

    prunable: tuple[str, ...]

    def fresh(self, rng: np.random.Generator) -> Weights:
        """New initial weights."""

    def train(self, ticket: Ticket, *, order: np.random.Generator, keep: tuple[int, ...], stop: int | None) -> Run:
        """Train a ticket to the end, or to step `stop`, keeping the weights of the steps in `keep`."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """One pass of train → score → prune.

    Args:
        index: number of the round; 0 is dense.
        ticket: what was trained.
        run: how it went.
        pruned: the mask of the next round.
    """

    index: int
    ticket: Ticket
    run: Run
    pruned: Mask


def find_tickets(
    trainer: Trains, config: PruneConfig, seeds: Seeds, *, resume: tuple[int, Mask] | None = None
) -> Iterator[Round]:
    """Iterative pruning with rewinding: train, prune, give the survivors their early weights back, repeat.

    Args:
        trainer: trains tickets of one model on one data set.
        config: what is pruned, by which criterion, and where survivors are rewound to.
        seeds: the random streams of the trial.
        resume: (index, mask) of the first round not yet done; the rounds from there on come out as if the search
            had never been interrupted.

    Yields:
        The rounds 0 … config.rounds, each as soon as it is trained and pruned.

    Raises:
        DivergedError: naming trial, round and step.

    Example:
        >>> rounds = find_tickets(trainer, PruneConfig(rounds=16), Seeds(0))  # doctest: +SKIP
        >>> winning = [r.ticket for r in rounds if r.ticket.mask.density < 0.1]  # doctest: +SKIP

    Source: {cite}`FC18`, section 1 (identifying winning tickets); with a rewind step > 0, {cite}`FDRC19`.
    Book: chapter *Reproduction*.
    """
    theta_0 = trainer.fresh(seeds.init)
    dense = Ticket.dense(theta_0, trainer.prunable)
    rates, k = config.rates(trainer.prunable), config.rewind_step
    first, ticket = 0, dense
    theta_k = theta_0
    if resume:
        first, mask = resume
        if k and first:
            theta_k = trainer.train(dense, order=seeds.order(0), keep=(k,), stop=k).snapshots[k]
        ticket = rewind(mask, to=theta_k, at_step=k if first else 0)
    for index in range(first, config.rounds + 1):
        try:
            run = trainer.train(ticket, order=seeds.order(index), keep=() if index else (k,), stop=None)
        except DivergedError as error:
            raise DivergedError(f"trial {seeds.trial}, round {index}: {error}") from error
        evidence = Evidence(mask=ticket.mask, initial=theta_0, final=run.final, rng=seeds.score(index))
        pruned = prune(ticket.mask, CRITERIA[config.criterion](evidence), rates, scope=config.scope)
        yield Round(index=index, ticket=ticket, run=run, pruned=pruned)
        theta_k = theta_k if index else run.snapshots[k]
        ticket = rewind(pruned, to=theta_k, at_step=k)
