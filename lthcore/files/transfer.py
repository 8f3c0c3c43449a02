"""One file from one address: an answer soon, its bytes at a bearable pace, and no more of them than there can be."""

from __future__ import annotations

import time
import urllib.request
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any, BinaryIO
from urllib.error import HTTPError

# Resolving a name, connecting and receiving the first bytes must succeed within this time at each address; two of
# them keep an impossible download under ten seconds.
ANSWER_SECONDS = 4.0

# The whole body. The largest file here has ten million bytes, which is 17 kB a second.
BODY_SECONDS = 600.0

# From then on at least so many bytes must have come per second on the average: a modem of 1995 was faster.
PACE_SECONDS = 15.0
PACE = 1_000

_LATE = object()  # what comes instead of a piece that does not


def receive(address: str, file: BinaryIO, most: int) -> int:
    """Copy what lies at an address into an open file.

    A thread does the asking, because neither looking a name up nor reading an answer piece by piece knows a time limit
    for the whole. It is not waited for: neither by this function, nor when Python exits.

    Args:
        address: of http or https.
        file: where it goes.
        most: bytes it may have.

    Returns:
        How many bytes it has.

    Raises:
        OSError: if there is no answer, too slow a one, one that is too long or ends too early; or if `file` cannot be
            written.
    """
    pieces: Queue = Queue(maxsize=16)
    stopped = Event()
    Thread(target=_ask, args=(address, pieces, stopped), daemon=True).start()
    try:
        expected = _taken(pieces, ANSWER_SECONDS)
        if expected is _LATE:
            raise OSError(f"no answer within {ANSWER_SECONDS:g} seconds")
        if expected is not None and expected > most:
            raise OSError(f"it announces {expected:,} bytes, and the file has no more than {most:,}")
        received = _copied(pieces, file, most)
    finally:
        stopped.set()
    if expected is not None and received < expected:
        raise OSError(f"it ended after {received:,} of {expected:,} bytes")
    return received


def _copied(pieces: Queue, file: BinaryIO, most: int) -> int:
    """Write all pieces and count their bytes, within the limits of size and time."""
    begin, received = time.monotonic(), 0
    while piece := _taken(pieces, min(PACE_SECONDS, begin + BODY_SECONDS - time.monotonic())):
        seconds = time.monotonic() - begin
        if piece is _LATE or (seconds > PACE_SECONDS and received + len(piece) < PACE * seconds):
            raise OSError(f"it is too slow: {received:,} bytes in {seconds:.0f} seconds")
        received += len(piece)
        if received > most:
            raise OSError(f"it sent more than {most:,} bytes, and the file has no more")
        file.write(piece)
    return received


def _taken(pieces: Queue, seconds: float) -> Any:
    """The next thing that the asking thread sends, or `_LATE`; raises what went wrong there."""
    if seconds <= 0:
        return _LATE
    try:
        piece = pieces.get(timeout=seconds)
    except Empty:
        return _LATE
    if isinstance(piece, Exception):
        raise piece
    return piece


def _ask(address: str, pieces: Queue, stopped: Event) -> None:
    """Send the length of an answer, if it announces one, then its pieces, then an empty one; or what goes wrong."""
    try:
        opener = urllib.request.build_opener(_Redirection)
        with opener.open(address, timeout=ANSWER_SECONDS) as response:
            _send(response.length, pieces, stopped)
            while (piece := response.read1(1 << 16)) and not stopped.is_set():
                _send(piece, pieces, stopped)
        _send(b"", pieces, stopped)
    except Exception as error:
        if isinstance(error, HTTPError):
            error.close()
        _send(OSError(str(error) or type(error).__name__), pieces, stopped)  # without the traceback and all it holds


def _send(piece: object, pieces: Queue, stopped: Event) -> None:
    while not stopped.is_set():
        try:
            return pieces.put(piece, timeout=0.1)
        except Full:
            continue
    return None


class _Redirection(urllib.request.HTTPRedirectHandler):
    """Goes where an answer says, without reading the rest of it, which may be endless."""

    def redirect_request(self, req, fp, *about):
        fp.close()
        return super().redirect_request(req, fp, *about)
