"""Masks, weights and tickets; criteria that score weights, and pruning by these scores. NumPy alone computes here."""

import lazy_loader

# The front door offers the criteria as `lthcore.criteria`.
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, ["criteria"])
