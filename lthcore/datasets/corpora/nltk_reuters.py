"""The Reuters corpus as NLTK packs it, read through NLTK's own reader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lthcore.datasets.corpora.corpus import Corpus, document
from lthcore.datasets.corpora.sgml import clean
from lthcore.files.download import DatasetError


def load_corpus(root: Path) -> Corpus:
    """A folder in the layout of NLTK's ``reuters``: ``training/NUMBER``, ``test/NUMBER`` and ``cats.txt``.

    The first line of a file is its title. NLTK's package holds the 10 788 documents with one of the 90 categories, so
    only the groups ``R10``, ``R90`` and ``all`` can be had from it.

    Args:
        root: the folder; ``nltk.download("reuters")`` puts it into ``corpora/reuters`` of NLTK's data folder, zipped.

    Raises:
        DatasetError: if the folder is not laid out so, or NLTK refuses to read it.
    """
    from nltk.corpus.reader import CategorizedPlaintextCorpusReader  # takes two seconds to import

    root = Path(root).resolve()
    if not (root / "cats.txt").is_file():
        raise DatasetError(
            f"{root} is not NLTK's reuters: it has no cats.txt. Give the unzipped folder with training/, test/ and "
            f"cats.txt in it"
        )
    try:
        with _trusted(root):
            # Not the encoding that NLTK's loader gives, ISO 8859-2: the newswire is latin-1.
            reader = CategorizedPlaintextCorpusReader(
                str(root), r"(training|test)/[0-9]+", cat_file="cats.txt", encoding="latin-1"
            )
            parts = [(name, reader.categories(name), reader.raw(name)) for name in reader.fileids()]
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"NLTK cannot read {root}: {error}. Unzip its package `reuters` again; folder and files must be yours and "
            f"writable by nobody else"
        ) from error
    documents = []
    for name, topics, text in parts:
        folder, _, number = name.partition("/")
        title, _, body = clean(text).partition("\n")
        documents.append(
            document(
                number=int(number),
                split="train" if folder == "training" else "test",
                topics=topics,
                title=title.strip(),
                body=body.strip(),
            )
        )
    return Corpus("nltk-reuters", tuple(sorted(documents, key=lambda document: document.number)))


@contextmanager
def _trusted(root: Path) -> Iterator[None]:
    """Lets NLTK read `root`: it refuses paths outside the folders on its own search path."""
    import nltk

    nltk.data.path.append(str(root))
    try:
        yield
    finally:
        nltk.data.path.remove(str(root))
