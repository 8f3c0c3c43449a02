"""What disks, people and other programs do to a file of arrays, each as the bytes they leave."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lthcore.files import array_files

SECTOR = 512
# What no field of a description can be.
NONSENSE = (None, True, "x", -1, [], [[1]], {"a": [1]}, 10**400, "\ud800\n")


@dataclass(frozen=True)
class Fault:
    """What became of a file.

    Args:
        name: what happened to it, in words.
        content: its bytes since then.
    """

    name: str
    content: bytes

    def strike(self, path: Path) -> None:
        """Put the bytes where the file was."""
        path.write_bytes(self.content)


def physical(whole: bytes, rng: np.random.Generator, each: int) -> Iterator[Fault]:
    """What a disk, a cable or a crash does, `each` times each: some leave the content as it was, most do not."""
    sectors = max(len(whole) // SECTOR, 1)
    for _ in range(each):
        length = int(rng.integers(len(whole)))
        yield Fault(f"cut off after {length} bytes", whole[:length])
        begin = SECTOR * int(rng.integers(sectors))
        yield Fault(f"sector at {begin} zeroed", _with(whole, begin, bytes(min(SECTOR, len(whole) - begin))))
        noise = rng.bytes(min(SECTOR, len(whole) - begin))
        yield Fault(f"sector at {begin} overwritten", _with(whole, begin, noise))
        yield Fault(f"zeros from {length} on", whole[:length] + bytes(len(whole) - length))
        bit = int(rng.integers(8 * len(whole)))
        yield Fault(f"bit {bit} flipped", _with(whole, bit // 8, bytes([whole[bit // 8] ^ 1 << bit % 8])))
        yield Fault(f"{SECTOR} bytes at {length} lost", whole[:length] + whole[length + SECTOR :])
        yield Fault(f"{SECTOR} bytes at {length} doubled", whole[: length + SECTOR] + whole[length:])
        # The heads and the directory, where a few bytes decide what all others mean.
        place = int(rng.choice(_marks(whole))) + int(rng.integers(46))
        yield Fault(f"byte {place}, of a head, changed", _with(whole, place, rng.bytes(1)))
        yield Fault(f"4 bytes at {place}, of a head, set", _with(whole, place, b"\xff\xff\xff\xff"))


def _with(whole: bytes, begin: int, part: bytes) -> bytes:
    return (whole[:begin] + part + whole[begin + len(part) :])[: len(whole)]


def _marks(whole: bytes) -> list[int]:
    """Where the records of a zip archive, and the heads of the arrays it stores uncompressed, begin."""
    return [at for at in range(len(whole)) if whole[at : at + 4] in (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06")]


def foreign(whole: bytes) -> Iterator[Fault]:
    """Files of other kinds, and archives that only look like what is written here."""
    arrays = dict(np.load(io.BytesIO(whole)))
    yield Fault("emptied", b"")
    yield Fault("zeros", bytes(len(whole)))
    yield Fault("a page", b"<!DOCTYPE html><title>404 Not Found</title>")
    yield Fault("a pickle", pickle.dumps({"record": 1}))
    yield Fault("compressed again", gzip.compress(whole))
    yield Fault("compressed otherwise", bz2.compress(whole))
    yield Fault("archived again", archive({"round.npz": whole}))
    yield Fault("a tar", _tar(whole))
    yield Fault("an array", _npy(np.arange(3)))
    yield Fault("an empty archive", archive({}))
    yield Fault("a document", archive({"[Content_Types].xml": b"<a/>", "word/document.xml": b"<b/>"}))
    yield Fault("a link as a pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 20000\n")
    yield Fault("an object array", _npz(arrays | {"step": np.array([{}], dtype=object)}))
    yield Fault("without a checksum", _npz({name: array for name, array in arrays.items() if name != "sha256"}))
    yield Fault("another checksum", _npz(arrays | {"sha256": np.zeros(32, np.uint8)}))
    yield Fault("a checksum of words", _npz(arrays | {"sha256": np.array(["a"])}))
    yield Fault("arrays as text", archive({f"{name}.npy": str(array).encode() for name, array in arrays.items()}))
    members = {f"{name}.npy": _npy(array) for name, array in arrays.items()}
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        yield Fault(f"packed by method {method}", archive(members, method))
    yield Fault("an entry more", archive(members | {"notes.txt": b"mine"}))
    yield Fault("an entry twice", _twice(members))
    yield Fault("too many entries", archive(members | {f"{number}.npy": b"" for number in range(20_000)}))
    for name, head in HEADS.items():
        length = struct.pack("<H", len(head))
        yield Fault(name, archive(members | {"step.npy": b"\x93NUMPY\x01\x00" + length + head + bytes(8)}))
    for version in (0, 2, 3, 255):
        yield Fault(
            f"version {version}", archive(members | {"step.npy": b"\x93NUMPY" + bytes([version, 0]) + bytes(120)})
        )


# Heads of arrays that NumPy's own reader warns of, dies of, or takes for gigabytes.
HEADS = {
    "a head that goes on and on": b"(" * 5_000,
    "a head of signs": b"-" * 9_000 + b"1",
    "a head that ends early": b"{'descr': '<i4', 'fortran_order': False, 'shape': (2",
    "a head of old": b"{'descr': '<i4', 'fortran_order': False, 'shape': (2L,), }\n",
    "a head of gigabytes": b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }\n",
    "a head below zero": b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -1), }\n",
    "a head of objects": b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n",
    "a head of fields": b"{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (2,), }\n",
    "a head of nothing": b"{'descr': '|S0', 'fortran_order': False, 'shape': (2,), }\n",
    "a head with a null": b"{'descr': '<i4', 'fortran_order': False, 'shape': (\x00,), }\n",
}


def greedy(whole: bytes) -> Iterator[Fault]:
    """Archives that claim, or really hold, far more than a machine should read."""
    zeros = io.BytesIO()
    with zipfile.ZipFile(zeros, "w", zipfile.ZIP_DEFLATED) as file, file.open("step.npy", "w") as member:
        for _ in range(96):
            member.write(bytes(2**20))
    yield Fault("a hundred megabytes of zeros", zeros.getvalue())
    directory = whole.index(b"PK\x01\x02")
    yield Fault("four gigabytes claimed", _with(whole, directory + 24, b"\xfe\xff\xff\xff"))
    smaller = _with(zeros.getvalue(), zeros.getvalue().index(b"PK\x01\x02") + 24, struct.pack("<I", 100))
    yield Fault("a hundred megabytes that claim to be hundred bytes", smaller)


def malformed(arrays: Mapping[str, np.ndarray], text: str) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Arrays that were never written so, to be written with a checksum that agrees: what happened, and the arrays.

    Args:
        arrays: those of a sound file.
        text: the name of the one that holds JSON.
    """
    said = json.loads(arrays[text].tobytes())

    def telling(values: object) -> dict[str, np.ndarray]:
        return {**arrays, text: np.frombuffer(json.dumps(values).encode(), np.uint8)}

    for path in _places(said):
        for wrong in NONSENSE:
            yield f"{'.'.join(path)} is {str(wrong)[:20]!r}", telling(_set(said, path, wrong))
        yield f"{'.'.join(path)} is not there", telling(_set(said, path))
    for wrong in NONSENSE:
        yield f"all is {str(wrong)[:20]!r}", telling(wrong)
    for name, raw in {"no JSON": b"{", "no text": b"\xff\xfe", "deep": b"[" * 100_000, "nothing": b""}.items():
        yield name, {**arrays, text: np.frombuffer(raw, np.uint8)}
    yield "endless", {**arrays, text: np.frombuffer(b'{"a": "' + b"x" * 2**23 + b'"}', np.uint8)}
    for name, array in arrays.items():
        if name != text:
            for what, other in _strange(array).items():
                yield f"{name} {what}", {**arrays, name: other}
            yield f"{name} is not there", {key: value for key, value in arrays.items() if key != name}


