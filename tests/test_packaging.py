"""The files around the code agree with each other and with the code."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOMS = ["dashboards", "dse", "evaluators", "hw_cost", "search_space", "studies"]
REQUIREMENT_WITH_PIN = re.compile(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*")


@pytest.fixture(scope="module")
def pyproject(repository: Path) -> dict[str, Any]:
    """The parsed pyproject.toml."""
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def ranges(pyproject: dict[str, Any]) -> dict[str, Requirement]:
    """Requirements of pyproject.toml by name, the extra `dev` included."""
    project = pyproject["project"]
    lines = project["dependencies"] + project["optional-dependencies"]["dev"]
    return {canonicalize_name(r.name): r for r in map(Requirement, lines)}


@pytest.fixture(scope="module")
def requirement_lines(repository: Path) -> list[str]:
    """Lines of requirements.txt that are neither blank nor comments."""
    lines = (repository / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in map(str.strip, lines) if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def pins(requirement_lines: list[str]) -> dict[str, Version]:
    """Pinned versions of requirements.txt by name."""
    pairs = (line.split("==") for line in requirement_lines)
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def test_requirements_are_exact_pins(requirement_lines: list[str]) -> None:
    """Every requirement is one exact pin, and none is listed twice."""
    assert [r for r in requirement_lines if not REQUIREMENT_WITH_PIN.fullmatch(r)] == []
    names = [canonicalize_name(line.split("==")[0]) for line in requirement_lines]
    assert len(names) == len(set(names))


def test_requirements_and_pyproject_name_the_same_packages(
    pins: dict[str, Version], ranges: dict[str, Requirement]
) -> None:
    """requirements.txt pins what pyproject.toml asks for, and nothing else."""
    assert pins.keys() == ranges.keys()


def test_pins_are_in_their_ranges(pins: dict[str, Version], ranges: dict[str, Requirement]) -> None:
    """Every pinned version satisfies the range of pyproject.toml."""
    outside = {n: str(pins[n]) for n, r in ranges.items() if pins[n] not in r.specifier}
    assert outside == {}


def test_zigzag_is_pinned_as_its_extra(repository: Path, pyproject: dict[str, Any]) -> None:
    """requirements-zigzag.txt pins the packages of the extra, each in its range."""
    text = (repository / "requirements-zigzag.txt").read_text(encoding="utf-8")
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    zigzag_pins = dict(line.split("==") for line in lines if line)
    extra = map(Requirement, pyproject["project"]["optional-dependencies"]["zigzag"])
    zigzag_ranges = {requirement.name: requirement for requirement in extra}
    assert zigzag_pins.keys() == zigzag_ranges.keys()
    outside = [n for n, r in zigzag_ranges.items() if zigzag_pins[n] not in r.specifier]
    assert outside == []


@pytest.mark.parametrize("room", ROOMS)
def test_room_is_a_typed_package(repository: Path, pyproject: dict[str, Any], room: str) -> None:
    """Every room is a documented package with type information that is installed."""
    init = (repository / room / "__init__.py").read_text(encoding="utf-8")
    assert init.startswith('"""')
    assert (repository / room / "py.typed").is_file()
    assert f"{room}*" in pyproject["tool"]["setuptools"]["packages"]["find"]["include"]


def test_every_room_is_checked_alike(pyproject: dict[str, Any]) -> None:
    """Coverage, arrows, types and doctests cover the same six rooms."""
    tools = pyproject["tool"]
    assert sorted(tools["coverage"]["run"]["source"]) == ROOMS
    assert sorted(tools["importlinter"]["root_packages"]) == ROOMS
    assert set(tools["mypy"]["files"]) >= set(ROOMS)
    assert set(tools["pytest"]["ini_options"]["testpaths"]) == {*ROOMS, "tests"}


def test_data_files_of_the_rooms_are_installed(repository: Path, pyproject: dict[str, Any]) -> None:
    """Every file in a room is Python or matches a pattern of the package data."""
    patterns = pyproject["tool"]["setuptools"]["package-data"]["*"]
    left_out = [
        path.relative_to(repository)
        for room in ROOMS
        for path in (repository / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".py"
        if not any(path.match(pattern) for pattern in patterns)
    ]
    assert left_out == []


def test_make_help_lists_every_target(repository: Path) -> None:
    """`make help` prints each phony target of the Makefile with a sentence."""
    phony = re.search(r"^\.PHONY: (.*)$", (repository / "Makefile").read_text("utf-8"), re.M)
    assert phony is not None
    help_text = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=repository,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    listed = dict(re.findall(r"^  make (\S+) +(\S.*)$", help_text, re.M))
    assert listed.keys() == set(phony[1].split())


def test_ci_script_is_executable(repository: Path) -> None:
    """.ci/run can be started as it is, and stops at the first error."""
    script = repository / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")


def test_hooks_are_local_and_call_make(repository: Path) -> None:
    """Pre-commit fetches no hook repository, and each hook is a target of the Makefile."""
    text = (repository / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    assert set(re.findall(r"repo: (\S+)", text)) == {"local"}
    entries = re.findall(r"entry: (.*)", text)
    assert entries
    for entry in entries:
        command, target = entry.split()
        assert command == "make"
        assert re.search(rf"^{target}:", makefile, re.M)


def test_version_is_in_the_changelog(repository: Path, pyproject: dict[str, Any]) -> None:
    """The newest entry of the changelog is the version of the project."""
    changelog = (repository / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(.+?)\]", changelog, re.M)
    assert newest is not None
    assert newest[1] == pyproject["project"]["version"]
