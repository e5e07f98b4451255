"""Fixtures and settings that all tests share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parents[1]

# The same examples in every run; no deadline, since the machine may be busy with other work.
settings.register_profile("deterministic", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("deterministic")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files first: of processes side by side, none is left alone with one at the end."""
    ranks: dict[Path, int] = {}
    for item in items:
        rank = 0 if item.get_closest_marker("ray") else 1 if item.get_closest_marker("slow") else 2
        ranks[item.path] = min(rank, ranks.get(item.path, rank))
    items.sort(key=lambda item: ranks[item.path])


def _data_folder(variable: str, default: Path, environment: Mapping[str, str]) -> Path:
    """The folder that a variable names, else the default one; without it the test ends here.

    A missing folder skips the test with the reason, or fails it under ``REQUIRE_DATA=1``.
    """
    folder = Path(environment.get(variable) or default)
    if not folder.is_dir():
        reason = f"{folder} is not a folder: set {variable} to the folder with this data."
        if environment.get("REQUIRE_DATA") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder.resolve()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def glue_dir() -> Path:
    """The folder of the GLUE tasks (``GLUE_DIR``)."""
    return _data_folder("GLUE_DIR", REPOSITORY.parent / "shared" / "glue", os.environ)


@pytest.fixture(scope="session")
def reference_dir() -> Path:
    """The folder of published reference results (``DSE_REFERENCE_DIR``)."""
    return _data_folder("DSE_REFERENCE_DIR", REPOSITORY.parent / "shared" / "reference", os.environ)


@pytest.fixture(scope="session")
def small_traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of recorded traces, made up, for every setting of `tests.small_study`."""
    from tests.small_study import write_small_traces

    folder = tmp_path_factory.mktemp("traces")
    write_small_traces(folder)
    return folder
