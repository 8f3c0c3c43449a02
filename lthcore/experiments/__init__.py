"""Experiments and presets; their trials, records and store; the check that trains a record again."""

import lazy_loader

# The front door offers the presets as `lthcore.presets`.
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, ["presets"])
