"""How near the steps come to what the machine can do: to its matrix products, its multiply-adds and its memory."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import pairwise
from statistics import median
from time import perf_counter

import numpy as np
import tensorflow as tf

from benchmarks import networks
from benchmarks.harness import Entry, Scale, Way, interleaved, ratio, timed
from lthcore.experiments.presets.mnist import LENET
from lthcore.kernels.compiled import kernel
from lthcore.kernels.examples import room
from lthcore.kernels.lanes import add, load, multiply_add, store
from lthcore.kernels.stacks import stack
from lthcore.kernels.stacks.survivors import Survivors, survivors

BATCH = LENET.train.batch_size
WIDTHS = (784, 300, 100, 10)
# Examples that the kernels take at once; a minibatch of 60 is filled up.
LANES = 64


# Sums of sixteen that a kernel keeps at once: enough to hide that each waits for the one before, few enough for the
# registers.
_CHAINS = 6


@kernel
def chains(numbers, turns):
    """Multiply and add, `_CHAINS` times sixteen numbers a turn, and nothing else."""
    w = load(numbers, 0)
    s0, s1, s2, s3, s4, s5 = w, w, w, w, w, w
    for _ in range(turns):
        s0 = multiply_add(s0, w, w)
        s1 = multiply_add(s1, w, w)
        s2 = multiply_add(s2, w, w)
        s3 = multiply_add(s3, w, w)
        s4 = multiply_add(s4, w, w)
        s5 = multiply_add(s5, w, w)
    store(numbers, 16, add(add(add(s0, s1), add(s2, s3)), add(s4, s5)))


def measure(names: tuple[str, ...], scale: Scale) -> list[Entry]:
    """Those of the names that can be measured here."""
    entries = []
    if "matrix_rate_fraction" in names:
        entries.append(_matrix_rate(scale))
    if "sparse_limit_2" in names:
        entries.append(_limit(scale))
    if "sparse_vs_sparseprop_2" in names and find_spec("torch") and find_spec("sparseprop"):
        entries.append(_sparseprop(scale))
    return entries


def products() -> list[tuple[int, int, int, bool, bool]]:
    """The matrix products of a dense step as (rows, inner, columns, first turned, second turned).

    Forwards, the derivatives by the weights, and those by the inputs of all layers but the first.
    """
    found = []
    for number, (inputs, outputs) in enumerate(pairwise(WIDTHS)):
        found.append((BATCH, inputs, outputs, False, False))
        found.append((inputs, BATCH, outputs, True, False))
        if number:
            found.append((BATCH, outputs, inputs, False, True))
    return found


def operations() -> int:
    """Floating-point operations of all of them, a multiply-add counted as two."""
    return sum(2 * rows * inner * columns for rows, inner, columns, *_ in products())


def _matrix_rate(scale: Scale) -> Entry:
    """The dense step's rate as a fraction of the machine's for the same products, the better of two libraries."""
    trainer = networks.trainer().by("dense")
    whole, rng = networks.dense(trainer), np.random.default_rng(0)
    pairs = []
    for rows, inner, columns, first, second in products():
        a = rng.random((inner, rows) if first else (rows, inner), np.float32)
        b = rng.random((columns, inner) if second else (inner, columns), np.float32)
        pairs.append((a, b, first, second))
    turned = [(a.T if first else a, b.T if second else b) for a, b, first, second in pairs]
    tensors = [(tf.constant(a), tf.constant(b), first, second) for a, b, first, second in pairs]
    out = [np.empty((a.shape[0], b.shape[1]), np.float32) for a, b in turned]

    def numpy() -> None:
        for _ in range(scale.steps):
            for (a, b), c in zip(turned, out, strict=True):
                np.matmul(a, b, out=c)

    def tensorflow() -> None:
        for _ in range(scale.steps):
            for a, b, first, second in tensors:
                tf.linalg.matmul(a, b, transpose_a=first, transpose_b=second)

    ways: dict[str, Way] = {
        "dense step": lambda: networks.train(trainer, whole, scale.steps),
        "products by NumPy": timed(numpy),
        "products by TensorFlow": timed(tensorflow),
    }
    times = interleaved(ways, scale.repeats)
    libraries = list(ways)[1:]
    best = min(min(times[name]) for name in libraries)
    per_second = operations() * scale.steps / 1e9
    return Entry(
        name="matrix_rate_fraction",
        value=best / median(times["dense step"]),
        unit="fraction",
        compared="best time of the dense step's matrix products alone ÷ time of the whole step",
        spread=(best / max(times["dense step"]), best / min(times["dense step"])),
        repeats=scale.repeats,
        medians={name: 1e3 * median(seconds) / scale.steps for name, seconds in times.items()},
        median_unit="ms",
        further={
            "operations of a step, millions": operations() / 1e6,
            "step, GFLOP/s": per_second / median(times["dense step"]),
            "machine, GFLOP/s": per_second / best,
        },
    )


def demands(found: Survivors) -> tuple[int, int]:
    """Multiply-adds, and bytes that a step must read or write at least, given its layout.

    A survivor takes part in one product forwards, in one for its derivative, and in one more for its input's where
    that is a unit. Bytes are those of survivors (values, places, derivatives, two moments), of the minibatch, and of
    the numbers of all units; what is read twice is counted twice.
    """
    layers = [int(found.mask[name].sum()) for name in found.stack.kernels]
    multiply_adds = LANES * (2 * layers[0] + 3 * sum(layers[1:]))
    # Each parameter: its value read forwards, backwards and by the update, and written; its place read twice; its
    # derivative cleared, written and read; each of two moments read and written.
    of_parameters = 4 * found.size * (4 + 2 + 3 + 4)
    inputs, units = len(found.structure.read), sum(layer.outputs for layer in found.stack.layers)
    # Rows of bytes read and laid out, inputs written and read twice; activations and derivatives written and read.
    of_units = LANES * (3 * WIDTHS[0] + 4 * 3 * inputs + 4 * 2 * 2 * units)
    return multiply_adds, of_parameters + of_units


def _limit(scale: Scale) -> Entry:
    """How much of a sparse step its multiply-adds and its bytes account for at the machine's own rates."""
    trainer = networks.trainer().by("sparse")
    ticket = networks.of_density(trainer, 0.02)
    multiply_adds, touched = demands(survivors(stack.read(trainer.model), ticket.mask))
    numbers, turns = room(32, np.float32), 20_000
    copied, to = room(touched // 8, np.float32), room(touched // 8, np.float32)  # half is read and half is written
    copies = 200
    ways: dict[str, Way] = {
        "sparse step at 2%": lambda: networks.train(trainer, ticket, scale.steps),
        "multiply-adds": timed(lambda: chains(numbers, turns)),
        "copies": timed(lambda: [np.copyto(to, copied) for _ in range(copies)]),
    }
    times = interleaved(ways, scale.repeats)
    rate = turns * _CHAINS * 16 / min(times["multiply-adds"])
    bandwidth = copies * 2 * copied.nbytes / min(times["copies"])
    least = max(multiply_adds / rate, touched / bandwidth)
    seconds = [spent / scale.steps for spent in times["sparse step at 2%"]]
    return Entry(
        name="sparse_limit_2",
        value=least / median(seconds),
        unit="fraction",
        compared="time that the machine needs at least for the multiply-adds or bytes of a sparse step at 2%, "
        "whichever takes longer, ÷ time of the step",
        spread=(least / max(seconds), least / min(seconds)),
        repeats=scale.repeats,
        medians={
            "sparse step at 2%": 1e3 * median(seconds),
            "multiply-adds": 1e3 * multiply_adds / rate,
            "bytes": 1e3 * touched / bandwidth,
        },
        median_unit="ms",
        further={
            "multiply-adds of a step, millions": multiply_adds / 1e6,
            "bytes of a step, thousands": touched / 1e3,
            "machine, billion multiply-adds a second": rate / 1e9,
            "machine, GB copied a second, read and written": bandwidth / 1e9,
        },
    )


def _sparseprop(scale: Scale) -> Entry:
    """SparseProp's three products of the first layer, forwards and backwards, against a whole step of ours."""
    import torch
    from sparseprop.modules import SparseLinear

    torch.set_num_threads(1)
    trainer = networks.trainer().by("sparse")
    ticket = networks.of_density(trainer, 0.02)
    weights = torch.from_numpy(np.array(ticket.weights[trainer.prunable[0]]).T.copy())  # (outputs, inputs)
    layer = SparseLinear(weights, torch.nn.Parameter(torch.zeros(len(weights))))
    x = torch.rand(BATCH, WIDTHS[0], requires_grad=True)
    derivatives = torch.rand(BATCH, WIDTHS[1])

    def way() -> float:
        spent = 0.0
        for _ in range(scale.steps):
            x.grad = layer.W_val.grad = layer.bias.grad = None
            begin = perf_counter()
            layer(x).backward(derivatives)
            spent += perf_counter() - begin
        return spent

    ours, theirs = "sparse step at 2%", "SparseProp's three products of 784×300"
    ways: dict[str, Way] = {ours: lambda: networks.train(trainer, ticket, scale.steps), theirs: way}
    what = "SparseProp's three products of the first layer alone at 2% ÷ our whole step"
    return ratio("sparse_vs_sparseprop_2", interleaved(ways, scale.repeats), theirs, ours, what, per=scale.steps)
