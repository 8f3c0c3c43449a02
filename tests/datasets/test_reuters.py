"""Reuters-21578: found packed or unpacked, verified member by member, cached, counted."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from lthcore import datasets
from lthcore.datasets import DatasetError
from lthcore.datasets.corpora import corpus, reuters
from lthcore.datasets.corpora.corpus import group, statistics
from lthcore.files import array_files, download, paths

needs_reuters = pytest.mark.skipif(
    download.locate(reuters.SOURCE) is None,
    reason="Reuters-21578 is not on this machine; `python -m lthcore data fetch reuters` gets it",
)


def article(number: int, lewis: str, topics: str, *, judged: str = "YES", body: str = "It rose 3.5 pct.") -> str:
    """An article in SGML, brief if its body is empty."""
    listed = "".join(f"<D>{topic}</D>" for topic in topics.split())
    kind, element = ("", f"<BODY>{body}&#3;</BODY>") if body else (' TYPE="BRIEF"', "")
    return (
        f'<REUTERS TOPICS="{judged}" LEWISSPLIT="{lewis}" NEWID="{number}"><TOPICS>{listed}</TOPICS>'
        f"<TEXT{kind}><TITLE>NEWS {number}</TITLE>{element}</TEXT></REUTERS>\n"
    )


def sgml(*articles: str) -> bytes:
    return ('<!DOCTYPE lewis SYSTEM "lewis.dtd">\n' + "".join(articles)).encode("latin-1")


MEMBERS = {
    "reut2-000.sgm": sgml(
        article(1, "TRAIN", "wheat grain"),
        article(2, "NOT-USED", "earn"),
        article(3, "TRAIN", ""),
        article(4, "TRAIN", "tea", judged="NO"),
    ),
    "reut2-001.sgm": sgml(
        article(7, "TRAIN", "tea", body=""),
        article(6, "TEST", "wheat", body=""),
        article(5, "TEST", "earn", body="Z\xfcrich said."),
    ),
}
FACTS = dict(zip(reuters.FACTS, [(3, 2), (1, 0), (1, 1), (3, 1), (1, 1)], strict=True))


def entry(name: str, data: bytes, **changes) -> tuple[tarfile.TarInfo, bytes]:
    """A member of an archive; `changes` are attributes of its header."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for attribute, value in changes.items():
        setattr(info, attribute, value)
    return info, data