def _strange(array: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "is a number": np.float32(0)[()],
        "has a dimension more": array[None],
        "is shorter": array[:-1],
        "is longer": np.concatenate([array, array]),
        "is empty": array[:0],
        "is of words": np.array(["a"] * len(array)),
    }


def _places(values: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where JSON says something, at any depth of its objects."""
    if isinstance(values, dict):
        for name, inner in values.items():
            yield (*path, name)
            yield from _places(inner, (*path, name))


def _set(values: dict, path: tuple[str, ...], *new: object) -> dict:
    """A copy with one value replaced, or left out."""
    name, *rest = path
    if rest:
        return values | {name: _set(values[name], tuple(rest), *new)}
    return values | {name: new[0]} if new else {key: value for key, value in values.items() if key != name}


def archive(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as into:
        for name, content in members.items():
            into.writestr(name, content)
    return file.getvalue()


def _twice(members: Mapping[str, bytes]) -> bytes:
    """An archive with two entries of one name, made by renaming one: zipfile warns when it is asked to."""
    first, second = b"step.npy", b"stop.npy"
    return archive({**members, second.decode(): members[first.decode()]}).replace(second, first)


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _tar(content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as into:
        into.addfile(tarfile.TarInfo("round.npz"), io.BytesIO(content[:0]))
    return file.getvalue()


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays with a checksum that agrees."""
    array_files.write(path, {name: np.asarray(array) for name, array in arrays.items()})
