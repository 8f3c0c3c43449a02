"""The ticket explorer: its data are the stored results, and its page does without the net and without scripts."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from companion import explorer
from companion.studies import Study

from lthcore.analysis.measurements import survivors
from lthcore.experiments import presets
from lthcore.experiments.store import Store, StoreError
from lthcore.files import paths

ROOT = paths.project_root()
SHOWN = (0, 3, 7, 9, 12, 15, 18, 20)


@pytest.fixture(scope="module")
def study() -> Study:
    return Study("mnist-paper", presets.MNIST_PAPER, Store(paths.results()), published=True)


@pytest.fixture(scope="module")
def found(study) -> dict:
    return explorer.data(study)


def rounds(found):
    return [
        (trial, number, one) for trial, each in enumerate(found["trials"]) for number, one in enumerate(each["rounds"])
    ]


def test_every_trial_and_round_of_the_search_is_there(study, found):
    assert (found["search"], found["label"]) == (study.tickets.identity, study.tickets.label)
    assert found["side"] == 28
    assert found["layers"] == [
        {"name": "hidden_1", "weights": 235_200},
        {"name": "hidden_2", "weights": 30_000},
        {"name": "output", "weights": 1_000},
    ]
    assert [len(each["rounds"]) for each in found["trials"]] == [study.tickets.prune.rounds + 1] * study.tickets.trials


def test_counts_agree_with_the_records_and_with_each_other(study, found):
    for trial, number, one in rounds(found):
        record = study.store.load(study.tickets, trial, number)
        assert one["kept"] == [kept for kept, _ in record.kept.values()]
        assert sum(one["pixels"]) == one["kept"][0]
        assert [sum(counts) for counts in one["initial"]] == one["kept"]


def test_pixels_are_those_of_the_mask_the_round_was_trained_with(study, found):
    assert set(found["trials"][0]["rounds"][0]["pixels"]) == {300}
    for trial, mask in enumerate(study.masks(12)):
        one = found["trials"][trial]["rounds"][12]
        assert one["pixels"] == mask["hidden_1/kernel"].sum(axis=1).tolist()
        brighter = sum(count > one["bright"] for count in one["pixels"])
        assert brighter <= 0.02 * len(one["pixels"])


def test_accuracies_are_the_stored_ones_and_missing_where_nothing_was_trained(study, found):
    control = presets.MNIST_PAPER[1]
    for trial, number, one in rounds(found):
        stored = study.store.load(study.tickets, trial, number).test["accuracy"]
        assert one["accuracy"] == pytest.approx(stored, abs=1e-6)
        # Right answers of ten thousand: nothing of single precision is left.
        assert one["accuracy"] == round(one["accuracy"], 4)
        if number in control.rounds:
            assert one["reinit"] == pytest.approx(study.store.load(control, trial, number).test["accuracy"], abs=1e-6)
        else:
            assert one["reinit"] is None


def test_histograms_are_the_stored_ones_with_neighbouring_bins_joined(study, found):
    for each, measured in zip(found["trials"], study.measured("anatomy"), strict=True):
        for layer, (name, reach) in enumerate(zip(("hidden_1", "hidden_2", "output"), each["reach"], strict=True)):
            edges, counts = measured[f"edges/{name}/kernel"], measured[f"initial/{name}/kernel"]
            joined = np.array([one["initial"][layer] for one in each["rounds"]])
            assert joined.shape[1] == survivors.BINS // explorer.JOINED
            np.testing.assert_array_equal(joined, counts[:, ::2] + counts[:, 1::2])
            # The page draws equal bins between the outermost edges.
            np.testing.assert_allclose(np.linspace(*reach, joined.shape[1] + 1), edges[:: explorer.JOINED], atol=1e-6)


def test_data_are_plain_small_and_the_same_twice(study, found):
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text) == found
    assert text == json.dumps(explorer.data(study), allow_nan=False)
    assert len(json.dumps(found, separators=(",", ":"))) < 400_000


def test_a_missing_result_is_named_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(StoreError, match=r"no stored anatomy(.|\n)*lthcore measure anatomy mnist-paper"):
        explorer.data(Study("mnist-paper", presets.MNIST_PAPER, Store(tmp_path), published=True))


def test_a_search_without_a_control_has_an_explorer_too(study):
    alone = explorer.data(Study("mnist-paper", presets.MNIST_PAPER[:1], study.store, published=True))
    assert {one["reinit"] for _, _, one in rounds(alone)} == {None}
    drawn = explorer.figure(alone, (0, 21))
    assert "random reinit" not in [line.get_label() for line in chart(drawn).get_lines()]


def chart(drawn):
    return next(ax for ax in drawn.axes if ax.get_ylabel() == "test accuracy (%)")


def test_the_still_figure_draws_the_data(found):
    drawn = explorer.figure(found, SHOWN, trial=1)
    maps = [ax for ax in drawn.axes if ax.get_images()]
    assert [ax.get_title() for ax in maps[:3]] == ["100 %", "51.3 %", "21.1 %"]
    for ax, number in zip(maps, SHOWN, strict=True):
        assert ax.get_images()[0].get_array().ravel().tolist() == found["trials"][1]["rounds"][number]["pixels"]
    lines = {line.get_label(): line for line in chart(drawn).get_lines()}
    accuracies = [100 * one["accuracy"] for one in found["trials"][1]["rounds"]]
    np.testing.assert_allclose(lines["ticket"].get_ydata(), accuracies)
    assert len(lines["random reinit"].get_xdata()) == len(presets.MNIST_PAPER[1].rungs)
    assert lines["dense network"].get_ydata()[0] == pytest.approx(accuracies[0])


def test_the_still_figure_is_the_same_twice_and_leaves_matplotlib_alone(found):
    import matplotlib as mpl

    before, files = dict(mpl.rcParams), [io.BytesIO(), io.BytesIO()]
    for file in files:
        explorer.figure(found, SHOWN).savefig(file, dpi=50, metadata={"Software": None})
    assert files[0].getvalue() == files[1].getvalue()
    assert dict(mpl.rcParams) == before


def test_the_questions_of_the_page_have_answers(found):
    for each in found["trials"]:
        accuracies = [one["accuracy"] for one in each["rounds"]]
        empty = [one["pixels"].count(0) for one in each["rounds"]]
        assert accuracies[-1] < accuracies[0] <= max(accuracies[1:])
        assert empty[1] == 0 < empty[-1]
        edge = np.ones((28, 28), bool)
        edge[1:-1, 1:-1] = False
        assert np.reshape(each["rounds"][-1]["pixels"], (28, 28))[edge].any()


def test_the_page_is_built_without_tensorflow():
    script = "import sys, companion.explorer; sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


CONFIGURATION = f"""
import sys
sys.path.insert(0, {str(ROOT / "book" / "_ext")!r})
extensions = ["myst_parser", "ticket_explorer"]
html_theme, html_static_path = "basic", [{str(ROOT / "book" / "_static")!r}]
project, numfig = "Small", True
"""
PAGE = """# Explorer

