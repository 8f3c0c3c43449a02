"""Reuters as NLTK packs it, through NLTK's reader."""

from __future__ import annotations

import pytest

from lthcore.datasets import DatasetError
from lthcore.datasets.corpora.corpus import group
from lthcore.datasets.corpora.nltk_reuters import load_corpus

FILES = {
    "training/9": "COCOA &lt;COC> UP\n    Showers fell.\n    Cocoa rose.\n  \n\n",
    "training/12": "WHEAT UP\n",
    "training/7": "NOTHING HAPPENED\n  Still nothing.\n",
    "test/14826": "WHEAT IN Z\xdcRICH\n  It rose.\n",
}
CATEGORIES = "training/9 cocoa\ntraining/12 wheat grain\ntest/14826 wheat cocoa\n"


@pytest.fixture
def folder(tmp_path):
    """A small corpus in NLTK's layout."""
    root = tmp_path / "corpora" / "reuters"
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="latin-1")
        path.chmod(0o644)
    (root / "cats.txt").write_text(CATEGORIES)
    (root / "README").write_text("not a document")
    return root


def test_documents_are_read_with_their_splits_and_topics(folder):
    corpus = load_corpus(folder)
    assert [(document.number, document.split, document.topics) for document in corpus.documents] == [
        (7, "train", ()),
        (9, "train", ("cocoa",)),
        (12, "train", ("grain", "wheat")),
        (14_826, "test", ("cocoa", "wheat")),
    ]
    assert group(corpus, "all").categories == ("cocoa", "wheat")


def test_the_first_line_is_the_title(folder):
    documents = {document.number: document for document in load_corpus(folder).documents}
    assert documents[9].text == "COCOA <COC> UP\nShowers fell.\n    Cocoa rose."
    assert documents[9].tokens == tuple("cocoa < coc > up showers fell . cocoa rose .".split())
    assert (documents[12].text, documents[12].body) == ("WHEAT UP", False)
    assert documents[14_826].text == "WHEAT IN ZÜRICH\nIt rose."


def test_nltks_search_path_is_left_as_it_was(folder):
    import nltk

    before = list(nltk.data.path)
    load_corpus(folder)
    assert nltk.data.path == before
    (folder / "cats.txt").write_text("training/1 gone\n")
    with pytest.raises(DatasetError):
        load_corpus(folder)
    assert nltk.data.path == before


def test_a_relative_folder_is_one_too(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert len(load_corpus("reuters").documents) == 4


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"is not NLTK's reuters: it has no cats\.txt\. Give the unzipped folder"):
        load_corpus(tmp_path)


def test_categories_of_a_file_that_is_missing_are_refused(folder):
    (folder / "training" / "9").unlink()
    with pytest.raises(DatasetError, match=r"NLTK cannot read .*training/9 not found"):
        load_corpus(folder)


def test_an_empty_split_is_refused(folder):
    (folder / "test" / "14826").unlink()
    (folder / "cats.txt").write_text("training/9 cocoa\n")
    with pytest.raises(DatasetError, match="nltk-reuters has no test documents"):
        load_corpus(folder)


def test_a_number_in_both_splits_is_refused(folder):
    (folder / "test" / "9").write_text("AGAIN\n")
    with pytest.raises(DatasetError, match="two documents of nltk-reuters have the number 9"):
        load_corpus(folder)


def test_a_link_out_of_the_folder_is_not_followed(folder, tmp_path):
    (tmp_path / "secret").write_text("SECRET\n")
    (folder / "training" / "13").symlink_to(tmp_path / "secret")
    with pytest.raises(DatasetError, match="NLTK cannot read"):
        load_corpus(folder)
