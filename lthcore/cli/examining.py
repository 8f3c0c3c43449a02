"""What the command `doctor` says of a folder of results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lthcore.experiments.store import Store
    from lthcore.experiments.store.doctor import Examination


def examined(store: Store) -> Examination:
    """Everything in a store, read while a bar tells how far it is."""
    from tqdm import tqdm

    from lthcore.experiments.store import doctor

    with tqdm(desc=str(store.root), unit="file", disable=None, leave=False) as bar:
        return doctor.examine(store, lambda _: bar.update())


def lines(store: Store, report: Examination, *, repair: bool) -> Iterator[str]:
    """What was found, what is done about it, and what to type next."""
    from lthcore.experiments.store import doctor, remedies

    yield f"{store.root}: {report.files} files, {'all sound' if report.sound else 'not all is sound'}"
    for finding in report.findings:
        yield f"  {finding.what}"
    if repair:
        for sentence in doctor.repair(store, report):
            yield f"  {sentence}"
    elif any(finding.aside or finding.orphan for finding in report.findings):
        yield "  `doctor --repair` puts aside what cannot be believed, and removes what was left half-written"
    if commands := remedies.commands(report, store.root):
        yield "  this then computes again what is missing:"
        for command in commands:
            yield f"    {command}"
