"""Presets in TOML files: the same experiments as in Python, and errors that name file, table and key."""

from __future__ import annotations

import pytest

from lthcore.experiments import preset_files
from lthcore.experiments.experiment import Control, Experiment, FilterExperiment
from lthcore.experiments.presets import MNIST_SHORT
from lthcore.pruning.config import PruneConfig
from lthcore.shrinking.config import FilterConfig
from lthcore.text.config import TextConfig
from lthcore.training.config import TrainConfig


@pytest.fixture
def load(tmp_path):
    """Text of a file → its presets."""

    def loaded(text: str) -> dict:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return preset_files.load(path)

    return loaded


def example(module) -> str:
    """The file that the module's text shows."""
    _, _, below = module.__doc__.partition(".. code-block:: toml\n")
    return below.partition("\nTables and keys")[0].replace("\n    ", "\n")


def test_the_file_that_the_documentation_shows_is_read(load):
    (faster,) = load(example(preset_files)).values()
    train = TrainConfig(steps=5_000, optimizer_options=(("epsilon", 1e-8),))
    prune = PruneConfig(rate=0.3, layer_rates=(("output/kernel", 0.1),), rounds=12)
    tickets = Experiment(trials=3, train=train, prune=prune)
    random = Experiment(trials=3, train=train, prune=PruneConfig(rate=0.3, rounds=12, criterion="random"))
    controls = (Control(of=tickets, kind="reinit"), Control(of=tickets, kind="shuffle", rungs=(3, 7)))
    assert faster.experiments == (tickets, *controls, random)
    assert faster.about == "Three tenths of each layer go per round, instead of a fifth."


def test_a_published_preset_can_be_written_down(load):
    text = """
        [again]
        about = "mnist-short, from a file."
        shared.trials = 3
        shared.train = {steps = 5000, optimizer_options = {epsilon = 1e-8}}
        shared.prune.layer_rates = {"output/kernel" = 0.1}

        [[again.experiments]]
        controls = [{}, {kind = "shuffle"}]
        [[again.experiments]]
        prune.criterion = "large_init"
        [[again.experiments]]
        prune.schedule = "oneshot"
    """
    again = load(text)["again"]
    assert again.experiments == MNIST_SHORT
    assert [one.identity for one in again] == [one.identity for one in MNIST_SHORT]


def test_documents_and_filters_have_tables_of_their_own(load):
    text = """
        [news]
        about = "Filters of Kim's network."
        [news.shared]
        dataset = "reuters-r90"
        model = "kim_cnn"
        model_options = {variant = "static", widths = [3, 4]}
        text = {length = 100}
        [[news.experiments]]
        prune = {rounds = 3}
        [[news.filter_experiments]]
        text.min_count = 2
        filters = {every = 139, layer_rates = {conv_3 = 0.7}}
    """
    tickets, filtered = load(text)["news"]
    assert isinstance(tickets, Experiment)
    assert isinstance(filtered, FilterExperiment)
    assert tickets.model_options == filtered.model_options == (("variant", "static"), ("widths", (3, 4)))
    assert (tickets.text, filtered.text) == (TextConfig(length=100), TextConfig(length=100, min_count=2))
    assert filtered.filters == FilterConfig(every=139, layer_rates=(("conv_3", 0.7),))


def test_controls_may_be_shared_too(load):
    text = """
        [both]
        about = "Two criteria, each with its control."
        shared = {trials = 1, controls = [{}]}
        [[both.experiments]]
        [[both.experiments]]
        prune.criterion = "random"
        [[both.experiments]]
        controls = []
        prune.rate = 0.3
        [[both.filter_experiments]]
    """
    kinds = [type(experiment) for experiment in load(text)["both"]]
    assert kinds == [Experiment, Control, Experiment, Control, Experiment, FilterExperiment]


