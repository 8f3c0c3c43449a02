"""What a whole study costs: a chain of rounds, two processes at once, memory, and the clock of a real one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks.harness import Entry, Scale, environment, hand_over, in_new_process, interleaved, ratio, stay_on_core

if TYPE_CHECKING:
    from lthcore.pruning.ticket import Ticket
    from lthcore.training.trainer import Trainer

STUDY = Path(__file__).parent / "study.json"
ROUNDS = 22
# How often the chapters score the test set in a search of the paper's length.
TEST_EVERY = 500

app = typer.Typer(add_completion=False)


def measure(names: tuple[str, ...], scale: Scale) -> list[Entry]:
    """Those of the names that are measured in this process, on one core."""
    return [_chain(scale)] if "chain_fraction" in names else []


def measure_apart(names: tuple[str, ...], scale: Scale) -> list[Entry]:
    """Those of the names that need processes of their own, or none; a core is not waited for."""
    entries = []
    if "two_process_throughput" in names:
        entries += _throughput(scale)
    if "peak_memory_gb" in names:
        entries += in_new_process("benchmarks.study", "memory", *(["--quick"] if scale.quick else []))
    if "study_minutes" in names and STUDY.is_file():
        entries.append(_study(json.loads(STUDY.read_text(encoding="utf-8"))))
    return entries


def _chain(scale: Scale) -> Entry:
    """The rounds of a search of the paper's schedule, each by the engine that is chosen, against the dense engine."""
    from benchmarks import networks

    # A quick run comes to no step at which the test set is scored, so it can use the trainer that is compiled already.
    trainer = networks.trainer() if scale.quick else networks.trainer(TEST_EVERY)
    whole, steps = trainer.by("dense"), 100 if scale.quick else TEST_EVERY
    tickets = _rounds(trainer, range(0, ROUNDS, 7 if scale.quick else 1))

    def auto() -> float:
        return sum(networks.train(trainer, ticket, steps, evaluate=True) for ticket in tickets)

    def dense() -> float:
        return sum(networks.train(whole, ticket, steps, evaluate=True) for ticket in tickets)

    ways = {"engine chosen by round": auto, "dense engine in all rounds": dense}
    times = interleaved(ways, 1 if scale.quick else min(scale.repeats, 5))
    by_sparse = sum(ticket.mask.density <= trainer.break_even for ticket in tickets)
    return ratio(
        "chain_fraction",
        times,
        *ways,
        f"a chain of {len(tickets)} rounds, engine='auto' ÷ the dense engine everywhere; {steps} steps of each round, "
        f"validation scored every 100 and test every {TEST_EVERY}, random masks of the schedule's densities",
        unit="fraction",
        per=steps * len(tickets),
        further={"rounds by the sparse engine": float(by_sparse), "break-even": trainer.break_even},
    )


def _rounds(trainer: Trainer, numbers: range) -> list[Ticket]:
    """A ticket for each of some rounds, its masks random, of the densities that LeNet's schedule gives its layers."""
    from benchmarks import networks
    from lthcore.experiments.presets.mnist import LENET

    rates = LENET.prune.rates(trainer.prunable)
    return [
        networks.random(trainer, {name: (1 - rate) ** number for name, rate in rates.items()}) for number in numbers
    ]


def _throughput(scale: Scale) -> list[Entry]:
    """Steps a second of two processes at once against one; nothing where there is one core."""
    import os

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores < 2:
        return []
    steps = 500 if scale.quick else 10_000
    with ExitStack() as stack:
        first, second = (stack.enter_context(_worker(core, steps)) for core in (-1, -2))

        def one() -> float:
            _go(first)
            return _seconds(first)

        def two() -> float:
            _go(first)
            _go(second)
            return max(_seconds(first), _seconds(second)) / 2

        times = interleaved({"one process": one, "two processes, a share each": two}, scale.repeats)
    what = "steps a second of two single-threaded processes that train 2% tickets at once ÷ of one"
    return [ratio("two_process_throughput", times, *times, what, per=steps)]


@contextmanager
def _worker(core: int, steps: int) -> Iterator[subprocess.Popen]:
    """A process that trains as often as it is told to, and answers with the seconds."""
    command = [sys.executable, "-m", "benchmarks.study", "worker", str(core), str(steps)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment()) as process:
        try:
            _seconds(process)  # it says that it is ready
            yield process
        finally:
            process.stdin.close()


