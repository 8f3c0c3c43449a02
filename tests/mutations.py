"""Valid files and values, damaged in the ways that break parsers: what a fuzzer feeds them."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

# Numbers at which sizes, signs and types end, in the bytes and digits that files write them with.
EDGES = (0, 1, 2, 63, 64, 65, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63)
NUMBERS = [
    edge.to_bytes(size, order)
    for edge in EDGES
    for size in (1, 2, 4, 8)
    for order in ("big", "little")
    if edge < 256**size
]
DIGITS = [b"0", b"-1", b"1_0", b"1e5", b"nan", b"-inf", b"1e400", b"9" * 30, b"9" * 5_000, b"0x10", "٣".encode()]
TEXTS = [b"", b" ", b"\n", b"\r\n", b"\t", b"\x00", b"\xff", b"\xef\xbb\xbf", b'"', b"'", b"\\", b"<", b">", b"&#0;"]


def damaged(files: Sequence[bytes], tokens: Sequence[bytes] = ()) -> st.SearchStrategy[bytes]:
    """One of some valid files after a few edits: bytes flipped, taken out, put in, repeated, moved, cut off.

    Args:
        files: valid ones.
        tokens: words of the format, which are put in and written over what is there.
    """
    pieces = st.sampled_from([*tokens, *NUMBERS, *DIGITS, *TEXTS]) | st.binary(max_size=8)
    edits = st.tuples(st.sampled_from(EDITS), PLACES, PLACES, LENGTHS, pieces)
    file = st.integers(0, len(files) - 1).map(lambda place: files[place])  # printed in short
    return st.tuples(file, st.lists(edits, max_size=5)).map(lambda drawn: edited(*drawn))


EDITS = ("flip", "delete", "insert", "overwrite", "repeat", "move", "cut")
PLACES = st.integers(0, 2**16)
LENGTHS = st.sampled_from([1, 1, 2, 4, 8, 16, 100, 512])


def edited(data: bytes, edits: Sequence[tuple[str, int, int, int, bytes]]) -> bytes:
    """The same after some edits, each of a kind, at a place or between two, of some length, with a piece put in."""
    for kind, place, other, length, piece in edits:
        start, other = place % (len(data) + 1), other % (len(data) + 1)
        before, part, after = data[:start], data[start : start + length], data[start + length :]
        if kind == "flip":
            data = before + bytes(byte ^ 1 << other % 8 for byte in part[:1]) + data[start + 1 :]
        elif kind == "delete":
            data = before + after
        elif kind == "insert":
            data = before + piece + part + after
        elif kind == "overwrite":
            data = before + piece + data[start + len(piece) :]
        elif kind == "repeat":
            data = before + part * (2, 3, 50)[other % 3] + after
        elif kind == "move":
            data = data[:other] + part + data[other:]
        else:
            data = before
    return data


def packed(contents: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Contents as they are, compressed by gzip, and compressed and then damaged."""
    compressed = contents.map(lambda data: gzip.compress(data, 1, mtime=0))
    return contents | compressed | compressed.flatmap(lambda data: damaged([data]))


# What stands in a file where something else was expected.
HOSTILE: Sequence[object] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, 0.0, -0.5, 1.0, 1e308, float("nan"), float("inf"), "", "a"),
    *("large_final", "rewind", "../..", "\x00", "\ud800", "x" * 1_000, [], [[]], [0], ["a", 1], [["a", 1]], [["a"]]),
    *({}, {"a": 1}, {"": None}, [[[[[]]]]], {"a": {"b": {"c": []}}}),
)


@st.composite
def altered(draw: st.DrawFn, values: Sequence[object]) -> object:
    """One of some values that JSON or TOML can hold, with inner ones replaced, lost or renamed."""
    value = draw(st.sampled_from(values))
    for _ in range(draw(st.integers(0, 4))):
        value = draw(_altered(value))
    return value


@st.composite
def _altered(draw: st.DrawFn, value: object) -> object:
    if isinstance(value, dict) and value and draw(st.integers(0, 9)):
        key = draw(st.sampled_from(sorted(value)))
        edits: list[Callable[[], dict]] = [lambda: {**value, key: draw(_altered(value[key]))}] * 6
        edits.append(lambda: {other: inner for other, inner in value.items() if other != key})
        edits.append(lambda: {**value, draw(st.sampled_from(["", "steps", "of", "x y", "é"])): value[key]})
        return draw(st.sampled_from(edits))()
    if isinstance(value, list) and value and draw(st.integers(0, 4)):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], draw(_altered(value[place])), *value[place + draw(st.integers(0, 1)) :]]
    return draw(st.sampled_from(HOSTILE))
