"""The search for winning tickets, on one screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lthcore.pruning.config import PruneConfig
from lthcore.pruning.criteria import Evidence, Probe
from lthcore.pruning.mask import Mask
from lthcore.pruning.prune import prune
from lthcore.pruning.seeds import Seeds
from lthcore.pruning.ticket import Ticket, rewind
from lthcore.pruning.weights import Weights
from lthcore.training.run import DivergedError, Run


class Trains(Protocol):
    """What the search needs of a trainer; `lthcore.training.trainer.Trainer` is one."""

    @property
    def prunable(self) -> tuple[str, ...]:
        """Names of the prunable weights."""

    @property
    def varying(self) -> np.ndarray:
        """Which inputs differ between training examples."""

    @property
    def probe(self) -> Probe:
        """Derivatives of the network."""

    def fresh(self, rng: np.random.Generator) -> Weights:
        """New initial weights."""

    def train(self, ticket: Ticket, *, order: np.random.Generator, stop: int | None = None) -> Run:
        """Train a ticket to the end, or to step `stop`."""


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
    trainer: Trains,
    config: PruneConfig,
    seeds: Seeds,
    *,
    resume: tuple[int, Mask] | None = None,
) -> Iterator[Round]:
    """Iterative pruning with rewinding: train, prune, give the survivors their early weights back, repeat.

    With a prune step, networks are scored after so many steps; the last round's alone is trained to the end.

    Args:
        trainer: trains tickets of one model on one data set.
        config: what is pruned, by which criterion, and where survivors are rewound to.
        seeds: the random streams of the trial.
        resume: (index, mask) of the first round not yet done; the rounds from there on come out as if the search
            had never been interrupted.

    Yields:
        The rounds 0 … config.rounds, each as soon as it is trained and pruned.

    Raises:
        ValueError: if the schedule is one-shot, or the prune step 0: such masks all come from one network, see
            `prune.ladder`; if a search whose survivors train on is to be resumed: it needs the weights, not
            only the mask; if no average is to be scored, or word vectors are to be pruned that
            the trainer does not prune: both are the trainer's to say; or for budgets and passes.
        DivergedError: naming trial, round and step.

    Example:
        >>> rounds = find_tickets(trainer, PruneConfig(rounds=16), Seeds(0))  # doctest: +SKIP
        >>> winning = [r.ticket for r in rounds if r.ticket.mask.density < 0.1]  # doctest: +SKIP

    Source: {cite}`FC18`, section 1 (identifying winning tickets); with a rewind step > 0, {cite}`FDRC19`.
    Book: chapter *Reproduction*.
    """
    _check(trainer, config, resume)
    theta_0 = trainer.fresh(seeds.init)
    k = config.rewind_step
    theta_k = early_weights(trainer, theta_0, k, seeds)
    rates, criterion = config.rates(trainer.prunable), config.scored_by
    first, mask = resume or (0, Mask.dense(theta_0, trainer.prunable))
    ticket = rewind(mask, to=theta_0)
    if first:
        ticket = rewind(mask, to=theta_k, at_step=k)
    for index in range(first, config.rounds + 1):
        stop = config.prune_step if index < config.rounds else None
        run = train(trainer, ticket, seeds, index, stop=stop)
        evidence = Evidence(
            mask=ticket.mask,
            initial=theta_0,
            final=run.final,
            varying=trainer.varying,
            rng=seeds.score(index),
            probe=trainer.probe,
        )
        pruned = prune(ticket.mask, criterion(evidence), rates, scope=config.scope)
        yield Round(index=index, ticket=ticket, run=run, pruned=pruned)
        ticket = rewind(pruned, to=theta_k, at_step=k)
        if config.between == "continue":
            ticket = rewind(pruned, to=run.final)


def _check(trainer: Trains, config: PruneConfig, resume: tuple[int, Mask] | None) -> None:
    if config.schedule != "iterative" or config.prune_step == 0:
        raise ValueError("the search trains in every round; for masks of one network use lthcore.pruning.prune.ladder")
    if not config.averaged:
        raise ValueError("a trainer scores what it trains: with averaged=True give it an optimizer without use_ema")
    if config.budgets != "schedule" or config.passes != 1:
        raise ValueError(
            "budgets and passes are for masks of untrained networks, which no search makes: use budgets='schedule' and "
            "passes=1, or lthcore.pruning.budgets.prune_untrained"
        )
    if config.embeddings and not any(name.endswith("embeddings") for name in trainer.prunable):
        raise ValueError(
            "the trainer says what is prunable: embeddings=True needs a trainer that was made with it as well"
        )
    if resume and config.between == "continue":
        raise ValueError("survivors that train on need the weights of the round before: start at round 0")


def early_weights(trainer: Trains, theta_0: Weights, step: int, seeds: Seeds) -> Weights:
    """θ_k: the dense network after the first k steps of round 0; θ₀ itself for k = 0, at no cost."""
    if step == 0:
        return theta_0
    return train(trainer, Ticket.dense(theta_0, trainer.prunable), seeds, 0, stop=step).final


def train(
    trainer: Trains, ticket: Ticket, seeds: Seeds, index: int, what: str = "ticket", *, stop: int | None = None
) -> Run:
    """Train in the data order of round `index`; an error says which training it was.

    Raises:
        DivergedError: naming trial, round and step.
    """
    try:
        return trainer.train(ticket, order=seeds.order(index), stop=stop)
    except DivergedError as error:
        raise DivergedError(f"trial {seeds.trial}, round {index}, {what}: {error}") from error
