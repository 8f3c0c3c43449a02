"""The command line: helpful, resumable, one clear error."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pandas as pd
import pytest
from typer.testing import CliRunner

import lthcore
from lthcore import datasets
from lthcore.analysis import frames
from lthcore.cli import app
from lthcore.datasets import documents, mnist
from lthcore.datasets.corpora import reuters
from lthcore.experiments import presets
from lthcore.experiments.store import Store
from lthcore.files import paths

RUN = ["run", "digits-smoke", "--trials", "1", "--rounds", "1", "--steps", "20"]


def invoke(*arguments: str):
    return CliRunner().invoke(app, list(arguments), terminal_width=200)


def test_help_teaches_the_first_steps():
    text = invoke("--help").output
    for word in (
        "presets",
        "data",
        "run",
        "show",
        "verify",
        "frame",
        "digits-smoke",
        "Results of your own are kept in",
    ):
        assert word in text


def test_help_loads_nothing_that_takes_time():
    script = (
        "import sys\nimport lthcore.cli\nsys.argv = ['lthcore', '--help']\n"
        "try: lthcore.cli.main()\nexcept SystemExit: pass\n"
        "print({'tensorflow', 'keras', 'pandas', 'numpy', 'scipy', 'tqdm'} & set(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr == "set()\n"


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("run mnist-s", {"mnist-short", "mnist-sgd", "mnist-snip", "mnist-snip-long", "mnist-smoke"}),
        ("data verify reuters-r1", {"reuters-r10", "reuters-r115"}),
        ("verify mnist-lenet_300_100-grasp", {"grasp_global-rewind", "grasp_global-reinit"}),
        ("mea", {"measure"}),
    ],
)
def test_a_shell_completes_names_without_tensorflow(typed, offered):
    script = (
        "import sys, lthcore.cli\n"
        "try: lthcore.cli.app(prog_name='lthcore')\n"
        "finally: print('tensorflow' in sys.modules)"
    )
    words = {
        "_LTHCORE_COMPLETE": "complete_bash",
        "COMP_WORDS": f"lthcore {typed}",
        "COMP_CWORD": str(len(typed.split())),
    }
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ | words)
    lines = done.stdout.splitlines()
    assert lines.pop() == "False", done.stderr
    assert all(any(name in line for line in lines) for name in offered), done.stdout


def test_the_version_is_told():
    assert invoke("--version").output == f"lthcore {lthcore.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "mnist-huge"], "unknown preset 'mnist-huge'; known are mnist-short"),
        (["data", "fetch", "letters"], "unknown data set 'letters'; known are "),
        (["data", "verify", "letters"], "unknown data set 'letters'"),
        (["run", "digits-smoke", "--steps", "0"], "steps must be a whole number >= 1"),
        (["show", "mnist-huge"], "unknown preset"),
        (["measure", "corpus", "mnist-short"], "is not about documents, so there is no corpus to describe"),
    ],
)
def test_a_mistake_gets_one_clear_error(arguments, message):
    result = invoke(*arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output


@pytest.fixture
def no_data(monkeypatch, tmp_path):
    """Nothing on disk, and mirrors that are gone."""
    monkeypatch.setattr(paths, "raw", lambda: [tmp_path])
    monkeypatch.setattr(paths, "cache", lambda: tmp_path / "cache")
    for module in (mnist, reuters):
        gone = tuple(replace(source, mirrors=("http://127.0.0.1:1/gone.gz",)) for source in module.SOURCES)
        for name in [name for name, found in datasets.SOURCES.items() if found is module.SOURCES]:
            monkeypatch.setitem(datasets.SOURCES, name, gone)
        monkeypatch.setattr(module, "SOURCES", gone)
    monkeypatch.setattr(reuters, "SOURCE", reuters.SOURCES[0])


@pytest.mark.parametrize("arguments", [["data", "verify"], ["data", "fetch"], ["run", "mnist-smoke"]])
def test_missing_data_is_told_before_anything_is_trained(no_data, monkeypatch, tmp_path, arguments):
    monkeypatch.setattr("lthcore.experiments.trials.complete", lambda *_: pytest.fail("training began"))
    monkeypatch.setattr(paths, "runs", lambda: tmp_path / "runs")
    result = invoke(*arguments)
    assert result.exit_code == 1
    assert "train-images-idx3-ubyte is not on this machine" in result.output


@pytest.mark.parametrize("name", ["reuters", "reuters-r90"])
@pytest.mark.parametrize("command", ["fetch", "verify"])
def test_missing_documents_are_told_with_the_file_and_the_command(no_data, command, name):
    result = invoke("data", command, name)
    assert result.exit_code == 1
    assert result.output.count("error:") == 1
    assert "reuters21578.tar is not on this machine" in result.output
    assert "run `python -m lthcore data fetch reuters`" in result.output
    assert ("http://127.0.0.1:1/gone.gz" in result.output) == (command == "fetch"), "verify downloads nothing"
    assert "Traceback" not in result.output


@pytest.mark.parametrize("arguments", [["run", "reuters-r90"], ["measure", "corpus", "reuters-r90"]])
def test_missing_documents_are_told_before_anything_is_computed(no_data, monkeypatch, tmp_path, arguments):
    monkeypatch.setattr("lthcore.experiments.trials.complete", lambda *_: pytest.fail("training began"))
    monkeypatch.setattr("lthcore.analysis.measurements.corpus.describe", lambda *_: pytest.fail("it was described"))
    documents.corpus.cache_clear()
    result = invoke(*arguments, "--out", str(tmp_path / "runs"))
    assert result.exit_code == 1, result.output
    assert result.output.count("error:") == 1
    assert "reuters21578.tar is not on this machine" in result.output


def test_presets_are_listed_with_data_price_chapter_and_sentence():
    lines = {line.split()[0]: line for line in invoke("presets").output.splitlines()}
    assert list(lines) == ["preset", *presets.PRESETS]
    for name, preset in presets.PRESETS.items():
        assert preset.about in lines[name]
        assert preset.data[0] in lines[name]
    assert lines["preset"].split() == ["preset", "data", "minutes", "chapter", "what"]
    assert "notebooks/02_mnist.md" in lines["mnist-paper"]
    assert 10 < int(lines["mnist-paper"].split()[2]) < 1_000


def test_without_a_checkout_presets_name_no_chapter(root):
    output = invoke("presets").output
    assert "chapter" not in output
    assert "notebooks" not in output


def test_an_interrupted_run_ends_at_once_and_goes_on_later(tmp_path):
    command = [sys.executable, "-m", "lthcore", *RUN, "--steps", "3000", "--out", str(tmp_path)]
    # A shell starts what runs in the background with interrupts ignored, and children inherit that: these tests, too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        signal.signal(signal.SIGINT, before)
        deadline = time.monotonic() + 60
        while not list(tmp_path.rglob("round-00.npz")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "finished networks are kept" in errors
    kept = len(list(Store(tmp_path).records()))
    assert 1 <= kept < 6
    assert invoke(*RUN, "--steps", "3000", "--out", str(tmp_path)).exit_code == 0
    assert len(list(Store(tmp_path).records())) == 6


def test_own_results_are_shown_beside_the_published_and_counted_once(monkeypatch, tmp_path):
    results, short = tmp_path / "results", [experiment.identity for experiment in presets.preset("mnist-short")]
    for identity in short:
        shutil.copytree(paths.results() / identity, results / identity)
    monkeypatch.setattr(paths, "results", lambda: results)
    monkeypatch.setattr(paths, "runs", lambda: tmp_path / "runs")
    published = invoke("frame", "--csv").output
    shutil.copytree(results, tmp_path / "runs")
    assert invoke("frame", "--csv").output == published
    shown = invoke("show", "mnist-short").output
    assert "mnist-short · tickets · yours beside published\nmnist-lenet_300_100-imp-rewind-f15e78d801\n" in shown
    heads = [line.split() for line in shown.splitlines() if line.startswith("round")]
    assert len(heads) == len(presets.preset("mnist-short"))
    assert all(head[-3:] == ["published_test_accuracy", "published_trials", "difference"] for head in heads)
    rows = [line.split() for line in shown.splitlines() if line[:5].strip().isdigit()]
    assert len(rows) == 17 + 4 * 16
    assert {row[-1] for row in rows} == {"+0.0000"}


def test_more_rounds_and_other_trials_of_ones_own_leave_gaps_in_the_comparison(monkeypatch, small, tmp_path):
    monkeypatch.setattr(paths, "results", lambda: small)
    monkeypatch.setattr(paths, "runs", lambda: tmp_path)
    source = Store(small)
    for round in (0, 1):
        record = source.find("digits-lenet_300_100-imp-rewind", 0, round)
        better = record.test | {"accuracy": record.test["accuracy"] + 0.125}
        Store(tmp_path).save(replace(record, trial=round, test=better))
    name = "mine"
    experiments = [record.experiment for record in Store(tmp_path).records()][:1]
    presets.register(name, experiments, about="Found again.", replace=True)
    try:
        lines = invoke("show", name).output.splitlines()
    finally:
        presets.PRESETS.remove(name)
    rows = {line.split()[0]: line.split() for line in lines if line[:5].strip().isdigit()}
    assert rows["0"][-1] == "+0.1250"
    assert rows["1"][-1] == "–", "no trial in common"


def test_everything_stored_is_listed_by_preset_with_what_differs():
    head, *lines = invoke("show", "--out", str(paths.results())).output.splitlines()
    columns = ["preset", "what", "results", "trials", "rounds", "steps", "density", "accuracy", "experiment"]
    assert head.split() == columns
    assert lines[0].startswith("mnist-short")
    assert re.search(
        r"mnist-early +pruned at step 2\W500 +\S+ +3 +2 +50000 +0\.0\d+ +0\.9\d+ +mnist-lenet", "\n".join(lines)
    )
    assert len(lines) == len([path for path in paths.results().iterdir() if list(path.glob("trial-*/round-*"))])


@pytest.mark.parametrize("command", [["show"], ["show", "digits-smoke"], ["frame"], ["verify", "digits"]])
def test_a_folder_that_does_not_exist_is_told(command, tmp_path):
    result = invoke(*command, "--out", str(tmp_path / "nowhere"))
    assert result.exit_code == 1
    assert f"there is no folder {tmp_path / 'nowhere'}" in result.output


def test_nothing_is_stored_yet(tmp_path):
    assert (
        "no results yet; compute some: python -m lthcore run digits-smoke"
        in invoke("show", "--out", str(tmp_path)).output
    )


OWN = """
from dataclasses import replace

