"""A record to write, read and damage."""

from __future__ import annotations

import numpy as np

from lthcore.experiments.presets.mnist import LENET
from lthcore.experiments.records import Record
from lthcore.experiments.store import Store
from lthcore.pruning.mask import Mask
from lthcore.training.run import COLUMNS, History

RECORD = Record(
    experiment=LENET,
    trial=2,
    round=5,
    draw=0,
    kept={"hidden/kernel": (3, 12), "output/kernel": (1, 4)},
    history=History(
        {"step": np.array([0, 100], np.int32)}
        | {name: np.array([number, 0.1], np.float32) for number, name in enumerate(COLUMNS[1:])}
    ),
    test={"loss": 0.1, "accuracy": 0.975},
    weights_sha256="ab" * 32,
    seconds=12.5,
    compile_seconds=0.25,
    machine={"compiler": "xla", "threads": "all"},
    environment={"python": "3", "processor": "µ"},
    pruned=Mask({"hidden/kernel": np.arange(12).reshape(3, 4) % 5 == 0, "output/kernel": [[True, False, False, True]]}),
)


def load(store: Store) -> Record:
    return store.load(RECORD.experiment, RECORD.trial, RECORD.round, RECORD.draw)


def files(store: Store) -> list[str]:
    return sorted(path.name for path in store.root.rglob("*") if path.is_file())
