"""What others read before the code: workflows that run what the README says, exact versions, an entry to cite."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from companion import pdf
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lthcore import __version__
from lthcore.files import paths

ROOT = paths.project_root()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Of the Citation File Format 1.2.0: what the file may say of a work, and of a work it refers to, as far as used here.
KEYS = set(
    """abstract authors cff-version commit contact date-released doi identifiers keywords license license-url message
    preferred-citation references repository repository-artifact repository-code title type url version""".split()
)
REFERENCE = set("authors doi identifiers institution notes title type url year".split())
PERSON = {"family-names", "given-names"}


def workflow_file(name: str) -> Path:
    return ROOT / ".github" / "workflows" / f"{name}.yml"


WORKFLOWS = sorted(file.stem for file in workflow_file("*").parent.iterdir())


def workflow(name: str) -> dict:
    # Plain YAML reads the key `on` as a truth value.
    return yaml.load(workflow_file(name).read_text(), Loader=yaml.BaseLoader)


def commands(job: dict) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def pythons() -> list[str]:
    """The minor versions that ``requires-python`` allows."""
    low, high = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"]).groups()
    return [f"3.{minor}" for minor in range(int(low), int(high))]


def test_the_tests_run_on_every_python_that_the_package_supports():
    job = workflow("tests")["jobs"]["test"]
    assert job["strategy"]["matrix"]["python"] == pythons()
    assert any(run.startswith("make test") for run in commands(job))
    readme = (ROOT / "README.md").read_text()
    assert f"Python {pythons()[0]} to {pythons()[-1]}" in readme
    assert re.search(r"^make test ", readme, re.MULTILINE)
    listed = [one for one in PROJECT["classifiers"] if re.search(r":: 3\.\d", one)]
    assert listed == [f"Programming Language :: Python :: {version}" for version in pythons()]


def test_the_pages_are_built_printed_and_published_in_this_order():
    jobs = workflow("pages")["jobs"]
    runs = commands(jobs["build"])
    places = [
        next(place for place, run in enumerate(runs) if wanted in run) for wanted in ("make book", "make pdf", "cp ")
    ]
    assert places == sorted(places)
    uses = [step["uses"].split("@")[0] for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert uses[-2:] == ["actions/upload-pages-artifact", "actions/deploy-pages"]
    assert jobs["deploy"]["needs"] == "build"
    assert jobs["deploy"]["permissions"] == {"pages": "write", "id-token": "write"}


@pytest.mark.parametrize("file", ["README.md", ".github/workflows/pages.yml"])
def test_what_is_told_to_install_for_the_pdf_is_what_its_build_asks_for(file):
    text = " ".join((ROOT / file).read_text().replace("\\\n", " ").split())
    told = re.search(r"latexmk (?:(?:texlive|fonts)-[a-z-]+ ?)+", text).group(0).split()
    needed = {*pdf.PROGRAMS.values(), *pdf.FILES.values()}
    assert set(told) == needed - {"texlive-latex-base"}, "the basics come with the rest"


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_only_read_and_ends_in_time(name):
    found = workflow(name)
    assert found["permissions"] == {"contents": "read"}
    first = next(iter(found["jobs"].values()))
    assert int(first["timeout-minutes"]) <= 90
    targets = {word for run in commands(first) for word in re.findall(r"make (\w+)", run)}
    assert targets <= {"test", "book", "pdf", "audit"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_names_each_action_by_its_commit_and_release(name):
    uses = re.findall(r"\buses: (.+)", workflow_file(name).read_text())
    assert uses
    assert [one for one in uses if not re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)] == []


def test_workflows_agree_on_the_commit_of_an_action():
    uses = {use for name in WORKFLOWS for use in re.findall(r"\buses: (.+)", workflow_file(name).read_text())}
    assert len({use.split("@")[0] for use in uses}) == len(uses)


def pinned() -> list[tuple[Requirement, int]]:
    """What ``requirements.txt`` names, and how many checksums each has."""
    entries = (ROOT / "requirements.txt").read_text().replace("\\\n", " ").splitlines()
    lines = [line.split("--hash=sha256:") for line in entries if not line.startswith("#")]
    return [(Requirement(name.strip()), len(sums)) for name, *sums in lines]


def test_everything_is_installed_in_one_version_and_with_checksums():
    for requirement, sums in pinned():
        assert [part.operator for part in requirement.specifier] == ["=="], requirement
        assert requirement.url is None
        assert sums > 0, requirement


@pytest.mark.parametrize("python", pythons())
def test_pinned_versions_lie_in_the_ranges_of_the_project(python):
    here = {**default_environment(), "python_version": python, "python_full_version": f"{python}.9"}
    holding = [found for found, _ in pinned() if found.marker is None or found.marker.evaluate(here)]
    versions = {found.name: next(iter(found.specifier)).version for found in holding}
    assert len(versions) == len(holding), "one version each"
    extras = PROJECT["optional-dependencies"]
    for text in (*PROJECT["dependencies"], *extras["book"], *extras["test"]):
        wanted = Requirement(text)
        assert versions[canonicalize_name(wanted.name)] in wanted.specifier, text


def test_the_entry_to_cite_keeps_to_its_format_and_to_the_package():
    entry = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"authors", "cff-version", "message", "title"} <= set(entry) <= KEYS
    assert entry["cff-version"] == "1.2.0"
    assert entry["type"] == "software"
    assert entry["version"] == __version__
    assert entry["authors"] == PROJECT["authors"] == [{"name": "The lthcore contributors"}]
    assert PROJECT["license"] in entry["license"]
    assert entry["title"] == yaml.safe_load((ROOT / "_config.yml").read_text())["title"]
    for reference in entry["references"]:
        assert {"authors", "title", "type"} <= set(reference) <= REFERENCE
        assert all(set(author) == PERSON for author in reference["authors"])


def test_the_address_of_the_repository_is_the_same_wherever_it_stands():
    address = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text()).get("repository-code", "") == address