import lthcore as lth


@lth.criteria.register
def smallest(evidence):
    return {name: -abs(evidence.final[name]) for name in evidence.mask}


tickets = lth.Experiment(
    dataset="digits", train=lth.TrainConfig(steps=20), prune=lth.PruneConfig(rounds=1, criterion="smallest"), trials=1
)
lth.presets.register("my-preset", [tickets], about="The small ones first.")
"""


def test_what_a_module_registers_is_known_to_every_command_and_every_process(tmp_path):
    (tmp_path / "my_things.py").write_text(OWN)

    def lthcore_(*arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "lthcore", *arguments, "--import", "my_things"]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    done = lthcore_("run", "my-preset", "--out", "results", "--workers", "2")
    assert done.returncode == 0, done.stderr
    shown = lthcore_("show", "my-preset", "--out", "results").stdout
    assert "my-preset · smallest" in shown
    assert "The small ones first." in lthcore_("presets").stdout


def test_a_module_that_is_not_there_is_told_and_a_defect_in_it_keeps_its_traceback(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    result = invoke("show", "--import", "no_such_module")
    assert result.exit_code == 1
    assert "cannot import 'no_such_module'" in result.output
    (tmp_path / "defective_module.py").write_text("import no_such_library")
    result = invoke("show", "--import", "defective_module")
    assert isinstance(result.exception, ModuleNotFoundError)


PRESETS = """
[mine]
about = "Half of each layer goes per round."

