"""The description of a corpus: its numbers counted again plainly, stored once, read back without the documents."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from companion.studies import Study
from hypothesis import given
from hypothesis import strategies as st

from lthcore.analysis import measure
from lthcore.analysis.measurements import corpus
from lthcore.datasets import documents
from lthcore.datasets.corpora import newswire
from lthcore.experiments import presets, trainers, trials
from lthcore.experiments.presets.mnist import LENET
from lthcore.experiments.presets.sizes import smoke
from lthcore.experiments.store import Store, StoreError
from lthcore.files import array_files, paths
from lthcore.text import baselines, metrics
from lthcore.text.baselines import Texts

NEWS = newswire.load_corpus()
PRESET = smoke(presets.REUTERS_R90, "newswire")
EXPERIMENT = PRESET[0]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """A cache of one's own."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setattr(paths, "cache", lambda: folder)
        yield folder


@pytest.fixture(scope="module")
def reading(cache) -> documents.Reading:
    return documents.read(NEWS, EXPERIMENT.text)


@pytest.fixture(scope="module")
def values(cache) -> dict[str, np.ndarray]:
    return corpus.describe(EXPERIMENT)


@pytest.fixture(scope="module")
def splits(reading, values) -> dict[str, list]:
    """The documents with a category, split by split."""
    categories = set(array_files.unpacked(values["categories"]))
    labelled = [document for document in NEWS.documents if categories & set(document.topics)]
    training = [document for document in labelled if document.split == "train"]
    return {
        "train": [document for document in training if document.number not in reading.held],
        "validation": [document for document in training if document.number in reading.held],
        "test": [document for document in labelled if document.split == "test"],
    }


def test_categories_are_counted_split_by_split(values, splits):
    names = array_files.unpacked(values["categories"])
    assert list(names) == sorted(names)
    assert values["documents/category"].shape == (len(names), 3)
    for column, part in enumerate(splits.values()):
        counted = Counter(topic for document in part for topic in set(document.topics))
        assert values["documents/category"][:, column].tolist() == [counted[name] for name in names]


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_lengths_and_labels_are_those_of_the_documents(values, splits, name):
    categories = set(array_files.unpacked(values["categories"]))
    assert values[f"lengths/{name}"].tolist() == [len(document.tokens) for document in splits[name]]
    expected = [len(categories & set(document.topics)) for document in splits[name]]
    assert values[f"labels/{name}"].tolist() == expected
    assert min(expected) > 0, "documents without a category are left out"


def test_the_whole_corpus_is_counted_with_what_the_group_leaves_out(values):
    for row, split in enumerate(("train", "test")):
        part = [document for document in NEWS.documents if document.split == split]
        without = sum(not document.topics for document in part), sum(not document.body for document in part)
        assert values["whole"][row].tolist() == [len(part), *without]
    assert values["whole"][0, 0] > len(values["lengths/train"]) + len(values["lengths/validation"])


def test_words_are_those_of_training_documents_that_are_not_held_back(values, reading, splits):
    counted = Counter(
        word
        for document in NEWS.documents
        if document.split == "train" and document.number not in reading.held
        for word in document.tokens
    )
    frequent = {word for word, count in counted.items() if count >= EXPERIMENT.text.min_count}
    known = frequent & set(reading.vectors.words)
    assert values["words"].tolist() == [len(counted), len(frequent), len(known)]
    tokens = [word for document in splits["test"] for word in document.tokens]
    assert float(values["tokens/known"]) == pytest.approx(sum(word in known for word in tokens) / len(tokens))


def test_neighbours_are_the_nearest_words_of_every_probe(values, reading):
    probes = array_files.unpacked(values["probes"])
    assert probes == tuple(word for word in corpus.PROBES if word in reading.vectors.index)
    assert len(probes) > 4, "otherwise nothing is tested"
    rows = np.array(array_files.unpacked(values["neighbours"])).reshape(len(probes), corpus.NEIGHBOURS)
    assert values["cosines"].shape == rows.shape
    assert np.all(np.diff(values["cosines"], axis=1) <= 0)
    matrix = {word: reading.vectors.matrix[row] for word, row in reading.vectors.index.items()}
    for probe, row, cosines in zip(probes, rows.tolist(), values["cosines"], strict=True):
        assert probe not in row
        for word, cosine in zip(row, cosines, strict=True):
            norms = np.linalg.norm(matrix[probe]) * np.linalg.norm(matrix[word])
            assert cosine == pytest.approx(matrix[probe] @ matrix[word] / norms, abs=1e-5)