```{ticket-explorer} mnist-paper
:name: fig:explorer
:rounds: 3 12
:alt: What the figure shows.

What there is to see.
```
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A small project: a page with the explorer, and one without."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "conf.py").write_text(CONFIGURATION)
    (folder / "index.md").write_text("# Start\n\n```{toctree}\nexplorer\n```\n\nSee {numref}`fig:explorer`.\n")
    (folder / "explorer.md").write_text(PAGE)
    return folder


def build(source: Path, target: Path, kind: str = "html") -> subprocess.CompletedProcess:
    # From the root, so that the package under test is the one that is imported.
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-n", "-b", kind, str(source), str(target)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


@pytest.fixture(scope="module")
def site(source, tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("site")
    done = build(source, target)
    assert done.returncode == 0, done.stderr
    return target


def test_the_page_holds_the_data_and_its_script_beside_them(site, found):
    page = (site / "explorer.html").read_text()
    (held,) = re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    assert json.loads(held) == found
    for name in ("explorer.js", "explorer.css"):
        assert re.search(rf'(src|href)="_static/{name}', page)
        assert (site / "_static" / name).is_file()
        assert name not in (site / "index.html").read_text()


def test_without_a_script_the_page_shows_the_still_figure_and_says_so(site):
    page = re.sub(r"<script.*?</script>", "", (site / "explorer.html").read_text(), flags=re.DOTALL)
    assert re.search(r"<noscript>.*needs JavaScript.*</noscript>", page, re.DOTALL)
    image = re.search(r'<figure[^>]*>\s*<img alt="What the figure shows\." src="([^"]+\.svg)"', page).group(1)
    assert "<svg" in (site / image).read_text()[:1_000]
    assert "What there is to see." in page
    assert "Fig. 1" in (site / "index.html").read_text()


def test_the_page_names_no_remote_address_to_load(site):
    page = (site / "explorer.html").read_text()
    assert re.findall(r'(?:src|srcset|poster|data)="(?:https?:)?//', page) == []
    assert re.findall(r'<link[^>]+href="(?:https?:)?//', page) == []


def test_on_paper_there_is_the_figure_alone(source, tmp_path):
    assert build(source, tmp_path, "latex").returncode == 0
    text = (tmp_path / "small.tex").read_text()
    assert re.search(r"\\sphinxincludegraphics[^\n]*mnist-paper-explorer", text)
    assert (tmp_path / "mnist-paper-explorer.pdf").is_file()
    assert '"pixels"' not in text


def test_a_build_without_results_fails_and_says_what_is_missing(source, tmp_path):
    (source / "data" / "results").mkdir(parents=True)
    try:
        done = build(source, tmp_path)
    finally:
        (source / "data" / "results").rmdir()
        (source / "data").rmdir()
    assert done.returncode
    assert "no stored anatomy" in done.stderr


def test_script_and_style_ask_for_nothing_and_are_short():
    script, style = ((ROOT / "book" / "_static" / f"explorer.{kind}").read_text() for kind in ("js", "css"))
    for text in (script, style):
        assert not re.search(r"(https?:)?//\w|@import|url\(", re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    assert not re.search(r"\b(fetch|XMLHttpRequest|import|eval|localStorage|document\.write)\b", script)
    assert len(script.splitlines()) < 250
    assert max(map(len, script.splitlines())) <= 120
