"""Files of data sets: found on disk, downloaded from mirrors, verified always, refused with advice."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lthcore import datasets
from lthcore.datasets import DatasetError, Source
from lthcore.files import download, transfer

CONTENT = b"the content of the file"
SOURCE = Source("set", "file", hashlib.sha256(CONTENT).hexdigest(), ())
ADVICE = r"Put file\.gz into .*raw/set, or set LTH_DATA .*, or run `python -m lthcore data fetch`"


def files(root) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


# ---------------------------------------------------------------- on disk


def place(folder, name: str, data: bytes):
    path = folder / "set" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("name", "data"), [("file", CONTENT), ("file.gz", gzip.compress(CONTENT, mtime=99))])
def test_a_file_is_accepted_packed_or_not_however_it_was_packed(root, name, data):
    place(root / "data" / "raw", name, data)
    assert datasets.content(SOURCE, download=False) == CONTENT


def test_the_folder_given_comes_before_the_projects_own(root, tmp_path, monkeypatch):
    own, given = place(root / "data" / "raw", "file", b"own"), place(tmp_path / "given", "file", b"given")
    assert download.locate(SOURCE) == own
    monkeypatch.setenv("LTH_DATA", str(tmp_path / "given"))
    assert download.locate(SOURCE) == given
    given.unlink()
    assert download.locate(SOURCE) == own, "what it lacks is looked for in the next place"


def test_a_relative_folder_means_the_same_from_the_project_and_from_elsewhere(root, tmp_path, monkeypatch):
    path = place(root / "more" / "data", "file", CONTENT)
    monkeypatch.setenv("LTH_DATA", "more/data")
    for folder in (root, tmp_path):
        monkeypatch.chdir(folder)
        assert download.locate(SOURCE).resolve() == path


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("file", b"another content", "is not the file it should be: .* has SHA-256 [0-9a-f]{64}, expected"),
        ("file.gz", gzip.compress(b"another content"), "is not the file it should be: .* has SHA-256"),
        ("file.gz", gzip.compress(CONTENT)[:-9], "is damaged: "),
        ("file.gz", gzip.compress(CONTENT)[:5], "is damaged: "),
        ("file.gz", CONTENT, "is damaged: it is not compressed by gzip: it begins with b'the content of "),
        ("file.gz", b"\n<!DOCTYPE html><p>Log in", "is damaged: it is a web page, not a file compressed by gzip"),
        ("file.gz", gzip.compress(CONTENT)[:10] + b"\xff" * 20, "is damaged: "),
        ("file.gz", gzip.compress(CONTENT)[:-8] + bytes(8), "is damaged: "),
        ("file.gz", b"", "is damaged: it is empty"),
    ],
    ids="wrong wrong-packed cut-off cut-off-early not-packed web-page bits-flipped wrong-crc empty".split(),
)
def test_a_damaged_file_is_refused_and_kept(root, name, data, message):
    path = place(root / "data" / "raw", name, data)
    with pytest.raises(DatasetError, match=rf"{name} {message}.*Delete it and run `python -m lthcore data fetch`"):
        datasets.content(SOURCE)
    assert path.read_bytes() == data, "it is the user's to delete"


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
@pytest.mark.parametrize("closed", ["file", "folder"])
def test_what_may_not_be_read_is_told_so_and_never_to_be_deleted(root, closed):
    path = place(root / "data" / "raw", "file", CONTENT)
    locked = path if closed == "file" else path.parent
    locked.chmod(0)
    try:
        with pytest.raises(DatasetError, match=r"cannot (read|look for) .*set/file: Permission denied") as caught:
            datasets.content(SOURCE)
    finally:
        locked.chmod(0o700)
    assert "elete" not in str(caught.value)
    assert datasets.content(SOURCE) == CONTENT


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that fails when it is read")
def test_a_disk_that_fails_is_told_so_and_the_file_never_to_be_deleted(root):
    path = place(root / "data" / "raw", "file", CONTENT)
    path.unlink()
    path.symlink_to("/proc/self/mem")
    with pytest.raises(DatasetError, match=r"cannot read .*set/file: Input/output error") as caught:
        datasets.content(SOURCE)
    assert "elete" not in str(caught.value)


def test_a_file_that_cannot_be_opened_for_want_of_handles_is_not_called_damaged(root):
    place(root / "data" / "raw", "file", CONTENT)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(DatasetError) as caught:
            datasets.content(SOURCE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "set/file: Too many open files. It may well be sound, so keep it" in str(caught.value)
    assert "elete" not in str(caught.value)


def test_a_missing_file_is_one_clear_error_with_advice(root, tmp_path, monkeypatch):
    with pytest.raises(DatasetError, match=f"file is not on this machine\n{ADVICE}"):
        datasets.content(SOURCE, download=False)
    monkeypatch.setenv("LTH_DATA", str(tmp_path / "given"))
    with pytest.raises(DatasetError, match=r"given/set or .*raw/set, or set LTH_DATA"):
        datasets.content(SOURCE, download=False)


# ---------------------------------------------------------------- downloads, from mirrors on the loopback interface


@pytest.fixture
def dead():
    """An address that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/file.gz"


