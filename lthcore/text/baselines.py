"""What any network on text is printed beside: a linear support vector machine, and the most frequent category.

scikit-learn is imported where it is used: who only reads results does not wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lthcore.text import metrics

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Candidates for the penalty C: from half to twenty times scikit-learn's default of 1.
C_GRID = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
# A decision value says on which side of the plane a document lies; it is no probability.
DECISION = 0.0


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Documents and their label sets.

    Args:
        texts: one string per document.
        labels: bool or 0/1, shape (documents, categories), categories in alphabetical order; kept as bool.
    """

    texts: Sequence[str]
    labels: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", metrics.binary(self.labels, "labels"))
        if len(self.texts) != len(self.labels):
            raise ValueError(f"there are {len(self.texts)} texts but labels for {len(self.labels)}: they go in pairs")

    def __add__(self, other: Texts) -> Texts:
        return Texts(texts=[*self.texts, *other.texts], labels=np.concatenate([self.labels, other.labels]))

    @property
    def labelled(self) -> bool:
        """Whether every document has a label, and so a first one."""
        return bool(self.labels.any(axis=1).all())


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """One baseline and how well it does; the counts give both averages of F1.

    Args:
        name: what it is called in tables.
        counts: true positives, false positives and false negatives of each category, as `metrics.counts` gives them.
        exact_match: share of documents whose whole label set is predicted.
        first_label: accuracy on the alphabetically first label, `metrics.first_label_accuracy`; None if a document has
            no label.
        c: penalty C of a support vector machine, None for anything else.
    """

    name: str
    counts: np.ndarray
    exact_match: float
    first_label: float | None
    c: float | None = None

    def __post_init__(self) -> None:
        self.counts.flags.writeable = False

    @property
    def row(self) -> dict[str, object]:
        """The row of a table, F1 in both averages; a category never given and never predicted counts 0."""
        return {
            "name": self.name,
            "c": self.c,
            "micro_f1": metrics.micro_f1(self.counts),
            "macro_f1": metrics.macro_f1(self.counts),
            "exact_match": self.exact_match,
            "first_label": self.first_label,
        }


def svm(train_texts: Sequence[str], train_labels: np.ndarray, texts: Sequence[str], *, c: float = 1.0) -> np.ndarray:
    """A linear support vector machine for each category, on tf-idf weights of words.

    Words have two characters or more, are lower-cased and occur in three training documents; a word that occurs n times
    in a document counts 1 + ln n. A category is predicted where its score is at least 0.

    Args:
        train_texts: training documents.
        train_labels: bool or 0/1, shape (training documents, categories).
        texts: documents to score.
        c: penalty of a training document on the wrong side, above 0; the higher, the closer to the training data.

    Returns:
        Decision values, float64 of shape (texts, categories): −inf for a category without a training example, +inf for
        one that every training document has, so that the first is never predicted and the second always.

    Raises:
        ValueError: if texts and labels do not pair, C is not above 0, or no word occurs in three training documents.

    Example:
        >>> texts, labels = ["wheat crop"] * 3 + ["crude oil"] * 3, np.repeat([[1, 0, 0], [0, 1, 0]], 3, axis=0)
        >>> (svm(texts, labels, ["Oil!", "a crop of wheat"]) >= 0).tolist()
        [[False, True, False], [True, False, False]]

    Book: chapter *Text*.
    """
    train = Texts(texts=train_texts, labels=train_labels)
    return _decide(*_tf_idf(train.texts, texts), train.labels, c)


def svm_first_label(
    train_texts: Sequence[str], train_labels: np.ndarray, texts: Sequence[str], *, c: float = 1.0
) -> np.ndarray:
    """The same machine for the task of {cite}`KHB18`: one class per document, the first of its labels.

    Its answer is the category of the highest score: `metrics.first_label_accuracy` with threshold None.

    Raises:
        ValueError: as `svm`, and if a training document has no label.
    """
    first = metrics.first_labels(train_labels)
    return svm(train_texts, first[:, None] == np.arange(np.shape(train_labels)[1]), texts, c=c)


