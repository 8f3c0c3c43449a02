"""A program such as a user would write, with all that the front door offers: it runs, and type checkers accept it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import lthcore as lth


def search(data: lth.Dataset) -> tuple[lth.Trainer, lth.Ticket, lth.Weights]:
    """Find tickets; return the sparsest and its trained weights."""
    model = lth.models.build("lenet_300_100", data.input_shape, data.classes)
    trainer = lth.Trainer(model, data, lth.TrainConfig(steps=20, eval_every=20, test_every=20))
    smallest = lth.Criterion("smallest", lambda evidence: {name: -abs(evidence.final[name]) for name in evidence.mask})
    assert smallest.name not in lth.criteria.CRITERIA
    config = lth.PruneConfig(rounds=1, criterion=smallest)
    found = list(lth.find_tickets(trainer, config, lth.Seeds(0)))
    accuracy: float = found[-1].run.test["accuracy"]
    assert 0 <= accuracy <= 1
    return trainer, found[-1].ticket, found[-1].run.best


def controls(trainer: lth.Trainer, ticket: lth.Ticket) -> list[lth.Ticket]:
    """The ticket again, and what it is compared with."""
    rng = np.random.default_rng(0)
    theta: lth.Weights = trainer.fresh(rng)
    scores = {name: np.abs(theta[name]) for name in ticket.mask}
    smaller: lth.Mask = lth.prune(ticket.mask, scores, dict.fromkeys(ticket.mask, 0.5), scope="global")
    return [
        lth.rewind(smaller, to=theta),
        lth.reinit(ticket, trainer.fresh, rng),
        lth.shuffle(ticket, theta, rng),
    ]


def smaller_network(trainer: lth.Trainer, file: Path) -> float:
    """Prune the model as it is, and write what is left to a file; return its density."""
    mask = lth.prune_model(trainer.model, 0.1, scope="layerwise", exclude=("output",))
    small = lth.shrink(trainer.model, lth.apply(mask, trainer.model))
    lth.export(small.model, small.weights, file)
    mask.save(file.with_suffix(".npz"))
    return lth.Mask.load(file.with_suffix(".npz")).density


def use(trainer: lth.Trainer, ticket: lth.Ticket, weights: lth.Weights, file: Path) -> float:
    """Predict by the survivors of a trained ticket, from a file; return the share of examples that are right."""
    lth.sparse(trainer.model, ticket.mask, weights=weights).save(file)
    predictor: lth.SparsePredictor = lth.SparsePredictor.load(file)
    test = trainer.data.test
    return float(np.mean(predictor(test.x).argmax(1) == test.y))


def laboratory(folder: Path) -> int:
    """Compute an experiment into a store; return the number of its networks."""
    experiment = lth.Experiment(
        dataset="digits", train=lth.TrainConfig(steps=20), prune=lth.PruneConfig(rounds=0), trials=1
    )
    lth.presets.register("mine", [experiment], about="One network.", replace=True)
    store = lth.Store(folder)
    with ThreadPoolExecutor(1) as executor:
        *_, done = lth.run(lth.presets.preset("mine"), store, executor)
    return done


def main(folder: Path) -> None:
    """All of it, in seconds."""
    trainer, ticket, weights = search(lth.datasets.load("digits"))
    assert all(control.mask.density <= ticket.mask.density < 1 for control in controls(trainer, ticket))
    assert ticket.mask.apply(weights) == weights
    assert 0 <= use(trainer, ticket, weights, folder / "ticket.npz") <= 1
    assert 0.1 < smaller_network(trainer, folder / "small.keras") < 0.2
    assert laboratory(folder / "results") == 1
