"""The SGML of Reuters-21578: read as it means, refused with the place where it is wrong."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lthcore.datasets import DatasetError
from lthcore.datasets.corpora.sgml import Article, clean, parse

DOCTYPE = '<!DOCTYPE lewis SYSTEM "lewis.dtd">\n'


def escaped(text: str) -> str:
    """Text as the collection writes it: named entities, and numbers for what latin-1 does not have."""
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return "".join(letter if ord(letter) < 256 else f"&#{ord(letter)};" for letter in text)


def rendered(article: Article) -> str:
    """An article as the collection writes it: brief without a body, regular with one."""
    kind = "" if article.body else ' TYPE="BRIEF"'
    body = (
        f"<DATELINE>    PARIS, Feb 26 - </DATELINE><BODY>{escaped(article.body)}\n&#3;</BODY>" if article.body else ""
    )
    topics = "".join(f"<D>{topic}</D>" for topic in article.topics)
    return (
        f'<REUTERS TOPICS="{"YES" if article.judged else "NO"}" LEWISSPLIT="{article.lewis}" '
        f'CGISPLIT="TRAINING-SET" OLDID="7" NEWID="{article.number}">\n<DATE>26-FEB-1987</DATE>\n'
        f"<TOPICS>{topics}</TOPICS>\n<PLACES><D>usa</D></PLACES>\n<UNKNOWN>&#5;&#5;C T</UNKNOWN>\n"
        f"<TEXT{kind}>&#2;\n<TITLE>{escaped(article.title)}</TITLE>\n{body}</TEXT>\n</REUTERS>\n"
    )


def file(*articles: Article) -> bytes:
    return (DOCTYPE + "".join(map(rendered, articles))).encode("latin-1")


COCOA = Article(number=1, lewis="TRAIN", judged=True, topics=("cocoa",), title="COCOA REVIEW", body="Showers fell.")
WHEAT = Article(number=5, lewis="TEST", judged=False, topics=("wheat", "grain"), title="WHEAT < CORN & OATS", body="")

PRINTED = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n<>&;#"), max_size=40)
ARTICLES = st.lists(
    st.builds(
        Article,
        number=st.integers(0, 99_999),
        lewis=st.sampled_from(["TRAIN", "TEST", "NOT-USED"]),
        judged=st.booleans(),
        topics=st.lists(st.from_regex(r"[a-z][a-z-]{0,9}", fullmatch=True), max_size=4).map(tuple),
        title=PRINTED.map(lambda text: " ".join(text.split())),
        body=PRINTED.map(str.strip),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda article: article.number,
)


@given(ARTICLES)
def test_what_was_written_is_read(articles):
    assert parse(file(*articles), "file") == articles


# ---------------------------------------------------------------- what it means


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("a &lt;B> c", "a <B> c"),
        ("R&amp;D", "R&D"),
        ("&amp;lt;", "&lt;"),  # resolved once
        ("&#2;a&#127;b&#27;&#3;", "a b"),
        ("a\x1fb\x00", "a b"),
        ("a\tb\r\nc", "a b \nc"),
        ("&#65;&#252;\xfc", "Aüü"),
        ("&#55296;&#9999999;x", "x"),  # a surrogate and no character at all
        ("AT&T &unknown; &", "AT&T &unknown; &"),
        ("  a\n\n  b \n", "a\n\n  b"),
        ("", ""),
    ],
)
def test_text_is_cleaned(written, text):
    assert clean(written) == text


def with_text(text: str) -> bytes:
    return re.sub(rb"<TEXT.*</TEXT>", text.encode("latin-1"), file(COCOA), flags=re.DOTALL)


@pytest.mark.parametrize(
    ("text", "title", "body"),
    [
        ("<TEXT><TITLE>A\n B\n</TITLE><BODY>c\n  d</BODY></TEXT>", "A B", "c\n  d"),
        ('<TEXT TYPE="NORM"><TITLE>A</TITLE><BODY>c</BODY></TEXT>', "A", "c"),
        (
            "<TEXT>&#2;\n<TITLE>A</TITLE>\n<AUTHOR>by X</AUTHOR><DATELINE>PARIS -</DATELINE><BODY>c</BODY></TEXT>",
            "A",
            "c",
        ),
        ('<TEXT TYPE="BRIEF">&#2;\n******<TITLE>A\n</TITLE>Blah blah blah.\n&#3;\n</TEXT>', "A", ""),
        ('<TEXT TYPE="UNPROC">&#2;\nCORRECTION - A\n    In "A", read\nb.\n&#3;\n</TEXT>', "", ""),
    ],
    ids=["regular", "named regular", "with author and date line", "brief", "unprocessed"],
)
def test_types_of_text(text, title, body):
    (article,) = parse(with_text(text), "file")
    if "UNPROC" in text:  # undivided: all of it stands as the title, for there is no body
        title = 'CORRECTION - A\n    In "A", read\nb.'
    assert (article.title, article.body) == (title, body)


def test_bytes_are_latin_1():
    assert parse(file(COCOA).replace(b"Showers", b"Z\xfcrich"), "file")[0].body == "Zürich fell."


def test_topics_are_lower_case_in_the_order_of_the_file():
    (article,) = parse(file(COCOA).replace(b"<D>cocoa</D>", b"<D>Wheat</D><D>GRAIN</D><D>acq</D>"), "file")
    assert article.topics == ("wheat", "grain", "acq")


def test_topics_that_were_bypassed_were_not_judged():
    (article,) = parse(file(COCOA).replace(b'TOPICS="YES"', b'TOPICS="BYPASS"'), "file")
    assert not article.judged


# ---------------------------------------------------------------- what is refused

TWO = file(COCOA, WHEAT)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1: expected <!DOCTYPE lewis …>, found ''"),
        (b"\x00\x01", "line 1: expected <!DOCTYPE"),
        (b"<html>not found</html>", "line 1: expected <!DOCTYPE lewis …>, found '<html>not found</html>'"),
        (TWO.removeprefix(DOCTYPE.encode()), "line 1: expected <!DOCTYPE"),
        (DOCTYPE.encode(), "line 1: expected articles, found none"),
        (TWO[:-12], "line 12: the article is not closed by </REUTERS>; the file may be cut off"),
        (TWO[: len(TWO) // 2], "is not closed"),
        (TWO.replace(b"</REUTERS>\n<REUTERS", b"<REUTERS"), "line 2: the article is not closed"),
        (
            TWO.replace(b"<REUTERS", b"REUTERS", 1),
            "line 2: expected <REUTERS …> or the end of the file, found 'REUTERS",
        ),
        (TWO + b"more", "line 21: expected <REUTERS …> or the end of the file, found 'more'"),
        (TWO + b'<REUTERS TOPICS="', "expected <REUTERS …> or the end of the file"),
        (TWO.replace(b' NEWID="1"', b""), "line 2: NEWID must be a whole number, found ''"),
        (TWO.replace(b'NEWID="1"', b'NEWID="one"'), "NEWID must be a whole number, found 'one'"),
        (TWO.replace(b'NEWID="1"', b'NEWID="-1"'), "NEWID must be a whole number"),
        (TWO.replace(b'NEWID="1"', b'NEWID="' + b"1" * 5_000 + b'"'), "NEWID must be a whole number"),
        (TWO.replace(b'NEWID="5"', b'NEWID="1"'), "line 12: a second article has NEWID 1"),
        (TWO.replace(b'"TRAIN"', b'"TRAINING"'), "LEWISSPLIT must be one of TRAIN, TEST, NOT-USED, found 'TRAINING'"),
        (TWO.replace(b' TOPICS="YES"', b""), "line 2: TOPICS must be one of YES, NO, BYPASS, found None"),
        (
            TWO.replace(b'TYPE="BRIEF"', b'TYPE="LONG"'),
            "TYPE of article 5 must be one of NORM, BRIEF, UNPROC, found 'LONG'",
        ),
        (TWO.replace(b'TYPE="BRIEF"', b'TYPE="UNPROC"'), "article 5, of type UNPROC, must have no <TITLE>"),
        (TWO.replace(b' TYPE="BRIEF"', b""), "article 5, of type NORM, needs one <BODY>"),
        (TWO.replace(b"<TEXT>", b'<TEXT TYPE="BRIEF">'), "article 1, of type BRIEF, must have no <BODY>"),
        (TWO.replace(b"</BODY>", b""), "article 1, of type NORM, needs one <BODY> … </BODY>"),
        (TWO.replace(b"</TITLE>", b"", 1), "article 1, of type NORM, needs one <TITLE> … </TITLE>"),
        (TWO.replace(b"<BODY>", b"<BODY>a</BODY><BODY>"), "article 1, of type NORM, needs one <BODY>"),
        (TWO.replace(b"</TEXT>", b"", 1), "article 1 needs one <TEXT> … </TEXT>, found 0"),
        (TWO.replace(b"</TEXT>", b"</TEXT><TEXT></TEXT>", 1), "article 1 needs one <TEXT> … </TEXT>, found 2"),
        (TWO.replace(b"</TOPICS>", b"", 1), "article 1 needs one well-formed <TOPICS> … </TOPICS>, found 0"),
        (TWO.replace(b"<D>cocoa</D>", b"<D>cocoa"), "article 1 needs one well-formed <TOPICS>"),
        (TWO.replace(b"<D>cocoa</D>", b"cocoa"), "article 1 needs one well-formed <TOPICS>"),
    ],
)
def test_what_is_malformed_is_refused_with_its_place(data, message):
    with pytest.raises(
        DatasetError, match=r"^reut2-000.sgm, line [0-9]+: .*`python -m lthcore data fetch reuters`"
    ) as caught:
        parse(data, "reut2-000.sgm")
    assert message in str(caught.value)


@given(st.integers(1, len(TWO.rstrip()) - 1))
def test_a_file_cut_off_anywhere_is_refused_or_ends_after_an_article(length):
    try:
        assert parse(TWO[:length], "file") == [COCOA]
    except DatasetError:
        assert TWO[:length].rstrip()[-10:] != b"</REUTERS>"


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_refused(data):
    with pytest.raises(DatasetError, match="file, line "):
        parse(DOCTYPE.encode() + data, "file")


HEAD = DOCTYPE + '<REUTERS TOPICS="YES" LEWISSPLIT="TRAIN" NEWID="1">'


@pytest.mark.parametrize(
    "text",
    [
        DOCTYPE + "<REUTERS " + "A" * 300_000 + "></REUTERS>",
        DOCTYPE + "<REUTERS " + 'A="' * 300_000 + "></REUTERS>",
        HEAD + "<TOPICS>" + "<D>a</D>" * 100_000 + "</REUTERS>",
        HEAD + "<TOPICS></TOPICS>" + "<TEXT>" * 100_000 + "</REUTERS>",
        HEAD + "<TOPICS></TOPICS>" + '<TEXT TYPE="' * 100_000 + "</REUTERS>",
        HEAD + "<TOPICS></TOPICS><TEXT>" + "<TITLE>" * 100_000 + "</TEXT></REUTERS>",
        (HEAD + "</REUTERS>") * 20_000,
        DOCTYPE + "<REUTERS " * 100_000,
        " " * 1_000_000,
    ],
    ids="letters quotes topics texts types titles articles openings blanks".split(),
)
def test_what_is_left_open_again_and_again_is_refused_soon(text):
    begin = time.process_time()
    with pytest.raises(DatasetError, match="file, line "):
        parse(text.encode(), "file")
    assert time.process_time() - begin < 2