def tar(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        for info, data in entries:
            file.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def members(**changes: bytes | None) -> list[tuple[tarfile.TarInfo, bytes]]:
    """The two members, `first` or `second` changed or, with None, left out."""
    contents = dict(zip(("first", "second"), MEMBERS.values(), strict=True)) | changes
    named = zip(MEMBERS, contents.values(), strict=True)
    return [entry(name, data) for name, data in named if data is not None]


GOOD = tar(*members(), entry("README.txt", b"Read me."))


@pytest.fixture
def tiny(root, monkeypatch):
    """`tiny(data)` puts an archive where it belongs; a collection of seven articles in two files, honestly pinned."""
    folder = root / "data" / "raw" / "reuters21578"
    folder.mkdir(parents=True)
    pins = {name: hashlib.sha256(data).hexdigest() for name, data in MEMBERS.items()}
    monkeypatch.setattr(reuters, "SOURCE", replace(reuters.SOURCE, members=pins, mirrors=()))
    monkeypatch.setattr(reuters, "ARTICLES", 7)
    monkeypatch.setattr(reuters, "FACTS", FACTS)

    def write(data: bytes = gzip.compress(GOOD), name: str = "reuters21578.tar.gz"):
        path = folder / name
        path.write_bytes(data)
        return path

    return write


def cached(root) -> list:
    folder = root / "data" / "cache"
    return sorted(folder.iterdir()) if folder.is_dir() else []


# ---------------------------------------------------------------- what is in it


def test_the_split_takes_judged_articles_of_both_sides_in_the_order_of_their_numbers(tiny):
    tiny()
    found = reuters.load_corpus()
    assert [(document.number, document.split, document.topics, document.body) for document in found.documents] == [
        (1, "train", ("grain", "wheat"), True),
        (3, "train", (), True),
        (5, "test", ("earn",), True),
        (6, "test", ("wheat",), False),
        (7, "train", ("tea",), False),
    ]
    assert found.documents[2].text == "NEWS 5\nZürich said."
    assert found.documents[0].tokens == ("news", "#", "it", "rose", "#.#", "pct", ".")
    assert found.documents[3].text == "NEWS 6"


@pytest.mark.parametrize("prefix", ["", "./"])
@pytest.mark.parametrize(("name", "pack"), [("reuters21578.tar.gz", gzip.compress), ("reuters21578.tar", bytes)])
def test_the_archive_is_accepted_packed_or_not(tiny, prefix, name, pack):
    tiny(pack(tar(*(entry(prefix + member, data) for member, data in MEMBERS.items()))), name)
    assert len(reuters.load_corpus().documents) == 5


def test_unpacked_files_are_accepted(tiny):
    for name, data in MEMBERS.items():
        path = tiny(data, name)
    assert download.locate(reuters.SOURCE) == path.parent
    assert len(reuters.load_corpus().documents) == 5


def test_an_unpacked_file_that_differs_is_refused(tiny):
    for name in MEMBERS:
        tiny(MEMBERS["reut2-000.sgm"], name)
    with pytest.raises(DatasetError, match=r"reuters21578 is not the file it should be: reut2-001.sgm in it has SHA"):
        reuters.load_corpus()


def test_some_unpacked_files_are_not_the_collection(tiny):
    tiny(MEMBERS["reut2-000.sgm"], "reut2-000.sgm")
    assert download.locate(reuters.SOURCE) is None
    with pytest.raises(
        DatasetError, match=r"reuters21578.tar is not on this machine\n.*`python -m lthcore data fetch reuters`"
    ):
        download.content(reuters.SOURCE, download=False)


def test_it_is_downloaded_when_it_is_not_there(tiny, root, mirrors, monkeypatch):
    bad = mirrors.serve(gzip.compress(tar(*members(second=b"another"))))
    good = mirrors.serve(gzip.compress(GOOD))
    monkeypatch.setattr(reuters, "SOURCE", replace(reuters.SOURCE, mirrors=(bad, good)))
    assert len(reuters.load_corpus().documents) == 5
    assert [path.name for path in (root / "data" / "raw" / "reuters21578").iterdir()] == ["reuters21578.tar.gz"]
    assert len(mirrors.asked) == 2


def test_files_are_named_in_the_order_of_their_pins_and_joined_as_content(tiny):
    tiny(gzip.compress(tar(*reversed(members()))))
    assert list(download.files(reuters.SOURCE)) == list(MEMBERS)
    assert datasets.content(reuters.SOURCE) == b"".join(MEMBERS.values())


# ---------------------------------------------------------------- what is refused

ADVICE = "Delete it and run `python -m lthcore data fetch reuters` to download it again"
FIRST, SECOND = members()
OUTSIDE = [
    entry("../reut2-000.sgm", b"evil"),
    entry("/etc/reut2-001.sgm", b"evil"),
    entry("a/../reut2-001.sgm", b"evil"),
]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(GOOD)[:-9], "is damaged: "),
        (gzip.compress(GOOD)[:200], "is damaged: "),
        (gzip.compress(GOOD)[:-8] + bytes(8), "is damaged: "),
        (gzip.compress(GOOD[:700]), "is damaged: "),
        (gzip.compress(b""), "is damaged: "),
        (gzip.compress(b"\xff" * 5_000), "is damaged: "),
        (b"<html>log in first</html>", "is damaged: it is a web page, not a file compressed by gzip"),
        (GOOD, "is damaged: it is not compressed by gzip: it begins with b'reut2-000.sgm"),
        (gzip.compress(tar(entry("README.txt", b""))), "is damaged: it lacks reut2-000.sgm, reut2-001.sgm"),
        (gzip.compress(tar(*members(second=None))), "is damaged: it lacks reut2-001.sgm"),
        (
            gzip.compress(tar(*members(first=MEMBERS["reut2-001.sgm"]))),
            "is not the file it should be: reut2-000.sgm in it has SHA-256 [0-9a-f]{64}, expected [0-9a-f]{64}",
        ),
        (gzip.compress(tar(FIRST, SECOND, entry("reut2-001.sgm", b"again"))), "is not the file it should be"),
        (gzip.compress(tar(*OUTSIDE)), "is damaged: it lacks reut2-000.sgm, reut2-001.sgm"),
        (
            gzip.compress(tar(FIRST, entry("reut2-001.sgm", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"))),
            "is damaged: reut2-001.sgm in it is no plain file",
        ),
        (
            gzip.compress(tar(FIRST, entry("reut2-001.sgm", b"", type=tarfile.LNKTYPE, linkname="reut2-000.sgm"))),
            "is damaged: reut2-001.sgm in it is no plain file",
        ),
        (
            gzip.compress(tar(FIRST, entry("reut2-001.sgm", b"", type=tarfile.DIRTYPE))),
            "is damaged: reut2-001.sgm in it is no plain file",
        ),
        (
            gzip.compress(tar(FIRST, entry("reut2-001.sgm", b"", type=tarfile.CHRTYPE))),
            "is damaged: reut2-001.sgm in it is no plain file",
        ),
    ],
    ids="cut-off cut-off-early wrong-crc tar-cut-off empty noise web-page not-packed other-tar member-missing "
    "member-differs member-twice paths-outside symlink hard-link folder device".split(),
)
def test_an_archive_that_is_not_the_collection_is_refused_and_kept(tiny, root, data, message):
    path = tiny(data)
    with pytest.raises(DatasetError, match=rf"reuters21578\.tar\.gz {message}") as caught:
        reuters.load_corpus()
    assert ADVICE in str(caught.value)
    assert path.read_bytes() == data, "it is the user's to delete"
    assert cached(root) == []


def test_names_that_lead_outside_are_ignored_beside_the_real_ones(tiny, root):
    tiny(gzip.compress(tar(*OUTSIDE, FIRST, SECOND)))
    before = set(root.parent.rglob("*"))
    assert len(reuters.load_corpus().documents) == 5
    assert {path.name for path in set(root.parent.rglob("*")) - before} == {"cache", cached(root)[0].name}


@pytest.mark.parametrize("name", ["reut2-001.sgm", "README.txt"])
@pytest.mark.parametrize("size", [5_000, 2**40, 2**80])
def test_a_header_that_announces_more_than_there_is_is_refused(tiny, name, size):
    info = tarfile.TarInfo(name)
    info.size = size
    first = tar(FIRST)[: 512 + 1024]  # its header and two blocks, without the end of the archive
    tiny(gzip.compress(first + info.tobuf() + b"x" * 512))
    with pytest.raises(DatasetError, match="is damaged: "):
        reuters.load_corpus()


def test_an_archive_that_unpacks_to_too_much_is_refused_without_unpacking_it(tiny, monkeypatch):
    monkeypatch.setattr(reuters, "SOURCE", replace(reuters.SOURCE, limit=100_000))
    tiny(gzip.compress(GOOD + bytes(10_000_000)))
    with pytest.raises(DatasetError, match="is damaged: it unpacks to more than 100,000 bytes"):
        reuters.load_corpus()


def test_a_flipped_byte_is_noticed_or_harmless(tiny):
    random = np.random.Generator(np.random.PCG64(0))
    for position in random.integers(len(GOOD), size=60).tolist():
        path = tiny(GOOD[:position] + bytes([GOOD[position] ^ 0xFF]) + GOOD[position + 1 :], "reuters21578.tar")
        with suppress(DatasetError):  # and no other exception
            assert download.verified(reuters.SOURCE, path) == MEMBERS


@pytest.mark.parametrize("count", [6, 8])
def test_another_number_of_articles_is_refused(tiny, monkeypatch, count):
    tiny()
    monkeypatch.setattr(reuters, "ARTICLES", count)
    with pytest.raises(DatasetError, match=f"must hold articles 1 … {count}, each once; found 7"):
        reuters.load_corpus()


@pytest.mark.parametrize("fact", FACTS)
def test_other_counts_are_refused(tiny, root, monkeypatch, fact):
    tiny()
    monkeypatch.setitem(FACTS, fact, (99, 0))
    with pytest.raises(
        DatasetError, match=rf"must count \(99, 0\) {fact}, found .* defect of lthcore; please report it"
    ):
        reuters.load_corpus()
    assert cached(root) == []


def test_every_member_has_a_checksum_and_the_archive_two_homes():
    assert list(reuters.SOURCE.members) == [f"reut2-{number:03}.sgm" for number in range(22)]
    assert {len(bytes.fromhex(pin)) for pin in reuters.SOURCE.members.values()} == {32}
    assert len(set(reuters.SOURCE.members.values())) == 22
    assert len({address.split("/")[2] for address in reuters.SOURCE.mirrors}) == 2


# ---------------------------------------------------------------- the cache


def test_the_second_time_it_comes_from_the_cache(tiny, root, monkeypatch):
    path = tiny()
    first = reuters.load_corpus()
    assert len(cached(root)) == 1
    path.unlink()
    monkeypatch.setattr("lthcore.datasets.corpora.sgml.parse", lambda *_: pytest.fail("parsed again"))
    assert reuters.load_corpus() == first


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: b"no archive",
        lambda data: data[:300] + bytes(20) + data[320:],
    ],
    ids=["empty", "half", "a byte short", "something else", "overwritten"],
)
def test_a_damaged_cache_is_made_again(tiny, root, damage):
    tiny()
    first = reuters.load_corpus()
    (path,) = cached(root)
    good = path.read_bytes()
    path.write_bytes(damage(good))
    assert reuters.load_corpus() == first
    assert reuters.decode(array_files.read(path)) == first
    assert cached(root) == [path]


