"""The versions that must be the same wherever a search is computed."""

from __future__ import annotations

from collections.abc import Mapping

from lthcore.experiments.executors.processes import WorkerError
from lthcore.files import environment


def software(described: Mapping[str, str]) -> dict[str, str]:
    """Of a described environment, the versions that must be the same wherever a search is computed.

    Example:
        >>> software({"python": "3.11.7", "lthcore": "0.1.0", "cores": "2"})
        {'python': '3.11', 'lthcore': '0.1.0'}
    """
    minor = ".".join(described["python"].split(".")[:2])
    return {"python": minor} | {
        name: described[name] for name in ("lthcore", *environment.PACKAGES) if name in described
    }


def check_software(worker: str, theirs: Mapping[str, str], ours: Mapping[str, str]) -> None:
    """Refuse a worker whose versions are others than those of the process that asks.

    Raises:
        WorkerError: naming the worker and both versions.
    """
    pairs = [
        f"{name} {theirs.get(name, 'missing')} (here {ours[name]})" for name in ours if theirs.get(name) != ours[name]
    ]
    if pairs:
        raise WorkerError(
            f"the worker on {worker} has {', '.join(pairs)}: results would depend on who computed them. Install the "
            f"same versions there, for instance from the same requirements.txt"
        )
