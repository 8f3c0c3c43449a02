"""Answers over HTTP: what is slow, endless, empty or nonsense ends soon, and says why."""

from __future__ import annotations

import io
import socket
import threading
import time
from contextlib import suppress

import pytest

from lthcore.files import transfer

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def answering():
    """`answering(first, more)` gives an address that answers with `first`, then again and again with `more`."""
    ended = threading.Event()
    threads, sockets = [], []

    def answer(listening: socket.socket, first: bytes, more: bytes, every: float) -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.recv(4_096)
            connection.sendall(first)
            while more and not ended.wait(every):
                connection.sendall(more)

    def start(first: bytes, more: bytes = b"", every: float = 0.0) -> str:
        sockets.append(socket.create_server(("127.0.0.1", 0)))
        threads.append(threading.Thread(target=answer, args=(sockets[-1], first, more, every)))
        threads[-1].start()
        return f"http://127.0.0.1:{sockets[-1].getsockname()[1]}/file"

    yield start
    ended.set()
    for thread in threads:
        thread.join()
    for listening in sockets:
        listening.close()


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Limits of a second or less, and no proxy."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name, seconds in {"ANSWER_SECONDS": 0.5, "PACE_SECONDS": 0.6, "BODY_SECONDS": 1.5}.items():
        monkeypatch.setattr(transfer, name, seconds)


def received(address: str, most: int = 1_000_000) -> bytes:
    file = io.BytesIO()
    assert transfer.receive(address, file, most) == len(file.getvalue())
    return file.getvalue()


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        (OK + b"Content-Length: 4\r\n\r\ncorn", b"corn"),
        (OK + b"\r\ncorn", b"corn"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nco\r\n2\r\nrn\r\n0\r\n\r\n", b"corn"),
        (OK + b"Content-Length: 0\r\n\r\n", b""),
    ],
    ids=["length", "no length", "chunks", "nothing"],
)
def test_an_honest_answer_arrives_whole(answering, answer, content):
    assert received(answering(answer)) == content


@pytest.mark.parametrize(
    ("first", "more", "every", "message"),
    [
        (OK + b"Content-Length: 1000\r\n\r\n", b"x", 0.05, r"it is too slow: \d+ bytes in 1 seconds"),
        (OK + b"\r\n", b"x", 0.05, r"it is too slow: \d+ bytes in 1 seconds"),
        (OK + b"\r\n", b"x" * 100, 0.05, r"it is too slow: [\d,]+ bytes in 2 seconds"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0", 0.05, "it is too slow: 0 bytes in 1 seconds"),
        (OK + b"X-Long: ", b"x", 0.05, "no answer within 0.5 seconds"),
        (OK + b"\r\n", b"x" * 50_000, 0.0, "it sent more than 1,000,000 bytes, and the file has no more"),
        (
            OK + b"Content-Length: 1000001\r\n\r\n",
            b"x",
            0.05,
            "it announces 1,000,001 bytes, .* no more than 1,000,000",
        ),
        (OK + b"Content-Length: 9\r\n\r\ncorn", b"", 0.0, "it ended after 4 of 9 bytes"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\ncorn", b"", 0.0, "IncompleteRead"),
        (b"welcome, please log in\r\n\r\n", b"", 0.0, "welcome, please log in"),
        (b"", b"", 0.0, "closed connection without response"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", b"x" * 50_000, 0.0, "404"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n\r\n", b"x" * 50_000, 0.0, "refused"),
    ],
    ids="trickle trickle-without-length slow-for-too-long trickling-chunk-length trickling-header endless "
    "too-long cut-off chunk-cut-off no-http silence missing-and-endless redirection-and-endless".split(),
)
def test_an_answer_that_is_none_ends_soon_and_says_why(answering, monkeypatch, first, more, every, message):
    if "2 seconds" in message:
        monkeypatch.setattr(transfer, "PACE", 100)
    begin = time.monotonic()
    with pytest.raises(OSError, match=message):
        received(answering(first, more, every))
    assert time.monotonic() - begin < 20


def test_an_address_that_leads_to_itself_ends(answering):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/"

        def answer() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        connection.recv(4_096)
                        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: " + address.encode() + b"\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(OSError, match=r"infinite loop|no answer within"):
            received(address)
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_what_stops_the_copy_stops_the_asking(answering):
    class Full(io.BytesIO):
        def write(self, _) -> int:
            raise OSError(28, "No space left on device")

    before = threading.active_count()
    address = answering(OK + b"\r\n", b"x" * 50_000)
    with pytest.raises(OSError, match="No space left"):
        transfer.receive(address, Full(), 10**9)
    end = time.monotonic() + 4
    while threading.active_count() > before + 1 and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() <= before + 1, "only the mirror is left"
