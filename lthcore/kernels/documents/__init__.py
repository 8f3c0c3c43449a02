"""Kim's network as kernels: the products of distinct words with what survives of the filters, and their maxima."""
