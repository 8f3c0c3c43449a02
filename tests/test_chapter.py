"""What chapters rely on: checked parameters, complete studies, computed verdicts, prose held to its results."""

from __future__ import annotations

import pytest

from lthcore import chapter, criteria, lottery, paths, presets
from lthcore.store import StoreError

PUBLISHED = {"short": "mnist-short"}


def test_a_parameter_the_chapter_does_not_have_is_refused():
    chapter.check_parameters({"SCALE": "short", "lower": 1, "__name__": "x"}, known="SCALE DATA")
    with pytest.raises(chapter.ParameterError, match="unknown parameter SCLAE; this chapter has SCALE, DATA"):
        chapter.check_parameters({"SCALE": "short", "SCLAE": "smoke"}, known="SCALE DATA")


def test_unknown_scale_and_data_list_the_known_ones():
    with pytest.raises(chapter.ParameterError, match="known are short, smoke"):
        chapter.study("large", published=PUBLISHED)
    with pytest.raises(chapter.ParameterError, match="known are auto, mnist, digits"):
        chapter.study("smoke", published=PUBLISHED, data="letters")


def test_the_published_study_is_complete():
    study = chapter.study("short", published=PUBLISHED)
    assert study.published
    assert len(study.frame()) == sum(len(e.rounds) * e.trials for e in study.experiments)


def test_a_missing_result_names_itself_and_the_command_that_computes_it(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "results", lambda: tmp_path)
    identity = presets.preset("mnist-short")[0].identity
    with pytest.raises(StoreError, match=rf"{identity}, trial 0, round 0(.|\n)*lthcore run mnist-short"):
        chapter.study("short", published=PUBLISHED)


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
    study = chapter.study("short", published=PUBLISHED)
    chapter.guard(study, {"true": True})
    with pytest.raises(AssertionError, match="no longer show: tickets lose"):
        chapter.guard(study, {"true": True, "tickets lose": False})
    chapter.guard(chapter.Study("x", study.experiments, study.store, published=False), {"tickets lose": False})


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


def test_the_card_shows_the_configuration_that_ran():
    tickets = presets.preset("mnist-short")[0]
    text = chapter.card(tickets).data
    for part in (tickets.identity, "5\u00a0000 steps of 60", "0.0012", "10 % of `output/kernel`", "3 trials"):
        assert part in text


def test_steps_and_claims_are_written_like_the_rest():
    gap = {"mean": -1700.0, "low": -2838.2, "high": -562.0, "n": 3}
    assert chapter.steps(gap) == "\u22121\u00a0700\u00a0steps [\u22122\u00a0838,\u00a0\u2212562]"
    text = chapter.claims([("51 %", "ticket beats dense", gap, 0.0)], ["fails"], chapter.steps).data
    assert text.splitlines()[-1].startswith("| 51 % | ticket beats dense | \u22121")
    assert text.endswith("| fails |")