@pytest.mark.parametrize(
    "change",
    [
        {"tokens": np.full(50, 9_999, np.uint32)},
        {"number": np.arange(3, dtype=np.int32)},
        {"words": np.frombuffer(b"\xff\n", np.uint8)},
        {"number": np.zeros(5, np.int32)},
        {"train": np.zeros(5, bool)},
    ],
    ids=["unknown words", "too few", "no UTF-8", "equal numbers", "no training documents"],
)
def test_a_cache_that_does_not_fit_together_is_made_again(tiny, root, change):
    tiny()
    first = reuters.load_corpus()
    (path,) = cached(root)
    array_files.write(path, reuters.encode(first) | change)
    assert reuters.load_corpus() == first
    assert reuters.decode(array_files.read(path)) == first


def test_a_cache_of_another_content_or_version_is_not_used(tiny, root, monkeypatch):
    tiny()
    reuters.load_corpus()
    monkeypatch.setattr("lthcore.text.tokens.VERSION", 99)
    reuters.load_corpus()
    monkeypatch.setattr(reuters, "_FORMAT", 99)
    reuters.load_corpus()
    monkeypatch.setattr(reuters, "version", lambda _: "99.0")
    reuters.load_corpus()
    pins = reuters.SOURCE.members | {"reut2-000.sgm": "0" * 64}
    monkeypatch.setattr(reuters, "SOURCE", replace(reuters.SOURCE, members=pins))
    with pytest.raises(DatasetError, match="not the file it should be"):
        reuters.load_corpus()
    assert len(cached(root)) == 4


