"""Tokens of a text: NLTK's word tokenizer, lower-cased, digits masked."""

from __future__ import annotations

import re
from functools import cache

# Raise it whenever the same text would give other tokens: caches of tokens are keyed by it.
VERSION = 1

# The tokenizer takes a period off the last word of what it is given and trusts that to be one sentence. NLTK's finder
# of sentences needs a download and one call per sentence doubles the time; a space before the period does the same. A
# sentence ends after a lower-case letter, a digit or a parenthesis if a capital follows: ``U.S. Treasury`` stays whole.
_SENTENCE_END = re.compile(r"""(?<=[a-z\d)])\.(?=["')]*\s+["'(\[]*[A-Z])""")

_DIGIT = re.compile(r"\d")


def tokenize(text: str) -> list[str]:
    """Words and punctuation marks of a text in reading order, lower-cased, every digit written as ``#``.

    Numbers carry no topic but fill a vocabulary; their shape (``#,###``, ``##-###-####``) is what remains of them. A
    ``#`` that stood in the text is a token of its own.

    Args:
        text: any text; line breaks are white space.

    Returns:
        The tokens; none contains white space or is empty.

    Example:
        >>> tokenize("U.S. wheat rose 3.5 pct, it said. Exports didn't.")
        ['u.s.', 'wheat', 'rose', '#.#', 'pct', ',', 'it', 'said', '.', 'exports', 'did', "n't", '.']

    Source: the Penn Treebank's conventions as `nltk.tokenize.NLTKWordTokenizer` has them.
    """
    words = _tokenizer().tokenize(_SENTENCE_END.sub(" .", text))
    # One call for all: masking and lower-casing neither make nor remove white space. Before the tokenizer they would
    # disturb it: it cuts ``#`` off and leaves a comma between digits alone.
    return _DIGIT.sub("#", " ".join(words).lower()).split()


@cache
def _tokenizer():
    from nltk.tokenize import NLTKWordTokenizer  # takes two seconds to import, and cached corpora never need it

    return NLTKWordTokenizer()
