"""Run folders: where a study's spec, storage, trials, front and report live."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dse.errors import RunFolderError, UnwritableRunError
from dse.folder_locks import held_alone
from dse.manifest import MANIFEST, Manifest, damage, read_manifest, write_manifest
from studies.records import Front, read_front
from studies.spec import StudySpec, read_spec
from studies.whole_files import write_whole

RUNS: Final = Path("runs")
"""Where runs are unless told otherwise."""
_TOLD: Final = b'"op_code":6,'
"""In the journal, of every trial that was told."""
_SPEC: Final = "spec.json"
_SETTINGS: Final = "run.json"
_HALF_MADE: Final = {_SETTINGS, f"{_SETTINGS}.tmp", f"{_SPEC}.tmp"}
"""What a process that was killed while it made a run folder may leave in it."""
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
            RunFolderError: this is not a run folder, or the spec is not what was written.
        """
        path = self.path / _SPEC
        if not path.is_file():
            raise RunFolderError(
                f"{self.path}: not a run folder (no {_SPEC}); 'dse list' shows those there are."
            )
        self._require_whole(path)
        return read_spec(path)

    def settings(self) -> dict[str, Any]:
        """How the run was started: storage, data folder, seed of the sampler.

        Raises:
            RunFolderError: the file is missing or damaged.
        """
        path = self.path / _SETTINGS
        self._require_whole(path)
        try:
            settings: Any = json.loads(path.read_text())
        except (OSError, ValueError, RecursionError) as error:
            raise RunFolderError(f"{path}: cannot be read ({error}).") from error
        if not isinstance(settings, dict) or not set(SETTINGS) <= settings.keys():
            raise RunFolderError(f"{path}: expected a table of {', '.join(SETTINGS)}.")
        for name in SETTINGS:
            if not isinstance(settings[name], str | None):
                raise RunFolderError(
                    f"{path}: {name} has value {settings[name]!r}: expected text or null."
                )
        return dict(settings)

    def front_record(self) -> Front:
        """The front, compared with the manifest.

        Raises:
            RecordError: there is none, or it is not a front.
            RunFolderError: it is not what was written.
        """
        self._require_whole(self.front, "'dse resume' writes it anew.")
        return read_front(self.front)

    def manifest(self) -> Manifest | None:
        """SHA-256 of files and inputs; None in folders of versions that wrote none.

        Raises:
            RunFolderError: it is damaged, or of a later version.
        """
        return read_manifest(self.path)

    def require_journal(self) -> None:
        """Require the journal to begin with what it held when the run last ended.

        Raises:
            RunFolderError: it does not.
        """
        self._require_whole(
            self.journal,
            f"restore it from a backup, or remove {MANIFEST} to go on with what is there.",
        )

    def seal(self, inputs: Mapping[str, str], *, records: bool) -> None:
        """Write the manifest of the files as they are now.

        Args:
            inputs: SHA-256 of what the run measures on.
            records: whether trials, front and report are sealed too; they are not while they are
                about to be written.

        Raises:
            UnwritableError: it cannot be written.
        """
        records_of = (self.trials, self.front, self.front_table, self.report, self.picture)
        written = [path.name for path in records_of] if records else []
        names = [_SPEC, _SETTINGS, self.journal.name, *written]
        write_manifest(self.path, inputs, names)

    def _require_whole(self, path: Path, remedy: str = "restore it from a backup.") -> None:
        found = damage(self.path, self.manifest(), path.name) if path.exists() else None
        if found is not None:
            raise RunFolderError(f"{path}: damaged or changed ({found}); {remedy}")

    @classmethod
    def create(cls, path: Path, spec: StudySpec, settings: dict[str, Any]) -> RunFolder:
        """Make a new run folder.

        Raises:
            RunFolderError: the folder exists and is not empty, or cannot be made.
            UnwritableError: nothing can be written there.
        """
        if path.exists() and not (path.is_dir() and _names(path) <= _HALF_MADE):
            raise RunFolderError(
                f"{path}: exists already; choose another --out, or go on with 'dse resume {path}'."
            )
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnwritableRunError(f"{path}: cannot be made ({error}).") from error
        run = cls(path.absolute())
        try:
            write_whole(run.path / _SETTINGS, (json.dumps(settings, indent=2) + "\n").encode())
            write_whole(run.path / _SPEC, (json.dumps(spec.document(), indent=2) + "\n").encode())
            run.seal({}, records=False)
        except BaseException:  # half a run folder would be in the way of the next attempt
            run.remove_if_unused()
            raise
        return run

    def remove_if_unused(self) -> None:
        """Remove the folder of a run that failed before anything was measured or told."""
        kept = (self.trials, self.front, self.cache)
        if not any(path.exists() for path in kept) and not self._holds_trials():
            shutil.rmtree(self.path, ignore_errors=True)

    def _holds_trials(self) -> bool:
        """Whether a trial was told, be it that its record could not be written.

        Trials in a database are not looked for: a driver that had any has not unsealed its inputs.
        """
        try:
            if self.journal.exists():
                return _TOLD in self.journal.read_bytes()
            manifest = self.manifest()
        except (OSError, RunFolderError):
            return True
        return manifest is not None and bool(manifest.inputs)

    @contextmanager
    def driven(self) -> Iterator[None]:
        """Hold the run for one driver; the system frees it when the driver dies.

        Raises:
            RunFolderError: another driver has it, or nothing can be written there.
        """
        busy = RunFolderError(
            f"{self.path}: another 'dse' is running this study; wait for it or stop it."
        )
        with ExitStack() as held:
            try:
                held.enter_context(held_alone(self.path / "driver.lock", busy))
            except OSError as error:
                raise UnwritableRunError(
                    f"{self.path}: cannot be written ({error.strerror}); make it writable, or "
                    "copy it and 'dse resume' the copy. 'dse show' and 'dse pareto' only read."
                ) from error
            yield


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


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
