"""Kernels: networks of survivors alone, compiled by numba for the processor at hand."""
