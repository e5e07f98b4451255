"""Run folders: where a study's spec, storage, trials, front and report live."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dse.errors import RunFolderError
from studies.spec import StudySpec, read_spec

RUNS: Final = Path("runs")
"""Where runs are unless told otherwise."""
_SPEC: Final = "spec.json"
_SETTINGS: Final = "run.json"
SETTINGS: Final = ("storage", "study_name", "data", "traces")
"""What `RunFolder.settings` holds."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def journal(self) -> Path:
        """Optuna's journal file (unless the storage is a URL)."""
        return self.path / "journal.log"

    @property
    def trials(self) -> Path:
        """``trials.parquet``."""
        return self.path / "trials.parquet"

    @property
    def front(self) -> Path:
        """``front.json``."""
        return self.path / "front.json"

    @property
    def front_table(self) -> Path:
        """``front.parquet``."""
        return self.path / "front.parquet"

    @property
    def report(self) -> Path:
        """``report.html``."""
        return self.path / "report.html"

    @property
    def picture(self) -> Path:
        """``front.svg``."""
        return self.path / "front.svg"

    @property
    def cache(self) -> Path:
        """Live traces, unless the study names another folder."""
        return self.path / "traces"

    def cache_of(self, spec: StudySpec) -> Path:
        """Where the run's live traces are."""
        return self.cache if spec.evaluator.cache is None else Path(spec.evaluator.cache)

    def spec(self) -> StudySpec:
        """The resolved spec.

        Raises:
            RunFolderError: this is not a run folder.
        """
        path = self.path / _SPEC
        if not path.is_file():
            raise RunFolderError(
                f"{self.path}: not a run folder (no {_SPEC}); 'dse list' shows those there are."
            )
        return read_spec(path)

    def settings(self) -> dict[str, Any]:
        """How the run was started: storage, data folder, seed of the sampler.

        Raises:
            RunFolderError: the file is missing or damaged.
        """
        path = self.path / _SETTINGS
        try:
            settings: Any = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise RunFolderError(f"{path}: cannot be read ({error}).") from error
        if not isinstance(settings, dict) or not set(SETTINGS) <= settings.keys():
            raise RunFolderError(f"{path}: expected a table of {', '.join(SETTINGS)}.")
        return dict(settings)

    @classmethod
    def create(cls, path: Path, spec: StudySpec, settings: dict[str, Any]) -> RunFolder:
        """Make a new run folder.

        Raises:
            RunFolderError: the folder exists and is not empty, or cannot be made.
        """
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise RunFolderError(
                f"{path}: exists already; choose another --out, or go on with 'dse resume {path}'."
            )
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(f"{path}: cannot be made ({error}).") from error
        (path / _SETTINGS).write_text(json.dumps(settings, indent=2) + "\n")
        (path / _SPEC).write_text(json.dumps(spec.document(), indent=2) + "\n")
        return cls(path.absolute())

    def remove_if_unused(self) -> None:
        """Remove the folder of a run that failed before anything was measured or told."""
        if not any(path.exists() for path in (self.trials, self.front, self.cache)):
            shutil.rmtree(self.path, ignore_errors=True)

    @contextmanager
    def driven(self) -> Iterator[None]:
        """Hold the run for one driver; the system frees it when the driver dies.

        Raises:
            RunFolderError: another driver has it.
        """
        with (self.path / "driver.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunFolderError(
                    f"{self.path}: another 'dse' is running this study; wait for it or stop it."
                ) from error
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            yield


def next_run(root: Path, name: str) -> Path:
    """First free one of the folders ``root/name-001``, ``root/name-002`` and so on."""
    number = 1
    while (path := root / f"{name}-{number:03d}").exists():
        number += 1
    return path


def run_folders(root: Path) -> list[RunFolder]:
    """Every run folder directly under ``root``, by name."""
    if not root.is_dir():
        return []
    return [RunFolder(path.parent.absolute()) for path in sorted(root.glob(f"*/{_SPEC}"))]


def open_run(path: Path) -> RunFolder:
    """The run folder at a path.

    Raises:
        RunFolderError: there is none.
    """
    run = RunFolder(path.absolute())
    run.spec()
    return run
