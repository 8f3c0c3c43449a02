"""What chapters rely on: checked parameters, complete studies, computed verdicts, prose held to its results."""

from __future__ import annotations

from dataclasses import replace

import pytest
from companion import chapter
from companion.studies import ParameterError, Study

from lthcore import lottery
from lthcore.experiments import presets
from lthcore.experiments.presets.mnist import LENET
from lthcore.experiments.presets.reuters import KIM
from lthcore.experiments.store import Store
from lthcore.pruning import criteria


def test_a_parameter_the_chapter_does_not_have_is_refused():
    chapter.check_parameters({"SCALE": "short", "lower": 1, "__name__": "x"}, known="SCALE DATA")
    with pytest.raises(ParameterError, match="unknown parameter SCLAE; this chapter has SCALE, DATA"):
        chapter.check_parameters({"SCALE": "short", "SCLAE": "smoke"}, known="SCALE DATA")


@pytest.mark.parametrize(
    ("low", "high", "above", "word"),
    [
        (0.1, 0.3, 0.0, "holds"),
        (-0.1, 0.3, 0.0, "undecided"),
        (-0.3, -0.1, 0.0, "fails"),
        (0.1, 0.3, 0.2, "undecided"),
        (float("nan"), float("nan"), 0.0, "undecided"),
    ],
)
def test_a_verdict_needs_the_whole_interval(low, high, above, word):
    assert chapter.verdict({"low": low, "high": high}, above=above) == word


def test_prose_is_held_to_published_results_and_only_to_those():
    published, own = (Study("x", presets.MNIST_SHORT, Store("nowhere"), published=it) for it in (True, False))
    chapter.guard(published, {"true": True})
    with pytest.raises(AssertionError, match="no longer show: tickets lose"):
        chapter.guard(published, {"true": True, "tickets lose": False})
    chapter.guard(own, {"tickets lose": False})


def test_numbers_are_written_with_spaces_that_do_not_break():
    assert chapter.percent(0.98249, 2) == "98.25\u00a0%"
    assert chapter.whole(50_000) == "50\u00a0000"
    gap = {"mean": -0.0012, "low": -0.002, "high": 0.0004, "n": 3}
    assert chapter.points(gap) == "\u22120.12\u00a0pp [\u22120.20,\u00a0+0.04]"


def test_printed_source_is_the_function_without_its_docstring():
    text = chapter.source(lottery.find_tickets).data
    assert "rewind(pruned, to=theta_k" in text
    assert "Yields:" not in text
    assert "np.abs(evidence.final[name])" in chapter.source(criteria.large_final).data


def test_a_function_can_be_shown_without_importing_its_module():
    assert chapter.source("lthcore.lottery.find_tickets").data == chapter.source(lottery.find_tickets).data


def test_the_card_shows_the_configuration_that_ran():
    tickets = presets.preset("mnist-short")[0]
    text = chapter.card(tickets).data
    for part in (tickets.identity, "5\u00a0000 steps of 60", "0.0012", "10 % of `output/kernel`", "3 trials"):
        assert part in text


def test_the_card_of_documents_says_how_they_are_read_and_what_stops_the_training():
    tickets = presets.REUTERS_R90[0]
    text = chapter.card(tickets).data
    for part in (
        tickets.identity,
        "| Data, model | reuters-r90, `kim_cnn`, variant nonstatic |",
        "| Documents | those with a label, headlines alone kept; first 200 tokens; words seen at least 5 times",
        "vectors of 150 numbers (skip-gram, window 10, 5 noise words, 10 epochs); words without one: uniform |",
        "early stop by validation micro-F1",
        "use_ema True, ema_momentum 0.997",
        "3 trials",
    ):
        assert part in text


def test_the_card_names_a_file_of_word_vectors():
    read = replace(KIM, text=replace(KIM.text, vectors="vectors.bin", dimension=300, oov="skip"))
    text = chapter.card(read).data
    assert "vectors of 300 numbers (`vectors.bin`); words without one: skip" in text
    assert "skip-gram" not in text


def test_the_card_of_images_says_nothing_of_documents():
    text = chapter.card(LENET).data
    for word in ("Documents", "tokens", "words", "vectors", "variant", "F1"):
        assert word not in text
    assert "| Data, model | mnist, `lenet_300_100` |" in text
    assert "early stop by validation loss" in text


def test_a_difference_in_its_own_unit_is_written_with_sign_and_interval():
    gap = {"mean": -0.00123, "low": -0.004, "high": 0.0064, "n": 3}
    assert chapter.plain(gap) == "\u22120.0012 [\u22120.0040,\u00a0+0.0064]"
    assert chapter.plain({"mean": 1.26, "low": 0.0, "high": 2.5}, digits=1) == "+1.3 [+0.0,\u00a0+2.5]"


def test_a_ratio_is_written_with_its_interval():
    assert chapter.times({"mean": 2.517, "low": 1.5, "high": 3.5, "n": 5}) == "2.52 [1.50,\u00a03.50]"


def test_steps_and_claims_are_written_like_the_rest():
    gap = {"mean": -1700.0, "low": -2838.2, "high": -562.0, "n": 3}
    assert chapter.steps(gap) == "\u22121\u00a0700\u00a0steps [\u22122\u00a0838,\u00a0\u2212562]"
    claim = chapter.Claim(where="51 %", text="ticket beats dense", theirs="+9", gap=gap, unit=chapter.steps, above=0.0)
    text = chapter.claims([claim]).data
    assert text.splitlines()[-1].startswith("| 51 % | ticket beats dense | +9 | \u22121")
    assert text.endswith("| fails |")


def test_a_table_of_claims_names_the_numbers_of_others_only_where_there_are_any():
    gap = {"mean": 0.1, "low": -0.1, "high": 0.3, "n": 3}
    own = chapter.Claim(where="7 %", text="early is as good", theirs="\u2013", gap=gap, unit=chapter.plain, above=0.0)
    assert "they report" not in chapter.claims([own]).data
    assert "they report" in chapter.claims([own, replace(own, theirs="+9")]).data


def test_the_card_says_what_survivors_start_from():
    expected = ("rewound to step 0", "shuffled mask", "rewound to step 500", "train on from their trained values")
    cards = [chapter.card(experiment).data for experiment in presets.MNIST_20K]
    assert all(any(words in card for card in cards) for words in expected)
    assert "oneshot" in cards[2]
    assert "fresh values" in chapter.card(presets.MNIST_PAPER[1]).data


def test_the_card_begins_with_what_people_call_the_experiment():
    for name in ("mnist-20k", "reuters-early"):
        for experiment in presets.preset(name):
            assert chapter.card(experiment).data.splitlines()[2] == f"| Label | {experiment.label} |"


def test_the_card_of_filters_says_which_go_and_when():
    text = chapter.card(presets.preset("reuters-filters")[0]).data
    assert "| Pruning | every 139 steps 88 % of each layer, 76 % of `conv_3`, 95 % of `conv_5`: filters of" in text
    assert "Survivors" not in text
