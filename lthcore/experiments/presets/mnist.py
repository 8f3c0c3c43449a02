"""The experiments on MNIST, each value with its source."""

from __future__ import annotations

from dataclasses import replace

from lthcore.experiments.experiment import Control, Experiment, Experiments, FilterExperiment
from lthcore.pruning.config import PruneConfig
from lthcore.shrinking.config import FilterConfig
from lthcore.training.config import TrainConfig

# LeNet-300-100 on MNIST as FC18 trains it (section 2 and appendix G): Adam at 1.2e-3 with TensorFlow's epsilon of
# that time, minibatches of 60, evaluation every 100 steps; 20 % of each layer go per round, 10 % of the output layer.
LENET = Experiment(
    dataset="mnist",
    model="lenet_300_100",
    train=TrainConfig(steps=50_000, optimizer="adam", learning_rate=1.2e-3, optimizer_options=(("epsilon", 1e-8),)),
    prune=PruneConfig(rounds=16, rate=0.2, layer_rates=(("output/kernel", 0.1),)),
    trials=5,
)

# Rounds of the 20 %/10 % schedule near 51, 21, 13.5, 7, 3.6, 1.9 and 1.2 % density.
PAPER_RUNGS = (3, 7, 9, 12, 15, 18, 20)


def with_controls(tickets: Experiment) -> Experiments:
    """The tickets and everything the reproduction compares them with, on the same data and schedule."""
    return (
        tickets,
        Control(of=tickets, kind="reinit"),
        Control(of=tickets, kind="shuffle"),
        replace(tickets, prune=replace(tickets.prune, criterion="large_init")),
        replace(tickets, prune=replace(tickets.prune, schedule="oneshot")),
    )


MNIST_SHORT = with_controls(replace(LENET, trials=3, train=replace(LENET.train, steps=5_000)))

# The paper's own scale: 50 000 steps, five trials, the controls at the densities FC18 speaks of. The test set is
# scored every 500 steps, which leaves all its claims readable at a third of the cost.
_PAPER = replace(LENET, train=replace(LENET.train, test_every=500), prune=replace(LENET.prune, rounds=21), rungs=())
MNIST_PAPER = (
    _PAPER,
    Control(of=_PAPER, kind="reinit", rungs=PAPER_RUNGS),
    replace(_PAPER, prune=replace(_PAPER.prune, criterion="large_init"), rungs=(7, 12, 15, 18)),
)

# What the paper's appendices vary, at 20 000 steps and three trials: the early stops of Adam's tickets come before.
# The tickets are repeated at this length, so that all are compared with masks found under the same conditions.
_MIDDLE = replace(_PAPER, trials=3, train=replace(_PAPER.train, steps=20_000))
_SIXTEEN = replace(_MIDDLE.prune, rounds=16)
_ON = replace(_MIDDLE, prune=replace(_SIXTEEN, between="continue"))
MNIST_20K = (
    _MIDDLE,
    Control(of=_MIDDLE, kind="shuffle", rungs=(7, 12, 15, 18)),
    replace(_MIDDLE, prune=replace(_MIDDLE.prune, schedule="oneshot"), rungs=(3, 7, 9, 12, 15, 18)),
    replace(_MIDDLE, prune=replace(_SIXTEEN, rewind_step=500)),
    _ON,
    Control(of=_ON, kind="rewind", rungs=(7, 9, 12, 15)),
    replace(_MIDDLE, prune=replace(_SIXTEEN, criterion="inert_first")),
)

# Plain gradient descent at the learning rate of FC18, appendix G.3, with five trials.
_SGD = replace(
    _MIDDLE, trials=5, train=replace(_MIDDLE.train, optimizer="sgd", learning_rate=0.8, optimizer_options=())
)
MNIST_SGD = (_SGD, Control(of=_SGD, kind="reinit", rungs=PAPER_RUNGS))

