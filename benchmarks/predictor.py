"""What it costs to use a ticket, against what one would use instead: ``python -m benchmarks.predictor``.

The stored ticket of LeNet-300-100 that has 2 % of its weights, 10 000 examples of MNIST's shape, outputs as a NumPy
array. What the survivors weigh makes no difference, so they are those of a new network. The ways take turns, so a
machine that slows down slows all; ratios of medians are what to quote. All give the same outputs, which is checked
first.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Annotated

import keras
import numpy as np
import tensorflow as tf
import typer

import lthcore as lth
from benchmarks.networks import data
from lthcore.experiments.presets.mnist import LENET
from lthcore.files import paths

BATCH = 1_000
SPARSE, PREDICT, COMPILED, SHRUNK = "lth.sparse", "model.predict", "compiled model", "compiled model, shrunk"
Way = Callable[[np.ndarray], np.ndarray]


def compiled(model: keras.Model) -> Way:
    """A model as one compiled function, minibatch after minibatch."""
    forward = tf.function(lambda part: model(part, training=False), autograph=False)
    return lambda x: np.concatenate([forward(part).numpy() for part in np.split(x, range(BATCH, len(x), BATCH))])


def ticket() -> lth.Mask:
    """The stored mask of the paper's search whose density is closest to 2 %: a real one has units that are dead."""
    search = lth.presets.preset("mnist-paper")[0]
    masks = [record.pruned for record in lth.Store(paths.results()).records([search.identity]) if record.trial == 0]
    return min((mask for mask in masks if mask), key=lambda mask: abs(mask.density - 0.02))


def ways(examples: lth.Dataset, mask: lth.Mask) -> dict[str, Way]:
    """Name → function from examples to outputs of a network under a mask."""
    model = lth.models.build(LENET.model, examples.input_shape, examples.classes)
    small = lth.shrink(model, lth.apply(mask, model))
    return {
        SPARSE: lth.sparse(model, mask).predict,
        PREDICT: lambda x: model.predict(x, batch_size=BATCH, verbose=0),
        COMPILED: compiled(model),
        SHRUNK: compiled(small.model),
    }


def measure(repeats: int) -> dict[str, list[float]]:
    """Seconds that each way takes for all test examples, once per repeat."""
    examples = data()
    x = np.ascontiguousarray(examples.test.x)
    found = ways(examples, ticket())
    right = found[COMPILED](x)
    for name, way in found.items():  # this compiles them, too
        np.testing.assert_allclose(way(x), right, rtol=1e-4, atol=1e-5, err_msg=name)
    return _in_turns({name: lambda way=way: way(x) for name, way in found.items()}, repeats)


def measure_few(count: int, repeats: int) -> dict[str, list[float]]:
    """Seconds that each way takes for a few examples; of ten calls each, one after the other."""
    examples = data()
    x = np.ascontiguousarray(examples.test.x[:count])

    def ten(way: Way) -> Callable[[], None]:
        def call() -> None:
            for _ in range(10):
                way(x)

        return call

    times = _in_turns({name: ten(way) for name, way in ways(examples, ticket()).items()}, repeats)
    return {name: [seconds / 10 for seconds in each] for name, each in times.items()}


def _in_turns(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(repeats + 1):
        for name, call in calls.items():
            begin = perf_counter()
            call()
            if repeat:  # the first pass warms up
                times[name].append(perf_counter() - begin)
    return times


def _print(title: str, times: dict[str, list[float]]) -> None:
    typer.echo(title)
    for name, each in times.items():
        spread = f"{1e3 * min(each):.3f} to {1e3 * max(each):.3f}"
        typer.echo(f"  {name:25} {1e3 * median(each):9.3f} ms, median of {len(each)} ({spread})")
    for name in list(times)[1:]:
        typer.echo(f"  {name} / {SPARSE}: {median(times[name]) / median(times[SPARSE]):.1f}×")


def main(repeats: Annotated[int, typer.Option(help="Interleaved repeats of each.")] = 15) -> None:
    """Print milliseconds and their ratios."""
    _print(f"10 000 examples at a density of {ticket().density:.1%}:", measure(repeats))
    for count in (1, 16):
        _print(f"examples at once: {count}", measure_few(count, repeats))


if __name__ == "__main__":
    typer.run(main)
