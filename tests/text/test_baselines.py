"""Baselines on a handful of synthetic telegrams, and the published numbers they are printed beside."""

from __future__ import annotations

import dataclasses
import itertools
import re

import numpy as np
import pytest
from companion.published import PUBLISHED

from lthcore.files import paths
from lthcore.text import baselines, metrics
from lthcore.text.baselines import Baseline, Texts

# Categories in alphabetical order; `gold` has no training example.
CATEGORIES = ("crude", "earn", "gold", "wheat")
WORDS = {"crude": "oil barrel opec", "earn": "profit quarter dividend", "gold": "mine ounce", "wheat": "grain crop"}


def telegrams(*label_sets: str, times: int = 4) -> Texts:
    """Documents made of the words of their labels, each `times` over, apart from a number."""
    sets = [names.split() for names in label_sets for _ in range(times)]
    texts = [f"{number} the " + " ".join(WORDS[name] for name in names) for number, names in enumerate(sets)]
    return Texts(texts=texts, labels=np.array([[category in names for category in CATEGORIES] for names in sets]))


TRAIN = telegrams("crude", "earn", "earn", "earn", "wheat", "crude wheat")
TEST = telegrams("crude", "earn", "wheat", "crude wheat", "gold", times=1)


def test_the_machine_finds_the_categories_it_has_seen_and_no_other():
    scores = baselines.svm(TRAIN.texts, TRAIN.labels, TEST.texts)
    assert scores.dtype == np.float64
    assert (scores[:4] >= baselines.DECISION).tolist() == TEST.labels[:4].tolist()
    assert (scores[:, 2] == -np.inf).all(), "no training example, so it is ruled out"


def test_a_category_that_all_training_documents_have_is_always_predicted():
    labels = TRAIN.labels.copy()
    labels[:, 2] = True
    assert (baselines.svm(TRAIN.texts, labels, TEST.texts)[:, 2] == np.inf).all()


def test_words_are_case_blind_have_two_characters_and_occur_in_three_training_documents():
    texts = ["oil x", "OIL x", "Oil x", "crop y", "crop y", "crop y rare", "rare"]
    first, second = baselines._tf_idf(texts, ["oil", "rare", "x y", "oil oil crop"])
    assert first.shape == (7, 2)
    assert second.toarray()[:3].any(axis=1).tolist() == [True, False, False]
    # Both words are equally frequent, so what is left is 1 + ln n.
    crop, oil = second.toarray()[3]
    assert oil / crop == pytest.approx(1 + np.log(2))


def test_the_scores_are_those_of_scikit_learn_one_against_the_rest():
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.svm import LinearSVC

    seen = TRAIN.labels.any(axis=0)
    words, test_words = baselines._tf_idf(TRAIN.texts, TEST.texts)
    theirs = OneVsRestClassifier(LinearSVC(C=2.0, random_state=0)).fit(words, TRAIN.labels[:, seen].astype(int))
    ours = baselines.svm(TRAIN.texts, TRAIN.labels, TEST.texts, c=2.0)
    assert ours[:, seen] == pytest.approx(theirs.decision_function(test_words))


def test_the_same_documents_give_the_same_scores():
    first, second = (baselines.svm(TRAIN.texts, TRAIN.labels, TEST.texts) for _ in range(2))
    assert np.array_equal(first, second)


def test_for_first_labels_each_document_has_one_class():
    scores = baselines.svm_first_label(TRAIN.texts, TRAIN.labels, TEST.texts)
    assert scores[:4].argmax(axis=1).tolist() == [0, 1, 3, 0]
    known = TEST.labels[:4]
    assert metrics.first_label_accuracy(known, scores[:4], None) == 1.0
    only_first = metrics.first_labels(TRAIN.labels)[:, None] == np.arange(4)
    assert np.array_equal(scores, baselines.svm(TRAIN.texts, only_first, TEST.texts))


def test_c_is_the_best_on_validation_and_of_equals_the_lowest(monkeypatch):
    asked = []
    right_at = {0.5: False, 1.0: True, 5.0: True}

    def decide(_, words, labels, c):
        asked.append(c)
        return np.where(TEST.labels, 1.0, -1.0) * (1 if right_at[c] else -1)

    monkeypatch.setattr(baselines, "_decide", decide)
    assert baselines.choose_c(TRAIN, TEST, (5.0, 1.0, 0.5)) == 1.0
    assert sorted(asked) == [0.5, 1.0, 5.0]


