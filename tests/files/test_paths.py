"""Where things lie: all in the checkout, or, for a plain install, where the user wants them and is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lthcore
from lthcore.files import environment, paths
from lthcore.files.download import DatasetError, published_results

# What the tests ask a package for, in a process of its own.
ASK = """
import json
from lthcore.files import download, environment, paths
try:
    published = str(download.published_results())
except download.DatasetError as error:
    published = f"error: {error}"
print(json.dumps({
    "checkout": paths.is_checkout(),
    "runs": str(paths.runs()),
    "explained": paths.runs_explained(),
    "cache": str(paths.cache()),
    "raw": [str(folder) for folder in paths.raw()],
    "results": str(paths.results()),
    "published": published,
    "commit": environment._commit(),
}))
"""


@pytest.fixture
def installed(tmp_path):
    """`installed(**variables)`: what the package tells when its files lie in a folder of packages, without the rest."""
    site, here = tmp_path / "site", tmp_path / "here"
    here.mkdir()
    for name in ("files", "registry.py", "checks.py", "__init__.py", "__init__.pyi"):
        source, target = Path(lthcore.__file__).parent / name, site / "lthcore" / name
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)

    def ask(**variables: str) -> dict:
        clean = {name: value for name, value in os.environ.items() if name[:3] not in ("LTH", "XDG")}
        done = subprocess.run(
            [sys.executable, "-c", ASK],
            cwd=here,
            env=clean | {"PYTHONPATH": str(site), "HOME": str(tmp_path / "user")} | variables,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


def test_in_a_checkout_everything_lies_below_it_whatever_the_variables_say(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LTH_DATA", raising=False)
    for name in ("LTHCORE_HOME", "LTHCORE_RESULTS", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    data = Path(lthcore.__file__).resolve().parents[1] / "data"
    assert paths.is_checkout()
    assert (paths.runs(), paths.results(), paths.cache()) == (data / "runs", data / "results", data / "cache")
    assert paths.raw() == [data / "raw"]
    assert published_results() == data / "results"
    assert paths.runs_explained() == f"Results of your own are kept in {data / 'runs'}; --out names another folder."


def test_a_plain_install_keeps_runs_where_it_is_used_and_data_in_the_users_cache(installed, tmp_path):
    told, cache = installed(), tmp_path / "user" / ".cache" / "lthcore" / "data"
    assert told["checkout"] is False
    assert told["runs"] == str(tmp_path / "here" / "lthcore-runs")
    assert told["explained"].startswith(f"Results of your own are kept in {told['runs']}; --out or LTHCORE_HOME")
    assert (told["cache"], told["raw"]) == (str(cache / "cache"), [str(cache / "raw")])
    assert not (tmp_path / "here" / "lthcore-runs").exists(), "asking creates nothing"
    assert installed(XDG_CACHE_HOME=str(tmp_path / "x"))["raw"] == [str(tmp_path / "x" / "lthcore" / "data" / "raw")]


def test_a_plain_install_keeps_everything_in_the_folder_it_is_given(installed, tmp_path):
    for given in (str(tmp_path / "lab"), "../lab"):
        told = installed(LTHCORE_HOME=given, LTH_DATA="more")
        assert [Path(told[name]).resolve() for name in ("runs", "cache")] == [
            tmp_path / "lab" / "runs",
            tmp_path / "lab" / "data" / "cache",
        ]
        assert told["raw"][0] == "more"
        assert Path(told["raw"][1]).resolve() == tmp_path / "lab" / "data" / "raw"


def test_a_plain_install_is_told_how_to_get_the_published_records(installed, tmp_path):
    told = installed()["published"]
    for words in ("come with the repository", "data/results", "Clone", "LTHCORE_RESULTS", "--out"):
        assert words in told
    clone = tmp_path / "clone" / "data" / "results"
    told = installed(LTHCORE_RESULTS=str(clone))["published"]
    assert f"LTHCORE_RESULTS names {clone}, which has no records" in told
    (clone / "digits" / "trial-0").mkdir(parents=True)
    (clone / "digits" / "trial-0" / "round-00.npz").touch()
    told = installed(LTHCORE_RESULTS=str(clone))
    assert told["published"] == told["results"] == str(clone)


def test_a_checkout_that_lost_its_records_is_told_how_to_get_them_back(root):
    with pytest.raises(DatasetError, match=r"published records are missing: .*`git checkout -- data/results`"):
        published_results()


def test_a_repository_that_the_package_is_installed_in_is_not_its_source(installed, tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert installed()["commit"] == "unknown"
    assert environment._commit() != "unknown"