def test_a_cache_that_cannot_be_written_does_not_matter(tiny, root, monkeypatch):
    tiny()
    (root / "data" / "cache").write_text("a file where the folder should be")
    assert len(reuters.load_corpus().documents) == 5
    (root / "data" / "cache").unlink()

    def no_space(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", no_space)
    assert len(reuters.load_corpus().documents) == 5


def test_a_corpus_survives_its_encoding():
    documents = (
        corpus.document(number=1, split="train", topics=["a", "b"], title="Žluťoučký ü", body="𝒳 said."),
        corpus.document(number=2, split="test", topics=[], title="", body=""),
        corpus.document(number=9, split="test", topics=["b"], title="MORE", body=""),
    )
    whole = corpus.Corpus("words", documents)
    assert reuters.decode(reuters.encode(whole)) == whole


# ---------------------------------------------------------------- the real one


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The collection, parsed once, and cached in a folder of the tests'."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setattr(paths, "cache", lambda: folder)
        yield reuters.load_corpus()


@needs_reuters
def test_the_collection_counts_what_is_published(real):
    assert (len(real.train), len(real.test)) == (9_603, 3_299)
    assert reuters.facts(real) == reuters.FACTS
    everything = statistics(group(real, "R90", documents="all"))
    assert [(part.topicless, part.bodiless) for part in everything.values()] == [(1_828, 841), (280, 290)]
    assert [part.empty for part in everything.values()] == [0, 0]


@needs_reuters
@pytest.mark.parametrize(
    ("name", "categories", "train", "test"),
    [("R10", 10, 6_490, 2_545), ("R90", 90, 7_770, 3_019), ("R115", 115, 7_775, 3_019), ("all", 90, 7_770, 3_019)],
)
def test_the_groups_of_the_collection(real, name, categories, train, test):
    found = group(real, name)
    assert (len(found.categories), len(found.train), len(found.test)) == (categories, train, test)


@needs_reuters
def test_the_ten_largest_categories(real):
    train, test = (part.categories for part in statistics(group(real, "R10")).values())
    assert {name: (train[name], test[name]) for name in train} == {
        "earn": (2_877, 1_087),
        "acq": (1_650, 719),
        "money-fx": (538, 179),
        "grain": (433, 149),
        "crude": (389, 189),
        "trade": (369, 117),
        "interest": (347, 131),
        "wheat": (212, 71),
        "ship": (197, 89),
        "corn": (181, 56),
    }
    largest = statistics(group(real, "R90"))["train"].categories
    assert set(sorted(largest, key=largest.get)[-10:]) == set(corpus.R10)


@needs_reuters
def test_the_first_document_of_the_collection(real):
    first = real.documents[0]
    assert (first.number, first.split, first.topics) == (1, "train", ("cocoa",))
    assert first.tokens[:8] == ("bahia", "cocoa", "review", "showers", "continued", "throughout", "the", "week")
    assert first.text.endswith("Reuter")
    assert not any(ord(letter) < 32 and letter != "\n" for document in real.documents for letter in document.text)


@needs_reuters
def test_the_cache_holds_the_same(real):
    assert reuters.load_corpus() == real


@needs_reuters
def test_the_published_files_verify():
    assert sum(map(len, download.files(reuters.SOURCE, download=False).values())) == 27_636_766