@pytest.fixture
def babbler():
    """An address that answers, but not in HTTP: a captive portal, a proxy gone wrong."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(5)

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4_096)
                connection.sendall(b"welcome, please log in\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/file.gz"
        thread.join()


PACKED = gzip.compress(CONTENT)


@pytest.fixture
def halting():
    """`halting(data, seconds)` gives an address that announces data, sends all but the last byte, and waits."""
    ended = threading.Event()
    servers = []

    def serve(data: bytes, seconds: float = 60.0, *, trickle: bool = False) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                with suppress(OSError):
                    for place in range(len(data) - 1) if trickle else ():
                        self.wfile.write(data[place : place + 1])
                        ended.wait(0.02)
                    self.wfile.write(data[:-1])
                    ended.wait(seconds)
                    self.wfile.write(data[-1:])

            def log_message(self, *_):
                pass

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, kwargs={"poll_interval": 0.01}).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/file.gz"

    yield serve
    ended.set()
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_download_is_verified_put_in_place_and_not_repeated(root, mirrors):
    source = replace(SOURCE, mirrors=(mirrors.serve(PACKED), mirrors.serve(PACKED)))
    assert datasets.content(source) == CONTENT
    assert files(root) == ["file.gz"]
    assert (root / "data" / "raw" / "set" / "file.gz").read_bytes() == PACKED
    assert datasets.content(source) == CONTENT
    assert mirrors.asked == ["/0/file.gz"], "one request in all: the second mirror was not needed"


def test_downloads_go_into_the_project_and_never_into_the_folder_given(root, tmp_path, mirrors, monkeypatch):
    given = tmp_path / "given"
    given.mkdir()
    monkeypatch.setenv("LTH_DATA", str(given))
    datasets.content(replace(SOURCE, mirrors=(mirrors.serve(PACKED),)))
    assert files(given) == []
    assert files(root) == ["file.gz"]


@pytest.mark.parametrize(
    ("data", "announced", "reason"),
    [
        (gzip.compress(b"another content"), None, "its content has the wrong checksum; the download was removed"),
        (PACKED[:-9], None, f"it is cut short: its compressed content goes on after its {len(PACKED) - 9} bytes"),
        (PACKED[:-5], len(PACKED), f"it ended after {len(PACKED) - 5} of {len(PACKED)} bytes"),
        (b"<html>log in first</html>", None, "it is a web page, not a file compressed by gzip; a network may want"),
        (b"welcome", None, "it is not compressed by gzip: it begins with b'welcome'; the download was removed"),
        (b"", None, "it is empty; the download was removed"),
        (bytes(9_999), None, "it announces 9,999 bytes, and the file has no more than 4,999"),
        (gzip.compress(bytes(100_000)), None, "it unpacks to more than 895 bytes"),
    ],
    ids="another-content cut-off connection-lost web-page text nothing too-long bomb".split(),
)
def test_a_download_that_differs_is_told_as_what_it_is_removed_and_never_used(root, mirrors, data, announced, reason):
    bad, source = mirrors.serve(data, announced), replace(SOURCE, limit=895)
    with pytest.raises(DatasetError) as caught:
        datasets.content(replace(source, mirrors=(bad,)))
    assert f"could not be downloaded:\n  {bad}: {reason}" in str(caught.value)
    assert files(root) == []
    good = mirrors.serve(PACKED)
    assert datasets.content(replace(source, mirrors=(bad, good))) == CONTENT, "the next mirror is asked"
    assert files(root) == ["file.gz"]


def test_the_second_mirror_helps_where_the_first_has_nothing_or_says_nothing(root, mirrors, dead, monkeypatch):
    monkeypatch.setattr(transfer, "ANSWER_SECONDS", 0.2)
    gone, good = f"{mirrors.address}/gone.gz", mirrors.serve(PACKED)
    assert datasets.content(replace(SOURCE, mirrors=(gone, dead, good))) == CONTENT
    assert files(root) == ["file.gz"]


def test_the_second_mirror_helps_where_the_first_trickles(root, mirrors, halting, monkeypatch):
    monkeypatch.setattr(transfer, "PACE_SECONDS", 0.5)
    good = mirrors.serve(PACKED)
    begin = time.monotonic()
    assert datasets.content(replace(SOURCE, mirrors=(halting(bytes(4_000), trickle=True), good))) == CONTENT
    assert time.monotonic() - begin < 20
    assert files(root) == ["file.gz"]


def test_when_no_mirror_delivers_each_is_named_with_its_reason(root, mirrors, dead, monkeypatch):
    monkeypatch.setattr(transfer, "ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        closed = f"http://127.0.0.1:{listening.getsockname()[1]}/file.gz"
    gone = f"{mirrors.address}/gone.gz"
    with pytest.raises(DatasetError, match=f"could not be downloaded:(.|\n)*{ADVICE}") as caught:
        datasets.content(replace(SOURCE, mirrors=(gone, dead, closed)))
    _, first, second, third, _ = str(caught.value).splitlines()
    assert gone in first
    assert "404" in first
    assert dead in second
    assert "no answer within 0.2 seconds" in second or "timed out" in second
    assert closed in third
    assert "refused" in third
    assert files(root) == []


def test_two_mirrors_that_never_answer_cost_less_than_ten_seconds(root, dead):
    begin = time.monotonic()
    with pytest.raises(DatasetError, match=ADVICE):
        datasets.content(replace(SOURCE, mirrors=(dead, dead)))
    assert time.monotonic() - begin < 10
    assert files(root) == []


def test_a_name_look_up_that_hangs_does_not_hold_up_the_exit(tmp_path):
    script = (
        "import pathlib, socket, sys, time\n"
        "from lthcore.files import download, paths, transfer\n"
        "socket.getaddrinfo = lambda *_, **__: time.sleep(3)\n"
        "paths.project_root = lambda: pathlib.Path(sys.argv[1])\n"
        "transfer.ANSWER_SECONDS = 0.1\n"
        "try: download.fetch(download.Source('set', 'file', '0', ('http://a.invalid/', 'http://b.invalid/')))\n"
        "except download.DatasetError: print(time.time())\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert time.time() - float(done.stdout) < 2


def test_a_mirror_that_does_not_speak_http_is_one_that_fails(root, mirrors, babbler):
    good = mirrors.serve(PACKED)
    assert datasets.content(replace(SOURCE, mirrors=(babbler, good))) == CONTENT


FETCH = (
    "import pathlib, signal, sys\n"
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # programs in the background ignore interrupts
    "from lthcore.files import download, paths\n"
    "paths.project_root = lambda: pathlib.Path(sys.argv[1])\n"
    "print(download.fetch(download.Source('set', 'file', sys.argv[2], (sys.argv[3],))))\n"
)


@pytest.fixture
def fetching(root, monkeypatch):
    """`fetching(address)` starts a process that fetches the file into the empty checkout."""
    monkeypatch.delenv("LTH_DATA", raising=False)
    started = []

    def start(address: str) -> subprocess.Popen:
        command = [sys.executable, "-c", FETCH, str(root), SOURCE.sha256, address]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def until(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def begun(root) -> bool:
    return any(path.stat().st_size >= 5 for path in (root / "data" / "raw").rglob(".file-*.gz"))


def test_an_interrupted_download_leaves_nothing(root, halting, fetching):
    process = fetching(halting(PACKED[:5] + bytes(9_000)))
    until(lambda: begun(root))
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate()[1]
    assert files(root) == []


def test_what_a_killed_download_leaves_is_removed_by_a_later_one_once_it_is_old(root, halting, mirrors, fetching):
    process = fetching(halting(PACKED[:5] + bytes(9_000)))
    until(lambda: begun(root))
    process.kill()
    process.communicate()
    (left,) = (root / "data" / "raw" / "set").iterdir()
    source = replace(SOURCE, mirrors=(mirrors.serve(PACKED),))
    download.fetch(source)
    assert left.exists(), "another process may be at work on it"
    os.utime(left, (time.time() - 4_000,) * 2)
    download.fetch(replace(source, name="other"))
    assert left.exists(), "a leftover of another file is none of this one's business"
    download.fetch(source)
    assert files(root) == ["file.gz", "other.gz"]


def test_two_fetches_at_once_both_succeed(root, halting, fetching):
    address = halting(PACKED, seconds=0.3)
    both = [fetching(address) for _ in range(2)]
    path = root / "data" / "raw" / "set" / "file.gz"
    assert [process.communicate(timeout=60)[0].strip() for process in both] == [str(path)] * 2
    assert files(root) == ["file.gz"]
    assert datasets.content(SOURCE) == CONTENT


def no_space(*_, **__):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    "where",
    ["pathlib.Path.replace", "pathlib.Path.mkdir", "tempfile.mkstemp", "os.fdopen"],
)
def test_a_full_disk_is_one_clear_error_and_leaves_nothing(root, mirrors, monkeypatch, where):
    source = replace(SOURCE, mirrors=(mirrors.serve(PACKED),))
    with monkeypatch.context() as broken:
        broken.setattr(where, no_space)
        with pytest.raises(DatasetError, match=r"No space left on device(.|\n)*LTH_DATA"):
            datasets.content(source)
    assert files(root) == []


def test_a_download_can_be_read_by_everyone_as_any_other_file(root, mirrors):
    datasets.content(replace(SOURCE, mirrors=(mirrors.serve(PACKED),)))
    path = root / "data" / "raw" / "set" / "file.gz"
    assert path.stat().st_mode & 0o444 == 0o444