ABOUT = 'a.about = "x"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no preset"),
        ("a = ", "is no TOML: Invalid value"),
        ("a = 3", r"table \[a\]: here belongs a table, got 3"),
        (
            "[a]\nabuot = 'x'",
            r"table \[a\]: unknown key 'abuot'; known are about, chapter, shared, experiments, filter",
        ),
        ("[[a.experiments]]", r"table \[a\]: a preset needs a sentence about it"),
        (ABOUT, r"table \[a\]: a preset holds experiments, at least one"),
        (ABOUT + "a.experiments = 3", r"table \[a\]: experiments must be a list of tables: \[\[experiments\]\]"),
        (ABOUT + "a.experiments = [3]", r"table \[a.experiments 1\]: here belongs a table, got 3"),
        (
            ABOUT + "[[a.experiments]]\n[[a.experiments]]\nstep = 3",
            r"table \[a.experiments 2\]: unknown key 'step'; known are dataset, model, .*, trials, rungs, controls",
        ),
        (
            ABOUT + "[[a.experiments]]\nprune.rat = 0.3",
            r"table \[a.experiments 1.prune\]: unknown key 'rat'; known are rounds, rate, layer_rates",
        ),
        (
            ABOUT + "[[a.experiments]]\nprune.rate = 1.5",
            r"table \[a.experiments 1.prune\]: a pruning rate must lie in \[0, 1\), got 1.5",
        ),
        (
            ABOUT + "[[a.experiments]]\nprune.criterion = 'large'",
            r"table \[a.experiments 1.prune\]: unknown criterion 'large'; known are",
        ),
        (
            ABOUT + "[[a.experiments]]\ntrials = true",
            r"table \[a.experiments 1\]: trials must be a whole number, got True",
        ),
        (ABOUT + "[[a.experiments]]\ndataset = 3", r"dataset must be a text, got 3"),
        (ABOUT + "[[a.experiments]]\nrungs = ['a']", r"rungs must lie in 1 … 16, the last round; got \('a',\)"),
        (ABOUT + "[[a.experiments]]\nrungs = 3", r"rungs must be a list of whole numbers, got 3"),
        (ABOUT + "[[a.experiments]]\nmodel_options = ['l2']", r"model_options must be a table, got \['l2'\]"),
        (ABOUT + "[[a.experiments]]\ntrain.learning_rate = 'x'", r"1.train\]: learning_rate must be a number, got 'x'"),
        (ABOUT + "[[a.experiments]]\nprune.embeddings = 'yes'", r"embeddings must be true or false, got 'yes'"),
        (
            ABOUT + "[[a.experiments]]\ncontrols = [{kind = 'rewnd'}]",
            r"table \[a.experiments 1.controls 1\]: unknown control 'rewnd'; known are reinit, shuffle, rewind",
        ),
        (ABOUT + "[[a.experiments]]\ncontrols = [{of = 1}]", r"unknown key 'of'; known are kind, rungs, draws"),
        (ABOUT + "[[a.experiments]]\nfilters = {}", r"unknown key 'filters'; known are dataset"),
        (ABOUT + "a.shared = 3\n[[a.experiments]]", r"table \[a.experiments 1\]: here belongs a table, got 3"),
        (
            ABOUT + "[[a.experiments]]\n[[a.experiments]]",
            r"table \[a\]: two experiments .* share their results: mnist-len",
        ),
    ],
)
def test_an_error_names_the_file_the_table_and_the_key(load, text, message):
    with pytest.raises(preset_files.PresetFileError, match=rf"mine\.toml.*{message}"):
        load(text)


EXPERIMENT = ABOUT + "[[a.experiments]]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 9_000, "nested deeper than 20 times"),
        ("a = " + "{a=" * 9_000, "nested deeper than 20 times"),
        (EXPERIMENT + "model_options = {a = " + "[" * 99 + "]" * 99 + "}", "nested deeper than 20 times"),
        (EXPERIMENT + "model_options" + ".a" * 30_000 + " = 1", "nested deeper than 20 times"),
        (EXPERIMENT + "model_options" + ".a" * 900 + " = 1", "nested deeper than 20 times"),
        (EXPERIMENT + "train.steps = 0x" + "f" * 9_000, "a whole number of more than 64 bits"),
        (EXPERIMENT + "train.learning_rate = 1" + "0" * 400, "a whole number of more than 64 bits"),
        (EXPERIMENT + "train.steps = 1" + "0" * 5_000, "is no TOML: .*4300 digits"),
        (EXPERIMENT + "model_options.when = 1979-05-27", "a date or time, 1979-05-27, which no field takes"),
        (EXPERIMENT + "model_options.when = 07:32:00", "a date or time, 07:32:00, which no field takes"),
        ("#" * 70_000, "has more than 65,536 bytes, which presets never need"),
    ],
    ids="lists tables list-in-options dotted fewer-dotted hexadecimal beyond-floats digits date time long".split(),
)
def test_what_no_preset_holds_is_one_clear_error(load, text, message):
    with pytest.raises(preset_files.PresetFileError, match=rf"mine\.toml.*{message}"):
        load(text)


def test_line_ends_of_another_system_make_no_difference(tmp_path):
    path = tmp_path / "mine.toml"
    text = '[a]\nabout = """Two\nlines."""\n[[a.experiments]]\n'
    path.write_bytes(text.replace("\n", "\r\n").encode())
    assert preset_files.load(path)["a"].about == "Two\nlines."


def test_a_file_that_is_not_there_or_no_text_is_one_clear_error(tmp_path):
    with pytest.raises(preset_files.PresetFileError, match=r"cannot read .*none\.toml: No such file"):
        preset_files.load(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(preset_files.PresetFileError, match=r"bytes\.toml is no TOML"):
        preset_files.load(tmp_path / "bytes.toml")