[[mine.experiments]]
dataset = "digits"
trials = 1
train = {steps = 20, eval_every = 20}
prune = {rate = 0.5, rounds = 1}
"""


def test_presets_of_ones_own_come_from_a_file(tmp_path):
    (tmp_path / "my.toml").write_text(PRESETS)
    options = ["--preset-file", str(tmp_path / "my.toml")]
    try:
        ran = invoke("run", *options, "--out", str(tmp_path / "runs"))  # it has one only, which needs no name
        assert ran.exit_code == 0, ran.output
        assert "mine · tickets" in invoke("show", "mine", *options, "--out", str(tmp_path / "runs")).output
        assert "Half of each layer goes per round." in invoke("presets", *options).output
    finally:
        presets.PRESETS.remove("mine")


def test_a_file_of_presets_that_cannot_be_read_is_told(tmp_path):
    result = invoke("run", "mine", "--preset-file", str(tmp_path / "no.toml"))
    assert result.exit_code == 1
    assert "error: cannot read" in result.output


def test_a_run_needs_a_preset():
    result = invoke("run")
    assert result.exit_code == 1
    assert "name a preset; `python -m lthcore presets` lists them" in result.output


def test_run_show_and_frame_speak_of_the_same_results(tmp_path):
    out = ["--out", str(tmp_path)]
    assert invoke(*RUN, *out).exit_code == 0
    shown = invoke("show", *out).output
    assert "digits-lenet_300_100-imp-reinit" in shown
    table = pd.read_csv(io.StringIO(invoke("frame", "--csv", *out).output))
    assert tuple(table.columns) == frames.COLUMNS
    assert len(table) == 2 + 4
    again = invoke(*RUN, *out)
    assert again.exit_code == 0
    assert len(pd.read_csv(io.StringIO(invoke("frame", "--csv", *out).output))) == 6


def test_the_frame_holds_the_published_results(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "runs", lambda: tmp_path)
    table = pd.read_csv(io.StringIO(invoke("frame", "--csv").output))
    dense = table[(table["method"] == "imp") & (table["control"] == "rewind") & (table["round"] == 0)]
    assert len(dense) >= 3


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    file = tmp_path / "file"
    file.write_text("not a folder")
    result = invoke(*RUN, "--out", str(file))
    assert result.exit_code == 1
    assert "Choose another folder" in result.output


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder with a tiny search."""
    folder = tmp_path_factory.mktemp("results")
    assert invoke(*RUN, "--out", str(folder)).exit_code == 0
    return folder


