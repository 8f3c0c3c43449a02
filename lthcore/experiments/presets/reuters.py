"""The experiments on Reuters-21578, each value with its source."""

from __future__ import annotations

from dataclasses import replace

from lthcore.experiments.experiment import Control, Experiment, FilterExperiment
from lthcore.experiments.presets.mnist import early
from lthcore.pruning.config import PruneConfig
from lthcore.shrinking.config import FilterConfig
from lthcore.text.config import TextConfig
from lthcore.training.config import TrainConfig

# Kim's network on Reuters-21578: widths, filters, dropout and max-norm as in Kim14, minibatches of 50; Adam instead of
# Adadelta, and the moving average of the weights instead of the last of them, as trials suggested. The
# validation set is scored once an epoch and sets the early stop by micro-F1. Pruning rates are those of LeNet.
EPOCHS = 14
_R90_EPOCH, _R10_EPOCH = 139, 117  # steps that take every training document once
_TEXT = TextConfig()
KIM = Experiment(
    dataset="reuters-r90",
    model="kim_cnn",
    model_options=(("variant", "nonstatic"),),
    text=_TEXT,
    train=TrainConfig(
        steps=EPOCHS * _R90_EPOCH,
        batch_size=50,
        optimizer="adam",
        learning_rate=4e-3,
        optimizer_options=(("use_ema", True), ("ema_momentum", 0.997)),
        loss="binary_crossentropy",
        eval_every=_R90_EPOCH,
        test_every=EPOCHS * _R90_EPOCH,
        stop_by="validation_micro_f1",
    ),
    prune=PruneConfig(rounds=18, rate=0.2, layer_rates=(("output/kernel", 0.1),)),
    trials=3,
)


def _variant(experiment: Experiment, variant: str) -> Experiment:
    return replace(experiment, model_options=(("variant", variant),))


def _dense(experiment: Experiment) -> Experiment:
    return replace(experiment, prune=replace(experiment.prune, rounds=0))


_KIM_R10 = replace(
    KIM,
    dataset="reuters-r10",
    train=replace(KIM.train, steps=EPOCHS * _R10_EPOCH, eval_every=_R10_EPOCH, test_every=EPOCHS * _R10_EPOCH),
)

# Rounds near 51, 21, 13.5, 7 and 3.5 % density. With ninety topics the output layer, pruned half as fast, is so large
# that a density comes a few rounds later than with ten.
R90_RUNGS = (3, 8, 10, 14, 18)

REUTERS_R90 = (
    KIM,
    Control(of=KIM, kind="reinit", rungs=R90_RUNGS),
    Control(of=KIM, kind="shuffle", rungs=(8, 14)),
    replace(KIM, prune=replace(KIM.prune, criterion="large_init"), rungs=(8, 14)),
)
_STATIC_R10 = _variant(replace(_KIM_R10, prune=replace(KIM.prune, rounds=15)), "static")
REUTERS_R10 = (_STATIC_R10, Control(of=_STATIC_R10, kind="reinit", rungs=(7, 12, 15)))
# Dense networks of the variants that are not searched for tickets.
REUTERS_VARIANTS = tuple(_dense(_variant(KIM, variant)) for variant in ("rand", "static", "multichannel"))
REUTERS_R115 = (_dense(replace(KIM, dataset="reuters-r115", trials=1)),)
# Tickets of documents found after one, two and five of the fourteen epochs. The average of the weights that is scored
# lags behind them, far after one epoch, so that short searches are repeated with the weights themselves.
REUTERS_EARLY = (
    KIM,
    REUTERS_R90[3],
    *(early(KIM, epochs * _R90_EPOCH, (8, 14), rounds=14) for epochs in (1, 2, 5)),
    *(early(KIM, epochs * _R90_EPOCH, (8, 14), rounds=14, averaged=False) for epochs in (1, 2)),
)
# A network of another kind, down to a fifth. Its steps through a document come one after another and cost several
# times as much, so it reads half as far and trains for ten epochs.
REUTERS_BILSTM = (
    replace(
        KIM,
        model="bilstm",
        model_options=(),
        text=replace(_TEXT, length=100),
        train=replace(KIM.train, steps=10 * _R90_EPOCH, test_every=10 * _R90_EPOCH),
        prune=replace(KIM.prune, rounds=8),
        trials=1,
    ),
)

# Filters removed before convergence, from Kim's network, whose word vectors stand still here, so that the clock speaks
# of its filters. Narrow windows keep more of theirs.
REUTERS_FILTERS = (
    FilterExperiment(
        dataset=KIM.dataset,
        model=KIM.model,
        model_options=(("variant", "static"),),
        text=KIM.text,
        train=KIM.train,
        filters=FilterConfig(
            every=_R90_EPOCH, rate=0.88, layer_rates=(("conv_3", 0.76), ("conv_5", 0.95)), dropout="scale"
        ),
        trials=KIM.trials,
    ),
)
