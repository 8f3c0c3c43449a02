"""Masks, weights and tickets; criteria that score weights, and pruning by these scores. NumPy alone computes here."""