# Tickets found early: every network but the last is trained for so many steps only. The two densities near 7 and 2 %
# are trained in full, those near 21 and 3.6 % for 20 000 steps; what they are compared with is stored already.
PRUNE_STEPS = (100, 250, 500, 1_000, 2_500, 5_000, 10_000)
ONESHOT_STEPS = (250, 1_000, 2_500)


def early(
    experiment: Experiment,
    step: int,
    rungs: tuple[int, ...],
    *,
    rounds: int,
    schedule: str = "iterative",
    averaged: bool = True,
) -> Experiment:
    """The same search among networks that are pruned at `step`; tickets of the `rungs` are trained in full."""
    prune = replace(experiment.prune, prune_step=step, rounds=rounds, schedule=schedule, averaged=averaged)
    return replace(experiment, prune=prune, rungs=rungs)


_THREE = replace(_PAPER, trials=3)
_LAST = 18  # the search ends at 1.9 %
MNIST_EARLY = (
    _THREE,
    replace(MNIST_PAPER[2], trials=3),
    *(early(_THREE, step, (12, 18), rounds=_LAST) for step in PRUNE_STEPS),
    *(early(_THREE, step, (12,), rounds=_LAST, schedule="oneshot") for step in ONESHOT_STEPS),
)
# The longest of these searches cost three quarters of all of them, and are tried at the first two densities alone.
MNIST_EARLY_20K = (_MIDDLE, *(early(_MIDDLE, step, (7, 15), rounds=_LAST) for step in (0, *PRUNE_STEPS[:-2])))


# Pruning at initialisation, at the densities of rounds 12 and 18 and 20 000 steps, each method with its two controls.
# A random mask has none: fresh values or other positions are but further draws of the same experiment.
_TWO = (12, 18)


def _controls(tickets: Experiment) -> Experiments:
    return tuple(Control(of=tickets, kind=kind, rungs=_TWO) for kind in ("reinit", "shuffle"))


def _untrained(criterion: str, *, scope: str = "layerwise", passes: int = 1, budgets: str = "schedule") -> Experiment:
    prune = replace(_MIDDLE.prune, criterion=criterion, scope=scope, passes=passes, budgets=budgets)
    return replace(_MIDDLE, prune=prune, rungs=_TWO)


_METHODS = (
    _untrained("snip", scope="global"),
    _untrained("grasp", scope="global"),
    _untrained("synflow", scope="global", passes=100),
    _untrained("large_init"),
)
MNIST_INIT = (
    _MIDDLE,
    *_controls(_MIDDLE),
    *(experiment for tickets in _METHODS for experiment in (tickets, *_controls(tickets))),
    *(_untrained("random", budgets=budgets) for budgets in ("uniform", "erk")),
)

# SNIP under the protocol of its authors' code: gradient descent with momentum, minibatches of 100, 10 000 steps, half
# of 5e-4 times the squared weights added to the loss.
_SNIP = replace(
    LENET,
    model_options=(("l2", 2.5e-4),),
    train=TrainConfig(
        steps=10_000, batch_size=100, optimizer="sgd", learning_rate=0.1, optimizer_options=(("momentum", 0.9),)
    ),
    prune=PruneConfig(rounds=0),
)
MNIST_SNIP = (
    _SNIP,
    *(
        replace(_SNIP, prune=PruneConfig(rounds=1, rate=rate, criterion="snip", scope="global"))
        for rate in (0.95, 0.98)
    ),
)

# The same for a hundred epochs, the learning rate falling to a tenth every 25 000 steps: how DZ19 trains what it
# compares SNIP with.
_LONG = replace(_SNIP.train, steps=60_000, decay_every=25_000, eval_every=500, test_every=500)
MNIST_SNIP_LONG = tuple(replace(one, trials=3, train=_LONG) for one in MNIST_SNIP)

# Filters removed before convergence, from a convolutional LeNet trained for eleven epochs.
MNIST_FILTERS = (
    FilterExperiment(
        dataset="mnist",
        model="lenet_5",
        train=replace(LENET.train, steps=10_000, eval_every=500, test_every=500),
        filters=FilterConfig(every=500, rate=0.75),
        trials=3,
    ),
)
