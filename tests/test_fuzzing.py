"""Whatever a file holds, reading it ends soon, in little memory, with a value or an error that is documented.

Each target is given valid files and values that were damaged: a few hundred of them in every run of the tests, many
thousands by ``pytest -m faults tests/test_fuzzing.py``.
"""

from __future__ import annotations

import hashlib
import io
import json
import resource
import signal
import struct
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mutations import HOSTILE, altered, damaged, packed

from lthcore.datasets import DatasetError, Source, arrays, mnist, targets
from lthcore.datasets.base import Dataset
from lthcore.datasets.corpora import nltk_reuters, reuters, sgml
from lthcore.datasets.corpora.corpus import Corpus, document
from lthcore.experiments import preset_files
from lthcore.experiments.descriptions import from_dict, to_dict
from lthcore.experiments.experiment import Control, Experiment, FilterExperiment
from lthcore.experiments.presets import PRESETS
from lthcore.files import download
from lthcore.text.config import TextConfig
from lthcore.text.vector_files import VectorFileError, read_vectors
from lthcore.text.vectors import Vectors, load_vectors, save_vectors

SHORT, LONG = 30, 6_000
SECONDS, MEMORY = 5, 2 << 30  # of one input; of all of them


@dataclass(frozen=True)
class Target:
    """What is fuzzed.

    Args:
        inputs: what it is given.
        read: (input, an empty folder's path to a file) → anything.
        errors: what it may raise.
        share: of the usual number of inputs, for one that is slow.
    """

    inputs: st.SearchStrategy
    read: Callable[[object, Path], object]
    errors: tuple[type[Exception], ...]
    share: float = 1.0


TARGETS: dict[str, Target] = {}


def target(inputs: st.SearchStrategy, *errors: type[Exception], share: float = 1.0):
    """Registers a function as what is fuzzed, under its own name."""

    def register(read):
        TARGETS[read.__name__] = Target(inputs, read, errors, share)
        return read

    return register


# ---------------------------------------------------------------- data sets

