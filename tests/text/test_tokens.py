"""Tokens: what NLTK makes of a newswire, lower-cased, with digits masked."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lthcore.text.tokens import tokenize


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", ""),
        (" \n\t ", ""),
        ("WHEAT UP", "wheat up"),
        ("1,750 to 1,780 dlrs", "#,### to #,### dlrs"),
        ("up 3.5 pct in 1987", "up #.# pct in ####"),
        ("call 555-2368", "call ###-####"),
        ("4TH QTR #1", "#th qtr # #"),  # the last two: a number sign, and a masked digit
        ("٣ and ७", "# and #"),
        ("it said.", "it said ."),
        ("it fell. It rose.", "it fell . it rose ."),
        ("it fell.\n    Prices rose.", "it fell . prices rose ."),
        ("by 1987. The", "by #### . the"),
        ('"It fell." He left', "`` it fell . '' he left"),
        ("(it fell.) He left", "( it fell . ) he left"),
        ("(last year). He left", "( last year ) . he left"),
        ("U.S. Treasury", "u.s. treasury"),
        ("said U.S. exports fell", "said u.s. exports fell"),
        ("at 3.5 pct. 1986 was", "at #.# pct. #### was"),  # a number does not tell where a sentence begins
        ("shr 3.31 vs. 2.10", "shr #.## vs. #.##"),
        ("it didn't; Smith's", "it did n't ; smith 's"),
        ("<CIL> & co", "< cil > & co"),
        ("net...not", "net ... not"),
        ("a--b", "a -- b"),
        ("Zürich", "zürich"),
    ],
)
def test_tokens(text, tokens):
    assert tokenize(text) == tokens.split()


@settings(deadline=None)
@given(st.text())
def test_tokens_are_lower_case_without_digits_or_white_space(text):
    for token in tokenize(text):
        assert token
        assert token.split() == [token]
        assert token == token.lower()
        assert not any(character.isdecimal() for character in token)


@settings(deadline=None)
@given(st.lists(st.from_regex(r"[a-z]{4,9}", fullmatch=True), max_size=30))
def test_plain_words_are_their_own_tokens(words):
    words = [word for word in words if tokenize(word) == [word]]  # `cannot` and `gonna` are two words to the tokenizer
    assert tokenize(" ".join(words)) == words


def test_contractions_are_taken_apart_as_the_treebank_does():
    assert tokenize("they cannot, we're") == ["they", "can", "not", ",", "we", "'re"]
