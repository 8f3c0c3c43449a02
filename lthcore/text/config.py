"""`TextConfig`: how documents become tensors, frozen and checked."""

from __future__ import annotations

import os
from dataclasses import dataclass

from lthcore.checks import check_known, check_positive_whole, make_plain
from lthcore.text.tables import OOV

DOCUMENTS = ("labelled", "all")
BODILESS = ("keep", "drop")


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """How documents become tensors.

    Args:
        length: words of a document that are read; longer ones are cut, shorter ones padded.
        min_count: how often a word must stand in the training documents to get a place in the vocabulary.
        vectors: where word vectors come from: ``"skip-gram"`` trains a language model on the training documents, any
            other text is the path of a file of pretrained vectors. The path is part of the identity and the content
            is not, so other vectors belong into a file of another name.
        dimension: numbers in a word vector.
        window: words on each side that skip-gram predicts.
        negative: noise words per predicted word.
        epochs: passes of skip-gram over the training documents.
        oov: how words of the vocabulary without a vector start; see `lthcore.text.tables`.
        documents: ``"labelled"`` keeps the documents with a category of the group, ``"all"`` the others as well.
        bodiless: ``"keep"`` or ``"drop"`` documents that have a headline only.
    """

    length: int = 200
    min_count: int = 5
    vectors: str = "skip-gram"
    dimension: int = 150
    window: int = 10
    negative: int = 5
    epochs: int = 10
    oov: str = "uniform"
    documents: str = "labelled"
    bodiless: str = "keep"

    def __post_init__(self) -> None:
        if isinstance(self.vectors, os.PathLike):
            object.__setattr__(self, "vectors", os.fspath(self.vectors))
        make_plain(self)
        for name in ("length", "min_count", "dimension", "window", "negative", "epochs"):
            check_positive_whole(name, getattr(self, name))
        check_known("oov", self.oov, OOV)
        check_known("documents", self.documents, DOCUMENTS)
        check_known("bodiless", self.bodiless, BODILESS)