def test_the_image_is_a_test_document_of_median_length(values, reading, splits):
    config = EXPERIMENT.text
    assert values["image"].shape == (config.length, config.dimension)
    assert values["image"].dtype == np.float16
    lengths = [len(document.tokens) for document in splits["test"]]
    nearest = min(splits["test"], key=lambda document: abs(len(document.tokens) - np.median(lengths)))
    for row, word in zip(values["image"], nearest.tokens, strict=False):
        known = word in reading.vocabulary.index and word in reading.vectors.index
        vector = reading.vectors.matrix[reading.vectors.index[word]] if known else np.zeros(config.dimension)
        np.testing.assert_array_equal(row, vector.astype(np.float16))


@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), min_size=1)))
def test_lines_come_back_as_they_were_packed(lines):
    assert array_files.unpacked(array_files.packed(lines)) == tuple(lines)


def evaluated(splits, values) -> tuple[baselines.Baseline, ...]:
    names = array_files.unpacked(values["categories"])
    return baselines.evaluate(
        *(
            Texts(texts=[d.text for d in part], labels=[[name in d.topics for name in names] for d in part])
            for part in splits.values()
        )
    )


def same(first: baselines.Baseline, second: baselines.Baseline) -> bool:
    rest = ("name", "exact_match", "first_label", "c")
    return np.array_equal(first.counts, second.counts) and all(getattr(first, n) == getattr(second, n) for n in rest)


def test_baselines_come_back_as_they_were_evaluated(values, splits):
    found, expected = corpus.stored_baselines(values), evaluated(splits, values)
    assert len(found) == len(expected) == 4
    for one, other in zip(found, expected, strict=True):
        assert same(one, other), one.name
        assert one.row == other.row
    assert found[0].c is None
    assert all(one.c > 0 for one in found[1:])


def test_a_first_label_that_no_document_has_comes_back_as_none(cache):
    every = corpus.describe(replace(EXPERIMENT, text=replace(EXPERIMENT.text, documents="all")))
    found = corpus.stored_baselines(every)
    assert [one.first_label for one in found] == [None] * 3
    assert found[0].c is None
    assert min(every["labels/test"]) == 0


def test_baselines_are_better_than_the_most_frequent_category(values):
    most, machine = (metrics.micro_f1(one.counts) for one in corpus.stored_baselines(values)[:2])
    assert machine > most > 0


def test_a_corpus_is_described_once_and_nothing_is_trained(store, monkeypatch, values):
    monkeypatch.setattr(trials, "complete", lambda *_: pytest.fail("a network was trained"))
    monkeypatch.setattr(trainers, "trainer_of", lambda *_: pytest.fail("a trainer was made"))
    assert EXPERIMENT.trials > 1, "otherwise a description per trial would pass"
    with ThreadPoolExecutor(1) as executor:
        assert list(measure.run("corpus", EXPERIMENT, store, executor)) == [1]
    assert [path.parent.name for path in store.root.rglob("*.npz")] == ["trial-0"]
    found = store.load_measurement("corpus", EXPERIMENT, 0)
    assert (found.kind, found.trial, dict(found.machine)) == ("corpus", 0, {})
    monkeypatch.setattr(measure.corpus, "describe", lambda _: pytest.fail("described again"))
    measure.complete("corpus", EXPERIMENT, 0, store)
    read = Study("reuters-r90", PRESET, store, published=True).corpus()
    assert set(read) == set(values)
    for name, array in values.items():
        np.testing.assert_array_equal(read[name], array, err_msg=name)
        assert read[name].dtype == array.dtype, name


def test_a_study_that_is_not_published_describes_its_documents_itself(store, values):
    read = Study("reuters-r90", PRESET, store, published=False).corpus()
    np.testing.assert_array_equal(read["documents/category"], values["documents/category"])
    assert store.has_measurement("corpus", EXPERIMENT, 0)


def test_a_missing_description_names_the_command_that_makes_it(tmp_path):
    study = Study("reuters-r90", PRESET, Store(tmp_path), published=True)
    with pytest.raises(StoreError, match=r"no stored corpus(.|\n)*lthcore measure corpus reuters-r90 --out"):
        study.corpus()


@pytest.mark.parametrize(
    ("experiment", "message"),
    [
        (LENET, f"{LENET.identity} is not about documents, so there is no corpus to describe"),
        (PRESET[1], "is no search"),
    ],
    ids=["images", "a control"],
)
def test_what_has_no_corpus_of_its_own_is_refused(experiment, message):
    measure.check("corpus", EXPERIMENT)
    with pytest.raises(ValueError, match=message):
        measure.check("corpus", experiment)
