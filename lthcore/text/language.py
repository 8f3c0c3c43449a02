"""The language model: skip-gram, trained on the documents at hand."""

from __future__ import annotations

from lthcore.text.vectors import Vectors
from lthcore.text.vocabulary import Documents, Vocabulary


def skip_gram(
    documents: Documents,
    *,
    dimension: int,
    window: int = 5,
    negative: int = 5,
    epochs: int = 5,
    min_count: int = 5,
    alpha: float = 0.025,
    seed: int = 0,
) -> Vectors:
    """Train word vectors: each word learns to tell the words around it from words drawn at random.

    gensim does it in one thread, so that equal documents and arguments give the same bits in every process of a
    machine. Words of more than a thousandth of the tokens are thinned out, as gensim does unasked.

    Args:
        documents: sequences of tokens, in the order they are learned from; what is beyond 10,000 tokens of one is not.
        dimension: numbers per word.
        window: the farthest a word looks to either side; each time the reach is drawn from 1 … window.
        negative: random words per true neighbour.
        epochs: passes over the documents.
        min_count: rarer words get no vector and are left out of the documents.
        alpha: learning rate at the start; it falls linearly to 0.0001.
        seed: of the initial vectors and all that is drawn, 0 … 2³² − 1.

    Returns:
        Vectors of the words, by falling count, equally frequent ones alphabetically.

    Raises:
        ValueError: for documents or numbers that do not do, or if the vectors diverge.

    Example:
        >>> skip_gram([["gold", "ounce"], ["wheat", "ton"]] * 9, dimension=3, min_count=1).words
        ('gold', 'ounce', 'ton', 'wheat')

    Book: chapter *Text*.
    """
    for name, value in {"dimension": dimension, "window": window, "negative": negative, "epochs": epochs}.items():
        if value < 1:
            raise ValueError(f"{name} is a whole number >= 1, got {value}")
    if not alpha > 0:
        raise ValueError(f"alpha is a learning rate > 0, got {alpha}; 0.025 is usual")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed is a whole number in 0 … 2³² − 1, got {seed}")
    vocabulary = Vocabulary.of(documents, min_count=min_count)
    from gensim.models import Word2Vec  # here, because it takes a second

    # The words come in the vocabulary's order; gensim's own depends on the order of the documents.
    model = Word2Vec(
        sg=1,
        vector_size=dimension,
        window=window,
        negative=negative,
        alpha=alpha,
        seed=seed,
        min_count=1,
        sorted_vocab=0,
        workers=1,
    )
    counts = dict(zip(vocabulary.words[2:], vocabulary.counts[2:], strict=True))
    model.build_vocab_from_freq(counts, corpus_count=len(documents))
    model.train(documents, total_examples=len(documents), epochs=epochs)
    return Vectors(tuple(model.wv.index_to_key), model.wv.vectors)
