"""Results by identity: one small file per trained network, atomic, checksummed, resumable.

A network counts as trained if and only if its record is there and could be read, every bit of it. Beside the records
lie measurements: what was found out about the weights themselves, which are not kept.
"""

from lthcore.experiments.store.errors import StoreError, UnreadableError
from lthcore.experiments.store.folder import Store

__all__ = ["Store", "StoreError", "UnreadableError"]