IDX = [
    b"\x00\x00\x08" + bytes([len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + bytes(24)
    for shape in ((24,), (2, 3, 4))
]


@target(damaged(IDX), DatasetError)
def idx(data, path):
    assert mnist.parse_idx(data, "file").dtype == np.uint8


SGML = b"""<!DOCTYPE lewis SYSTEM "lewis.dtd">
<REUTERS TOPICS="YES" LEWISSPLIT="TRAIN" CGISPLIT="TRAINING-SET" OLDID="7" NEWID="1">
<TOPICS><D>cocoa</D><D>tea</D></TOPICS><UNKNOWN>&#5;C T</UNKNOWN>
<TEXT>&#2;<TITLE>COCOA UP</TITLE><DATELINE>PARIS - </DATELINE><BODY>It rose 3.5 pct.
&#3;</BODY></TEXT></REUTERS>
<REUTERS TOPICS="NO" LEWISSPLIT="TEST" NEWID="2"><TOPICS></TOPICS>
<TEXT TYPE="BRIEF"><TITLE>TEA &lt;T></TITLE></TEXT></REUTERS>
"""
TAGS = [b"<REUTERS ", b"</REUTERS>", b"<TOPICS>", b"</TOPICS>", b"<D>", b"<TEXT>", b"</TEXT>", b"<TITLE>", b"</BODY>"]


@target(damaged([SGML], [*TAGS, b'TYPE="UNPROC"', b'NEWID="2"', b"&#55296;", b"&lt;"]), DatasetError)
def articles(data, path):
    for article in sgml.parse(data, "file"):
        document(number=article.number, split="train", topics=article.topics, title=article.title, body=article.body)


SOURCE = Source("set", "file.tar", "", (), dict.fromkeys("ab", hashlib.sha256(b"some text").hexdigest()), limit=200_000)


def tar(form: int, *names: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as file:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = 9, 1.5
            file.addfile(info, io.BytesIO(b"some text"))
    return buffer.getvalue()[:8_192]


def summed(archive: bytes) -> bytes:
    """An archive whose headers have right checksums, so that what else is wrong in them is looked at."""
    blocks = [archive[start : start + 512] for start in range(0, len(archive), 512)]
    for place, block in enumerate(blocks):
        if len(block) == 512 and (block[257:262] == b"ustar" or block[:1] in b"ab./"):
            total = sum(block[:148]) + sum(block[156:]) + 8 * 32
            blocks[place] = block[:148] + b"%06o\x00 " % total + block[156:]
    return b"".join(blocks)


FORMS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
ARCHIVES = damaged(
    [tar(form, "a", "./b", f"{'d' * 90}/{'c' * 60}") for form in FORMS],
    [b"ustar\x00", b"ustar  \x00", b"././@LongLink", b"L", b"K", b"x", b"g", b"S", b"1"],
)


@target(packed(ARCHIVES | ARCHIVES.map(summed)), DatasetError)
def archives(data, path):
    path = path.with_suffix(".gz" if data[:2] == b"\x1f\x8b" else ".tar")
    path.write_bytes(data)
    download.verified(SOURCE, path)


@target(
    st.tuples(damaged([b"training/9 cocoa\ntest/10 wheat tea\n"]), damaged([b"COCOA UP\n  It rose. \n\n"])),
    DatasetError,
    share=0.3,
)
def nltk_folder(data, path):
    categories, text = data
    for name in ("training/9", "test/10"):
        (path.parent / name).parent.mkdir(exist_ok=True)
        (path.parent / name).write_bytes(text)
    (path.parent / "cats.txt").write_bytes(categories)
    nltk_reuters.load_corpus(path.parent)


SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
SCALARS = [value for value in HOSTILE if not isinstance(value, (list, dict))]
TABLES = hnp.arrays(
    st.sampled_from("u1 i8 u8 f2 f4 f8 ? U3 S2 c8 M8[s]".split()), SHAPES, fill=st.nothing()
) | hnp.arrays(object, SHAPES, elements=st.sampled_from(SCALARS), fill=st.nothing())
FOREIGN = (
    TABLES
    | st.sampled_from(HOSTILE)
    | st.lists(st.sampled_from(HOSTILE), max_size=4)
    | TABLES.map(lambda table: table.tolist())
)


@target(st.tuples(FOREIGN, FOREIGN, st.booleans()), DatasetError)
def foreign_arrays(data, path):
    x, y, multilabel = data
    reads = (
        lambda: arrays.examples(x),
        lambda: targets.labels(y),
        lambda: targets.numbered({"train": y, "test": x}, (), multilabel=multilabel),
        lambda: Dataset.from_arrays(x, y, name="mine", multilabel=multilabel),
    )
    for read in reads[:3]:
        with allowed(DatasetError):
            read()
    reads[3]()


# ---------------------------------------------------------------- word vectors

WORDS = ("corn", "wheat", "zürich", ". . .")
MATRIX = np.float32([[0.5, -1], [0.25, 1e-3], [1e5, 1], [-3, 2.5]])
LINES = "".join(f"{word} {row[0]} {row[1]}\n" for word, row in zip(WORDS, MATRIX, strict=True)).encode()
BINARY = b"4 2\n" + b"\n".join(
    word.encode().replace(b" ", b"_") + b" " + row.tobytes() for word, row in zip(WORDS, MATRIX, strict=True)
)
SPREAD = b"big " + b" ".join([b"0.25"] * 9_000) + b"\n"
VECTORS = damaged(
    [LINES, b"4 2\n" + LINES, BINARY, BINARY + b"\n", SPREAD], [b"4 2\n", b"4 99999999\n", b"corn ", b"1 " * 3_000]
)


@target(st.tuples(packed(VECTORS), st.sampled_from([None, ["corn"], ["zürich", "wheat", "\ud800"]])), VectorFileError)
def vector_files(data, path):
    content, words = data
    path.write_bytes(content)
    found = read_vectors(path, words=words)
    assert np.isfinite(found.matrix).all()


# ---------------------------------------------------------------- caches, whose checksums are right


def cached(path: Path) -> bytes:
    save_vectors(path, Vectors(WORDS, MATRIX))
    return path.read_bytes()


DOCUMENTS = tuple(
    document(number=number, split=split, topics=["tea"] * number, title="TEA UP", body="It rose." * number)
    for number, split in enumerate(("train", "test", "test"))
)
CACHED = reuters.encode(Corpus("tiny", DOCUMENTS))
COLUMNS = st.sampled_from(sorted(CACHED)).flatmap(
    lambda name: st.tuples(
        st.just(name), TABLES | damaged([CACHED[name].tobytes()]).map(lambda data: recast(data, CACHED[name].dtype))
    )
)


def recast(data: bytes, dtype: np.dtype) -> np.ndarray:
    return np.frombuffer(data[: len(data) // dtype.itemsize * dtype.itemsize], dtype)


@target(st.lists(COLUMNS, max_size=3).map(dict), Exception)  # a cache that cannot be read is made again
def cached_corpora(data, path):
    reuters.decode(CACHED | data)


with tempfile.TemporaryDirectory() as _folder:
    SAVED = cached(Path(_folder) / "vectors.npz")


@target(damaged([SAVED]), ValueError)
def cached_vectors(data, path):
    path.write_bytes(data)
    load_vectors(path)


# ---------------------------------------------------------------- experiments

DESCRIPTIONS = [
    json.loads(json.dumps(to_dict(experiment)))
    for experiment in (
        Experiment(),
        Experiment(dataset="newswire", model="kim_cnn", model_options=(("widths", (3, 4)),), text=TextConfig()),
        Control(of=Experiment(), kind="shuffle", rungs=(3,), draws=2),
        FilterExperiment(),
        *(preset.experiments[-1] for preset in PRESETS.values()),
    )
]


@target(altered(DESCRIPTIONS), ValueError)
def descriptions(data, path):
    found = from_dict(data)
    assert found.label
    assert found.identity
    assert from_dict(to_dict(found)) == found or "nan" in repr(found)


TOML = [
    preset_files.__doc__.partition("toml\n")[2].partition("\nTables")[0].replace("\n    ", "\n").encode(),
    b"""[news]
about = 'Two.'
shared = {dataset = "newswire", model = "kim_cnn", text = {length = 100}}
[[news.experiments]]
prune = {rounds = 3, prune_step = 10}
[[news.filter_experiments]]
filters = {every = 139, layer_rates = {conv_3 = 0.7}}
""",
]
KEYS = [
    b"[a]\n",
    b"[[",
    b"]]",
    b"{",
    b"}",
    b"[",
    b"]",
    b" = ",
    b"a.a.a",
    b"'''",
    b"1979-05-27",
    b"\\u0000",
    b"inf",
    b"0xffffffffffffffffff",
]


def written(value: object) -> str:
    """A value in TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {written(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, float):
        return {"nan": "nan", "inf": "inf"}.get(repr(value), repr(value))
    return '""' if value is None else json.dumps(value)


FIELDS = ("dataset", "model", "model_options", "text", "train", "prune", "trials", "rungs")
PRESET = [
    {
        "about": "One.",
        "experiments": [{name: values[name] for name in FIELDS if values[name]} | {"controls": [{"kind": "reinit"}]}],
    }
    for values in DESCRIPTIONS
    if not values["filters"]
]
for _preset in PRESET:  # options are tables there
    for _part in (_preset["experiments"][0], *_preset["experiments"][0].values()):
        if isinstance(_part, dict):
            _part |= {key: dict(value) for key, value in _part.items() if key.endswith(("_options", "_rates"))}
            _part.pop("prune_step", None) if _part.get("prune_step") is None else None


@target(
    damaged(TOML, KEYS) | altered(PRESET).map(lambda value: f"a = {written(value)}".encode(errors="replace")),
    preset_files.PresetFileError,
)
def presets(data, path):
    path.write_bytes(data)
    for preset in preset_files.load(path).values():
        assert [experiment.label for experiment in preset]


# ---------------------------------------------------------------- the two forms


@contextmanager
def allowed(*errors: type[Exception]) -> Iterator[None]:
    with suppress(*errors):
        yield


@contextmanager
def timed(seconds: float) -> Iterator[None]:
    def late(*_):
        raise TimeoutError(f"it takes more than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def confined(memory: int) -> Iterator[None]:
    """Lets this process have so many bytes more than it has, before the machine suffers."""
    status = Path("/proc/self/statm")
    if not status.exists():
        pytest.skip("needs a system that tells how much memory a process has")
    used = int(status.read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + memory, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def fuzz(name: str, count: int, path: Path) -> None:
    fuzzed = TARGETS[name]

    @settings(
        max_examples=max(1, int(count * fuzzed.share)),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(fuzzed.inputs)
    def check(value):
        with timed(SECONDS), allowed(*fuzzed.errors):
            fuzzed.read(value, path)

    with confined(MEMORY):
        check()


@pytest.fixture
def path(tmp_path):
    """Where a target may write a file."""
    return tmp_path / "file"


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_input_ends_in_a_value_or_a_documented_error(name, path):
    fuzz(name, SHORT, path)


@pytest.mark.faults
@pytest.mark.parametrize("name", TARGETS)
def test_much_damaged_input_ends_in_a_value_or_a_documented_error(name, path):
    fuzz(name, LONG, path)
