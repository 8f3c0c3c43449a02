"""The sparse engines: kernels that touch survivors alone, and the density below which they are the faster ones."""
