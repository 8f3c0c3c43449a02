"""Configurations: identities that never move, words that never lie, bad values refused."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthcore.checks import check_rate
from lthcore.experiments.descriptions import from_dict, to_dict
from lthcore.experiments.experiment import DRAWN, Control, Experiment, FilterExperiment
from lthcore.experiments.presets import MNIST_PAPER, MNIST_SHORT
from lthcore.experiments.presets.mnist import LENET
from lthcore.pruning.config import SCHEDULES, PruneConfig
from lthcore.pruning.criteria import CRITERIA, Criterion
from lthcore.pruning.prune import SCOPES
from lthcore.shrinking.config import FilterConfig
from lthcore.text.config import TextConfig
from lthcore.training.config import TrainConfig

# Results lie in folders of these names: should one change, they are orphaned.
IDENTITIES = {
    "mnist-lenet_300_100-imp-rewind-44136fa355": Experiment(),
    "mnist-lenet_300_100-imp-rewind-f15e78d801": MNIST_SHORT[0],
    "mnist-lenet_300_100-imp-reinit-3650cba38f": MNIST_SHORT[1],
    "mnist-lenet_300_100-large_init-rewind-be82c6b935": MNIST_SHORT[3],
    "mnist-lenet_300_100-oneshot-rewind-c3d64271d3": MNIST_SHORT[4],
    "mnist-lenet_300_100-imp-rewind-9b6b52eba6": MNIST_PAPER[0],
}

TEXT = {
    "length": 128,
    "min_count": 4,
    "vectors": "glove.txt",
    "dimension": 50,
    "window": 5,
    "negative": 10,
    "epochs": 7,
    "oov": "zero",
    "documents": "all",
    "bodiless": "drop",
}

FILTERS = {
    "every": 400,
    "rate": 0.6,
    "removals": 2,
    "norm": "l2",
    "layer_rates": (("conv_1", 0.3),),
    "dropout": "scale",
}
FILTERED = FilterExperiment(train=LENET.train)

# A change of each field that a result depends on.
MEANING = {
    "dataset": replace(LENET, dataset="digits"),
    "model": replace(LENET, model="another"),
    "control": Control(of=LENET, kind="shuffle"),
    "control.kind": Control(of=LENET, kind="reinit"),
    "control.of": Control(of=replace(LENET, dataset="digits"), kind="shuffle"),
    "train.steps": replace(LENET, train=replace(LENET.train, steps=4_000)),
    "train.batch_size": replace(LENET, train=replace(LENET.train, batch_size=61)),
    "train.optimizer": replace(LENET, train=replace(LENET.train, optimizer="sgd")),
    "train.learning_rate": replace(LENET, train=replace(LENET.train, learning_rate=1.2e-4)),
    "train.decay": replace(LENET, train=replace(LENET.train, decay=0.5)),
    "train.decay_every": replace(LENET, train=replace(LENET.train, decay_every=25_000)),
    "train.schedule": replace(LENET, train=replace(LENET.train, schedule="cosine")),
    "train.warmup": replace(LENET, train=replace(LENET.train, warmup=100)),
    "train.schedule_steps": replace(LENET, train=replace(LENET.train, schedule_steps=60_000)),
    "train.optimizer_options": replace(LENET, train=replace(LENET.train, optimizer_options=(("epsilon", 1e-7),))),
    "train.eval_every": replace(LENET, train=replace(LENET.train, eval_every=50)),
    "train.test_every": replace(LENET, train=replace(LENET.train, test_every=200)),
    "prune.rate": replace(LENET, prune=replace(LENET.prune, rate=0.3)),
    "prune.layer_rates": replace(LENET, prune=replace(LENET.prune, layer_rates=())),
    "prune.scope": replace(LENET, prune=replace(LENET.prune, scope="global")),
    "prune.criterion": replace(LENET, prune=replace(LENET.prune, criterion="movement")),
    "prune.schedule": replace(LENET, prune=replace(LENET.prune, schedule="oneshot")),
    "prune.rewind_step": replace(LENET, prune=replace(LENET.prune, rewind_step=100)),
    "prune.between": replace(LENET, prune=replace(LENET.prune, between="continue")),
    "prune.prune_step": replace(LENET, prune=replace(LENET.prune, prune_step=100)),
    "prune.averaged": replace(LENET, prune=replace(LENET.prune, prune_step=100, averaged=False)),
    "prune.budgets": replace(LENET, prune=replace(LENET.prune, criterion="random", budgets="erk")),
    "prune.passes": replace(LENET, prune=replace(LENET.prune, criterion="synflow", passes=100)),
    "prune.embeddings": replace(LENET, prune=replace(LENET.prune, embeddings=True)),
    "train.stop_by": replace(LENET, train=replace(LENET.train, stop_by="validation_micro_f1")),
    "train.loss": replace(LENET, train=replace(LENET.train, loss="binary_crossentropy")),
    "model_options": replace(LENET, model_options=(("variant", "static"),)),
    "text": replace(LENET, text=TextConfig(length=100)),
    **{f"text.{name}": replace(LENET, text=TextConfig(**{name: value})) for name, value in TEXT.items()},
    "filters": FILTERED,
    **{f"filters.{name}": replace(FILTERED, filters=FilterConfig(**{name: v})) for name, v in FILTERS.items()},
}

ONESHOT = replace(LENET, prune=replace(LENET.prune, schedule="oneshot"))

# A change of each field that only says how much is computed, and what it is a change of.
EXTENT = {
    "trials": (replace(LENET, trials=1), LENET),
    "rungs": (replace(ONESHOT, rungs=(3, 7)), ONESHOT),
    "prune.rounds": (replace(LENET, prune=replace(LENET.prune, rounds=30)), LENET),
    "control.rungs": (Control(of=LENET, kind="shuffle", rungs=(3, 7)), MEANING["control"]),
    "control.draws": (Control(of=LENET, kind="shuffle", draws=4), MEANING["control"]),
    "filters.trials": (replace(FILTERED, trials=1), FILTERED),
}


@pytest.mark.parametrize(("identity", "experiment"), IDENTITIES.items(), ids=IDENTITIES)
def test_identities_are_frozen(identity, experiment):
    assert experiment.identity == identity


@pytest.mark.parametrize(("longer", "experiment"), EXTENT.values(), ids=EXTENT)
def test_extending_an_experiment_keeps_its_identity(longer, experiment):
    assert longer != experiment
    assert longer.identity == experiment.identity


def test_every_other_difference_is_another_identity():
    identities = {experiment.identity for experiment in (LENET, *MEANING.values())}
    assert len(identities) == 1 + len(MEANING)


def test_every_field_is_either_meaning_or_extent():
    inner = {f"train.{entry.name}" for entry in fields(TrainConfig)} | {
        f"prune.{entry.name}" for entry in fields(PruneConfig)
    }
    inner |= {f"text.{entry.name}" for entry in fields(TextConfig)}
    inner |= {f"filters.{entry.name}" for entry in fields(FilterConfig)}
    inner |= {f"control.{entry.name}" for entry in fields(Control)}
    outer = {entry.name for entry in fields(Experiment)} - {"train", "prune"}
    assert inner | outer == (set(MEANING) | set(EXTENT)) - {"control", "filters", "filters.trials"}


def test_a_new_field_with_a_default_orphans_no_result():
    @dataclass(frozen=True, kw_only=True)
    class LaterTrainConfig(TrainConfig):
        restarts: int = 0

    @dataclass(frozen=True, kw_only=True)
    class LaterExperiment(Experiment):
        augmentation: str = "none"

    now = Experiment(train=TrainConfig(steps=500))
    later = LaterExperiment(train=LaterTrainConfig(steps=500))
    assert later.identity == now.identity
    assert replace(later, augmentation="shift").identity != now.identity
    assert replace(later, train=replace(later.train, restarts=100)).identity != now.identity


def test_equal_experiments_have_equal_identities():
    whole = Experiment(train=TrainConfig(learning_rate=1))
    assert whole == Experiment(train=TrainConfig(learning_rate=1.0))
    assert whole.identity == Experiment(train=TrainConfig(learning_rate=1.0)).identity


def test_a_default_spelled_out_is_no_difference():
    spelled_out = Experiment(train=TrainConfig(steps=50_000), prune=PruneConfig(rate=0.2))
    assert spelled_out.identity == Experiment().identity


@pytest.mark.parametrize(
    ("word", "changes"),
    [
        ("imp", {}),
        ("imp", {"rate": 0.5, "rounds": 3, "layer_rates": (("output/kernel", 0.1),)}),
        ("imp_late", {"rewind_step": 100}),
        ("imp_global", {"scope": "global"}),
        ("imp_late_global", {"scope": "global", "rewind_step": 100}),
        ("oneshot", {"schedule": "oneshot"}),
        ("oneshot_late", {"schedule": "oneshot", "rewind_step": 100}),
        ("large_init", {"criterion": "large_init"}),
        ("large_init", {"criterion": "large_init", "schedule": "oneshot"}),
        ("random", {"criterion": "random"}),
        ("random_global", {"criterion": "random", "scope": "global"}),
        ("movement", {"criterion": "movement"}),
        ("movement_oneshot", {"criterion": "movement", "schedule": "oneshot"}),
    ],
)
def test_imp_is_the_papers_procedure_and_anything_else_has_another_word(word, changes):
    experiment = Experiment(prune=PruneConfig(**changes))
    assert experiment.prune.method == word
    assert experiment.identity.startswith(f"mnist-lenet_300_100-{word}-rewind-")


@pytest.mark.parametrize(
    ("changes", "is_chain", "rounds"),
    [
        ({}, True, (0, 1, 2, 3)),
        ({"prune": PruneConfig(rounds=3, schedule="oneshot")}, False, (1, 2, 3)),
        ({"prune": PruneConfig(rounds=3, criterion="random"), "rungs": (1, 3)}, False, (1, 3)),
        ({"prune": PruneConfig(rounds=3, criterion="small_final")}, True, (0, 1, 2, 3)),
    ],
)
def test_only_masks_that_need_the_round_before_make_a_chain(changes, is_chain, rounds):
    experiment = Experiment(**{"prune": PruneConfig(rounds=3)} | changes)
    assert experiment.is_chain is is_chain
    assert experiment.rounds == rounds
    control = Control(of=experiment, kind="reinit")
    assert not control.is_chain
    assert control.rounds == tuple(round for round in rounds if round)
    assert Control(of=experiment, kind="reinit", rungs=(2,)).rounds == (2,)


def test_every_name_gets_its_rate():
    rates = PruneConfig(rate=0.2, layer_rates=(("b", 0.1),)).rates(("a", "b"))
    assert rates == {"a": 0.2, "b": 0.1}
    with pytest.raises(ValueError, match="unknown name in layer_rates 'b'; known are a, c"):
        PruneConfig(layer_rates=(("b", 0.1),)).rates(("a", "c"))


def test_the_defaults_are_the_papers():
    assert (PruneConfig().criterion, PruneConfig().scope, PruneConfig().schedule) == (
        "large_final",
        "layerwise",
        "iterative",
    )


rates = st.floats(0, 0.99)
experiments = st.builds(
    Experiment,
    dataset=st.sampled_from(["mnist", "digits", "not known here"]),
    trials=st.integers(1, 9),
    train=st.builds(
        TrainConfig,
        steps=st.integers(100, 10_000),
        learning_rate=st.floats(1e-6, 10, exclude_min=True),
        optimizer_options=st.lists(
            st.tuples(st.text(min_size=1), st.one_of(st.floats(allow_nan=False), st.booleans(), st.text())), max_size=2
        ).map(tuple),
    ),
    prune=st.builds(
        PruneConfig,
        rounds=st.integers(5, 30),
        rate=rates,
        layer_rates=st.lists(st.tuples(st.text(min_size=1), rates), max_size=2).map(tuple),
        scope=st.sampled_from(SCOPES),
        criterion=st.sampled_from(list(CRITERIA)),
        schedule=st.sampled_from(SCHEDULES),
        rewind_step=st.integers(0, 99),
    ),
)


rungs = st.lists(st.integers(1, 5), max_size=3).map(tuple)
with_rungs = st.tuples(experiments, rungs).map(lambda it: it[0] if it[0].is_chain else replace(it[0], rungs=it[1]))
controls = st.builds(Control, of=with_rungs, kind=st.sampled_from(DRAWN), rungs=rungs, draws=st.integers(1, 3))


@settings(deadline=None, derandomize=True, max_examples=80)
@given(experiment=st.one_of(with_rungs, controls))
def test_an_experiment_survives_a_trip_through_json(experiment):
    back = from_dict(json.loads(json.dumps(to_dict(experiment))))
    assert back == experiment
    assert (back.identity, back.label, back.networks) == (experiment.identity, experiment.label, experiment.networks)


def test_a_description_written_before_a_field_existed_is_still_read():
    old = to_dict(LENET)
    del old["draws"], old["train"]["test_every"], old["prune"]["rewind_step"]
    assert from_dict(old) == LENET


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": None},
        {"model": 3},
        {"model_options": [3]},
        {"train": None},
        {"train": {"optimizer": None}},
        {"train": {"learning_rate": 10**400}},
        {"train": {"speed": 3}},
        {"prune": []},
        {"prune": {"layer_rates": [["a", "b", "c"]]}},
        {"rungs": 3},
        {"control": []},
        {"trials": "3"},
    ],
    ids=str,
)
def test_what_describes_no_experiment_is_a_value_error(change):
    with pytest.raises(ValueError, match=r"."):
        from_dict(to_dict(LENET) | change)
    for nothing in ({}, [], None, "experiment"):
        with pytest.raises(ValueError, match="this describes no experiment"):
            from_dict(nothing)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, 20, float("nan"), float("inf")])
def test_a_rate_outside_0_to_1_is_refused_wherever_it_enters(rate):
    for enter in (
        lambda: check_rate(rate),
        lambda: PruneConfig(rate=rate),
        lambda: PruneConfig(layer_rates=(("output/kernel", rate),)),
        lambda: FilterConfig(rate=rate),
        lambda: FilterConfig(layer_rates=(("conv_1", rate),)),
    ):
        with pytest.raises(ValueError, match=r"a pruning rate must lie in \[0, 1\), got"):
            enter()


@pytest.mark.parametrize("name", ["../../x", "a/b", "a\\b", "a\nb", "a\0b", ".hidden", "", "c:x", "a" * 101, "\u202ex"])
def test_a_name_that_no_folder_could_have_is_refused_when_the_experiment_is_made(name):
    made = [
        lambda: Experiment(dataset=name),
        lambda: Experiment(model=name),
        lambda: Experiment(model_options=(("variant", name),)),
        lambda: FilterExperiment(dataset=name),
        lambda: FilterExperiment(model=name),
        lambda: Experiment(prune=PruneConfig(criterion=Criterion(name, lambda evidence: {}))),
    ]
    for make in made:
        with pytest.raises(ValueError, match="part of the name of a folder of results"):
            make()


def _control(**changes: object) -> Control:
    return Control(of=Experiment(), **changes)


@pytest.mark.parametrize(
    ("kind", "field", "value", "message"),
    [
        (TrainConfig, "steps", 0, "steps must be a whole number >= 1, got 0"),
        (TrainConfig, "steps", 10.0, "steps must be a whole number >= 1"),
        (TrainConfig, "batch_size", True, "batch_size must be a whole number >= 1"),
        (TrainConfig, "eval_every", -5, "eval_every must be a whole number >= 1"),
        (TrainConfig, "test_every", 150, r"test_every \(150\) must be a multiple of eval_every \(100\)"),
        (TrainConfig, "learning_rate", 0.0, "learning_rate must be a positive number"),
        (TrainConfig, "learning_rate", float("nan"), "learning_rate must be a positive number"),
        (TrainConfig, "learning_rate", float("inf"), "learning_rate must be a positive number"),
        (TrainConfig, "loss", "mse", "unknown loss 'mse'; known are sparse_categorical_crossentropy"),
        (PruneConfig, "rounds", -1, "rounds must be a whole number >= 0"),
        (PruneConfig, "rewind_step", 0.5, "rewind_step must be a whole number >= 0"),
        (PruneConfig, "criterion", "large", "unknown criterion 'large'; known are .*large_final, inert_first, small"),
        (PruneConfig, "scope", "local", "unknown scope 'local'; known are layerwise, global"),
        (PruneConfig, "schedule", "once", "unknown schedule 'once'; known are iterative, oneshot"),
        (FilterConfig, "every", 0, "every must be a whole number >= 1, got 0"),
        (FilterConfig, "removals", 1.5, "removals must be a whole number >= 1"),
        (FilterConfig, "norm", "l3", "unknown norm 'l3'; known are l1, l2"),
        (FilterConfig, "dropout", "less", "unknown dropout 'less'; known are keep, scale"),
        (Experiment, "trials", 0, "trials must be a whole number >= 1"),
        (FilterExperiment, "trials", 0, "trials must be a whole number >= 1"),
        (Experiment, "rungs", (0,), "rungs must lie in 1 … 16, the last round"),
        (Experiment, "rungs", (17,), "rungs must lie in 1 … 16, the last round"),
        (Experiment, "rungs", (3,), r"rungs \(3,\) leave rounds out, which a search .* cannot: use rungs=\(\)"),
        (_control, "kind", "none", "unknown control 'none'; known are reinit, shuffle, rewind"),
        (_control, "kind", "rewind", "is for a search in which survivors train on"),
        (_control, "draws", 0, "draws must be a whole number >= 1"),
        (_control, "rungs", (17,), "rungs must lie in 1 … 16, the last round"),
        (TrainConfig, "steps", True, "steps must be a whole number >= 1, got True"),
        (TrainConfig, "steps", 2**31, "steps must be a whole number <= 2,147,483,647"),
        (TrainConfig, "optimizer", 5, "optimizer must be a word, got 5"),
        (TrainConfig, "optimizer_options", (1, 2), "optimizer_options must be pairs of a name and a value"),
        (PruneConfig, "rounds", 99_999_999_999, "rounds must be a whole number <= 10,000, got 99,999,999,999"),
        (PruneConfig, "rounds", True, "rounds must be a whole number >= 0, got True"),
        (PruneConfig, "embeddings", 1, "embeddings must be True or False, got 1"),
        (PruneConfig, "averaged", 0, "averaged must be True or False, got 0"),
        (Experiment, "trials", True, "trials must be a whole number >= 1, got True"),
        (Experiment, "trials", 10**9, "trials must be a whole number <= 100,000"),
        (FilterExperiment, "trials", True, "trials must be a whole number >= 1, got True"),
        (_control, "draws", True, "draws must be a whole number >= 1, got True"),
        (_control, "draws", 10**9, "draws must be a whole number <= 100,000"),
    ],
)
def test_an_impossible_value_is_one_clear_error(kind, field, value, message):
    with pytest.raises(ValueError, match=message):
        kind(**{field: value})


def test_a_rewind_step_lies_before_the_end_of_training():
    prune = PruneConfig(rewind_step=500)
    assert Experiment(train=TrainConfig(steps=501), prune=prune).prune.rewind_step == 500
    with pytest.raises(ValueError, match=r"rewind_step \(500\) must come before the end of training \(500\)"):
        Experiment(train=TrainConfig(steps=500), prune=prune)


@pytest.mark.parametrize("value", [Experiment(), TrainConfig(), PruneConfig(), FilterConfig()])
def test_configurations_are_frozen_and_take_keywords_only(value):
    name = fields(value)[0].name
    with pytest.raises(AttributeError, match="cannot assign"):
        setattr(value, name, getattr(value, name))
    with pytest.raises(TypeError, match="positional"):
        type(value)(getattr(value, name))


def test_training_on_belongs_to_a_search_by_trained_weights():
    on = replace(LENET, prune=replace(LENET.prune, between="continue"))
    assert on.is_chain
    assert on.search == on
    assert on.prune.method == "imp_continue"
    rewound = Control(of=on, kind="rewind")
    assert not rewound.is_chain
    assert rewound.search == on
    with pytest.raises(ValueError, match="draws no random numbers, so "):
        replace(rewound, draws=2)
    with pytest.raises(ValueError, match="only in an iterative search by trained weights"):
        PruneConfig(between="continue", schedule="oneshot")
    with pytest.raises(ValueError, match="survivors that train on are not rewound"):
        PruneConfig(between="continue", rewind_step=5)


def test_only_controls_that_draw_are_repeated():
    rewound = replace(LENET, prune=replace(LENET.prune, rounds=2))
    assert rewound.networks == ((0, 0), (1, 0), (2, 0))
    assert Control(of=rewound, kind="reinit", draws=2).networks == ((1, 0), (1, 1), (2, 0), (2, 1))


def test_where_filters_are_removed_there_are_no_masks():
    assert FILTERED.identity.startswith("mnist-lenet_300_100-filters-")
    assert (FILTERED.rounds, FILTERED.networks) == ((), ())
    assert not {"prune", "control", "rungs", "draws"} & {entry.name for entry in fields(FilterExperiment)}
    uneven = replace(FILTERED, filters=FilterConfig(layer_rates=(("hidden_1", 0.2),)))
    for experiment in (FILTERED, uneven):
        assert from_dict(json.loads(json.dumps(to_dict(experiment)))) == experiment
    assert uneven.filters.rates(("hidden_1", "hidden_2")) == {"hidden_1": 0.2, "hidden_2": 0.5}
    with pytest.raises(ValueError, match=r"the last filters go after step 1000 .*before the end of training \(1000\)"):
        replace(FILTERED, train=TrainConfig(steps=1_000), filters=FilterConfig(removals=2))


def test_a_control_has_what_its_tickets_have_and_rungs_of_its_own():
    control = Control(of=ONESHOT, kind="reinit", rungs=(3,))
    for name in ("dataset", "model", "model_options", "text", "train", "prune", "trials", "search", "scored_step"):
        assert getattr(control, name) == getattr(ONESHOT, name), name
    assert Control(of=replace(ONESHOT, rungs=(3,)), kind="reinit") == control, "the rungs of its tickets unless told"


def test_searches_of_old_that_name_rungs_they_never_obeyed_are_still_read():
    assert from_dict({**to_dict(LENET), "rungs": [3, 7]}) == LENET


def test_networks_that_are_only_scored_stand_where_those_trained_to_the_end_stand_in_a_schedule():
    tickets = replace(LENET, prune=replace(LENET.prune, prune_step=1_000))
    cosine = replace(tickets, train=replace(tickets.train, schedule="cosine", warmup=50))
    assert (cosine.search.train.steps, cosine.search.train.schedule_steps) == (1_000, 50_000)
    assert replace(cosine, train=replace(cosine.train, schedule_steps=60_000)).search.train.schedule_steps == 60_000
    assert tickets.search.train.schedule_steps == 0, "steps of a decay do not depend on the length of training"


def test_a_rewound_ticket_may_have_a_decaying_learning_rate():
    late = replace(LENET, prune=replace(LENET.prune, rewind_step=500), train=replace(LENET.train, decay_every=10_000))
    assert "rewound to step" in late.label
    assert "times 0.1 every" in late.label


def test_numbers_of_numpy_are_numbers_and_change_no_identity():
    rungs = np.arange(3, 9, 3)
    numpys = replace(ONESHOT, trials=np.int64(5), rungs=tuple(rungs), model_options=[["l2", np.float32(0.1)]])
    assert numpys == replace(ONESHOT, trials=5, rungs=(3, 6), model_options=(("l2", 0.1),))
    control = Control(of=ONESHOT, kind="reinit", rungs=list(rungs), draws=np.int64(2))
    assert control == Control(of=ONESHOT, kind="reinit", rungs=(3, 6), draws=2)
    for experiment in (numpys, control, replace(FILTERED, trials=np.int64(3))):
        assert from_dict(json.loads(json.dumps(to_dict(experiment)))) == experiment