def _go(process: subprocess.Popen) -> None:
    process.stdin.write("go\n")
    process.stdin.flush()


def _seconds(process: subprocess.Popen) -> float:
    if answer := process.stdout.readline():
        return float(answer)
    raise RuntimeError("a process that trains has ended before its time")


@app.command(context_settings={"ignore_unknown_options": True})  # a core may be counted from the end
def worker(core: int, steps: int) -> None:
    """Train a 2 % ticket once for each line of the input, and print the seconds it took."""
    stay_on_core(core)
    from benchmarks import networks

    trainer = networks.trainer().by("sparse")
    ticket = networks.of_density(trainer, 0.02)
    networks.train(trainer, ticket, 100)
    typer.echo("0")
    for _ in sys.stdin:
        typer.echo(networks.train(trainer, ticket, steps))


@app.command()
def memory(into: Annotated[Path, typer.Option()], quick: Annotated[bool, typer.Option()] = False) -> None:
    """Train a chain of rounds by both engines, and write down the memory of this process."""
    stay_on_core()
    from benchmarks import networks
    from lthcore import models
    from lthcore.experiments.presets.mnist import LENET
    from lthcore.lottery import find_tickets
    from lthcore.pruning.config import PruneConfig
    from lthcore.pruning.seeds import Seeds
    from lthcore.training.trainer import Trainer

    examples, rounds = networks.data(), 6 if quick else 21
    model = models.build(LENET.model, examples.input_shape, examples.classes)
    train = replace(LENET.train, steps=100 if quick else 1_000)
    trainer = Trainer(model, examples, train, break_even=0.7)  # both engines have trained by round 2
    config = PruneConfig(rounds=rounds, layer_rates=LENET.prune.layer_rates)
    sizes, engines = [], set()
    for found in find_tickets(trainer, config, Seeds(0)):
        sizes.append(_status("VmRSS"))
        engines.add(found.run.machine["engine"])
    if engines != {"dense", "sparse"}:
        raise RuntimeError(f"both engines were to train, and it was {', '.join(sorted(map(str, engines)))}")
    growth = {"growth from round 3 to the last, GB": sizes[-1] - sizes[3]} if sizes[-1] else {}
    peak = _status("VmHWM") or _most()
    what = f"most memory of a process that trains a chain of {rounds + 1} rounds by both engines"
    hand_over(into, [Entry("peak_memory_gb", peak, "GB", what, (peak, peak), 1, further=growth)])


def _status(key: str) -> float:
    """A line of Linux's description of this process, in GB; 0 elsewhere."""
    file = Path("/proc/self/status")
    lines = dict(line.split(":", 1) for line in file.read_text().splitlines()) if file.is_file() else {}
    return int(lines[key].split()[0]) * 1024 / 1e9 if key in lines else 0.0


def _most() -> float:
    """The largest resident set so far where there is no such description; macOS counts it in bytes."""
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e9 if sys.platform == "darwin" else most * 1024 / 1e9


def _study(found: dict) -> Entry:
    """What somebody wrote down of a real study."""
    minutes = float(found["minutes"])
    what = (
        f"the five searches of 22 rounds at paper scale in two processes, if each takes as long as the fastest of "
        f"{found['trials']}"
    )
    trained = [row for row in found["rounds"] if row["engine"] == "sparse"]
    differences = [100 * row["difference"]["mean"] for row in trained]
    apart = [row for row in trained if row["difference"]["low"] > 0 or row["difference"]["high"] < 0]
    stops = [row["early_stop"] / row["published_early_stop"] for row in trained]
    further = {
        "trials": float(found["trials"]),
        "networks": float(found["networks"]),
        "chain fraction": float(found["chain_fraction"]),
        "rounds by the sparse engine": float(len(trained)),
        "mean difference, pp": sum(differences) / len(differences),
        "largest difference, pp": max(differences, key=abs),
        "rounds apart": float(len(apart)),
        "early stop, ratio": sum(stops) / len(stops),
    }
    return Entry("study_minutes", minutes, "minutes", what, (minutes, minutes), 1, further=further)


if __name__ == "__main__":
    app()