def test_the_majority_predicts_the_most_frequent_category_and_no_other():
    assert baselines.majority(TRAIN.labels, 2).tolist() == [[False, True, False, False]] * 2
    tie = np.array([[0, 1, 0], [0, 0, 1]])
    assert baselines.majority(tie, 1).tolist() == [[False, True, False]], "of equals the first"


def test_evaluate_trains_on_both_parts_and_makes_a_row_of_each_baseline():
    crude, rest = telegrams("crude", "earn"), telegrams("earn", "earn", "wheat", "crude wheat")
    found = baselines.evaluate(crude, rest, TEST, grid=(1.0, 4.0))
    names = ["most frequent category", "linear SVM", "linear SVM, C chosen", "linear SVM, first labels"]
    assert [baseline.name for baseline in found] == names
    majority, machine, chosen, single = (baseline.row for baseline in found)
    assert majority == {
        "name": "most frequent category",
        "c": None,
        "micro_f1": pytest.approx(2 / 11),  # one of five predicted, one of six given
        "macro_f1": pytest.approx(1 / 12),
        "exact_match": 0.2,
        "first_label": 0.2,
    }
    assert machine["c"] == 1.0
    assert chosen["c"] in (1.0, 4.0)
    # Wheat is only in the second part, and found; gold is in neither. Nothing is predicted for gold.
    assert machine["micro_f1"] == pytest.approx(10 / 11)
    assert machine["macro_f1"] == pytest.approx(3 / 4)
    assert machine["exact_match"] == machine["first_label"] == single["first_label"] == 0.8


def test_without_labels_there_is_no_first_one():
    unlabelled = Texts(texts=["the weather"], labels=np.zeros((1, 4)))
    found = baselines.evaluate(TRAIN, TRAIN, TEST + unlabelled, grid=(1.0,))
    assert [baseline.row["first_label"] for baseline in found] == [None] * 3
    assert len(baselines.evaluate(TRAIN + unlabelled, TRAIN, TEST, grid=(1.0,))) == 3


def test_a_baseline_is_frozen():
    baseline = baselines.assess("x", TEST.labels, TEST.labels, 1.0)
    assert (baseline.row["micro_f1"], baseline.row["exact_match"], baseline.row["first_label"]) == (1.0, 1.0, 1.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        baseline.name = "y"
    with pytest.raises(ValueError, match="read-only"):
        baseline.counts[0, 0] = 9
    assert isinstance(baseline, Baseline)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: baselines.svm(["oil"], TRAIN.labels, TEST.texts), "there are 1 texts but labels for 24"),
        (lambda: baselines.svm(TRAIN.texts, TRAIN.labels * 2, TEST.texts), "labels holds values other than 0 and 1"),
        (lambda: baselines.svm(TRAIN.texts, TRAIN.labels, TEST.texts, c=0), "penalty C must be above 0, got 0"),
        (lambda: baselines.svm(TRAIN.texts, TRAIN.labels, TEST.texts, c=np.nan), "above 0, got nan"),
        (lambda: baselines.choose_c(TRAIN, TEST, ()), "no C to choose from"),
        (
            lambda: baselines.svm_first_label(TRAIN.texts, TRAIN.labels & False, TEST.texts),
            "24 documents have no",
        ),
        (lambda: baselines.majority(np.ones(3), 2), r"labels has shape \(3,\)"),
    ],
)
def test_what_cannot_be_fitted_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_published_numbers_cite_the_bibliography_and_say_whether_they_were_read():
    bibliography = (paths.project_root() / "book" / "references.bib").read_text()
    keys = set(re.findall(r"^@\w+\{(\w+),", bibliography, re.MULTILINE))
    assert {row.cite for row in PUBLISHED} <= keys
    assert all(0 < row.value < 1 for row in PUBLISHED), "fractions"
    assert {row.mark for row in PUBLISHED} == {"read", "reported"}
    assert {row.group for row in PUBLISHED} == {"R(10)", "R(90)", "R(115)"}


def test_the_two_numbers_the_proposal_names_are_there_and_only_one_of_them_is_an_f1():
    named = {(row.cite, row.method): (row.metric, row.value) for row in PUBLISHED}
    assert named["ARTL19", "LSTM-reg"] == ("micro-F1", 0.870)
    assert named["KHB18", "RMDL"] == ("first-label accuracy", 0.9069)


def test_no_published_row_is_there_twice():
    assert not any(a == b for a, b in itertools.combinations(PUBLISHED, 2))
