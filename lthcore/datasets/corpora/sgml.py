"""The SGML of Reuters-21578: articles with their number, split, topics, title and body."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lthcore.files.download import DatasetError

# Which elements a text of each type has. Brief ones are a headline; the unprocessed were never taken apart.
_ELEMENTS = {"NORM": ("TITLE", "BODY"), "BRIEF": ("TITLE",), "UNPROC": ()}

_CHOICES = {"LEWISSPLIT": ("TRAIN", "TEST", "NOT-USED"), "TOPICS": ("YES", "NO", "BYPASS")}

_DOCTYPE = re.compile(r"\s*<!DOCTYPE lewis[^<>]*>")
_ARTICLE = re.compile(r"\s*<REUTERS( [^<>]*)>")
_END = "</REUTERS>"
_ATTRIBUTE = re.compile(r'(?<![A-Z])([A-Z]+)="([^"]*)"')
_NUMBER = re.compile(r"[0-9]{1,9}")
_TOPICS = re.compile(r"<TOPICS>((?:<D>[^<>]+</D>)*)</TOPICS>")
_TOPIC = re.compile(r"<D>([^<>]+)</D>")
_TEXT = re.compile(r'<TEXT(?: TYPE="([^"<>]*)")?>')
_TEXT_END = "</TEXT>"
_ENTITY = re.compile(r"&(?:#([0-9]{1,7})|(lt|gt|amp));")
_NAMED = {"lt": "<", "gt": ">", "amp": "&"}

# The wire's transmission codes; only the line break means something in a text.
_CONTROLS = {code: " " for code in (*range(32), *range(127, 160)) if code != 10}


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One article of the collection.

    Args:
        number: its ``NEWID``.
        lewis: its side of the Lewis split: ``TRAIN``, ``TEST`` or ``NOT-USED``.
        judged: whether the indexers looked at its topics (``TOPICS="YES"``); they may have found none.
        topics: its topics, lower case, in the order of the file.
        title: its title on one line; of an unprocessed article, which is not divided, the whole text.
        body: its body, empty where it has none.
    """

    number: int
    lewis: str
    judged: bool
    topics: tuple[str, ...]
    title: str
    body: str


def parse(data: bytes, name: str) -> list[Article]:
    """Read a file of the collection.

    Args:
        data: its content.
        name: what to call it in errors.

    Returns:
        Its articles in the order of the file.

    Raises:
        DatasetError: if it is malformed; the message names the line.

    Example:
        >>> data = (
        ...     b'<!DOCTYPE lewis SYSTEM "lewis.dtd">'
        ...     b'<REUTERS TOPICS="YES" LEWISSPLIT="TRAIN" NEWID="1"><TOPICS><D>cocoa</D></TOPICS>'
        ...     b"<TEXT>&#2;<TITLE>COCOA REVIEW</TITLE><BODY>Showers &lt;fell>.&#3;</BODY></TEXT></REUTERS>"
        ... )
        >>> article = parse(data, "file")[0]
        >>> article.number, article.topics, article.title, article.body
        (1, ('cocoa',), 'COCOA REVIEW', 'Showers <fell>.')

    Source: {cite}`Lew`, which describes the format.
    """
    text = data.decode("latin-1")
    articles: dict[int, Article] = {}
    position = 0
    try:
        if not (start := _DOCTYPE.match(text)):
            raise ValueError(f"expected <!DOCTYPE lewis …>, found {text[:24]!r}")
        position = start.end()
        while start := _ARTICLE.match(text, position):
            position = start.end()
            end = text.find(_END, position)
            if end < 0 or "<REUTERS" in text[position:end]:
                raise ValueError(f"the article is not closed by {_END}; the file may be cut off")
            article = _article(start[1], text[position:end])
            if article.number in articles:
                raise ValueError(f"a second article has NEWID {article.number}")
            articles[article.number] = article
            position = end + len(_END)
        if rest := text[position:].lstrip():
            position = len(text) - len(rest)
            raise ValueError(f"expected <REUTERS …> or the end of the file, found {rest[:24]!r}")
        if not articles:
            raise ValueError("expected articles, found none")
    except ValueError as error:
        line = text.count("\n", 0, position) + 1
        raise DatasetError(
            f"{name}, line {line}: {error}. This is not the file as published; "
            f"`python -m lthcore data fetch reuters` gets that one"
        ) from None
    return list(articles.values())


def clean(text: str) -> str:
    """Resolve the entities of a text, replace control characters by spaces, and strip it.

    Example:
        >>> clean("&#2;U.S. &lt;USA> &amp; others\\n&#3;")
        'U.S. <USA> & others'
    """
    if "&" in text:
        text = _ENTITY.sub(_character, text)
    return text.translate(_CONTROLS).strip()


def _character(entity: re.Match) -> str:
    if entity[2]:
        return _NAMED[entity[2]]
    code = int(entity[1])
    return chr(code) if code < 0xD800 or 0xDFFF < code < 0x110000 else " "  # surrogates are no characters


def _article(tag: str, content: str) -> Article:
    attributes = dict(_ATTRIBUTE.findall(tag))
    for attribute, known in _CHOICES.items():
        if attributes.get(attribute) not in known:
            raise ValueError(f"{attribute} must be one of {', '.join(known)}, found {attributes.get(attribute)!r}")
    number = attributes.get("NEWID", "")
    if not _NUMBER.fullmatch(number):
        raise ValueError(f"NEWID must be a whole number, found {number!r}")
    topics = _TOPICS.findall(content)
    if len(topics) != 1:
        raise ValueError(f"article {number} needs one well-formed <TOPICS> … </TOPICS>, found {len(topics)}")
    title, body = _title_and_body(number, *_text(number, content))
    return Article(
        number=int(number),
        lewis=attributes["LEWISSPLIT"],
        judged=attributes["TOPICS"] == "YES",
        topics=tuple(topic.lower() for topic in _TOPIC.findall(topics[0])),
        title=title,
        body=body,
    )


def _text(number: str, content: str) -> tuple[str, str]:
    """Type and content of an article's text. Not one regular expression for both ends, which takes quadratic time."""
    texts, position = [], 0
    while (start := _TEXT.search(content, position)) and (end := content.find(_TEXT_END, start.end())) >= 0:
        texts.append((start[1] or "", content[start.end() : end]))
        position = end + len(_TEXT_END)
    if len(texts) != 1:
        raise ValueError(f"article {number} needs one <TEXT> … </TEXT>, found {len(texts)}")
    return texts[0]


def _title_and_body(number: str, kind: str, text: str) -> tuple[str, str]:
    """Title and body of a text; what stands outside both (date line, author, fillers) is left out."""
    kind = kind or "NORM"
    if kind not in _ELEMENTS:
        raise ValueError(f"TYPE of article {number} must be one of {', '.join(_ELEMENTS)}, found {kind!r}")
    found = {}
    for tag in ("TITLE", "BODY"):
        _, opened, rest = text.partition(f"<{tag}>")
        inside, closed, after = rest.partition(f"</{tag}>")
        complete = bool(opened and closed) and f"<{tag}>" not in inside + after
        if tag in _ELEMENTS[kind] and not complete:
            raise ValueError(f"the text of article {number}, of type {kind}, needs one <{tag}> … </{tag}>")
        if tag not in _ELEMENTS[kind] and opened:
            raise ValueError(f"the text of article {number}, of type {kind}, must have no <{tag}>")
        found[tag] = clean(inside)
    title = " ".join(found["TITLE"].split()) if "TITLE" in _ELEMENTS[kind] else clean(text)
    return title, found["BODY"]
