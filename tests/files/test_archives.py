"""Archives that were made to hurt: unpacked within bounds, or refused at once."""

from __future__ import annotations

import gzip
import io
import tarfile
import time
import tracemalloc
import zlib

import pytest

from lthcore.files import archives

MB = 1 << 20


@pytest.fixture(autouse=True)
def harmless():
    """Whatever a test unpacks takes few seconds and little memory."""
    tracemalloc.start()
    begin = time.process_time()
    yield
    seconds, (_, peak) = time.process_time() - begin, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 5
    assert peak < 200 * MB


# ---------------------------------------------------------------- gzip


@pytest.mark.parametrize(
    ("data", "content"),
    [
        (gzip.compress(b"corn"), b"corn"),
        (gzip.compress(b""), b""),
        (gzip.compress(b"corn") + gzip.compress(b"") + gzip.compress(b"wheat"), b"cornwheat"),
        (gzip.compress(b"corn") + bytes(70_000), b"corn"),
        (gzip.compress(bytes(5 * MB)), bytes(5 * MB)),
        (gzip.compress(b"corn" * 50_000, 0), b"corn" * 50_000),
    ],
    ids="one-part nothing three-parts padding zeros stored".split(),
)
def test_what_gzip_writes_is_unpacked(data, content):
    assert archives.unpacked(data, len(content)) == content == gzip.decompress(data)
    with archives.unpacking(io.BytesIO(data), len(content)) as file:
        assert file.readlines() == io.BytesIO(content).readlines()


def named(length: int) -> bytes:
    """A gzip file with a name of so many bytes in its header."""
    packed = gzip.compress(b"corn")
    return packed[:3] + b"\x08" + packed[4:10] + b"a" * length + b"\x00" + packed[10:]


def test_a_long_name_in_the_header_is_passed_over():
    assert archives.unpacked(named(MB), 4) == b"corn"


BOMB = gzip.compress(bytes(400 * MB), 1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is empty"),
        (gzip.compress(b"corn")[:-1], "it is cut short: its compressed content goes on after its 23 bytes"),
        (gzip.compress(b"corn")[:5], "it is cut short: .* after its 5 bytes"),
        (gzip.compress(b"corn")[:-8] + bytes(8), r"its compressed content is damaged \(.*incorrect data check"),
        (gzip.compress(b"corn") + b"more", "damaged .*incorrect header check"),
        (b"PK\x03\x04", "damaged .*incorrect header check"),
        (BOMB, "it unpacks to more than 1,048,576 bytes"),
        (gzip.compress(b"") * 200_000, "it is made of more than 10,000 compressed parts"),
        (gzip.compress(b"")[:10] + b"\x00\x00\x00\xff\xff" * 2_000_000, "it is cut short"),
    ],
    ids="empty cut-off cut-off-early wrong-crc more-after-it zip bomb many-parts many-empty-blocks".split(),
)
def test_what_is_no_sound_gzip_file_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        archives.unpacked(data, MB)


# ---------------------------------------------------------------- tar


def header(name: bytes, size: int = 0, kind: bytes = b"0") -> bytes:
    info = tarfile.TarInfo(name.decode())
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def entry(name: bytes, data: bytes, kind: bytes = b"0") -> bytes:
    return header(name, len(data), kind) + data + bytes(-len(data) % 512)


END = bytes(1_024)
CORN = entry(b"corn", b"yellow")


def tar(form: int) -> bytes:
    """An archive as the standard library writes it: with further headers, in one form, for a name and a time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as file:
        for name in ("a" * 300, "corn"):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = 6, 1.5
            file.addfile(info, io.BytesIO(b"yellow"))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "archive",
    [CORN + END, CORN, entry(b"wheat", b"x" * 513) + CORN + END, tar(tarfile.GNU_FORMAT), tar(tarfile.PAX_FORMAT)],
    ids="plain no-end another-before gnu pax".split(),
)
def test_a_wanted_file_is_found_whatever_stands_beside_it(archive):
    assert archives.members(archive, ["corn"]) == {"corn": b"yellow"}


# A header that says how the next one is to be read, and the next one is another: libraries read them recursively.
CHAINS = [entry(b"././@LongLink", b"name\x00", kind) for kind in (b"L", b"K")] + [
    entry(b"./PaxHeaders/x", b"12 path=name\n", kind) for kind in (b"x", b"g", b"X")
]


@pytest.mark.parametrize("link", CHAINS, ids=["long-name", "long-link", "pax", "pax-global", "pax-solaris"])
def test_chains_of_headers_end(link):
    assert archives.members(link * 5_000 + CORN + END, ["corn"]) == {"corn": b"yellow"}
    with pytest.raises(ValueError, match="it has more than 10,000 entries"):
        archives.members(link * 20_000 + CORN + END, ["corn"])


def test_a_header_of_digits_is_not_searched():
    digits = entry(b"./PaxHeaders/x", b"1" * 2 * MB, b"x")
    assert archives.members(digits + CORN + END, ["corn"]) == {"corn": b"yellow"}
    with pytest.raises(ValueError, match="it lacks corn"):
        archives.members(archives.unpacked(zlib_packed(digits), 3 * MB), ["corn"])


def zlib_packed(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (b"", "it is no tar archive, or a damaged one"),
        (b"\xff" * 5_000, r"it is no tar archive, or a damaged one \(.* at byte 0\)"),
        (CORN + b"\xff" * 512, r"damaged one \(.* at byte 1,024\)"),
        (CORN + b"\xff" * 9, r"damaged one \(.* at byte 1,024\)"),
        (END, "it lacks corn"),
        (CORN[:515], "it is cut short: an entry of 6 bytes leads beyond its end"),
        (header(b"corn", 8**11 - 1), "it is cut short: an entry of 8,589,934,591 bytes"),
        (header(b"wheat", 8**20), "it is cut short: an entry of"),
        (header(b"wheat", -(8**13)), "it has an entry of -549755813888 bytes"),
        (entry(b"corn", b"wheat", b"2"), "corn in it is no plain file"),
        (entry(b"corn", b"", b"S"), "corn in it is no plain file"),
    ],
    ids="nothing noise noise-after cut-header empty cut-off announces-too-much announces-more-yet negative link "
    "sparse".split(),
)
def test_what_is_no_sound_archive_is_refused(archive, message):
    with pytest.raises(ValueError, match=message):
        archives.members(archive, ["corn"])