@pytest.mark.parametrize("arguments", [["digits-lenet_300_100-imp-rewind"], ["digits-lenet_300_100-imp-reinit"]])
def test_a_stored_network_is_verified(small, arguments):
    result = invoke("verify", *arguments, "--round", "1", "--out", str(small))
    assert result.exit_code == 0, result.output
    assert "bit for bit the same" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digits-lenet_300_100-imp-rewind", "--round", "9"], "no stored results for trial 0, round 9, draw 0"),
        (["digits-lenet_300_100-imp", "--round", "1"], "it could be digits-lenet_300_100-imp-reinit"),
        (["letters"], "an experiment that begins with 'letters'"),
    ],
)
def test_a_network_that_cannot_be_found_is_told(small, arguments, message):
    result = invoke("verify", *arguments, "--out", str(small))
    assert result.exit_code == 1
    assert message in result.output


def test_a_record_that_claims_what_training_does_not_give_fails(small, tmp_path):
    store = Store(tmp_path)
    for round in (0, 1):
        record = Store(small).find("digits-lenet_300_100-imp-rewind", 0, round)
        store.save(replace(record, weights_sha256="0" * 64))
    result = invoke("verify", record.experiment.identity, "--round", "1", "--out", str(tmp_path))
    assert result.exit_code == 1
    assert "differs from its record in: final weights" in result.output


def test_a_measurement_is_taken_and_a_wrong_one_is_told(small):
    measure = ["measure", "stability", *RUN[1:4], "--out", str(small)]
    wrong = invoke("measure", "beauty", "mnist-20k", "--out", str(small))
    assert wrong.exit_code == 1
    assert "unknown measurement 'beauty'; known are stability, anatomy" in wrong.output
    result = invoke(*measure)
    assert result.exit_code == 0, result.output
    assert len(list(small.rglob("stability.npz"))) == 1


def test_the_published_records_are_where_the_command_says_or_it_says_how_to_get_them(monkeypatch, tmp_path):
    assert str(paths.results()) in invoke("data", "fetch", "results").output
    monkeypatch.setattr(paths, "results", lambda: tmp_path)
    asked = invoke("data", "fetch", "results")
    assert asked.exit_code == 1
    assert "the published records" in asked.output