def choose_c(train: Texts, validation: Texts, grid: Sequence[float] = C_GRID) -> float:
    """The C of highest micro-F1 on validation documents, trained on the training documents; of equals the lowest.

    Raises:
        ValueError: for no candidate, or one that is not above 0.
    """
    if not len(grid):
        raise ValueError("no C to choose from: pass one candidate or more")
    words = _tf_idf(train.texts, validation.texts)

    def score(c: float) -> float:
        predicted = metrics.predict(_decide(*words, train.labels, c), DECISION)
        return metrics.micro_f1(metrics.counts(validation.labels, predicted))

    return float(max(sorted(grid), key=score))


def majority(train_labels: np.ndarray, n: int) -> np.ndarray:
    """Predict the most frequent training category, and no other, for each of `n` documents; of equals the first.

    Returns:
        bool array of shape (n, categories).
    """
    frequencies = metrics.binary(train_labels, "labels").sum(axis=0)
    return np.tile(np.arange(len(frequencies)) == frequencies.argmax(), (n, 1))


def evaluate(train: Texts, validation: Texts, test: Texts, grid: Sequence[float] = C_GRID) -> tuple[Baseline, ...]:
    """All baselines on one test set.

    They are the most frequent category, the machine at C = 1 and at the C chosen, and the one for first labels, which
    is left out if a document has none.

    C is chosen by validation, and then all of them train on training and validation documents together: nothing else
    is left to choose, and a baseline that is denied a tenth of its documents would be beaten too easily.
    """
    both, c = train + validation, choose_c(train, validation, grid)

    def machine(name: str, c: float) -> Baseline:
        return assess(name, test.labels, svm(both.texts, both.labels, test.texts, c=c), DECISION, c)

    found = (
        assess("most frequent category", test.labels, majority(both.labels, len(test.texts)), 1.0),
        machine("linear SVM", 1.0),
        machine("linear SVM, C chosen", c),
    )
    if not (both.labelled and test.labelled):
        return found
    single = svm_first_label(both.texts, both.labels, test.texts)
    return (*found, assess("linear SVM, first labels", test.labels, single, None, 1.0))


def assess(
    name: str, truth: np.ndarray, scores: np.ndarray, threshold: float | None, c: float | None = None
) -> Baseline:
    """Measure one baseline by its scores; with threshold None it predicts one label a document, the highest-scored."""
    single = np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None]
    predicted = single if threshold is None else metrics.predict(scores, threshold)
    return Baseline(
        name=name,
        counts=metrics.counts(truth, predicted),
        exact_match=metrics.exact_match(truth, predicted),
        first_label=metrics.first_label_accuracy(truth, scores, threshold) if np.any(truth, axis=1).all() else None,
        c=c,
    )


def _tf_idf(train_texts: Sequence[str], texts: Sequence[str]) -> tuple[csr_matrix, csr_matrix]:
    """Sparse tf-idf matrices of both; vocabulary and document frequencies are the training documents'."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(lowercase=True, token_pattern=r"(?u)\b\w\w+\b", min_df=3, sublinear_tf=True)
    return vectorizer.fit_transform(train_texts), vectorizer.transform(texts)


def _decide(train_words: csr_matrix, words: csr_matrix, labels: np.ndarray, c: float) -> np.ndarray:
    from sklearn.svm import LinearSVC

    if not c > 0:
        raise ValueError(f"the penalty C must be above 0, got {c}")
    # One class is nothing to separate: what all have is certain, what none has is ruled out.
    scores = np.tile(np.where(labels.all(axis=0), np.inf, -np.inf), (words.shape[0], 1))
    for category in np.flatnonzero(labels.any(axis=0) & ~labels.all(axis=0)):
        # The solver visits documents in random order; the fixed state makes its last digits the same for everyone.
        machine = LinearSVC(C=c, random_state=0).fit(train_words, labels[:, category])
        scores[:, category] = machine.decision_function(words)
    return scores
