"""Documents as numbers: tokens, vocabulary, word vectors, and the table that a network's embedding starts from."""
