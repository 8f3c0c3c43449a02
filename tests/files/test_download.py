"""Files of data sets: found on disk, downloaded from mirrors, verified always, refused with advice."""

from __future__ import annotations

import gzip
import hashlib
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from lthcore import datasets
from lthcore.datasets import DatasetError, Source
from lthcore.files import download

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
        ("file.gz", CONTENT, "is damaged: Not a gzipped file"),
        ("file.gz", gzip.compress(CONTENT)[:10] + b"\xff" * 20, "is damaged: "),
        ("file.gz", gzip.compress(CONTENT)[:-8] + bytes(8), "is damaged: "),
        ("file.gz", b"", "is (damaged|not the file it should be): "),
    ],
    ids=["wrong", "wrong, packed", "cut off", "cut off early", "not packed", "bits flipped", "wrong CRC", "empty"],
)
def test_a_damaged_file_is_refused_and_kept(root, name, data, message):
    path = place(root / "data" / "raw", name, data)
    with pytest.raises(DatasetError, match=rf"{name} {message}.*Delete it and run `python -m lthcore data fetch`"):
        datasets.content(SOURCE)
    assert path.read_bytes() == data, "it is the user's to delete"


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
    ("data", "announced"),
    [
        (gzip.compress(b"another content"), None),
        (PACKED[:-5], None),
        (PACKED[:-5], len(PACKED)),
        (b"<html>log in first</html>", None),
        (b"", None),
    ],
    ids=["another content", "cut off", "connection lost", "a web page", "nothing"],
)
def test_a_download_that_differs_is_removed_and_never_used(root, mirrors, data, announced):
    bad = mirrors.serve(data, announced)
    with pytest.raises(DatasetError, match=rf"could not be downloaded:\n  {bad}: its content has the wrong checksum"):
        datasets.content(replace(SOURCE, mirrors=(bad,)))
    assert files(root) == []
    good = mirrors.serve(PACKED)
    assert datasets.content(replace(SOURCE, mirrors=(bad, good))) == CONTENT, "the next mirror is asked"
    assert files(root) == ["file.gz"]


def test_the_second_mirror_helps_where_the_first_has_nothing_or_says_nothing(root, mirrors, dead, monkeypatch):
    monkeypatch.setattr(download, "ANSWER_SECONDS", 0.2)
    gone, good = f"{mirrors.address}/gone.gz", mirrors.serve(PACKED)
    assert datasets.content(replace(SOURCE, mirrors=(gone, dead, good))) == CONTENT
    assert files(root) == ["file.gz"]


def test_when_no_mirror_delivers_each_is_named_with_its_reason(root, mirrors, dead, monkeypatch):
    monkeypatch.setattr(download, "ANSWER_SECONDS", 0.2)
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
        "from lthcore.files import download, paths\n"
        "socket.getaddrinfo = lambda *_, **__: time.sleep(3)\n"
        "paths.project_root = lambda: pathlib.Path(sys.argv[1])\n"
        "download.ANSWER_SECONDS = 0.1\n"
        "try: download.fetch(download.Source('set', 'file', '0', ('http://a.invalid/', 'http://b.invalid/')))\n"
        "except download.DatasetError: print(time.time())\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert time.time() - float(done.stdout) < 2


def test_a_mirror_that_does_not_speak_http_is_one_that_fails(root, mirrors, babbler):
    good = mirrors.serve(PACKED)
    assert datasets.content(replace(SOURCE, mirrors=(babbler, good))) == CONTENT


def test_an_interrupted_download_leaves_nothing(root, mirrors, monkeypatch):
    def interrupt(response, file):
        file.write(response.read(5))
        file.flush()
        raise KeyboardInterrupt

    monkeypatch.setattr("shutil.copyfileobj", interrupt)
    with pytest.raises(KeyboardInterrupt):
        datasets.content(replace(SOURCE, mirrors=(mirrors.serve(PACKED),)))
    assert files(root) == []


def no_space(*_, **__):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    "where",
    [
        "shutil.copyfileobj",
        "pathlib.Path.replace",
        "pathlib.Path.mkdir",
        "tempfile.mkstemp",
    ],
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
