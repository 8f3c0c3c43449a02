"""Shared fixtures: the embedded digits, an empty checkout, mirrors on the loopback interface, the built site."""

from __future__ import annotations

import http.server
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from lthcore import datasets
from lthcore.experiments.store import Store
from lthcore.files import paths


def pytest_make_parametrize_id(val: object) -> str | None:
    """Bytes are named by their number: packed ones hold the time, and a test has one name in all processes."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def digits() -> datasets.Dataset:
    return datasets.load("digits")


@pytest.fixture
def ax():
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    yield axes
    figure.canvas.draw()  # what cannot be drawn fails here
    plt.close(figure)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty checkout to download into, and no other data anywhere."""
    monkeypatch.setattr(paths, "project_root", lambda: tmp_path / "checkout")
    monkeypatch.delenv("LTH_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "checkout"


class Mirrors:
    """An HTTP server: `serve(data)` gives an address; `asked` counts the requests."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[bytes, int]] = {}
        self.asked: list[str] = []
        mirrors = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                mirrors.asked.append(self.path)
                if self.path not in mirrors.answers:
                    return self.send_error(404)
                data, announced = mirrors.answers[self.path]
                self.send_response(200)
                self.send_header("Content-Length", str(announced))
                self.end_headers()
                return self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def serve(self, data: bytes, announced: int | None = None) -> str:
        path = f"/{len(self.answers)}/file.gz"
        self.answers[path] = (data, len(data) if announced is None else announced)
        return self.address + path


@pytest.fixture
def mirrors():
    found = Mirrors()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join()


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "results")


@pytest.fixture(scope="session")
def common(tmp_path_factory, worker_id) -> Path:
    """A folder that the processes of this run of the tests have in common."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


def once(common: Path, name: str, make: Callable[[], object]) -> None:
    """Call `make` in the first process that comes here; the others wait for it."""
    done = common / f"{name}.done"
    with FileLock(common / f"{name}.lock"):
        if not done.exists():
            make()
            done.touch()


@pytest.fixture(scope="session")
def clone(common) -> Path:
    """What git would hand to a stranger: the tracked and new files of the working tree, nothing ignored."""
    root, target = paths.project_root(), common / "clone"
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git checkout, so there is nothing to clone")

    def copy() -> None:
        for name in listed.stdout.splitlines():
            if (root / name).is_file():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(root / name, target / name)

    once(common, "clone", copy)
    return target


@pytest.fixture(scope="session")
def site(clone, common) -> Path:
    """The site built from the clone, once for all tests that look at it."""
    from companion import notebooks

    once(common, "site", lambda: notebooks.build_site(clone, clone))
    return clone / "_build" / "html"
